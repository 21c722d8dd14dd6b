"""Takes units off a commitment that no flows could serve: beyond the tank, beyond a group, or stopped while warming up.

These limits of a plan have no slack, unlike balance, reserve and minimum times. Units are taken off forward in time; a
unit that has started runs through its warm-up, so that a start is let in only with what it burns and delivers later.
No pyomo here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ems.dispatch.milp.screening import fuel_stock_can_bind
from ems.dispatch.unit_history import (
    Leavers,
    leavers,
    n_initial_on,
    n_present,
    n_still_warming,
    n_unsettled,
    warm_up_shares,
)
from ems.model.problem import FuelStock, GensetProblem, PlanningProblem

_POWER_KW: Final = 1e-6
_FUEL_L: Final = 1e-9


def fit_is_asked(problem: PlanningProblem) -> bool:
    """Return whether any commitment of a problem could break a limit that has no slack."""
    return fuel_stock_can_bind(problem) or any(_warms(genset) for genset in problem.gensets) or bool(_groups(problem))


class Fit:
    """Takes units off any number of commitments of a problem."""

    def __init__(self, problem: PlanningProblem) -> None:
        self._classes = [_Class.of(problem, genset) for genset in problem.gensets]
        self._groups = _groups(problem)
        self._stock = None if problem.fuel is None else problem.fuel.stock
        self._n_steps = problem.grid.n_steps

    def fit(self, counts: list[list[int]]) -> None:
        """Lower counts (one row per class, a value per step) until flows exist for them; warm-ups are run through."""
        run = _Forward(self._classes, self._groups, self._stock)
        for t in range(self._n_steps):
            for row, n in zip(counts, run.step(t, [row[t] for row in counts]), strict=True):
                row[t] = n


@dataclass(frozen=True, slots=True, kw_only=True)
class _Class:
    initial: int
    leavers: Leavers
    available: tuple[int, ...]
    min_kw: float
    # what a unit at minimum burns in each step, and a start
    run_l: tuple[float, ...]
    start_l: float
    l_per_kwh: float
    # units that warm up since before the grid: how many a step holds, and the sum of their shares of it
    unsettled: tuple[int, ...]
    still_warming_frac: tuple[float, ...]
    # by step of a start: the share of that step and the following ones that its warm-up takes
    shares_frac: tuple[tuple[float, ...], ...]

    @classmethod
    def of(cls, problem: PlanningProblem, genset: GensetProblem) -> "_Class":
        steps = range(problem.grid.n_steps)
        return cls(
            initial=n_initial_on(problem, genset),
            leavers=leavers(problem, genset),
            available=tuple(
                n if genset.usable_at(t) >= genset.min_kw else 0 for t, n in enumerate(n_present(problem, genset))
            ),
            min_kw=genset.min_kw,
            run_l=tuple(genset.min_fuel_l_per_h * h for h in problem.grid.duration_h),
            start_l=genset.start_fuel_l,
            l_per_kwh=genset.full_load_l_per_h / max(1e-9, genset.max_kw),
            unsettled=tuple(n_unsettled(problem, genset)),
            still_warming_frac=tuple(n_still_warming(problem, genset)),
            shares_frac=tuple(warm_up_shares(problem, genset, t) for t in steps),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    limit_kw: float
    classes: tuple[int, ...]


class _Forward:
    """One pass over the steps: what has been started so far, and what it still asks of later steps."""

    def __init__(self, classes: Sequence[_Class], groups: Sequence[_Group], stock: FuelStock | None) -> None:
        self._classes = classes
        self._groups = groups
        self._stock = stock
        self._before = [each.initial for each in classes]
        self._n_stopped = [0] * len(classes)
        # units that must run because they warm up, and the sum of their shares, per class and step
        self._bound = [list(each.unsettled) for each in classes]
        self._warming = [list(each.still_warming_frac) for each in classes]
        self._bound_end = max((t + 1 for row in self._bound for t, n in enumerate(row) if n), default=0)
        self._left_l = 0.0 if stock is None else stock.stock_l
        # the thirstiest class goes first
        self._by_thirst = sorted(range(len(classes)), key=lambda c: -classes[c].l_per_kwh)

    def step(self, t: int, wanted: Sequence[int]) -> list[int]:
        """Return the counts of step t, close to what is wanted."""
        self._leave(t)
        n_on = [self._within(c, t, n) for c, n in enumerate(wanted)]
        for group in self._groups:
            while not self._passes(group, t, n_on) and self._take_off(t, n_on, group.classes):
                pass
        while not self._feeds(t, n_on) and self._take_off(t, n_on, self._by_thirst):
            pass
        for c, n in enumerate(n_on):
            self._start(c, t, n)
        if self._stock is not None:
            self._left_l = max(0.0, self._left_l - self._burnt_l(t, n_on)) + self._stock.delivered_at(t)
        self._n_stopped = [
            stopped + max(0, was - n) for stopped, was, n in zip(self._n_stopped, self._before, n_on, strict=True)
        ]
        self._before = n_on
        return n_on

    def _leave(self, t: int) -> None:
        """Take off the units that leave running at the beginning of step t: others start in their place."""
        for c, each in enumerate(self._classes):
            gone = each.leavers.surely_running(t, n_stopped=self._n_stopped[c])
            self._before[c] = max(0, self._before[c] - gone)

    def _within(self, c: int, t: int, n: int) -> int:
        """Return a count that is available, with no start whose warm-up a later step cuts off."""
        each, bound = self._classes[c], self._bound[c]
        n_starts = min(
            (each.available[later] - bound[later] for later in range(t, t + len(each.shares_frac[t]))),
            default=each.available[t],
        )
        return max(bound[t], min(n, each.available[t], self._before[c] + max(0, n_starts)))

    def _take_off(self, t: int, n_on: list[int], classes: Sequence[int]) -> bool:
        """Take a unit off one of some classes; return False where all that are left warm up."""
        for c in sorted(classes, key=self._by_thirst.index):
            if n_on[c] > self._bound[c][t]:
                n_on[c] -= 1
                return True
        return False

    def _passes(self, group: _Group, t: int, n_on: Sequence[int]) -> bool:
        """Return whether a group takes the least output of its sets, in this step and while they warm up."""
        return all(
            sum(self._classes[c].min_kw * self._delivering(c, later, t, n_on[c]) for c in group.classes)
            <= group.limit_kw + _POWER_KW
            for later in self._reach(t)
        )

    def _feeds(self, t: int, n_on: Sequence[int]) -> bool:
        """Return whether the tank feeds the least output of all sets, and the end of every warm-up later."""
        if self._stock is None:
            return True
        left_l = self._left_l
        for later in self._reach(t):
            left_l -= self._burnt_l(t, n_on, later=later)
            if left_l < -_FUEL_L:
                return False
            left_l += self._stock.delivered_at(later)
        return True

    def _burnt_l(self, t: int, n_on: Sequence[int], *, later: int | None = None) -> float:
        """Return the least that a step burns where `n_on` run in step t."""
        step = t if later is None else later
        burnt_l = sum(each.run_l[step] * self._delivering(c, step, t, n_on[c]) for c, each in enumerate(self._classes))
        if step > t:
            return burnt_l
        return burnt_l + sum(each.start_l * self._n_starts(c, n_on[c]) for c, each in enumerate(self._classes))

    def _delivering(self, c: int, later: int, t: int, n_on: int) -> float:
        """Return the units of a class that deliver at least in a step where `n_on` run in step t."""
        if later == t and not self._classes[c].shares_frac[t]:
            return n_on - self._warming[c][t]
        n_starts, shares = self._n_starts(c, n_on), self._classes[c].shares_frac[t]
        share = shares[later - t] if later - t < len(shares) else 0.0
        running = n_on if later == t else self._bound[c][later] + (n_starts if share > 0.0 else 0)
        return max(0.0, running - self._warming[c][later] - n_starts * share)

    def _n_starts(self, c: int, n_on: int) -> int:
        return max(0, n_on - self._before[c])

    def _reach(self, t: int) -> range:
        """Return the steps in which anything that runs in step t is bound to run on."""
        return range(t, max(t + 1, self._bound_end, *(t + len(each.shares_frac[t]) for each in self._classes)))

    def _start(self, c: int, t: int, n_on: int) -> None:
        n_starts = self._n_starts(c, n_on)
        for lag, share in enumerate(self._classes[c].shares_frac[t] if n_starts else ()):
            self._bound[c][t + lag] += n_starts
            self._warming[c][t + lag] += n_starts * share
            self._bound_end = max(self._bound_end, t + lag + 1)


def _groups(problem: PlanningProblem) -> list[_Group]:
    """Return the groups whose sets could deliver more at their minimum than passes."""
    found = []
    for group in problem.groups:
        classes = tuple(c for c, genset in enumerate(problem.gensets) if genset.id in group.members)
        if sum(len(problem.gensets[c].units) * problem.gensets[c].min_kw for c in classes) > group.limit_kw:
            found.append(_Group(limit_kw=group.limit_kw, classes=classes))
    return found


def _warms(genset: GensetProblem) -> bool:
    return genset.warm_up_h > 0.0 or any(unit.on and unit.warm_up_left_h > 0.0 for unit in genset.units)
