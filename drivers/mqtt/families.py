"""The drivers of devices behind a broker: the same families, readings and capabilities as those of register devices."""

from typing import Final

from drivers.battery.bms import BMS_FAMILY
from drivers.battery.pcs import PCS_FAMILY
from drivers.meter.load import LOAD_FAMILY
from drivers.meter.pcc import PCC_FAMILY
from drivers.mqtt.commanded import CommandedMqttDevice
from drivers.mqtt.device import MqttDevice
from drivers.pv.block import PV_FAMILY
from ems.model.device import DeviceSpec
from ems.model.readings import BmsReading, LoadReading, PccReading, PcsReading, PvReading
from ems.ports import DriverEnvironment

_POWER: Final = "power_kw"
_LIMIT: Final = "limit_kw"


class MqttPcs(CommandedMqttDevice[PcsReading]):
    """A power conversion system as the control loop sees it; power > 0 discharges."""

    def __init__(self, spec: DeviceSpec, environment: DriverEnvironment) -> None:
        super().__init__(spec, environment, PCS_FAMILY)

    def set_power(self, power_kw: float, *, valid_until_s: float) -> None:
        """Ask for a power into the site bus; for a grid-forming PCS it is the offset of its droop."""
        self._command(_POWER, power_kw, valid_until_s=valid_until_s)


class MqttPvBlock(CommandedMqttDevice[PvReading]):
    """A PV block as the control loop sees it."""

    def __init__(self, spec: DeviceSpec, environment: DriverEnvironment) -> None:
        super().__init__(spec, environment, PV_FAMILY)

    def set_limit(self, limit_kw: float, *, valid_until_s: float) -> None:
        """Ask for a power limit; the block delivers what the sun gives up to it."""
        self._command(_LIMIT, limit_kw, valid_until_s=valid_until_s)


class MqttBms(MqttDevice[BmsReading]):
    """A container's battery management system as the control loop sees it."""

    def __init__(self, spec: DeviceSpec, environment: DriverEnvironment) -> None:
        super().__init__(spec, environment, BMS_FAMILY)


class MqttLoadMeter(MqttDevice[LoadReading]):
    """A feeder meter as the control loop sees it."""

    def __init__(self, spec: DeviceSpec, environment: DriverEnvironment) -> None:
        super().__init__(spec, environment, LOAD_FAMILY)


class MqttPccMeter(MqttDevice[PccReading]):
    """The point of common coupling as the control loop sees it; power > 0 imports."""

    def __init__(self, spec: DeviceSpec, environment: DriverEnvironment) -> None:
        super().__init__(spec, environment, PCC_FAMILY)
