"""The meter and breaker at the point of common coupling."""

from typing import Final

from drivers.device.assembly import Family
from drivers.device.fields import DeviceClass
from drivers.device.plausibility import Band
from drivers.modbus.device import PolledDevice
from ems.model.device import DeviceSpec
from ems.model.readings import PccReading
from ems.ports import DriverEnvironment

PCC_FAMILY: Final = Family(device_class=DeviceClass.PCC_METER, reading=PccReading, bands=(Band(field="power_kw"),))


class PccMeter(PolledDevice[PccReading]):
    """The PCC as the control loop sees it; power > 0 imports."""

    def __init__(self, spec: DeviceSpec, environment: DriverEnvironment) -> None:
        super().__init__(spec, environment, PCC_FAMILY)
