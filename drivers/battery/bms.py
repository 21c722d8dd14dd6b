"""A battery management system: state and limits of one container. It is read only; the PCS is commanded."""

from typing import Final

from drivers.device.assembly import Family
from drivers.device.fields import DeviceClass
from drivers.modbus.device import PolledDevice
from ems.model.device import DeviceSpec
from ems.model.readings import BmsReading
from ems.ports import DriverEnvironment

BMS_FAMILY: Final = Family(device_class=DeviceClass.BMS, reading=BmsReading)


class BmsDevice(PolledDevice[BmsReading]):
    """A container's BMS as the control loop sees it."""

    def __init__(self, spec: DeviceSpec, environment: DriverEnvironment) -> None:
        super().__init__(spec, environment, BMS_FAMILY)
