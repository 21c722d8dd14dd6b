"""The sync-check device at the point of common coupling: meters, closes with our permit, opens when asked.

It alone judges frequency, voltage and angle; it closes nothing without a permit, and forgets permit and request when
its controller falls silent.
"""

from typing import Final

from drivers.device.assembly import Family
from drivers.device.fields import DeviceClass
from drivers.device.plausibility import Band
from drivers.modbus.commanded import CommandedDevice
from ems.model.device import DeviceSpec
from ems.model.readings import PccReading
from ems.ports import DriverEnvironment

_PERMIT: Final = "permit_close"
_OPEN: Final = "request_open"
TIE_FAMILY: Final = Family(
    device_class=DeviceClass.PCC_METER,
    reading=PccReading,
    bands=(Band(field="power_kw"),),
    commands=(_PERMIT, _OPEN),
)


class TieBreaker(CommandedDevice[PccReading]):
    """The PCC as the control loop sees it, with its breaker; power > 0 imports."""

    def __init__(self, spec: DeviceSpec, environment: DriverEnvironment) -> None:
        super().__init__(spec, environment, TIE_FAMILY)

    def set_tie(self, *, permit_close: bool, request_open: bool, valid_until_s: float) -> None:
        """Give or take back the permit to close, and ask for opening or not."""
        self._command(_PERMIT, float(permit_close), valid_until_s=valid_until_s)
        self._command(_OPEN, float(request_open), valid_until_s=valid_until_s)
