"""Turns HiGHS's solution vector into a plan."""

from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt

from ems.dispatch.milp.compiled import CompiledModel
from ems.dispatch.milp.objective import TERMS
from ems.dispatch.milp.shape import ModelShape
from ems.dispatch.milp.shortfall import lacking_reserve
from ems.dispatch.milp.solver import Solution
from ems.dispatch.named_units import with_names
from ems.dispatch.steps import forecast_step
from ems.dispatch.unit_history import n_initial_on
from ems.model.plan import (
    ChillerStep,
    GensetStep,
    ObjectiveTerms,
    OfferStep,
    Plan,
    PlanSource,
    PlanStatus,
    PlanStep,
    PlantStep,
    PoolStep,
    SolveTimings,
)
from ems.model.problem import GensetProblem, PlanningProblem

SCHEMA = "plan/1"
Values = npt.NDArray[np.float64]

# slack variables whose use means that a wish was broken, with the name that the plan reports
_SLACKS = {
    "it_unserved_kw": "unserved",
    "other_unserved_kw": "unserved",
    "surplus_kw": "surplus",
    "stored_missing_kwh": "stored energy",
    "floor_slack_kwh": "floor",
    "genset_up_slack": "minimum up time",
    "genset_down_slack": "minimum down time",
    "ramp_slack_kw": "ramp at the PCC",
    "offer_unserved_kw": "unserved",
    "offer_over_h": "curtailed hours",
    "heat_missing_kw_th": "cooling capacity",
    "chiller_low_kw_th": "chiller minimum load",
    "tank_floor_slack_kwh_th": "tank floor",
    "genset_quiet_slack": "quiet hours",
    "genset_permit_slack_h": "permitted run hours",
    "genset_exercise_missed": "exercise run",
    "fuel_reserve_slack_l": "fuel reserve",
    "fuel_missing_l": "fuel",
}
_SLACK_TOLERANCE = 1e-3
_COUNT_TOLERANCE = 1e-4
# flows below this are rounding of the solver
_FLOW_TOLERANCE_KW = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class _Columns:
    """The solution by variable, each as (members, steps)."""

    compiled: CompiledModel
    values: Values
    n_steps: int

    def table(self, name: str) -> Values:
        place = self.compiled.variables[name]
        return self.values[place].reshape(-1, self.n_steps)

    def flows(self, name: str) -> list[float]:
        """Return the flow of a variable with one member in each step."""
        cleaned: list[float] = _clean(self.row(name))
        return cleaned

    def row(self, name: str) -> Values:
        table = self.table(name)
        return table[0] if len(table) else np.zeros(self.n_steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counts:
    """Units of each class per step that run, start, leave running, and deliver: not those that still warm up."""

    on: Values
    started: Values
    left: Values
    delivering: Values


def extract_plan(
    problem: PlanningProblem,
    shape: ModelShape,
    compiled: CompiledModel,
    parameters: Values,
    solution: Solution,
) -> Plan:
    """Return the plan of a solution that has values."""
    values = np.zeros(0) if solution.values is None else solution.values
    columns = _Columns(compiled=compiled, values=values, n_steps=shape.n_steps)
    # no dot product: BLAS would wake its threads for vectors of this length
    terms = {name: float(np.sum(compiled.terms[name].at(parameters) * values)) for name in TERMS}
    relaxed = _relaxed(problem, shape, compiled, parameters, values)
    return Plan(
        schema=SCHEMA,
        problem_id=problem.id,
        site_id=problem.site_id,
        created_utc=problem.created_utc,
        source=PlanSource.MILP,
        status=PlanStatus.OPTIMAL if solution.optimal else PlanStatus.FEASIBLE,
        gap_frac=solution.gap_frac,
        objective=ObjectiveTerms(**terms),
        timings=SolveTimings(),
        steps=_with_stock(problem, shape, columns, _steps(problem, shape, columns, relaxed)),
        relaxed=relaxed,
        note=solution.status,
    )


def _with_stock(
    problem: PlanningProblem, shape: ModelShape, columns: _Columns, steps: tuple[PlanStep, ...]
) -> tuple[PlanStep, ...]:
    """Return the steps with what they leave in the fuel tank (E7)."""
    stock = None if problem.fuel is None else problem.fuel.stock
    if stock is None:
        return steps
    starts_l = _starts_l(problem, _counts(shape, columns))
    left_l = stock.stock_l
    filled = []
    for t, step in enumerate(steps):
        left_l -= step.duration_h * sum(genset.fuel_l_per_h for genset in step.gensets) + float(starts_l[t])
        left_l = max(0.0, left_l) + stock.delivered_at(t)
        filled.append(replace(step, fuel_stock_end_l=left_l))
    return tuple(filled)


def _starts_l(problem: PlanningProblem, counts: _Counts) -> Values:
    """Return per step what starts draw from the tank, of fractions of units their share."""
    drawn_l = np.zeros(problem.grid.n_steps)
    for c, genset in enumerate(problem.gensets):
        if genset.start_fuel_l > 0.0:
            before = np.concatenate(([n_initial_on(problem, genset)], counts.on[c, :-1]))
            # a start that changes no count is none, but for units that swap to warm up
            started = np.maximum(counts.on[c] - before + counts.left[c], counts.started[c])
            drawn_l += genset.start_fuel_l * np.maximum(0.0, started)
    return drawn_l


def _relaxed(
    problem: PlanningProblem, shape: ModelShape, compiled: CompiledModel, parameters: Values, values: Values
) -> tuple[str, ...]:
    """Return the wishes that a solution breaks; each response class of the reserve is one."""
    used = [
        wish
        for name, wish in _SLACKS.items()
        if name in compiled.variables and (values[compiled.variables[name]] > _SLACK_TOLERANCE).any()
    ]
    return tuple(dict.fromkeys((*used, *lacking_reserve(problem, shape.reserve, compiled, parameters, values))))


def _steps(
    problem: PlanningProblem, shape: ModelShape, columns: _Columns, relaxed: tuple[str, ...]
) -> tuple[PlanStep, ...]:
    unserved_it = columns.flows("it_unserved_kw")
    unserved = _clean(columns.row("it_unserved_kw") + columns.row("other_unserved_kw"))
    surplus = columns.flows("surplus_kw")
    pv = _clean(columns.table("pv_kw").sum(axis=0))
    plants, pools = _plants(problem, columns), _pools(problem, columns)
    gensets = with_names(problem, _gensets(problem, shape, columns), relaxed)
    storage_aux_kw = _storage_aux_kw(problem, columns)
    imported, exported = columns.flows("import_kw"), columns.flows("export_kw")
    offers = [_offers(problem, shape, columns, t) for t in range(columns.n_steps)]
    it_kw = [
        problem.load.it_kw[t] - unserved_it[t] + sum([offer.power_kw for offer in offers[t]])
        for t in range(columns.n_steps)
    ]
    return tuple(
        replace(
            forecast_step(
                problem,
                t,
                it_kw=it_kw[t],
                cooling_kw=_cooling_kw(problem, columns, t, it_kw=it_kw[t]),
                storage_aux_kw=storage_aux_kw[t],
            ),
            pv_kw=pv[t],
            plants=plants[t],
            import_kw=imported[t],
            export_kw=exported[t],
            unserved_kw=unserved[t] + sum([offer.unserved_kw for offer in offers[t]]),
            offers=offers[t],
            chillers=_chillers(problem, columns, t),
            surplus_kw=surplus[t],
            pools=pools[t],
            gensets=gensets[t],
        )
        for t in range(columns.n_steps)
    )


def _plants(problem: PlanningProblem, columns: _Columns) -> list[tuple[PlantStep, ...]]:
    """Return what each PV plant delivers, by step."""
    ids = [plant.id for plant in problem.pv]
    return [
        tuple([PlantStep(id=name, power_kw=kw) for name, kw in zip(ids, powers, strict=True)])
        for powers in _clean(columns.table("pv_kw").T)
    ]


def _cooling_kw(problem: PlanningProblem, columns: _Columns, t: int, *, it_kw: float) -> float:
    """Return the cooling that the model has: its own variable, else what lies on the chord."""
    cooling = columns.table("cooling_kw")
    extra_kw = _chillers_extra_kw(problem, columns, t)
    if len(cooling):
        return float(cooling[0, t]) + extra_kw
    load = problem.load
    return load.cooling_kw(t, 0.0) + load.cooling_slope_frac(t, problem.full_it_kw(t)) * it_kw + extra_kw


def _chillers_extra_kw(problem: PlanningProblem, columns: _Columns, t: int) -> float:
    """Return what running chillers and the tank take beside the cooling lines."""
    if problem.chillers is None:
        return 0.0
    running_kw = problem.chillers.base_kw * float(columns.row("chiller_on")[t])
    return running_kw + problem.chillers.power_frac[t] * float(columns.row("tank_kw_th")[t])


def _chillers(problem: PlanningProblem, columns: _Columns, t: int) -> ChillerStep | None:
    data = problem.chillers
    if data is None:
        return None
    on, tank = columns.row("chiller_on"), float(columns.row("tank_kw_th")[t])
    n_on, before = _whole(on[t]), _whole(on[t - 1]) if t else data.n_on
    heat_kw_th = _flow(columns.row("chiller_heat_kw_th")[t])
    return ChillerStep(
        n_on=n_on,
        n_started=max(0, n_on - before),
        heat_kw_th=heat_kw_th,
        power_kw=data.power_frac[t] * heat_kw_th + data.base_kw * float(on[t]),
        tank_charge_kw_th=_flow(tank),
        tank_discharge_kw_th=_flow(-tank),
        tank_end_kwh_th=max(0.0, float(columns.row("tank_kwh_th")[t])),
    )


def _offers(problem: PlanningProblem, shape: ModelShape, columns: _Columns, t: int) -> tuple[OfferStep, ...]:
    cut, unserved = columns.table("offer_cut_kw"), columns.table("offer_unserved_kw")
    running, started = columns.table("offer_running"), columns.table("offer_started")
    steps = []
    row = ruled = 0
    for o, (offer, structure) in enumerate(zip(problem.offers, shape.offers, strict=True)):
        cut_kw = _flow(cut[row : row + structure.n_pieces, t].sum())
        row += structure.n_pieces
        unserved_kw = _flow(unserved[o, t])
        power_kw = max(0.0, offer.asked_kw(t) - cut_kw - unserved_kw)
        step = OfferStep(id=offer.id, power_kw=power_kw, cut_kw=cut_kw, unserved_kw=unserved_kw)
        if structure.runs:
            # after the deadline nothing is left that could run
            due = t < offer.deadline_step
            step = replace(
                step,
                running_frac=_share(due * running[ruled, t]),
                started_frac=_share(due * started[ruled, t]),
            )
            ruled += 1
        steps.append(step)
    return tuple(steps)


def _storage_aux_kw(problem: PlanningProblem, columns: _Columns) -> list[float]:
    """Return per step what the auxiliaries of storage draw for its power (E11)."""
    flows = columns.table("charge_kw") + columns.table("discharge_kw")
    flows[flows < _FLOW_TOLERANCE_KW] = 0.0
    frac = np.asarray([pool.aux_frac_of_power for pool in problem.pools])
    drawn: list[float] = (frac @ flows).tolist() if len(frac) else [0.0] * columns.n_steps
    return drawn


def _pools(problem: PlanningProblem, columns: _Columns) -> list[tuple[PoolStep, ...]]:
    """Return what each pool of storage does, by step."""
    ids = [pool.id for pool in problem.pools]
    tables = (_clean(columns.table("charge_kw").T), _clean(columns.table("discharge_kw").T))
    return [
        tuple(
            [
                PoolStep(id=name, charge_kw=charge_kw, discharge_kw=discharge_kw, stored_end_kwh=stored_kwh)
                for name, charge_kw, discharge_kw, stored_kwh in zip(ids, charge, discharge, stored, strict=True)
            ]
        )
        for charge, discharge, stored in zip(*tables, columns.table("stored_kwh").T.tolist(), strict=True)
    ]


def _gensets(problem: PlanningProblem, shape: ModelShape, columns: _Columns) -> tuple[tuple[GensetStep, ...], ...]:
    """Return what each class does, by step and class."""
    counts = _counts(shape, columns)
    segment = columns.table("genset_segment_kw")
    classes = []
    row = 0
    for c, genset in enumerate(problem.gensets):
        above = segment[row : row + len(genset.segments)]
        row += len(genset.segments)
        classes.append(_class_steps(problem, genset, counts, c, above))
    return tuple(zip(*classes, strict=True)) if classes else ((),) * columns.n_steps


def _class_steps(
    problem: PlanningProblem, genset: GensetProblem, counts: _Counts, c: int, above: Values
) -> list[GensetStep]:
    """Return the steps of one class; `above` is its power on each stretch of the curve, as (stretches, steps)."""
    slopes = np.asarray([segment.fuel_l_per_kwh for segment in genset.segments])
    above_kw = _clean(above.sum(axis=0))
    above_l_per_h = (slopes @ above).tolist()
    # units that leave do so whatever is decided, and others may start in their place
    left = np.rint(counts.left[c]).astype(int).tolist()
    # units swap only where their warm-up tells a start from a unit that runs on
    swapped = np.rint(counts.started[c]).astype(int).tolist()
    before = n_initial_on(problem, genset)
    steps = []
    for t, (on, delivering) in enumerate(zip(counts.on[c].tolist(), counts.delivering[c].tolist(), strict=True)):
        n_on = _whole(on)
        change = n_on - before + left[t]
        n_started = max(0, change, swapped[t])
        steps.append(
            GensetStep(
                id=genset.id,
                n_on=n_on,
                n_started=n_started,
                n_stopped=n_started - change + left[t],
                n_left=left[t],
                power_kw=delivering * genset.min_kw + above_kw[t],
                fuel_l_per_h=delivering * genset.min_fuel_l_per_h + above_l_per_h[t],
                pollutants_g_per_h=_pollutants(genset, delivering, above[:, t]) if genset.pollutants else (),
            )
        )
        before = n_on
    return steps


def _counts(shape: ModelShape, columns: _Columns) -> _Counts:
    on = columns.table("genset_on")
    started, left, delivering = np.zeros_like(on), np.zeros_like(on), on.copy()
    leaving = [c for c, genset in enumerate(shape.gensets) if genset.leaves]
    if leaving:
        left[leaving] = columns.table("genset_left")
    warming = [c for c, genset in enumerate(shape.gensets) if genset.n_warm_lags]
    if warming:
        started[warming] = columns.table("genset_start")[warming]
        delivering[warming] = np.maximum(0.0, columns.table("genset_delivering"))
    return _Counts(on=on, started=started, left=left, delivering=delivering)


def _pollutants(genset: GensetProblem, delivering: float, above: Values) -> tuple[tuple[str, float], ...]:
    taken = _in_order(genset, delivering, above)
    return tuple(
        (each.id, delivering * each.min_g_per_h + float(np.asarray(each.segment_g_per_kwh) @ taken))
        for each in genset.pollutants
    )


def _in_order(genset: GensetProblem, delivering: float, above: Values) -> Values:
    """Return the output of each stretch with the lower ones full first, as where two have the same slope."""
    widths = np.asarray([segment.width_kw for segment in genset.segments]) * delivering
    below = np.concatenate(([0.0], np.cumsum(widths)[:-1]))
    taken: Values = np.clip(float(above.sum()) - below, 0.0, widths)
    return taken


def _whole(n_on: float) -> int:
    """Return the count; a fraction (beyond the integer horizon) stands for one more unit that runs for a part."""
    return ceil(float(n_on) - _COUNT_TOLERANCE)


def _share(value: float) -> float:
    return min(1.0, max(0.0, float(value)))


def _clean(flows: Values) -> Any:
    """Return flows as lists, in the shape they have, without the rounding of the solver."""
    return np.where(flows > _FLOW_TOLERANCE_KW, flows, 0.0).tolist()


def _flow(value: float) -> float:
    return float(value) if value > _FLOW_TOLERANCE_KW else 0.0
