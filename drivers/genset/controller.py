"""A genset controller: starts and stops the engine by its own sequence and follows a power setpoint.

We ask for running or standing still, nothing in between: cranking, synchronising and cooling down are its own.
"""

from typing import Final

from drivers.modbus.assembly import Family
from drivers.modbus.commanded import CommandedDevice
from drivers.modbus.layout import DeviceClass
from drivers.modbus.narrowing import PowerCommand
from drivers.modbus.plausibility import Band
from ems.model.device import DeviceSpec
from ems.model.readings import GensetReading
from ems.ports import DriverEnvironment

_POWER: Final = "power_kw"
_RUN: Final = "run"
_RUN_VALUES: Final = {True: 1.0, False: 0.0}
_FAMILY: Final = Family(
    device_class=DeviceClass.GENSET,
    reading=GensetReading,
    bands=(Band(field=_POWER), Band(field="setpoint_kw")),
    # after a reconnect in this order: the setpoint must be there when the set comes on load
    commands=(_POWER, _RUN),
    power=PowerCommand(name=_POWER, lowest_frac=0.0, highest_frac=1.0),
)


class GensetController(CommandedDevice[GensetReading]):
    """A genset as the control loop sees it."""

    def __init__(self, spec: DeviceSpec, environment: DriverEnvironment) -> None:
        super().__init__(spec, environment, _FAMILY)

    def set_power(self, power_kw: float, *, valid_until_s: float) -> None:
        """Ask for a power into the site bus; it counts only while the set runs."""
        self._command(_POWER, power_kw, valid_until_s=valid_until_s)

    def set_run(self, *, run: bool, valid_until_s: float) -> None:
        """Ask for running or standing still."""
        self._command(_RUN, _RUN_VALUES[run], valid_until_s=valid_until_s)
