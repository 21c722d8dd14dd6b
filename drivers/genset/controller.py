"""A genset controller: starts and stops the engine by its own sequence and, where it can, follows a power setpoint.

We ask for running or standing still, nothing in between: cranking, synchronising and cooling down are its own.
"""

from typing import Final

from drivers.device.assembly import Family
from drivers.device.fields import DeviceClass
from drivers.device.narrowing import PowerCommand
from drivers.device.plausibility import Band
from drivers.genset.state import DERIVED, complete
from drivers.modbus.commanded import CommandedDevice
from ems.model.device import DeviceSpec
from ems.model.readings import GensetReading
from ems.ports import DriverEnvironment

_POWER: Final = "power_kw"
_RUN: Final = "run"
_RESET: Final = "reset_alarms"
_RUN_VALUES: Final = {True: 1.0, False: 0.0}
_BANDS: Final = (Band(field=_POWER), Band(field="setpoint_kw"))
_START_STOP: Final = Family(
    device_class=DeviceClass.GENSET,
    reading=GensetReading,
    bands=_BANDS,
    commands=(_RUN,),
    derive=complete,
    derives=DERIVED,
)
_FOLLOWING: Final = Family(
    device_class=DeviceClass.GENSET,
    reading=GensetReading,
    bands=_BANDS,
    # after a reconnect in this order: the setpoint must be there when the set comes on load
    commands=(_POWER, _RUN),
    power=PowerCommand(name=_POWER, lowest_frac=0.0, highest_frac=1.0),
    derive=complete,
    derives=DERIVED,
)


class StartStopGenset(CommandedDevice[GensetReading]):
    """A genset that is started and stopped; its power is a matter of its governor and load sharing."""

    def __init__(
        self, spec: DeviceSpec, environment: DriverEnvironment, family: Family[GensetReading] = _START_STOP
    ) -> None:
        super().__init__(spec, environment, family)

    def set_run(self, *, run: bool, valid_until_s: float) -> None:
        """Ask for running or standing still."""
        self._command(_RUN, _RUN_VALUES[run], valid_until_s=valid_until_s)

    @property
    def has_reset_key(self) -> bool:
        """Return whether the map knows the reset key."""
        return _RESET in self._map.sequences

    def reset_alarms(self, *, valid_until_s: float) -> None:
        """Press the reset key, for a person who has seen to the cause; without effect where the map has none."""
        if self.has_reset_key:
            self._command(_RESET, 1.0, valid_until_s=valid_until_s)


class GensetController(StartStopGenset):
    """A genset that also follows a power setpoint."""

    def __init__(self, spec: DeviceSpec, environment: DriverEnvironment) -> None:
        super().__init__(spec, environment, _FOLLOWING)

    def set_power(self, power_kw: float, *, valid_until_s: float) -> None:
        """Ask for a power into the site bus; it counts only while the set runs."""
        self._command(_POWER, power_kw, valid_until_s=valid_until_s)
