"""Makes a commitment fit a problem: units are added until balance, reserve and floor hold, and minimum times are kept.

A commitment comes from the previous plan or from a linear relaxation; forecasts and measured state have changed, or
fractions were rounded. Units are added step by step, so that what is repaired can be started from, and at worst
followed. What cannot be had (units that are out, or that rest) is left missing: the model has slacks. No pyomo here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ems.dispatch.losses import greatest_loss_kw
from ems.dispatch.unit_history import n_initial_on, n_must_stay, n_present
from ems.model.problem import GensetProblem, Loss, PlanningProblem, ReserveClassProblem
from ems.model.problem.values import at

# counts per class and step
Counts = tuple[tuple[int, ...], ...]
_TIME_H = 1e-9
_POWER_KW = 1e-6
# how often units are added in earlier steps before the rest is left missing: it bounds the time of a hopeless case
_MOST_RETURNS = 200


def repaired(problem: PlanningProblem, wanted: Sequence[Sequence[int]]) -> Counts:
    """Return counts close to `wanted` (one row per class, a value per step) that keep what can be kept."""
    classes = [_Class.of(problem, genset) for genset in problem.gensets]
    counts = [
        [max(low, min(high, n)) for low, high, n in zip(each.least, each.most, row, strict=True)]
        for each, row in zip(classes, wanted, strict=True)
    ]
    site = _Site.of(problem)
    # times bind units on, which never takes power away; more power may again be wanted where they bind units off
    for _ in range(2):
        _add_for_power(problem, site, classes, counts)
        for each, row in zip(classes, counts, strict=True):
            _keep_times(problem, each, row)
    return tuple(tuple(row) for row in counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Class:
    """What history and availability leave of a class in each step."""

    genset: GensetProblem
    least: tuple[int, ...]
    most: tuple[int, ...]
    initial: int
    # litres per kWh at full load: which class is added first
    l_per_kwh: float

    @classmethod
    def of(cls, problem: PlanningProblem, genset: GensetProblem) -> "_Class":
        present = n_present(problem, genset)
        usable = [
            min(n, at(genset.n_permitted, t, n)) if genset.usable_at(t) >= genset.min_kw else 0
            for t, n in enumerate(present)
        ]
        resting, bound = (n_must_stay(problem, genset, on=on) for on in (False, True))
        most = [int(max(0, min(n, here - rest))) for n, here, rest in zip(usable, present, resting, strict=True)]
        return cls(
            genset=genset,
            least=tuple(min(n, high) for n, high in zip(bound, most, strict=True)),
            most=tuple(most),
            initial=n_initial_on(problem, genset),
            l_per_kwh=genset.full_load_l_per_h / max(1e-9, genset.max_kw),
        )

    def max_kw(self, t: int) -> float:
        """Return what a unit can deliver in step t."""
        return self.genset.usable_at(t)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Site:
    """Storage as one, and what each step asks of sets and storage together."""

    min_kwh: float
    max_kwh: float
    stored_kwh: float
    charge_eff_frac: float
    discharge_eff_frac: float
    idle_kw: float
    # demand less PV and import in each step: what sets and storage carry at least
    net_kw: tuple[float, ...]

    @classmethod
    def of(cls, problem: PlanningProblem) -> "_Site":
        pools = problem.pools
        weight = sum(pool.full_kwh for pool in pools) or 1.0
        return cls(
            min_kwh=sum(min(pool.min_stored_kwh, pool.stored_kwh) for pool in pools),
            max_kwh=sum(max(pool.max_stored_kwh, pool.stored_kwh) for pool in pools),
            stored_kwh=sum(pool.stored_kwh for pool in pools),
            charge_eff_frac=sum(pool.charge_eff_frac * pool.full_kwh for pool in pools) / weight or 1.0,
            discharge_eff_frac=sum(pool.discharge_eff_frac * pool.full_kwh for pool in pools) / weight or 1.0,
            idle_kw=sum(pool.no_load_kw for pool in pools),
            net_kw=tuple(
                problem.demand_kw(t) - problem.available_pv_kw(t) - _import_kw(problem, t)
                for t in range(problem.grid.n_steps)
            ),
        )

    def power_kw(self, problem: PlanningProblem, t: int, *, stored_kwh: float, hours: float) -> float:
        """Return what the pools can deliver for some hours from an energy."""
        by_power = sum(pool.max_discharge_kw[t] for pool in problem.pools)
        usable_kwh = max(0.0, stored_kwh - self.min_kwh)
        return min(by_power, usable_kwh * self.discharge_eff_frac / hours) if hours > 0.0 else by_power

    def after_kwh(self, problem: PlanningProblem, t: int, *, stored_kwh: float, sets_kw: float) -> float:
        """Return the energy at the end of step t where the sets deliver all they can; may fall below the minimum."""
        hours = problem.grid.duration_h[t]
        missing_kw = self.net_kw[t] - sets_kw
        drawn_kwh = (max(0.0, missing_kw) + self.idle_kw) * hours / self.discharge_eff_frac
        room_kw = min(-missing_kw, sum(pool.max_charge_kw[t] for pool in problem.pools))
        charged_kwh = max(0.0, room_kw) * hours * self.charge_eff_frac
        return min(self.max_kwh, stored_kwh + charged_kwh - drawn_kwh)


def _add_for_power(problem: PlanningProblem, site: _Site, classes: list[_Class], counts: list[list[int]]) -> None:
    """Add units forward in time; where a step's own do not suffice, in the steps before it."""
    n_steps = problem.grid.n_steps
    stored = [site.stored_kwh] * (n_steps + 1)
    n_returns = 0
    t = 0
    while t < n_steps:
        while not _holds(problem, site, classes, counts, t, stored_kwh=stored[t]):
            if not _add(classes, counts, t):
                break
        after_kwh = _after(problem, site, classes, counts, t, stored_kwh=stored[t])
        earlier = None
        if n_returns < _MOST_RETURNS and after_kwh < _kept_kwh(problem, site, t, stored_kwh=stored[t]) - _POWER_KW:
            earlier = next((s for s in range(t - 1, -1, -1) if _add(classes, counts, s)), None)
        if earlier is None:
            stored[t + 1] = max(site.min_kwh, after_kwh)
            t += 1
        else:
            n_returns += 1
            t = earlier


def _holds(
    problem: PlanningProblem, site: _Site, classes: list[_Class], counts: list[list[int]], t: int, *, stored_kwh: float
) -> bool:
    """Return whether the units of a step carry its balance, its reserve and its floor."""
    sets_kw = _sets_kw(classes, counts, t)
    carried_kw = site.power_kw(problem, t, stored_kwh=stored_kwh, hours=problem.grid.duration_h[t])
    if sets_kw + carried_kw < site.net_kw[t] - _POWER_KW:
        return False
    kept_kwh = _kept_kwh(problem, site, t, stored_kwh=stored_kwh)
    if _after(problem, site, classes, counts, t, stored_kwh=stored_kwh) < kept_kwh - _POWER_KW:
        return False
    return all(
        sets_kw + site.power_kw(problem, t, stored_kwh=stored_kwh, hours=problem.reserve.sustain_of(reserve))
        >= _reserve_kw(problem, site, classes, counts, t, reserve) - _POWER_KW
        for reserve in problem.reserve.classes
        # sets at rest hold the reserve of a class in which starts count
        if reserve.gensets_count and not reserve.starts_count
    )


def _reserve_kw(
    problem: PlanningProblem,
    site: _Site,
    classes: list[_Class],
    counts: list[list[int]],
    t: int,
    reserve: ReserveClassProblem,
) -> float:
    """Return the capacity of sets and storage that the worst loss asks for: by the balance, load + loss + variation."""
    variation_kw = reserve.variation_kw[t] - reserve.shed_at(t) + reserve.pv_drop_frac * problem.available_pv_kw(t)
    running = {each.genset.id: each.max_kw(t) for c, each in enumerate(classes) if counts[c][t] > 0}
    worst_kw = max(
        (
            sum(_lost_kw(problem, loss, t, running) for loss in contingency.losses)
            for contingency in problem.reserve.contingencies
        ),
        default=0.0,
    )
    return site.net_kw[t] + variation_kw + worst_kw


def _lost_kw(problem: PlanningProblem, loss: Loss, t: int, running: dict[str, float]) -> float:
    """Return what a loss takes at most; a set of a class of which none runs takes nothing."""
    return greatest_loss_kw(
        problem,
        loss,
        t,
        grid_kw=_import_kw(problem, t),
        set_kw=running.get(loss.member, 0.0),
        pool_kw=sum(pool.max_discharge_kw[t] for pool in problem.pools if pool.id == loss.member),
    )


def _after(
    problem: PlanningProblem, site: _Site, classes: list[_Class], counts: list[list[int]], t: int, *, stored_kwh: float
) -> float:
    return site.after_kwh(problem, t, stored_kwh=stored_kwh, sets_kw=_sets_kw(classes, counts, t))


def _kept_kwh(problem: PlanningProblem, site: _Site, t: int, *, stored_kwh: float) -> float:
    """Return what the store must keep in step t: its floor, or what it has where that is less."""
    return max(site.min_kwh, min(stored_kwh, problem.reserve.floor_at(t)))


def _sets_kw(classes: list[_Class], counts: list[list[int]], t: int) -> float:
    return sum(row[t] * each.max_kw(t) for each, row in zip(classes, counts, strict=True))


def _add(classes: list[_Class], counts: list[list[int]], t: int) -> bool:
    """Add a unit of the class that burns least per kWh; return False where none is left."""
    free = [c for c, each in enumerate(classes) if counts[c][t] < each.most[t]]
    if not free:
        return False
    counts[min(free, key=lambda c: classes[c].l_per_kwh)][t] += 1
    return True


def _keep_times(problem: PlanningProblem, each: _Class, row: list[int]) -> None:
    """Keep units on for their minimum up time, and over gaps that are shorter than their minimum down time."""
    for t in range(len(row)):
        row[t] = max(row[t], min(each.most[t], _bound_on(problem, each, row, t)))
    for t in range(1, len(row)):
        if row[t] > row[t - 1]:
            _bridge(problem, each, row, t)


def _bridge(problem: PlanningProblem, each: _Class, row: list[int], t: int) -> None:
    """Keep on, up to step t, units that are to start there less than their minimum down time after they stop."""
    offset_h = problem.grid.offset_h
    began = [each.initial, *row]
    inside = [s for s in range(t) if offset_h[s] + each.genset.min_down_h > offset_h[t] + _TIME_H]
    stopped = {s: began[s] - row[s] for s in inside if row[s] < began[s]}
    n_missing = row[t] + sum(stopped.values()) - each.most[t]
    for s, n_stopped in reversed(stopped.items()):
        kept = max(0, min(n_missing, n_stopped))
        n_missing -= kept
        for step in range(s, t):
            row[step] = min(each.most[step], row[step] + kept)


def _bound_on(problem: PlanningProblem, each: _Class, row: list[int], t: int) -> int:
    """Return how many units have started too recently to be stopped in step t, history included."""
    offset_h = problem.grid.offset_h
    started = 0
    for s in range(t - 1, -1, -1):
        if offset_h[s] + max(each.genset.min_up_h, each.genset.warm_up_h) <= offset_h[t] + _TIME_H:
            break
        started += max(0, row[s] - (row[s - 1] if s else each.initial))
    return each.least[t] + started


def _import_kw(problem: PlanningProblem, t: int) -> float:
    """Return what the connection can deliver in step t."""
    grid = problem.connection
    return 0.0 if grid is None else grid.import_limit_kw[t] * grid.connected_at(t)
