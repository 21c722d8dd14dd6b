"""Makes a commitment fit a problem: units are added until balance, reserve and floor hold, and minimum times are kept.

Units that tank, groups or warm-ups do not allow are taken off at the end (`repair_fit.py`), minimum times or not.

A commitment comes from the previous plan or from a linear relaxation; forecasts and measured state have changed, or
fractions were rounded. Units are added step by step, so that what is repaired can be started from, and at worst
followed. What cannot be had (units that are out, or that rest) is left missing: the model has slacks. No pyomo here.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from ems.dispatch.repair_fit import Fit, fit_is_asked
from ems.dispatch.repair_needs import POWER_KW, Needs
from ems.dispatch.unit_history import Leavers, leavers, n_initial_on, n_must_stay, n_present
from ems.model.problem import GensetProblem, PlanningProblem
from ems.model.problem.values import at

# counts per class and step
Counts = tuple[tuple[int, ...], ...]
_TIME_H = 1e-9
# how often units are added in earlier steps before the rest is left missing: it bounds the time of a hopeless case
_MOST_RETURNS = 200


class Repair:
    """Repairs any number of commitments of a problem."""

    def __init__(self, problem: PlanningProblem) -> None:
        self.n_steps = problem.grid.n_steps
        self._offset_h = problem.grid.offset_h
        self._needs = Needs(problem)
        self._classes = [_Class.of(problem, genset) for genset in problem.gensets]
        self._fit = Fit(problem) if fit_is_asked(problem) else None

    def repaired(self, wanted: Sequence[Sequence[int]]) -> Counts:
        """Return counts close to `wanted` (one row per class, a value per step) that keep what can be kept."""
        counts = [
            [max(low, min(high, n)) for low, high, n in zip(each.least, each.most, row, strict=True)]
            for each, row in zip(self._classes, wanted, strict=True)
        ]
        addition = _Addition(self._needs, self._classes, counts)
        addition.run()
        # times bind units on, which takes no power away; but a class that runs may be lost, so more may be wanted
        addition.run(begin=addition.keep_times(self._offset_h))
        addition.keep_times(self._offset_h)
        if self._fit is not None:
            self._fit.fit(counts)
        return tuple(tuple(row) for row in counts)


def repaired(problem: PlanningProblem, wanted: Sequence[Sequence[int]]) -> Counts:
    """Return one commitment of a problem, repaired."""
    return Repair(problem).repaired(wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Class:
    """What history and availability leave of a class in each step."""

    least: tuple[int, ...]
    most: tuple[int, ...]
    initial: int
    leavers: Leavers
    # what a unit can deliver
    usable_kw: tuple[float, ...]
    # litres per kWh at full load: which class is added first
    l_per_kwh: float
    min_down_h: float
    # the first step whose starts bind units on in this one
    bound_since: tuple[int, ...]

    @classmethod
    def of(cls, problem: PlanningProblem, genset: GensetProblem) -> "_Class":
        present = n_present(problem, genset)
        usable_kw = tuple(genset.usable_at(t) for t in range(len(present)))
        usable = [
            min(n, at(genset.n_permitted, t, n)) if usable_kw[t] >= genset.min_kw else 0 for t, n in enumerate(present)
        ]
        resting, bound = (n_must_stay(problem, genset, on=on) for on in (False, True))
        most = [
            # a set that history binds runs on in quiet hours: it cannot be stopped, they can be broken
            int(max(0, min(n, here - rest), held if kw >= genset.min_kw else 0))
            for n, here, rest, held, kw in zip(usable, present, resting, bound, usable_kw, strict=True)
        ]
        offset_h, kept_on_h = problem.grid.offset_h, max(genset.min_up_h, genset.warm_up_h)
        return cls(
            least=tuple(min(n, high) for n, high in zip(bound, most, strict=True)),
            most=tuple(most),
            initial=n_initial_on(problem, genset),
            leavers=leavers(problem, genset),
            usable_kw=usable_kw,
            l_per_kwh=genset.full_load_l_per_h / max(1e-9, genset.max_kw),
            min_down_h=genset.min_down_h,
            bound_since=tuple(
                min(t, bisect_right(offset_h, offset_h[t] + _TIME_H, key=lambda begin_h: begin_h + kept_on_h))
                for t in range(len(present))
            ),
        )


class _Addition:
    """Adds units forward in time; where a step's own do not suffice, in the steps before it."""

    def __init__(self, needs: Needs, classes: list[_Class], counts: list[list[int]]) -> None:
        self._needs = needs
        self._classes = classes
        self._counts = counts
        self._by_fuel = sorted(range(len(classes)), key=lambda c: classes[c].l_per_kwh)
        n_steps = len(counts[0]) if counts else 0
        self._sets_kw = [
            sum([row[t] * each.usable_kw[t] for each, row in zip(classes, counts, strict=True)]) for t in range(n_steps)
        ]
        self._running = [tuple([n > 0 for n in step]) for step in zip(*counts, strict=True)]
        self._stored_kwh = [needs.stored_kwh] * (n_steps + 1)

    def run(self, *, begin: int = 0) -> None:
        """Add units from a step on until every step holds, or none is left; the steps before it have been seen to."""
        needs, sets_kw, stored_kwh = self._needs, self._sets_kw, self._stored_kwh
        n_returns = 0
        t = begin
        while t < len(sets_kw):
            kept_kwh = needs.kept_kwh(t, stored_kwh=stored_kwh[t]) - POWER_KW
            after_kwh = needs.after_kwh(t, stored_kwh=stored_kwh[t], sets_kw=sets_kw[t])
            while (after_kwh < kept_kwh or not self._carries(t)) and self._add(t):
                after_kwh = needs.after_kwh(t, stored_kwh=stored_kwh[t], sets_kw=sets_kw[t])
            earlier = None
            if after_kwh < kept_kwh and n_returns < _MOST_RETURNS:
                earlier = next((s for s in range(t - 1, -1, -1) if self._add(s)), None)
            if earlier is None:
                stored_kwh[t + 1] = max(needs.min_kwh, after_kwh)
                t += 1
            else:
                n_returns += 1
                t = earlier

    def keep_times(self, offset_h: Sequence[float]) -> int:
        """Keep every class's minimum times; return the first step that this changed."""
        first = len(self._sets_kw)
        for c, (each, row) in enumerate(zip(self._classes, self._counts, strict=True)):
            before = tuple(row)
            _keep_times(offset_h, each, row)
            for t, (old, new) in enumerate(zip(before, row, strict=True)):
                if old != new:
                    first = min(first, t)
                    self._added(c, t, new - old)
        return first

    def _carries(self, t: int) -> bool:
        return self._needs.carry(t, stored_kwh=self._stored_kwh[t], sets_kw=self._sets_kw[t], running=self._running[t])

    def _add(self, t: int) -> bool:
        """Add a unit of the class that burns least per kWh; return False where none is left."""
        for c in self._by_fuel:
            if self._counts[c][t] < self._classes[c].most[t]:
                self._counts[c][t] += 1
                self._added(c, t, 1)
                return True
        return False

    def _added(self, c: int, t: int, n: int) -> None:
        self._sets_kw[t] += n * self._classes[c].usable_kw[t]
        self._running[t] = tuple([row[t] > 0 for row in self._counts])


def _keep_times(offset_h: Sequence[float], each: _Class, row: list[int]) -> None:
    """Keep units on for their minimum up time, and over gaps that are shorter than their minimum down time."""
    _keep_on(each, row)
    for t in range(1, len(row)):
        if row[t] <= row[t - 1] and not each.leavers.ran[t]:
            continue
        began = _began(each, row[:t])
        if row[t] > began[t]:
            _bridge(offset_h, each, row, began)


def _keep_on(each: _Class, row: list[int]) -> None:
    """Keep on, in each step, the units that have started too recently to be stopped, history included."""
    before, n_stopped = each.initial, 0
    # starts before each step
    started = [0]
    for t, since in enumerate(each.bound_since):
        bound = each.least[t] + started[t] - started[since]
        row[t] = max(row[t], min(each.most[t], bound))
        before = max(0, before - each.leavers.surely_running(t, n_stopped=n_stopped))
        started.append(started[t] + max(0, row[t] - before))
        n_stopped += max(0, before - row[t])
        before = row[t]


def _began(each: _Class, row: list[int]) -> list[int]:
    """Return with how many units running each step begins, and the next one: those that leave running are gone."""
    if not any(each.leavers.ran):
        return [each.initial, *row]
    began = []
    n_stopped = 0
    for t, before in enumerate((each.initial, *row)):
        began.append(max(0, before - each.leavers.surely_running(t, n_stopped=n_stopped)))
        n_stopped += max(0, began[t] - row[t]) if t < len(row) else 0
    return began


def _bridge(offset_h: Sequence[float], each: _Class, row: list[int], began: Sequence[int]) -> None:
    """Keep on, up to step t, units that are to start there less than their minimum down time after they stop."""
    t = len(began) - 1
    inside = [s for s in range(t) if offset_h[s] + each.min_down_h > offset_h[t] + _TIME_H]
    stopped = {s: began[s] - row[s] for s in inside if row[s] < began[s]}
    n_missing = row[t] + sum(stopped.values()) - each.most[t]
    for s, n_stopped in reversed(stopped.items()):
        kept = max(0, min(n_missing, n_stopped))
        n_missing -= kept
        for step in range(s, t):
            row[step] = min(each.most[step], row[step] + kept)
