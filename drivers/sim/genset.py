"""A diesel genset: engine controller, ramps, failures to start, and a fuel curve of the twin's own."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.interpolate import PchipInterpolator

from drivers.sim.bus import Following
from ems.model.genset import GensetClass
from ems.model.readings import ControlMode, GensetPhase

Values = npt.NDArray[np.float64]
# a set idles at this share of its full-load fuel rate
_IDLE_FUEL_FRAC = 0.07
_REPAIR_S = 4.0 * 3600.0
_CURVE_POINTS = 41
# names as the GenComm list of named alarms has them
START_ALARM = "fail_to_start"
_TRIP_ALARM = "generator_short_circuit"
# unloading before the breaker opens
_UNLOAD_S = 10.0


@dataclass(slots=True)
class TwinGenset:
    """One set. Call `advance`, then `settle` with the mean power that the bus took of its `range_kw`."""

    id: str
    kind: GensetClass
    unit_factor: float
    rng: np.random.Generator
    start_failure_frac: float
    phase: GensetPhase = GensetPhase.STOPPED
    left_s: float = 0.0
    run_wanted: bool = False
    setpoint_kw: float = 0.0
    power_kw: float = 0.0
    loaded_frac: float = 0.0
    energy_kwh: float = 0.0
    fuel_l: float = 0.0
    run_s: float = 0.0
    n_starts: int = 0
    # when the engine was started, seconds since the start of the run
    started_at_s: list[float] = field(default_factory=list)
    silent_s: float = 0.0
    # what the selector at its panel shows; commands from outside count in automatic only
    mode: ControlMode = ControlMode.AUTO
    # name of the alarm that stands until it is reset
    alarm: str | None = None
    out_of_service: bool = False
    pending: list[tuple[float, str, float]] = field(default_factory=list)
    _curve: tuple[Values, Values] = field(init=False)
    _idle_s: float = 0.0
    # where the setpoint's ramp leads in this step: mean while loaded, and power at the end
    _mean_kw: float = 0.0
    _end_kw: float = 0.0
    _step_at_s: float = 0.0

    def __post_init__(self) -> None:
        self._curve = _smooth_curve(self.kind)

    def command(self, name: str, value: float, effective_at_s: float) -> None:
        """Take `run` (1 or 0) or `power_kw`, which act after the command latency."""
        self.pending.append((effective_at_s, name, value))

    @property
    def remote(self) -> bool:
        """Return whether commands from outside count."""
        return self.mode is ControlMode.AUTO

    def select(self, mode: ControlMode) -> None:
        """Turn the selector; switched off, the set stops."""
        self.mode = mode
        if mode is ControlMode.OFF:
            self.run_wanted = False

    def reset(self) -> None:
        """Take back the alarm that stands; the set rests until it is started anew."""
        if self.phase is GensetPhase.FAULT:
            self.left_s = 0.0
            self._next_phase()

    @property
    def breaker_closed(self) -> bool:
        """Return whether the set feeds the bus."""
        return self.phase is GensetPhase.RUNNING

    def advance(self, at_s: float, dt_s: float) -> None:
        """Move the engine through its phases for one step; sets the share of the step under load."""
        while self.pending and self.pending[0][0] <= at_s:
            _, name, value = self.pending.pop(0)
            if name == "run":
                self.run_wanted = value > 0.0
            else:
                self.setpoint_kw = value
        self._step_at_s = at_s
        left = dt_s
        loaded = 0.0
        self._idle_s = 0.0
        # phases shorter than the step follow one another inside it
        while left > 1e-9:
            # the time belongs to the phase that it was spent in, not to the one that follows
            phase = self.phase
            used = self._stay(left)
            if phase is GensetPhase.RUNNING:
                loaded += used
                self.run_s += used
            elif phase not in (GensetPhase.STOPPED, GensetPhase.FAULT):
                self._idle_s += used
                self.run_s += used if phase is GensetPhase.COOLING_DOWN else 0.0
            left -= used
        self.loaded_frac = loaded / dt_s
        self._mean_kw, self._end_kw = self._ramp(loaded)

    def range_kw(self) -> Following:
        """Return what the set does in this step, as means over the step, and how far its governor can move it."""
        step_kw = self.kind.step_frac * self.kind.rated_kw
        highest = min(self.kind.rated_kw, max(self._mean_kw, self.power_kw + step_kw, self._end_kw))
        return Following(
            lowest_kw=0.0, wanted_kw=self._mean_kw * self.loaded_frac, highest_kw=highest * self.loaded_frac
        )

    def settle(self, mean_kw: float, dt_s: float) -> float:
        """Book a step's energy and fuel for the mean power that the bus took; return the litres."""
        hours = dt_s / 3600.0
        litres = self._idle_s / 3600.0 * self._fuel_l_per_h(0.0)
        level = mean_kw / self.loaded_frac if self.loaded_frac > 0.0 else 0.0
        if self.loaded_frac > 0.0:
            litres += self.loaded_frac * hours * self._fuel_l_per_h(level)
        moved = abs(level - self._mean_kw) > 1e-6
        end_kw = level if moved else self._end_kw
        self.power_kw = end_kw if self.phase is GensetPhase.RUNNING else 0.0
        self.energy_kwh += mean_kw * hours
        self.fuel_l += litres
        return litres

    def trip(self) -> None:
        """Open the breaker and stop at once, for a repair's time."""
        self.alarm = _TRIP_ALARM
        self._enter(GensetPhase.FAULT, _REPAIR_S)

    def _ramp(self, loaded_s: float) -> tuple[float, float]:
        """Return mean and end power of the ramp to the setpoint, or to its own base load if it takes none."""
        if loaded_s <= 0.0:
            return 0.0, 0.0
        wanted_kw = self.setpoint_kw if self.kind.takes_power else self.kind.economic_high_kw
        goal = min(max(wanted_kw, self.kind.min_stable_kw), self.kind.rated_kw)
        gap = goal - self.power_kw
        ramp_s = abs(gap) / (self.kind.ramp_frac_per_s * self.kind.rated_kw)
        if ramp_s >= loaded_s:
            end = self.power_kw + gap * loaded_s / ramp_s
            return (self.power_kw + end) / 2.0, end
        return goal - gap * ramp_s / (2.0 * loaded_s), goal

    def _stay(self, left_s: float) -> float:
        """Return how long the present phase lasts within the time left, and move on at its end."""
        match self.phase:
            case GensetPhase.STOPPED:
                if self.run_wanted and not self.out_of_service:
                    self._begin_start()
                    return 0.0
                return left_s
            case GensetPhase.RUNNING:
                if not self.run_wanted:
                    self._enter(GensetPhase.COOLING_DOWN, self.kind.cooldown_s + _UNLOAD_S)
                    return 0.0
                return left_s
            case GensetPhase.STARTING if not self.run_wanted:
                self._enter(GensetPhase.STOPPED, 0.0)
                return 0.0
            case GensetPhase.COOLING_DOWN if self.run_wanted:
                # a warm engine that still turns only has to synchronise
                self._enter(GensetPhase.SYNCHRONISING, self.kind.sync_s)
                return 0.0
            case _:
                used = min(left_s, self.left_s)
                self.left_s -= used
                if self.left_s <= 1e-9:
                    self._next_phase()
                return used

    def _begin_start(self) -> None:
        self.n_starts += 1
        self.started_at_s.append(self._step_at_s)
        if self.rng.random() < self.start_failure_frac:
            attempts = self.kind.attempts
            self._enter(GensetPhase.STARTING, attempts * self.kind.crank_s + (attempts - 1) * self.kind.rest_s)
            self.out_of_service = True
        else:
            self._enter(GensetPhase.STARTING, self.kind.start_s)

    def _next_phase(self) -> None:
        match self.phase:
            case GensetPhase.STARTING if self.out_of_service:
                self.alarm = START_ALARM
                self._enter(GensetPhase.FAULT, _REPAIR_S)
            case GensetPhase.STARTING:
                self._enter(GensetPhase.SYNCHRONISING, self.kind.sync_s)
            case GensetPhase.SYNCHRONISING:
                self._enter(GensetPhase.RUNNING, 0.0)
            case GensetPhase.COOLING_DOWN:
                self._enter(GensetPhase.STOPPED, 0.0)
            case GensetPhase.FAULT:
                self.out_of_service = False
                self.run_wanted = False
                self.alarm = None
                self._enter(GensetPhase.STOPPED, 0.0)
            case _:
                self._enter(GensetPhase.STOPPED, 0.0)

    def _enter(self, phase: GensetPhase, lasting_s: float) -> None:
        self.phase = phase
        self.left_s = lasting_s
        if phase is not GensetPhase.RUNNING:
            self.power_kw = 0.0

    def _fuel_l_per_h(self, power_kw: float) -> float:
        powers, rates = self._curve
        return self.unit_factor * float(np.interp(power_kw, powers, rates))


def _smooth_curve(kind: GensetClass) -> tuple[Values, Values]:
    """Return a smooth curve through the maker's points, down to idling."""
    points = kind.fuel.points
    idle = _IDLE_FUEL_FRAC * points[-1].fuel_l_per_h
    curve = PchipInterpolator([0.0, *(p.power_kw for p in points)], [idle, *(p.fuel_l_per_h for p in points)])
    powers = np.linspace(0.0, points[-1].power_kw, _CURVE_POINTS)
    return powers, np.asarray(curve(powers), dtype=np.float64)


@dataclass(slots=True)
class TwinTank:
    """The fuel tank and the supplier who refills it."""

    capacity_l: float
    stored_l: float
    order_below_l: float
    delivery_l: float
    max_deliveries_per_day: int
    lead_time_s: float
    delivered_l: float = 0.0
    arrivals_s: list[float] = field(default_factory=list)

    def advance(self, used_l: float, at_s: float) -> None:
        """Draw fuel, take deliveries that have arrived, order the next where the level asks for it."""
        self.stored_l = max(0.0, self.stored_l - used_l)
        while self.arrivals_s and self.arrivals_s[0] <= at_s:
            self.arrivals_s.pop(0)
            taken = min(self.delivery_l, self.capacity_l - self.stored_l)
            self.stored_l += taken
            self.delivered_l += taken
        expected = self.stored_l + self.delivery_l * len(self.arrivals_s)
        arrival = at_s + self.lead_time_s
        that_day = sum(arrival - 86400.0 < other <= arrival for other in self.arrivals_s)
        if expected < self.order_below_l and that_day < self.max_deliveries_per_day:
            self.arrivals_s.append(arrival)
