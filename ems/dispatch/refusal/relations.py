"""What fields say together: lower limits below upper ones, windows inside the horizon, names that exist once."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from math import inf

from ems.dispatch.refusal.finding import Refusal
from ems.dispatch.refusal.warming import warming
from ems.model.problem import (
    SCHEMA,
    ChillerProblem,
    ContingencyKind,
    DemandProblem,
    ExerciseProblem,
    FuelStock,
    GensetProblem,
    GroupProblem,
    Loss,
    OfferKind,
    OfferProblem,
    OfferRuns,
    PlanningProblem,
    PoolProblem,
    PvProblem,
    Recalibration,
)
from ems.model.rotation import Rotation
from ems.model.units import G_PER_KG
from ems.reserve import ReserveId

# measured energy and widths of segments come with rounding (share of the figure)
_ROUNDING_FRAC = 1e-6
_ROUNDING_KW = 1e-3
_GRID = "grid"


def relations(problem: PlanningProblem) -> Iterator[Refusal]:
    """Yield every contradiction of a problem whose figures are each in order."""
    if problem.schema != SCHEMA:
        yield Refusal(path="schema", message=f"is '{problem.schema}'", allowed=f"'{SCHEMA}'")
    yield from _names(problem)
    n_steps = problem.grid.n_steps
    for number, pool in enumerate(problem.pools):
        yield from _pool(f"pools.{number}", pool, problem)
    for number, genset in enumerate(problem.gensets):
        yield from _genset(f"gensets.{number}", genset, problem)
    yield from warming(problem)
    for number, offer in enumerate(problem.offers):
        yield from _offer(f"offers.{number}", offer, n_steps)
    for number, plant in enumerate(problem.pv):
        yield from _plant(f"pv.{number}", plant)
    if problem.fuel is not None and problem.fuel.stock is not None:
        yield from _stock("fuel.stock", problem.fuel.stock)
    if problem.connection is not None:
        yield from _months("connection.demand", problem.connection.demand, n_steps)
    if problem.chillers is not None:
        yield from _chillers("chillers", problem, problem.chillers)


def _names(problem: PlanningProblem) -> Iterator[Refusal]:
    """Ids name one thing each, and who is referred to exists."""
    pools, classes, plants = ([part.id for part in parts] for parts in (problem.pools, problem.gensets, problem.pv))
    yield from _once("pools, gensets, pv", [*pools, *classes, *plants, _GRID])
    for path, parts in (("offers", problem.offers), ("groups", problem.groups), ("previous", problem.previous)):
        yield from _once(path, [part.id for part in parts])
    classes_of_response = [part.id for part in problem.reserve.classes]
    yield from _once("reserve.classes", classes_of_response)
    for number, name in enumerate(classes_of_response):
        yield from _known(f"reserve.classes.{number}.id", name, [known.value for known in ReserveId if known.upward])
    yield from _once("reserve.contingencies", [part.id for part in problem.reserve.contingencies])
    for number, group in enumerate(problem.groups):
        yield from _whole_from(f"groups.{number}.members", len(group.members), 1)
        yield from _once(f"groups.{number}.members", group.members)
        for member in group.members:
            yield from _known(f"groups.{number}.members", member, [*pools, *classes, *plants, _GRID])
        yield from _radial(f"groups.{number}.members", group, problem.groups[:number])
    known = {
        ContingencyKind.GENSET: classes,
        ContingencyKind.BLOCK: pools,
        ContingencyKind.PV_BLOCK: plants,
    }
    for number, contingency in enumerate(problem.reserve.contingencies):
        path = f"reserve.contingencies.{number}.losses"
        yield from _once(path, [f"{loss.kind.value} {loss.member}" for loss in contingency.losses])
        for place, loss in enumerate(contingency.losses):
            yield from _whole_from(f"{path}.{place}.count", loss.count, 1)
            yield from _at_most(f"{path}.{place}.count", loss.count, _present(problem, loss), of="what the member has")
            if loss.kind in known:
                yield from _known(f"{path}.{place}.member", loss.member, known[loss.kind])
    for number, commitment in enumerate(problem.previous):
        path = f"previous.{number}"
        yield from _known(f"{path}.id", commitment.id, classes)
        yield from _at_most(f"{path}.n_on", len(commitment.n_on), problem.grid.n_steps, of="steps")
        for genset in problem.gensets:
            if genset.id == commitment.id:
                for t, n_on in enumerate(commitment.n_on):
                    yield from _at_most(f"{path}.n_on.{t}", n_on, len(genset.units), of="units")
    if problem.previous and len(problem.previous) != len(classes):
        yield Refusal(
            path="previous",
            message=f"has {len(problem.previous)} classes, there are {len(classes)}",
            allowed="every class once, or none",
        )


def _radial(path: str, group: GroupProblem, others: Sequence[GroupProblem]) -> Iterator[Refusal]:
    """Groups hold each other or share nothing, as the equipment of a radial network does."""
    members = set(group.members)
    for other in others:
        shared = members & set(other.members)
        if shared and shared != members and shared != set(other.members):
            yield Refusal(
                path=path,
                message=f"have {', '.join(sorted(shared))} in common with '{other.id}' and others not",
                allowed="all members of the other group, some of them only, or none",
            )


def _present(problem: PlanningProblem, loss: Loss) -> float:
    """Return how many units or blocks a member has; no bound for a pool, whose blocks out of service do not count."""
    if loss.kind is ContingencyKind.GENSET:
        return next((len(genset.units) for genset in problem.gensets if genset.id == loss.member), inf)
    if loss.kind is ContingencyKind.PV_BLOCK:
        return next((plant.n_blocks for plant in problem.pv if plant.id == loss.member), inf)
    return inf


def _pool(path: str, pool: PoolProblem, problem: PlanningProblem) -> Iterator[Refusal]:
    # a pool whose blocks are all out of service has none, and neither power nor energy
    if pool.full_kwh > 0.0 or any(pool.max_charge_kw) or any(pool.max_discharge_kw):
        yield from _whole_from(f"{path}.n_blocks", pool.n_blocks, 1)
    yield from _stands_by(path, pool, problem)
    yield from _at_most(f"{path}.stored_kwh", pool.stored_kwh, pool.full_kwh, of="full_kwh")
    yield from _at_most(f"{path}.max_stored_kwh", pool.max_stored_kwh, pool.full_kwh, of="full_kwh")
    yield from _at_most(f"{path}.min_stored_kwh", pool.min_stored_kwh, pool.max_stored_kwh, of="max_stored_kwh")
    for name in ("terminal_value", "hold_value_per_h"):
        values = [-piece.value_per_kwh for piece in getattr(pool, name)]
        yield from _rising(f"{path}.{name}", values, "pieces from the most valued")
    wear = [piece.cost_per_kwh for piece in pool.depth_wear]
    yield from _rising(f"{path}.depth_wear", wear, "pieces from the cheapest")
    if pool.recalibration is not None:
        yield from _window(f"{path}.recalibration", pool.recalibration, problem.grid.n_steps)


def _stands_by(path: str, pool: PoolProblem, problem: PlanningProblem) -> Iterator[Refusal]:
    """A full pool outlasts its own no-load losses in every step (E8); missing energy has no more room than that."""
    longest_h = max(problem.grid.duration_h)
    most_kw = pool.full_kwh * pool.discharge_eff_frac / longest_h
    if pool.no_load_kw > most_kw * (1.0 + _ROUNDING_FRAC):
        yield Refusal(
            path=f"{path}.no_load_kw",
            message=f"is {pool.no_load_kw:g}, which empties the full pool within a step of {longest_h:g} h",
            allowed=f"at most {most_kw:g}",
        )


def _plant(path: str, plant: PvProblem) -> Iterator[Refusal]:
    yield from _whole_from(f"{path}.n_blocks", plant.n_blocks, 1)
    for t, (low_kw, middle_kw) in enumerate(zip(plant.available_q10_kw, plant.available_kw, strict=False)):
        if low_kw > middle_kw + _ROUNDING_KW + _ROUNDING_FRAC * middle_kw:
            yield Refusal(
                path=f"{path}.available_q10_kw.{t}",
                message=f"is {low_kw:g}",
                allowed=f"at most available_kw, {middle_kw:g}",
            )
            return


def _months(path: str, months: Sequence[DemandProblem], n_steps: int) -> Iterator[Refusal]:
    """Every step belongs to one billing month at most."""
    for number, month in enumerate(months):
        yield from _window(f"{path}.{number}", month, n_steps)
        yield from _intervals(f"{path}.{number}.interval_ends", month)
    free_from = 0
    for number, month in sorted(enumerate(months), key=lambda numbered: numbered[1].first_step):
        if month.first_step < free_from:
            yield Refusal(
                path=f"{path}.{number}.first_step",
                message=f"is {month.first_step}, inside another window",
                allowed=f"windows that do not overlap: from {free_from}",
            )
        free_from = max(free_from, month.end_step)


def _intervals(path: str, month: DemandProblem) -> Iterator[Refusal]:
    """Billing intervals fill their month, one after the other."""
    ends = month.interval_ends
    if not ends:
        return
    rises = all(before < after for before, after in pairwise((month.first_step, *ends)))
    if not rises or ends[-1] != month.end_step:
        yield Refusal(
            path=path,
            message=f"are {', '.join(map(str, ends))}",
            allowed=f"steps that rise from {month.first_step} to end_step, {month.end_step}",
        )


def _genset(path: str, genset: GensetProblem, problem: PlanningProblem) -> Iterator[Refusal]:
    n_steps = problem.grid.n_steps
    n_units = len(genset.units)
    yield from _whole_from(f"{path}.units", n_units, 1)
    yield from _once(f"{path}.units", [unit.id for unit in genset.units])
    yield from _at_most(f"{path}.min_kw", genset.min_kw, genset.max_kw, of="max_kw")
    yield from _at_most(f"{path}.step_kw", genset.step_limit_kw, genset.max_kw, of="max_kw")
    yield from _at_most(f"{path}.band_low_kw", genset.band_low_kw, genset.max_kw, of="max_kw")
    yield from _rising(f"{path}.segments", [s.fuel_l_per_kwh for s in genset.segments], "slopes that rise with power")
    widths_kw, range_kw = sum(s.width_kw for s in genset.segments), genset.max_kw - genset.min_kw
    if abs(widths_kw - range_kw) > _ROUNDING_KW + _ROUNDING_FRAC * genset.max_kw:
        yield Refusal(
            path=f"{path}.segments",
            message=f"are {widths_kw:g} kW wide together",
            allowed=f"max_kw less min_kw, {range_kw:g} kW",
        )
    for t, count in enumerate(genset.n_permitted):
        yield from _at_most(f"{path}.n_permitted.{t}", count, n_units, of="units")
    for number, unit in enumerate(genset.units):
        for place, window in enumerate(unit.out):
            if window.start_h >= window.end_h:
                yield Refusal(
                    path=f"{path}.units.{number}.out.{place}.start_h",
                    message=f"is {window.start_h:g}",
                    allowed=f"below end_h, {window.end_h:g}",
                )
    yield from _once(f"{path}.pollutants", [pollutant.id for pollutant in genset.pollutants])
    if genset.rotation is Rotation.SERVICE and not genset.service_interval_h:
        yield Refusal(
            path=f"{path}.service_interval_h",
            message=f"is {genset.service_interval_h}",
            allowed="hours above 0 from one service to the next, or another rotation",
        )
    yield from _at_most(f"{path}.n_start_failures", genset.n_start_failures, n_units, of="units")
    for number, pollutant in enumerate(genset.pollutants):
        if len(pollutant.segment_g_per_kwh) != len(genset.segments):
            yield Refusal(
                path=f"{path}.pollutants.{number}.segment_g_per_kwh",
                message=f"has {len(pollutant.segment_g_per_kwh)} values",
                allowed=f"a value for each of {len(genset.segments)} segments",
            )
        elif pollutant.price_per_kg > 0.0:
            yield from _rising(
                f"{path}.pollutants.{number}",
                _priced_slopes(problem, genset),
                "a cost per kWh that rises with power",
            )
    if genset.exercise is not None:
        yield from _window(f"{path}.exercise", genset.exercise, n_steps)


def _priced_slopes(problem: PlanningProblem, genset: GensetProblem) -> list[float]:
    """Return the marginal cost per kWh of each segment; the model fills them in this order."""
    fuel = problem.fuel
    per_l = 0.0 if fuel is None else fuel.price_per_l + fuel.kgco2e_per_l * problem.prices.co2_per_kg
    complete = [each for each in genset.pollutants if len(each.segment_g_per_kwh) == len(genset.segments)]
    return [
        segment.fuel_l_per_kwh * per_l
        + sum(each.price_per_kg * each.segment_g_per_kwh[k] / G_PER_KG for each in complete)
        for k, segment in enumerate(genset.segments)
    ]


def _offer(path: str, offer: OfferProblem, n_steps: int) -> Iterator[Refusal]:
    for t, (low, high) in enumerate(zip(offer.min_kw, offer.max_kw, strict=True)):
        yield from _at_most(f"{path}.min_kw.{t}", low, high, of="max_kw")
    yield from _at_most(f"{path}.deadline_step", offer.deadline_step, n_steps, of="steps")
    values = [-piece.value_per_kwh for piece in offer.progress]
    yield from _rising(f"{path}.progress", values, "pieces from the most valued")
    if offer.runs is not None:
        yield from _runs(f"{path}.runs", offer, offer.runs)


def _runs(path: str, offer: OfferProblem, runs: OfferRuns) -> Iterator[Refusal]:
    """Rules of runs are those of deferrable work, all of which runs or none where it moves as a whole."""
    if offer.kind is not OfferKind.DEFERRABLE:
        allowed = "nothing, or a deferrable class"
        yield Refusal(path=path, message=f"binds the runs of a {offer.kind.value} class", allowed=allowed)
    if runs.whole and runs.running_frac not in (0.0, 1.0):
        yield Refusal(path=f"{path}.running_frac", message=f"is {runs.running_frac:g}", allowed="0 or 1 of a whole")


def _stock(path: str, stock: FuelStock) -> Iterator[Refusal]:
    level_l = stock.stock_l
    for t, delivered_l in enumerate(stock.delivered_l):
        level_l += delivered_l
        if delivered_l > 0.0:
            yield from _at_most(f"{path}.delivered_l.{t}", level_l, stock.capacity_l, of="capacity_l, nothing burnt")
    yield from _at_most(f"{path}.stock_l", stock.stock_l, stock.capacity_l, of="capacity_l")
    yield from _at_most(f"{path}.reserve_l", stock.reserve_l, stock.capacity_l, of="capacity_l")


def _chillers(path: str, problem: PlanningProblem, chillers: ChillerProblem) -> Iterator[Refusal]:
    for t, (heat_kw_th, frac) in enumerate(zip(chillers.heat_kw_th, chillers.power_frac, strict=True)):
        cooling_kw = problem.load.cooling_kw(t, problem.full_it_kw(t))
        if heat_kw_th * frac > cooling_kw * (1.0 + _ROUNDING_FRAC):
            yield Refusal(
                path=f"{path}.heat_kw_th.{t}",
                message=f"is {heat_kw_th:g}, for which the chillers draw {heat_kw_th * frac:g} kW",
                allowed=f"heat for which they draw at most the cooling lines' power at full load, {cooling_kw:g} kW",
            )
    tank = chillers.tank
    if tank is not None:
        yield from _at_most(f"{path}.tank.min_kwh_th", tank.min_kwh_th, tank.max_kwh_th, of="max_kwh_th")


def _window(path: str, window: DemandProblem | ExerciseProblem | Recalibration, n_steps: int) -> Iterator[Refusal]:
    yield from _at_most(f"{path}.end_step", window.end_step, n_steps, of="steps")
    if window.first_step >= window.end_step:
        yield Refusal(
            path=f"{path}.first_step", message=f"is {window.first_step}", allowed=f"below end_step, {window.end_step}"
        )


def _at_most(path: str, value: float, most: float, *, of: str) -> Iterator[Refusal]:
    if value > most * (1.0 + _ROUNDING_FRAC):
        yield Refusal(path=path, message=f"is {value:g}", allowed=f"at most {of}, {most:g}")


def _whole_from(path: str, value: int, least: int) -> Iterator[Refusal]:
    if value < least:
        yield Refusal(path=path, message=f"are {value}", allowed=f"at least {least}")


def _once(path: str, names: Sequence[str]) -> Iterator[Refusal]:
    for name in dict.fromkeys(names):
        if not name or names.count(name) > 1:
            yield Refusal(path=path, message=f"the id '{name}' stands for more than one", allowed="ids that are unique")


def _known(path: str, name: str, names: Iterable[str]) -> Iterator[Refusal]:
    known = list(names)
    if name not in known:
        yield Refusal(path=path, message=f"'{name}' does not exist", allowed=", ".join(known) or "nothing")


def _rising(path: str, values: Sequence[float], words: str) -> Iterator[Refusal]:
    for number, (before, after) in enumerate(pairwise(values), start=1):
        if after < before - _ROUNDING_FRAC * max(abs(before), abs(after)):
            yield Refusal(path=f"{path}.{number}", message="is out of order", allowed=words)
