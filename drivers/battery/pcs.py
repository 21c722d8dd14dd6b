"""A power conversion system: follows a power setpoint, guarded by its own watchdog; some can be started from here."""

from typing import Final

from drivers.battery.limits import SOURCES, complete
from drivers.device.assembly import Family
from drivers.device.fields import DeviceClass
from drivers.device.narrowing import PowerCommand
from drivers.device.plausibility import Band
from drivers.modbus.commanded import CommandedDevice
from ems.model.device import DeviceSpec
from ems.model.readings import PcsReading
from ems.ports import DriverEnvironment

_POWER: Final = "power_kw"
_START: Final = "energise"
PCS_FAMILY: Final = Family(
    device_class=DeviceClass.PCS,
    reading=PcsReading,
    bands=(Band(field=_POWER), Band(field="setpoint_kw")),
    commands=(_POWER,),
    derive=complete,
    sources=SOURCES,
    power=PowerCommand(
        name=_POWER,
        lowest_frac=-1.0,
        highest_frac=1.0,
        lowest_field="max_charge_kw",
        highest_field="max_discharge_kw",
        released_frac=0.0,
    ),
)


class PcsDevice(CommandedDevice[PcsReading]):
    """A PCS as the control loop sees it; power > 0 discharges."""

    def __init__(self, spec: DeviceSpec, environment: DriverEnvironment) -> None:
        super().__init__(spec, environment, PCS_FAMILY)

    def set_power(self, power_kw: float, *, valid_until_s: float) -> None:
        """Ask for a power into the site bus; for a grid-forming PCS it is the offset of its droop."""
        self._command(_POWER, power_kw, valid_until_s=valid_until_s)

    @property
    def has_start(self) -> bool:
        """Return whether the map knows how the PCS is started after a trip."""
        return _START in self._map.sequences

    def energise(self, *, valid_until_s: float) -> None:
        """Ask for the start, on a bus without voltage or a live one; without effect where the map has none."""
        if self.has_start:
            self._command(_START, 1.0, valid_until_s=valid_until_s)
