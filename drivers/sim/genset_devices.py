"""What the controllers of the twin's gensets show and take."""

from drivers.sim.genset import START_ALARM, TwinGenset
from drivers.sim.plant import Plant
from drivers.sim.sensors import Instrument
from ems.model.readings import ControlMode, EngineState, GensetPhase, GensetReading

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
