"""The level gauge of the fuel tank."""

from typing import Final

from drivers.device.assembly import Family
from drivers.device.fields import DeviceClass
from drivers.modbus.device import PolledDevice
from ems.model.device import DeviceSpec
from ems.model.readings import TankReading
from ems.ports import DriverEnvironment

_FAMILY: Final = Family(device_class=DeviceClass.TANK, reading=TankReading)


class TankGauge(PolledDevice[TankReading]):
    """The tank gauge as the control loop sees it."""

    def __init__(self, spec: DeviceSpec, environment: DriverEnvironment) -> None:
        super().__init__(spec, environment, _FAMILY)
