"""Which units of a class a plan runs: its counts told apart by the rule of the class and each unit's own clock.

Counts are exact for identical units that start and stop in the order of their clocks; any other order among units
whose minimum time is over keeps them exact too, because the units that are still bound stay the same.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ems.dispatch.unit_history import is_out
from ems.model.plan import GensetStep
from ems.model.problem import GensetProblem, PlanningProblem, UnitHistory
from ems.model.rotation import RotationRule, UnitClock

_TOUCH_H = 1e-6


def with_names(
    problem: PlanningProblem, steps: Sequence[tuple[GensetStep, ...]], relaxed: tuple[str, ...]
) -> tuple[tuple[GensetStep, ...], ...]:
    """Return what the classes do in each step with the units that run named, as far as counts are whole.

    Where units can make up a count only by breaking a minimum time that the plan does not declare as broken, the
    rest of the class stays without names.
    """
    if not problem.gensets:
        return tuple(steps)
    classes = []
    for c, genset in enumerate(problem.gensets):
        counts = [step[c] for step in steps]
        names = _Crew(problem, genset, relaxed).names(counts)
        told = [replace(count, units_on=units) for count, units in zip(counts, names, strict=False)]
        classes.append([*told, *counts[len(names) :]])
    return tuple(zip(*classes, strict=True))


def rotation_rule(genset: GensetProblem) -> RotationRule:
    """Return the rule by which a class's units start and stop."""
    return RotationRule(
        rotation=genset.rotation,
        service_interval_h=genset.service_interval_h,
        exercise_due_h=None if genset.exercise is None else genset.exercise.rested_h,
    )


@dataclass(slots=True)
class _State:
    """One unit on its way through the plan: running or not since an instant, and its run hours."""

    unit: UnitHistory
    on: bool
    since_h: float
    run_h: float


class _Crew:
    """The available units of one class, followed step by step."""

    def __init__(self, problem: PlanningProblem, genset: GensetProblem, relaxed: tuple[str, ...]) -> None:
        self._problem = problem
        self._genset = genset
        self._rule = rotation_rule(genset)
        self._may_stop_early = "minimum up time" in relaxed
        self._may_start_early = "minimum down time" in relaxed
        self._states = [
            _State(unit=unit, on=unit.on, since_h=-unit.since_h, run_h=unit.run_h)
            for unit in genset.units
            if unit.available
        ]
        # a unit may be away for a time, so that others follow it though the count stays
        self._comes_or_goes = any(state.unit.out for state in self._states)

    def names(self, counts: Iterable[GensetStep]) -> list[tuple[str, ...]]:
        """Return the units that run in each step, up to the first step that cannot be told."""
        named: list[tuple[str, ...]] = []
        grid, integer_h = self._problem.grid, self._problem.options.integer_h
        running, names = self._running()
        for t, step in enumerate(counts):
            if grid.offset_h[t] >= integer_h:
                break
            if self._comes_or_goes or step.n_started or step.n_on != len(running):
                if not self._reaches(step, t):
                    break
                running, names = self._running()
            for state in running:
                state.run_h += grid.duration_h[t]
            named.append(names)
        return named

    def _running(self) -> tuple[list[_State], tuple[str, ...]]:
        running = [state for state in self._states if state.on]
        return running, tuple(state.unit.id for state in running)

    def _reaches(self, step: GensetStep, t: int) -> bool:
        """Start and stop units until as many run as the plan says; return whether that is possible."""
        now_h = self._problem.grid.offset_h[t]
        for state in self._states:
            if state.on and self._is_out(state, t):
                state.on, state.since_h = False, now_h
        here = [state for state in self._states if not self._is_out(state, t)]
        running = [state for state in here if state.on]
        # who was out may not be who the count took to leave
        n_start = max(step.n_started, step.n_on - len(running))
        n_stop = len(running) + n_start - step.n_on
        if n_start == n_stop == 0:
            return True
        starts = self._to_start([state for state in here if not state.on], t)[:n_start]
        stops = self._to_stop(running, now_h)[:n_stop]
        for state in (*starts, *stops):
            state.on, state.since_h = not state.on, now_h
        return (len(starts), len(stops)) == (n_start, n_stop)

    def _to_stop(self, running: list[_State], now_h: float) -> list[_State]:
        """Return the units that may stop in the order of the rule, then the others where the plan says so."""
        free = [state for state in running if now_h - state.since_h >= self._genset.min_up_h - _TOUCH_H]
        bound = [state for state in running if state not in free] if self._may_stop_early else []
        return self._ordered(free, now_h, start=False) + sorted(bound, key=lambda state: state.since_h)

    def _to_start(self, resting: list[_State], t: int) -> list[_State]:
        """Return the units that may start in the order of the rule; those that are out soon come after the others."""
        now_h = self._problem.grid.offset_h[t]
        free = [
            state
            for state in resting
            if now_h - state.since_h >= self._genset.min_down_h - _TOUCH_H or self._was_out(state, t)
        ]
        bound = [state for state in resting if state not in free] if self._may_start_early else []
        soon = [state for state in free if self._out_soon(state, now_h)]
        lasting = [state for state in free if state not in soon]
        return (
            self._ordered(lasting, now_h, start=True)
            + self._ordered(soon, now_h, start=True)
            + sorted(bound, key=lambda state: state.since_h)
        )

    def _ordered(self, states: list[_State], now_h: float, *, start: bool) -> list[_State]:
        clocks = [UnitClock(id=state.unit.id, since_h=now_h - state.since_h, run_h=state.run_h) for state in states]
        order = self._rule.start_order(clocks) if start else self._rule.stop_order(clocks)
        by_id = {state.unit.id: state for state in states}
        return [by_id[name] for name in order]

    def _is_out(self, state: _State, t: int) -> bool:
        return bool(state.unit.out) and is_out(self._problem, self._genset, state.unit, t)

    def _was_out(self, state: _State, t: int) -> bool:
        """Return whether a unit has come back with this step or since it last ran: it is rested then."""
        return any(self._is_out(state, step) for step in range(t) if self._problem.grid.offset_h[step] >= state.since_h)

    def _out_soon(self, state: _State, now_h: float) -> bool:
        until_h = now_h + self._genset.min_up_h
        return any(now_h <= window.start_h < until_h for window in state.unit.out)
