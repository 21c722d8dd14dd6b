"""What the controllers of the twin's converters and PV blocks show and take."""

from drivers.sim.battery import TwinBlock
from drivers.sim.plant import Plant, TwinPvBlock
from drivers.sim.sensors import Instrument
from ems.model.readings import PcsReading, PvReading

# what converters of the plant call their alarms
SILENT_ALARM, EMPTY_ALARM = "EMS communication timeout", "DC voltage low"
_W_PER_KW = 1000.0


class SimulatedPcs:
    """A PCS: follows power while in remote mode, keeps its own watchdog."""

    def __init__(self, plant: Plant, block: TwinBlock) -> None:
        self._plant = plant
        self._block = block
        errors = plant.spec.errors
        self._meter = Instrument(errors, rated_kw=block.pool.pcs_kw, seed=plant.seed, name=block.id)

    def reading(self, device_id: str) -> PcsReading:
        """Return power, setpoint, mode and counters."""
        block = self._block
        return PcsReading(
            device_id=device_id,
            at_s=self._plant.elapsed_s,
            power_kw=self._meter.power_kw(block.power_kw),
            setpoint_kw=block.pending[-1][1] if block.pending else block.setpoint_kw,
            forming=block.forming,
            ready=block.in_operation,
            remote=block.remote,
            fallback_armed=block.watchdog_s is not None,
            frequency_hz=self._plant.frequency_hz,
            discharge_wh=self._meter.counter_wh(block.discharge_kwh),
            charge_wh=self._meter.counter_wh(block.charge_kwh),
            dc_voltage_v=block.voltage_v,
            max_charge_a=sum(each.max_charge_kw for each in block.containers) * _W_PER_KW / block.voltage_v,
            max_discharge_a=sum(each.max_discharge_kw for each in block.containers) * _W_PER_KW / block.voltage_v,
            warnings=(SILENT_ALARM,) if block.misses_controller else (),
            faults=() if block.in_operation else (EMPTY_ALARM,),
        )

    def command(self, name: str, value: float) -> bool:
        """Take `power_kw`, `energise`, `heartbeat` and `watchdog_s`."""
        block = self._block
        match name:
            case "power_kw":
                if abs(value) > block.pool.pcs_kw:
                    return False
                block.command(value, self._plant.elapsed_s + self._plant.spec.errors.command_latency_s)
            case "energise":
                block.start()
            case "heartbeat":
                pass
            case "watchdog_s":
                block.watchdog_s = value
            case _:
                return False
        block.silent_s = 0.0
        return True


class SimulatedPvBlock:
    """A PV block's controller."""

    def __init__(self, plant: Plant, block: TwinPvBlock) -> None:
        self._plant = plant
        self._block = block
        self._meter = Instrument(plant.spec.errors, rated_kw=block.rated_kw, seed=plant.seed, name=block.id)

    def reading(self, device_id: str) -> PvReading:
        """Return power, what would be available, the limit and the counter."""
        block = self._block
        return PvReading(
            device_id=device_id,
            at_s=self._plant.elapsed_s,
            power_kw=self._meter.power_kw(block.power_kw) if block.power_kw > 0.0 else 0.0,
            available_kw=self._meter.power_kw(block.available_kw) if block.available_kw > 0.0 else 0.0,
            limit_kw=block.limit_kw,
            energy_wh=self._meter.counter_wh(block.energy_kwh),
            warnings=(),
            faults=(),
        )

    def command(self, name: str, value: float) -> bool:
        """Take `limit_kw`, `heartbeat` and `watchdog_s`."""
        block = self._block
        match name:
            case "limit_kw":
                if not 0.0 <= value <= block.rated_kw:
                    return False
                block.limit_kw = value
            case "heartbeat":
                pass
            case "watchdog_s":
                block.watchdog_s = value
            case _:
                return False
        block.silent_s = 0.0
        return True
