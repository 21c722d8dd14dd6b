"""What the units of a class bring along: their clocks, their warm-up and the hours in which they are out (E1 to E6).

All of it is data per step; durations are mapped to steps by comparing instants. Units without windows cost nothing.
"""

from dataclasses import dataclass

from ems.model.problem import GensetProblem, PlanningProblem, UnitHistory

_TOUCH_H = 1e-9


def n_available_at_most(genset: GensetProblem) -> int:
    """Return the units that may run at some time."""
    return len(_usable(genset))


def n_present(problem: PlanningProblem, genset: GensetProblem) -> list[int]:
    """E6: return per step the available units that no window holds out."""
    out, n_most = _out_steps(problem, genset), n_available_at_most(genset)
    if not out:
        return [n_most] * problem.grid.n_steps
    return [n_most - sum(t in steps_out for steps_out in out) for t in range(problem.grid.n_steps)]


def n_leaving(problem: PlanningProblem, genset: GensetProblem) -> list[int]:
    """E2: return per step how many units leave the class at its beginning; those of step 0 have left before."""
    out = _out_steps(problem, genset)
    return [
        sum(t in steps_out and t - 1 not in steps_out for steps_out in out) if t else 0
        for t in range(problem.grid.n_steps)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leavers:
    """E2: units that leave at the beginning of each step, by what is known of their state then, from before the plan.

    `ran` and `rested` count them by their state at the start: one that ran leaves running unless a unit has stopped
    meanwhile, one that rested leaves at rest unless one has started. `held_on` and `held_off` are those of them that a
    minimum time holds until then: the window wins over that time, and they leave in the state that they are held in.
    """

    ran: tuple[int, ...]
    rested: tuple[int, ...]
    held_on: tuple[int, ...]
    held_off: tuple[int, ...]

    def surely_running(self, t: int, *, n_stopped: int) -> int:
        """Return how many units leave running at the least, where so many have stopped before."""
        return max(self.held_on[t], self.ran[t] - n_stopped)


def leavers(problem: PlanningProblem, genset: GensetProblem) -> Leavers:
    """Return the units that leave a class, by step."""
    n_steps, offset_h = problem.grid.n_steps, problem.grid.offset_h
    known = {on: [0] * n_steps for on in (True, False)}
    held = {on: [0] * n_steps for on in (True, False)}
    for unit in _usable(genset):
        leaves = _first_out(problem, genset, unit)
        if 0 < leaves < n_steps:
            minimum_h = genset.min_up_h if unit.on else genset.min_down_h
            known[unit.on][leaves] += 1
            held[unit.on][leaves] += minimum_h - unit.since_h > offset_h[leaves - 1] + _TOUCH_H
    return Leavers(
        ran=tuple(known[True]), rested=tuple(known[False]), held_on=tuple(held[True]), held_off=tuple(held[False])
    )


def n_initial_on(problem: PlanningProblem, genset: GensetProblem) -> int:
    """Return the units that run at the start and are not out in the first step."""
    return sum(unit.on and _first_out(problem, genset, unit) > 0 for unit in _usable(genset))


def n_must_stay(problem: PlanningProblem, genset: GensetProblem, *, on: bool) -> list[int]:
    """E3, E4: return per step how many units are still bound by the minimum time that began before the grid."""
    minimum_h = genset.min_up_h if on else genset.min_down_h
    bound = [
        (minimum_h - unit.since_h, _first_out(problem, genset, unit))
        for unit in _usable(genset)
        if unit.on is on and unit.since_h < minimum_h
    ]
    return [
        sum(left_h > offset_h + _TOUCH_H and t < leaves for left_h, leaves in bound)
        for t, offset_h in enumerate(problem.grid.offset_h[:-1])
    ]


def n_still_warming(problem: PlanningProblem, genset: GensetProblem) -> list[float]:
    """E1: return per step the units that warm up since before the grid, each for its share of the step."""
    return [sum(shares) for shares in _warming_shares(problem, genset)]


def n_unsettled(problem: PlanningProblem, genset: GensetProblem) -> list[int]:
    """E20: return per step the units that warm up since before the grid for any part of the step."""
    return [sum(share > 0.0 for share in shares) for shares in _warming_shares(problem, genset)]


def warming_frac(problem: PlanningProblem, genset: GensetProblem, *, n_lags: int) -> list[float]:
    """E1: return the share of step t that a unit warms up which started `lag` steps before, by step and lag."""
    offset_h, duration_h = problem.grid.offset_h, problem.grid.duration_h
    return [
        _share(offset_h[t - lag] + genset.warm_up_h - offset_h[t], duration_h[t]) if lag <= t else 0.0
        for t in range(problem.grid.n_steps)
        for lag in range(n_lags)
    ]


def warm_up_shares(problem: PlanningProblem, genset: GensetProblem, start: int) -> tuple[float, ...]:
    """E1: return the share of step `start` and of those after it that a unit warms up which starts there; none is 0."""
    offset_h, duration_h = problem.grid.offset_h, problem.grid.duration_h
    ready_h = offset_h[start] + genset.warm_up_h
    shares = []
    for t in range(start, problem.grid.n_steps):
        share = _share(ready_h - offset_h[t], duration_h[t])
        if share <= 0.0:
            break
        shares.append(share)
    return tuple(shares)


def is_out(problem: PlanningProblem, genset: GensetProblem, unit: UnitHistory, t: int) -> bool:
    """E6: return whether a window of a unit touches step t, the rest that its stop asks for included."""
    begin_h, end_h = problem.grid.offset_h[t], problem.grid.offset_h[t + 1]
    return any(
        window.start_h < end_h - _TOUCH_H and max(window.end_h, window.start_h + genset.min_down_h) > begin_h + _TOUCH_H
        for window in unit.out
    )


def _usable(genset: GensetProblem) -> list[UnitHistory]:
    return [unit for unit in genset.units if unit.available]


def _out_steps(problem: PlanningProblem, genset: GensetProblem) -> list[frozenset[int]]:
    """Return for each unit with windows the steps in which it is out."""
    steps = range(problem.grid.n_steps)
    return [frozenset(t for t in steps if is_out(problem, genset, unit, t)) for unit in _usable(genset) if unit.out]


def _first_out(problem: PlanningProblem, genset: GensetProblem, unit: UnitHistory) -> int:
    """Return the step from which a unit's history no longer counts, the number of steps where it never leaves."""
    if not unit.out:
        return problem.grid.n_steps
    return next(
        (t for t in range(problem.grid.n_steps) if is_out(problem, genset, unit, t)),
        problem.grid.n_steps,
    )


def _warming_shares(problem: PlanningProblem, genset: GensetProblem) -> list[list[float]]:
    n_steps = problem.grid.n_steps
    # a unit that may not run for a while has to start anew, with another warm-up
    unusable = next((t for t in range(n_steps) if genset.usable_at(t) < genset.min_kw), n_steps)
    warming = [
        (unit.warm_up_left_h, min(unusable, _first_out(problem, genset, unit)))
        for unit in _usable(genset)
        if unit.on and unit.warm_up_left_h > 0.0
    ]
    offset_h, duration_h = problem.grid.offset_h, problem.grid.duration_h
    return [
        [_share(left_h - offset_h[t], duration_h[t]) for left_h, leaves in warming if t < leaves]
        for t in range(n_steps)
    ]


def _share(left_h: float, duration_h: float) -> float:
    return min(1.0, max(0.0, left_h) / duration_h)
