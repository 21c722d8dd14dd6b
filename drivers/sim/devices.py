"""What the twin's instruments and controllers show: typed readings, register values and commands per device."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Protocol

from drivers.sim.battery import TwinBlock
from drivers.sim.bms import SimulatedBms
from drivers.sim.cooling_devices import cooling_devices
from drivers.sim.genset import START_ALARM, TwinGenset
from drivers.sim.plant import Plant, TwinPvBlock
from drivers.sim.sensors import Instrument
from ems.model.readings import (
    ControlMode,
    CoolingReading,
    EngineState,
    GensetPhase,
    GensetReading,
    LoadReading,
    PccReading,
    PcsReading,
    PvReading,
    Reading,
    TankReading,
)

Shown = float | int | bool | str | tuple[str, ...] | None
# what converters of the plant call their alarms
SILENT_ALARM, EMPTY_ALARM = "EMS communication timeout", "DC voltage low"
_W_PER_KW = 1000.0
# a four-pole set (120 f / p), and what engines of this size show when warm and when kept warm; coarse, for displays
_RPM_PER_HZ = 30.0
_OIL_KPA = 420.0
_WARM_DEGC, _HEATED_DEGC = 84.0, 40.0
_CHARGED_V, _FLOATING_V = 27.6, 26.4
_ENGINE_STATES = {
    GensetPhase.STOPPED: EngineState.STOPPED,
    GensetPhase.STARTING: EngineState.CRANKING,
    GensetPhase.WARMING_UP: EngineState.WARMING_UP,
    GensetPhase.SYNCHRONISING: EngineState.RUNNING,
    GensetPhase.RUNNING: EngineState.ON_LOAD,
    GensetPhase.COOLING_DOWN: EngineState.COOLING_DOWN,
}
_TURNING = frozenset({EngineState.WARMING_UP, EngineState.RUNNING, EngineState.ON_LOAD, EngineState.COOLING_DOWN})
_NOT_SHOWN = frozenset({"device_id", "at_s", "bad"})


class SimulatedDevice(Protocol):
    """A device of the twin, seen through its own instruments."""

    def reading(self, device_id: str) -> Reading:
        """Return what the device shows now."""

    def command(self, name: str, value: float) -> bool:
        """Take a command; False where the device refuses it."""


def shown_values(reading: Reading, *, serial: str) -> Mapping[str, Shown]:
    """Return a reading as the points of a register map, with the identity of the device."""
    values: dict[str, Shown] = {
        field.name: getattr(reading, field.name) for field in fields(reading) if field.name not in _NOT_SHOWN
    }
    model = type(reading).__name__.removesuffix("Reading")
    # a firmware that also fits registers which hold it as one number
    return {**values, "manufacturer": "Twin", "model": model, "serial": serial, "firmware": "100"}


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
        """Take `power_kw`, `heartbeat` and `watchdog_s`."""
        block = self._block
        match name:
            case "power_kw":
                if abs(value) > block.pool.pcs_kw:
                    return False
                block.command(value, self._plant.elapsed_s + self._plant.spec.errors.command_latency_s)
            case "heartbeat":
                pass
            case "watchdog_s":
                block.watchdog_s = value
            case _:
                return False
        block.silent_s = 0.0
        return True


class SimulatedGenset:
    """A genset controller."""

    def __init__(self, plant: Plant, genset: TwinGenset) -> None:
        self._plant = plant
        self._genset = genset
        self._meter = Instrument(plant.spec.errors, rated_kw=genset.kind.rated_kw, seed=plant.seed, name=genset.id)

    def reading(self, device_id: str) -> GensetReading:
        """Return phase, power, counters and what its controller says of the engine."""
        genset = self._genset
        power_kw = max(0.0, self._meter.power_kw(genset.power_kw)) if genset.breaker_closed else 0.0
        state = _engine_state(genset)
        turns = state in _TURNING
        return GensetReading(
            device_id=device_id,
            at_s=self._plant.elapsed_s,
            phase=genset.phase,
            power_kw=power_kw,
            setpoint_kw=genset.setpoint_kw,
            breaker_closed=genset.breaker_closed,
            remote=genset.remote,
            energy_wh=self._meter.counter_wh(genset.energy_kwh),
            fuel_used_l=round(genset.fuel_l, 1),
            run_h=round(genset.run_s / 3600.0, 2),
            n_starts=genset.n_starts,
            engine_state=state,
            mode=genset.mode,
            warnings=(),
            shutdowns=() if genset.alarm is None else (genset.alarm,),
            trips=(),
            load_pct=100.0 * power_kw / genset.kind.rated_kw,
            engine_rpm=_RPM_PER_HZ * self._plant.frequency_hz if turns else 0.0,
            frequency_hz=self._plant.frequency_hz if turns else 0.0,
            oil_kpa=_OIL_KPA if turns else 0.0,
            coolant_degc=_WARM_DEGC if turns else _HEATED_DEGC,
            fuel_pct=self._fuel_pct(),
            battery_v=_CHARGED_V if turns else _FLOATING_V,
        )

    def _fuel_pct(self) -> float | None:
        """Return the level of the site's tank, from which every set draws."""
        tank = self._plant.tank
        return None if tank is None else 100.0 * tank.stored_l / tank.capacity_l

    def command(self, name: str, value: float) -> bool:
        """Take `run`, `power_kw`, `heartbeat` and `watchdog_s`, and what its panel offers: `reset`, `mode_...`.

        A set stays as it is when the controller is silent, and takes no commands from outside in another mode.
        """
        genset = self._genset
        match name:
            case "run" | "power_kw":
                if not genset.remote or not 0.0 <= value <= genset.kind.rated_kw:
                    return False
                genset.command(name, value, self._plant.elapsed_s + self._plant.spec.errors.command_latency_s)
            case "reset":
                genset.reset()
            case "mode_auto" | "mode_manual" | "mode_off":
                genset.select(ControlMode(name.removeprefix("mode_")))
            case "heartbeat" | "watchdog_s":
                pass
            case _:
                return False
        genset.silent_s = 0.0
        return True


def _engine_state(genset: TwinGenset) -> EngineState:
    if genset.phase is GensetPhase.FAULT:
        return EngineState.FAILED_TO_START if genset.alarm == START_ALARM else EngineState.LOCKED_OUT
    if genset.phase is GensetPhase.STOPPED and not genset.remote:
        return EngineState.UNAVAILABLE
    return _ENGINE_STATES[genset.phase]


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


class SimulatedPcc:
    """The meter and breaker at the point of common coupling."""

    def __init__(self, plant: Plant) -> None:
        self._plant = plant
        rated_kw = 0.0 if plant.site.grid is None else plant.site.grid.import_limit_kw
        self._meter = Instrument(plant.spec.errors, rated_kw=rated_kw, seed=plant.seed, name="pcc")

    def reading(self, device_id: str) -> PccReading:
        """Return power, breaker, voltages on both sides and counters."""
        plant, grid = self._plant, self._plant.grid
        closed = grid is not None and grid.breaker_closed
        return PccReading(
            device_id=device_id,
            at_s=plant.elapsed_s,
            power_kw=self._meter.power_kw(grid.power_kw) if grid is not None and closed else 0.0,
            breaker_closed=closed,
            grid_voltage_frac=0.0 if grid is None or grid.lost else 1.0,
            bus_voltage_frac=1.0,
            frequency_hz=plant.frequency_hz,
            import_wh=self._meter.counter_wh(0.0 if grid is None else grid.import_kwh),
            export_wh=self._meter.counter_wh(0.0 if grid is None else grid.export_kwh),
        )

    def command(self, name: str, value: float) -> bool:  # noqa: ARG002 - the protocol's signature
        """Refuse: the breaker belongs to its relays."""
        return False


class SimulatedMeter:
    """A feeder meter of one load: `it`, `cooling` or `aux`."""

    def __init__(self, plant: Plant, name: str) -> None:
        self._plant = plant
        self._name = name
        self._meter = Instrument(plant.spec.errors, rated_kw=plant.site.it.design_kw, seed=plant.seed, name=name)

    def reading(self, device_id: str) -> LoadReading:
        """Return mean and highest power of the last step and the counter."""
        load = self._plant.load
        now, highest = {
            "it": (load.it_kw, load.it_max_kw),
            "cooling": (load.cooling_kw, load.cooling_kw),
            "aux": (load.aux_kw, load.aux_kw),
        }[self._name]
        return LoadReading(
            device_id=device_id,
            at_s=self._plant.elapsed_s,
            load_kw=max(0.0, self._meter.power_kw(now)),
            load_max_kw=max(0.0, self._meter.power_kw(highest)),
            energy_wh=self._meter.counter_wh(self._plant.load_kwh(self._name)),
        )

    def command(self, name: str, value: float) -> bool:  # noqa: ARG002 - the protocol's signature
        """Refuse: a meter is only read."""
        return False


class SimulatedCooling:
    """The cooling plant's controller with the weather sensor."""

    def __init__(self, plant: Plant) -> None:
        self._plant = plant

    def reading(self, device_id: str) -> CoolingReading:
        """Return ambient, supply and return temperature and the capacity at this ambient."""
        cooling = self._plant.cooling
        return CoolingReading(
            device_id=device_id,
            at_s=self._plant.elapsed_s,
            ambient_degc=self._plant.ambient_degc,
            supply_degc=cooling.supply_degc,
            return_degc=cooling.return_degc,
            capacity_kw_th=1.1 * cooling.plant.design_heat_kw_th,
        )

    def command(self, name: str, value: float) -> bool:  # noqa: ARG002 - the protocol's signature
        """Refuse: the plant keeps its own setpoints."""
        return False


class SimulatedTank:
    """The tank's level gauge."""

    def __init__(self, plant: Plant) -> None:
        self._plant = plant

    def reading(self, device_id: str) -> TankReading:
        """Return the level."""
        tank = self._plant.tank
        return TankReading(
            device_id=device_id, at_s=self._plant.elapsed_s, fuel_l=None if tank is None else round(tank.stored_l)
        )

    def command(self, name: str, value: float) -> bool:  # noqa: ARG002 - the protocol's signature
        """Refuse: a gauge is only read."""
        return False


def simulated_devices(plant: Plant) -> dict[str, SimulatedDevice]:
    """Return every device of the twin by the asset that it serves."""
    devices: dict[str, SimulatedDevice] = {
        "it": SimulatedMeter(plant, "it"),
        "cooling": SimulatedMeter(plant, "cooling"),
        "aux": SimulatedMeter(plant, "aux"),
        "cooling_plant": SimulatedCooling(plant),
    }
    devices |= cooling_devices(plant)
    if plant.grid is not None:
        devices["pcc"] = SimulatedPcc(plant)
    if plant.tank is not None:
        devices["tank"] = SimulatedTank(plant)
    for block in plant.blocks.values():
        devices[block.id] = SimulatedPcs(plant, block)
        devices |= {container.id: SimulatedBms(plant, container, block.pool) for container in block.containers}
    devices |= {genset.id: SimulatedGenset(plant, genset) for genset in plant.gensets.values()}
    devices |= {pv.id: SimulatedPvBlock(plant, pv) for pv in plant.pv.values()}
    return devices


def rated_kw(plant: Plant) -> dict[str, float]:
    """Return the nameplates of the assets whose devices tell theirs."""
    ratings = {pv.id: pv.rated_kw for pv in plant.pv.values()}
    for block in plant.blocks.values():
        ratings |= dict.fromkeys((block.id, *(container.id for container in block.containers)), block.pool.pcs_kw)
    return ratings
