"""The meter of a load feeder."""

from typing import Final

from drivers.device.assembly import Family
from drivers.device.fields import DeviceClass
from drivers.device.plausibility import Band
from drivers.modbus.device import PolledDevice
from ems.model.device import DeviceSpec
from ems.model.readings import LoadReading
from ems.ports import DriverEnvironment

_SIGN_HINT: Final = ": a load is never negative, check the sign in the register map and the wiring of the meter"
LOAD_FAMILY: Final = Family(
    device_class=DeviceClass.LOAD_METER,
    reading=LoadReading,
    bands=(
        Band(field="load_kw", low_frac=0.0, low_hint=_SIGN_HINT),
        Band(field="load_max_kw", low_frac=0.0, low_hint=_SIGN_HINT),
    ),
)


class LoadMeter(PolledDevice[LoadReading]):
    """A feeder meter as the control loop sees it."""

    def __init__(self, spec: DeviceSpec, environment: DriverEnvironment) -> None:
        super().__init__(spec, environment, LOAD_FAMILY)
