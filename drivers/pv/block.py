"""The controller of a PV block: measures, says what would be available, and takes a power limit."""

from typing import Final

from drivers.device.assembly import Family
from drivers.device.fields import DeviceClass
from drivers.device.narrowing import PowerCommand
from drivers.device.plausibility import Band
from drivers.modbus.commanded import CommandedDevice
from ems.model.device import DeviceSpec
from ems.model.readings import PvReading
from ems.ports import DriverEnvironment

_LIMIT: Final = "limit_kw"
# inverters draw a little at night; more than that is a meter or a map with the wrong sign
_NIGHT_FRAC: Final = -0.02
_SIGN_HINT: Final = ": PV delivers power, check the sign in the register map and the wiring of the meter"
PV_FAMILY: Final = Family(
    device_class=DeviceClass.PV,
    reading=PvReading,
    bands=(
        Band(field="power_kw", low_frac=_NIGHT_FRAC, low_hint=_SIGN_HINT),
        Band(field="available_kw", low_frac=_NIGHT_FRAC, low_hint=_SIGN_HINT),
    ),
    commands=(_LIMIT,),
    power=PowerCommand(name=_LIMIT, lowest_frac=0.0, highest_frac=1.0, released_frac=1.0),
)


class PvBlock(CommandedDevice[PvReading]):
    """A PV block as the control loop sees it."""

    def __init__(self, spec: DeviceSpec, environment: DriverEnvironment) -> None:
        super().__init__(spec, environment, PV_FAMILY)

    def set_limit(self, limit_kw: float, *, valid_until_s: float) -> None:
        """Ask for a power limit; the block delivers what the sun gives up to it."""
        self._command(_LIMIT, limit_kw, valid_until_s=valid_until_s)
