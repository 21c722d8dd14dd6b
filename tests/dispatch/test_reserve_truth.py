"""The rows of the reserve against the truth: post-loss states enumerated unit by unit at random operating points.

The rows are those of the compiled model; flows, energy and commitment are fixed at the point, and the slacks that
remain are what the model believes to be missing. The truth shares no code with model or check.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations

import numpy as np
import pytest

from ems.dispatch.milp import shape as model_shape
from ems.dispatch.milp.assemble import build_model, model_values
from ems.dispatch.milp.compiled import CompiledModel, Values, compile_model
from ems.dispatch.milp.objective import TERMS
from ems.dispatch.milp.solver import solve
from ems.model.problem import Contingency, ContingencyKind, PlanningProblem
from tests.dispatch.problems import common_loss, connection, gensets, load, loss, plant, pool, problem, reserve, unit

GENSET, BLOCK, PV_BLOCK, GRID = (
    ContingencyKind.GENSET,
    ContingencyKind.BLOCK,
    ContingencyKind.PV_BLOCK,
    ContingencyKind.GRID,
)
N_STEPS = 100
N_UNITS = 5
N_BLOCKS = 4
N_PV_BLOCKS = 3
MIN_KW, MAX_KW = 30.0, 100.0
FULL_KWH = 1000.0
EFF = 0.95
SUSTAIN_H, R2_SUSTAIN_H = 0.5, 2.0
LOSSES = (
    loss(GENSET),
    loss(BLOCK),
    loss(PV_BLOCK),
    loss(GRID),
    common_loss((GENSET, 2)),
    common_loss((GENSET, N_UNITS), (PV_BLOCK, 1)),
    common_loss((BLOCK, 2), (PV_BLOCK, 1), load_kw=60.0),
    common_loss((GRID, 1), (BLOCK, 1)),
)
FAMILIES = (
    "up_power",
    "up_energy",
    "up_reach",
    "genset_up_power",
    "genset_up_step",
    "genset_ready_running",
    "genset_ready_certain",
    "genset_lost_few",
    "genset_lost_many",
    "genset_gone_lost",
    "genset_any_needs",
    "genset_any_covers",
    "pv_drop",
    "curtailed_where",
    "curtailed_room",
    "reserve_up",
    "down_power",
    "down_energy",
    "reserve_down",
    "group_passes_up",
    "group_passes_down",
)
CLASSES = ("r0", "r1", "r2")
DOWN = ("down", "down_slow")
# powers in kW; the solver's tolerances for rows and for integers times the largest coefficient
CLOSE_KW = 1e-3


@dataclass(frozen=True, kw_only=True)
class Point:
    """What the units of one step do; sets share their load in any way within their limits."""

    sets_kw: tuple[float, ...]
    discharge_kw: float
    charge_kw: float
    pv_kw: float
    import_kw: float
    export_kw: float


def stated(rng: np.random.Generator, *, step_kw: float, n_failures: int) -> PlanningProblem:
    base = problem(
        load([0.0] * N_STEPS, largest_block_kw=80.0),
        pv=replace(
            plant(rng.uniform(0.0, 300.0, N_STEPS).tolist(), n_blocks=N_PV_BLOCKS, credit_frac=0.5),
            available_q10_kw=tuple(rng.uniform(0.0, 250.0, N_STEPS)),
        ),
        store=pool(
            N_STEPS,
            stored_kwh=float(rng.uniform(60.0, FULL_KWH)),
            min_stored_kwh=50.0,
            power_kw=300.0,
            n_blocks=N_BLOCKS,
            eff_frac=EFF,
        ),
        sets=gensets(
            [unit(n) for n in range(N_UNITS)],
            min_kw=MIN_KW,
            max_kw=MAX_KW,
            segments=((MAX_KW - MIN_KW, 0.2),),
            step_kw=step_kw,
            n_start_failures=n_failures,
        ),
        grid=connection(
            [0.1] * N_STEPS,
            import_limit_kw=200.0,
            export_limit_kw=150.0,
            connected=rng.integers(0, 2, N_STEPS).tolist(),
        ),
        requirements=reserve(
            N_STEPS,
            r0_kw=20.0,
            r1_kw=40.0,
            r2_kw=150.0,
            losses=LOSSES,
            pv_drop_frac=0.3,
            sustain_h=SUSTAIN_H,
            r2_sustain_h=R2_SUSTAIN_H,
            r2_shed_kw=15.0,
            curtailed_counts=True,
            down_slow=True,
        ),
    )
    return replace(base, prices=replace(base.prices, low_load_per_kwh=0.0))


def points(rng: np.random.Generator, case: PlanningProblem, *, equal: bool) -> list[Point]:
    drawn = []
    for t in range(N_STEPS):
        sets = rng.uniform(MIN_KW, MAX_KW, int(rng.integers(0, N_UNITS + 1)))
        if equal and sets.size:
            sets = np.full(sets.size, sets.mean())
        discharges, imports = rng.integers(0, 2, 2)
        on = case.connection is not None and case.connection.connected_at(t)
        drawn.append(
            Point(
                sets_kw=tuple(sets.tolist()),
                discharge_kw=float(rng.uniform(0.0, 300.0) * discharges),
                charge_kw=float(rng.uniform(0.0, 300.0) * (1 - discharges)),
                pv_kw=float(rng.uniform(0.0, 1.0) * case.available_pv_kw(t)),
                import_kw=float(rng.uniform(0.0, 200.0) * imports * on),
                export_kw=float(rng.uniform(0.0, 150.0) * (1 - imports) * on),
            )
        )
    return drawn


@cache
def compiled(*, step_limited: bool, n_failures: int) -> CompiledModel:
    step_kw = 25.0 if step_limited else MAX_KW
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_shape, "up_rows_can_bind", lambda _: True)
        shape = model_shape.shape_of(stated(np.random.default_rng(0), step_kw=step_kw, n_failures=n_failures))
    return compile_model(build_model(shape), terms=TERMS)


def believed(case: PlanningProblem, model: CompiledModel, drawn: list[Point], stored: Values) -> dict[str, Values]:
    """Return the slack of every class and step that the model's rows leave at given points."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_shape, "up_rows_can_bind", lambda _: True)
        values = model_values(case, model_shape.shape_of(case))
    matrix = model.matrix_problem(model.parameter_vector(values))
    lower, upper = matrix.lower.copy(), matrix.upper.copy()
    fixed = {
        "genset_on": [float(len(point.sets_kw)) for point in drawn],
        "genset_segment_kw": [sum(point.sets_kw) - MIN_KW * len(point.sets_kw) for point in drawn],
        "discharge_kw": [point.discharge_kw for point in drawn],
        "charge_kw": [point.charge_kw for point in drawn],
        "stored_kwh": stored,
        "pv_kw": [point.pv_kw for point in drawn],
        "import_kw": [point.import_kw for point in drawn],
        "export_kw": [point.export_kw for point in drawn],
    }
    for name, at in fixed.items():
        lower[model.variables[name]] = upper[model.variables[name]] = np.asarray(at)
    kept = np.zeros(len(matrix.row_lower), dtype=bool)
    for family in FAMILIES:
        kept[model.rows.get(family, slice(0))] = True
    cost = np.zeros_like(matrix.cost)
    slacks = [model.variables[name] for name in ("reserve_slack_kw", "down_slack_kw")]
    for place in slacks:
        cost[place] = 1.0
    solution = solve(
        replace(
            matrix,
            lower=lower,
            upper=upper,
            cost=cost,
            offset=0.0,
            row_lower=np.where(kept, matrix.row_lower, -np.inf),
            row_upper=np.where(kept, matrix.row_upper, np.inf),
        ),
        gap_frac=0.0,
        time_limit_s=60.0,
    )
    assert solution.values is not None
    rows = np.concatenate([solution.values[place].reshape(-1, N_STEPS) for place in slacks])
    return dict(zip((*CLASSES, *DOWN), rows, strict=True))


def missing_up_kw(case: PlanningProblem, point: Point, t: int, ends: list[float], name: str) -> float:
    """Return the greatest lack after any loss, every choice of lost sets tried."""
    required = next(each for each in case.reserve.classes if each.id == name)
    sets = case.gensets[0]
    tau_h = R2_SUSTAIN_H if name == "r2" else SUSTAIN_H
    usable_kwh = max(0.0, min(ends) - 50.0)
    block_kw = min(300.0 - point.discharge_kw + point.charge_kw, usable_kwh * EFF / tau_h) / N_BLOCKS
    available_kw = case.available_pv_kw(t)
    kept_kw = (1.0 - required.pv_drop_frac) * available_kw
    pv_block_kw = point.pv_kw / N_PV_BLOCKS
    certain_kw = min(case.pv[0].q10_at(t), kept_kw)
    unused_kw = max(0.0, certain_kw - point.pv_kw) / N_PV_BLOCKS if required.curtailed_counts else 0.0
    grid = case.connection
    assert grid is not None
    grid_kw = grid.connected_at(t) * (grid.import_limit_kw[t] - point.import_kw + point.export_kw)
    asked_kw = required.variation_kw[t] + max(0.0, point.pv_kw - kept_kw) - required.shed_at(t)

    def free_kw(set_kw: float) -> float:
        if name == "r0":
            return 0.0
        return MAX_KW - set_kw if name == "r2" else min(MAX_KW - set_kw, sets.step_limit_kw)

    worst = -np.inf
    for contingency in (Contingency(id="none"), *case.reserve.contingencies):
        counts = {each.kind: each.count for each in contingency.losses}
        n_lost = counts.get(GENSET, 0)
        n_blocks, n_plants = N_BLOCKS - counts.get(BLOCK, 0), N_PV_BLOCKS - counts.get(PV_BLOCK, 0)
        for gone in combinations(range(len(point.sets_kw)), min(n_lost, len(point.sets_kw))):
            left = [kw for number, kw in enumerate(point.sets_kw) if number not in gone]
            at_rest = N_UNITS - len(point.sets_kw) - (max(0, n_lost - len(gone)) if n_lost > 1 else 0)
            starts = max(0, at_rest - sets.n_start_failures) if name == "r2" else 0
            held = n_blocks * block_kw + n_plants * unused_kw + sum(free_kw(kw) for kw in left) + starts * MAX_KW
            held += 0.0 if GRID in counts else grid_kw
            lost = sum(point.sets_kw[number] for number in gone) + (N_PV_BLOCKS - n_plants) * pv_block_kw
            lost += (N_BLOCKS - n_blocks) * point.discharge_kw / N_BLOCKS
            lost += point.import_kw if GRID in counts else 0.0
            worst = max(worst, asked_kw + lost - held)
    return max(0.0, worst)


def missing_down_kw(case: PlanningProblem, point: Point, t: int, ends: list[float], *, slow: bool) -> float:
    """Return the greatest surplus that nothing takes after any loss; every choice of lost sets tried."""
    room_kw = (FULL_KWH - max(ends)) / (EFF * SUSTAIN_H) + point.discharge_kw
    block_kw = max(0.0, min(300.0 + point.discharge_kw - point.charge_kw, room_kw)) / N_BLOCKS
    grid = case.connection
    assert grid is not None
    grid_kw = grid.connected_at(t) * (point.import_kw - point.export_kw + grid.export_limit_kw[t])
    cut_kw = point.pv_kw * (1.0 if slow else 0.5) / N_PV_BLOCKS
    worst = case.load.largest_block_kw - _down_held(point, N_BLOCKS * block_kw, N_PV_BLOCKS * cut_kw, grid_kw, slow)
    for contingency in case.reserve.contingencies:
        counts = {each.kind: each.count for each in contingency.losses}
        if GENSET in counts:
            # nothing but supply is lost with sets here
            continue
        n_blocks, n_plants = N_BLOCKS - counts.get(BLOCK, 0), N_PV_BLOCKS - counts.get(PV_BLOCK, 0)
        left_kw = 0.0 if GRID in counts else grid_kw
        held = _down_held(point, n_blocks * block_kw, n_plants * cut_kw, left_kw, slow)
        lost = sum(each.load_kw for each in contingency.losses) + (N_BLOCKS - n_blocks) * point.charge_kw / N_BLOCKS
        worst = max(worst, lost + (point.export_kw if GRID in counts else 0.0) - held)
    return max(0.0, worst)


def _down_held(point: Point, store_kw: float, cut_kw: float, grid_kw: float, slow: bool) -> float:  # noqa: FBT001 - the response class
    return store_kw + cut_kw + grid_kw + (sum(kw - MIN_KW for kw in point.sets_kw) if slow else 0.0)


def ends_kwh(case: PlanningProblem, stored: Values, t: int, *, n_later: int) -> list[float]:
    before = case.pools[0].stored_kwh if t == 0 else float(stored[t - 1])
    return [before, *(float(kwh) for kwh in stored[t : t + 1 + n_later])]


def cases(
    seeds: range, *, step_limited: bool, equal: bool
) -> Iterator[tuple[PlanningProblem, int, Point, Values, dict[str, float]]]:
    """Yield problem, step, operating point, energies, and what the model believes to be missing there."""
    for seed in seeds:
        rng = np.random.default_rng(seed)
        n_failures = int(seed % 3)
        case = stated(rng, step_kw=25.0 if step_limited else MAX_KW, n_failures=n_failures)
        drawn = points(rng, case, equal=equal)
        stored = rng.uniform(50.0, FULL_KWH, N_STEPS)
        slack = believed(case, compiled(step_limited=step_limited, n_failures=n_failures), drawn, stored)
        for t, point in enumerate(drawn):
            yield case, t, point, stored, {name: float(rows[t]) for name, rows in slack.items()}


def test_rows_are_exact_for_any_load_sharing_where_no_set_is_limited_by_its_step() -> None:
    compared = 0
    for case, t, point, stored, slack in cases(range(12), step_limited=False, equal=False):
        near, far = ends_kwh(case, stored, t, n_later=0), ends_kwh(case, stored, t, n_later=1)

        assert slack["r1"] == pytest.approx(missing_up_kw(case, point, t, near, "r1"), abs=CLOSE_KW)
        assert slack["r2"] == pytest.approx(missing_up_kw(case, point, t, far, "r2"), abs=CLOSE_KW)
        assert slack["down"] == pytest.approx(missing_down_kw(case, point, t, near, slow=False), abs=CLOSE_KW)
        assert slack["down_slow"] == pytest.approx(missing_down_kw(case, point, t, near, slow=True), abs=CLOSE_KW)
        compared += slack["r1"] > 0.0

    # the points are such that the rows bind in many of them and hold in many others
    assert 200 < compared < 1000


def test_without_headroom_of_sets_rows_are_never_looser_and_stricter_by_what_lost_sets_have_free() -> None:
    for case, t, point, stored, slack in cases(range(100, 110), step_limited=False, equal=False):
        truth = missing_up_kw(case, point, t, ends_kwh(case, stored, t, n_later=0), "r0")

        free_kw = sum(sorted((MAX_KW - kw for kw in point.sets_kw), reverse=True)[:2])
        assert truth - CLOSE_KW <= slack["r0"] <= truth + free_kw + CLOSE_KW


def test_with_a_step_limit_and_equal_sharing_rows_are_never_looser_and_stricter_by_a_known_bound() -> None:
    for case, t, point, stored, slack in cases(range(200, 210), step_limited=True, equal=True):
        near, far = ends_kwh(case, stored, t, n_later=0), ends_kwh(case, stored, t, n_later=1)
        truth = missing_up_kw(case, point, t, near, "r1")

        # (1 - phi - pmin / pmax) * pmax for each of up to two lost sets
        bound_kw = 2.0 * (MAX_KW - 25.0 - MIN_KW)
        assert truth - CLOSE_KW <= slack["r1"] <= truth + bound_kw + CLOSE_KW
        # R2 knows no step
        assert slack["r2"] == pytest.approx(missing_up_kw(case, point, t, far, "r2"), abs=CLOSE_KW)
