"""Rows of the reserve behind groups against the truth: what passes each group after every loss, unit by unit.

Operating points and rows are those of test_reserve_truth.py. The truth says what each group delivers, from the
innermost one outwards; the model says what is blocked.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import combinations

import numpy as np
import pytest

from ems.dispatch.milp import shape as model_shape
from ems.dispatch.milp.assemble import build_model
from ems.dispatch.milp.compiled import CompiledModel, Values, compile_model
from ems.dispatch.milp.objective import TERMS
from ems.model.problem import Contingency, ContingencyKind, GroupProblem, PlanningProblem
from tests.dispatch import test_reserve_truth as plain
from tests.dispatch.test_reserve_truth import (
    CLOSE_KW,
    EFF,
    FULL_KWH,
    MAX_KW,
    MIN_KW,
    N_BLOCKS,
    N_PV_BLOCKS,
    N_UNITS,
    R2_SUSTAIN_H,
    SUSTAIN_H,
    Point,
)

GENSET, BLOCK, PV_BLOCK, GRID = (
    ContingencyKind.GENSET,
    ContingencyKind.BLOCK,
    ContingencyKind.PV_BLOCK,
    ContingencyKind.GRID,
)
# a transformer of the store inside a collector with the sets, a feeder around both, and the PCC's own transformer
GROUPS = (
    GroupProblem(id="feeder", members=("bess", "diesel", "pv"), limit_kw=420.0),
    GroupProblem(id="transformer", members=("bess",), limit_kw=180.0),
    GroupProblem(id="collector", members=("bess", "diesel"), limit_kw=330.0),
    GroupProblem(id="pcc", members=("grid",), limit_kw=120.0),
)
# members and limit from the innermost outwards, what is inside by its name
NESTED = (
    (("bess",), 180.0, "transformer"),
    (("transformer", "diesel"), 330.0, "collector"),
    (("collector", "pv"), 420.0, "feeder"),
    (("grid",), 120.0, "pcc"),
)


def stated(rng: np.random.Generator, *, n_failures: int) -> PlanningProblem:
    return replace(plain.stated(rng, step_kw=MAX_KW, n_failures=n_failures), groups=GROUPS)


@cache
def compiled(*, n_failures: int) -> CompiledModel:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_shape, "up_rows_can_bind", lambda _: True)
        shape = model_shape.shape_of(stated(np.random.default_rng(0), n_failures=n_failures))
    return compile_model(build_model(shape), terms=TERMS)


def passing_kw(powers_kw: dict[str, float]) -> float:
    """Return what all members deliver together where no group passes more than its limit."""
    reached = dict(powers_kw)
    for members, limit_kw, name in NESTED:
        reached[name] = min(limit_kw, sum(reached.pop(member) for member in members))
    return sum(reached.values())


def missing_up_kw(case: PlanningProblem, point: Point, t: int, ends: list[float], name: str) -> float:
    """Return the greatest lack after any loss, every choice of lost sets tried."""
    required = next(each for each in case.reserve.classes if each.id == name)
    slow = name == "r2"
    usable_kwh = max(0.0, min(ends) - 50.0)
    by_energy_kw = usable_kwh * EFF / (R2_SUSTAIN_H if slow else SUSTAIN_H)
    flow_kw = point.discharge_kw - point.charge_kw
    store_kw = flow_kw + min(300.0 - flow_kw, by_energy_kw)
    kept_kw = (1.0 - required.pv_drop_frac) * case.available_pv_kw(t)
    certain_kw = min(case.pv[0].q10_at(t), kept_kw)
    pv_kw = point.pv_kw + (max(0.0, certain_kw - point.pv_kw) if required.curtailed_counts else 0.0)
    grid = case.connection
    assert grid is not None
    asked_kw = required.variation_kw[t] + max(0.0, point.pv_kw - kept_kw) - required.shed_at(t)
    worst = -np.inf
    for contingency in (Contingency(id="none"), *case.reserve.contingencies):
        counts = {each.kind: each.count for each in contingency.losses}
        left_frac = 1.0 - counts.get(BLOCK, 0) / N_BLOCKS
        pv_frac = 1.0 - counts.get(PV_BLOCK, 0) / N_PV_BLOCKS
        n_lost = counts.get(GENSET, 0)
        for gone in combinations(range(len(point.sets_kw)), min(n_lost, len(point.sets_kw))):
            left = [kw for number, kw in enumerate(point.sets_kw) if number not in gone]
            at_rest = N_UNITS - len(point.sets_kw) - (max(0, n_lost - len(gone)) if n_lost > 1 else 0)
            starts = max(0, at_rest - case.gensets[0].n_start_failures) if slow else 0
            most = {
                "bess": left_frac * store_kw,
                "diesel": sum(left) if name == "r0" else (len(left) + starts) * MAX_KW,
                "pv": pv_frac * pv_kw,
                "grid": 0.0 if GRID in counts else grid.connected_at(t) * grid.import_limit_kw[t],
            }
            # what is left delivers now; a loss that takes load off the bus frees nothing
            now_kw = left_frac * flow_kw + sum(left) + pv_frac * point.pv_kw
            now_kw += 0.0 if GRID in counts else point.import_kw - point.export_kw
            lost_kw = (1.0 - left_frac) * point.discharge_kw + (1.0 - pv_frac) * point.pv_kw
            lost_kw += sum(point.sets_kw[number] for number in gone) + (point.import_kw if GRID in counts else 0.0)
            worst = max(worst, asked_kw + lost_kw - (passing_kw(most) - now_kw))
    return max(0.0, worst)


def missing_down_kw(case: PlanningProblem, point: Point, t: int, ends: list[float], *, slow: bool) -> float:
    """Return the greatest surplus that nothing takes after any loss."""
    flow_kw = point.discharge_kw - point.charge_kw
    room_kw = (FULL_KWH - max(ends)) / (EFF * SUSTAIN_H) + point.discharge_kw
    store_kw = flow_kw - max(0.0, min(300.0 + flow_kw, room_kw))
    grid = case.connection
    assert grid is not None
    worst = -np.inf
    load_block = Contingency(id="load_block")
    for contingency in (load_block, *case.reserve.contingencies):
        counts = {each.kind: each.count for each in contingency.losses}
        if GENSET in counts or (not counts.keys() - {PV_BLOCK} and contingency is not load_block):
            # nothing but supply is lost here
            continue
        left_frac = 1.0 - counts.get(BLOCK, 0) / N_BLOCKS
        pv_frac = 1.0 - counts.get(PV_BLOCK, 0) / N_PV_BLOCKS
        sets_kw = MIN_KW * len(point.sets_kw) if slow else sum(point.sets_kw)
        least = {
            "bess": left_frac * store_kw,
            "diesel": sets_kw,
            "pv": pv_frac * point.pv_kw * (0.0 if slow else 0.5),
            "grid": 0.0 if GRID in counts else -grid.connected_at(t) * grid.export_limit_kw[t],
        }
        now_kw = left_frac * flow_kw + sum(point.sets_kw) + pv_frac * point.pv_kw
        now_kw += 0.0 if GRID in counts else point.import_kw - point.export_kw
        held_kw = now_kw + passing_kw({member: -kw for member, kw in least.items()})
        lost_kw = sum(each.load_kw for each in contingency.losses) + (1.0 - left_frac) * point.charge_kw
        lost_kw += point.export_kw if GRID in counts else 0.0
        lost_kw += case.load.largest_block_kw if contingency is load_block else 0.0
        worst = max(worst, lost_kw - held_kw)
    return max(0.0, worst)


def cases(seeds: range) -> Iterator[tuple[PlanningProblem, int, Point, Values, dict[str, float]]]:
    for seed in seeds:
        rng = np.random.default_rng(seed)
        case = stated(rng, n_failures=seed % 3)
        drawn = plain.points(rng, case, equal=False)
        stored = rng.uniform(50.0, FULL_KWH, plain.N_STEPS)
        slack = plain.believed(case, compiled(n_failures=seed % 3), drawn, stored)
        for t, point in enumerate(drawn):
            yield case, t, point, stored, {name: float(rows[t]) for name, rows in slack.items()}


def test_rows_behind_groups_are_exact_for_any_load_sharing_where_sets_have_headroom() -> None:
    stricter = 0
    for case, t, point, stored, slack in cases(range(300, 304)):
        near, far = (plain.ends_kwh(case, stored, t, n_later=n) for n in (0, 1))
        free = replace(case, groups=())

        assert slack["r1"] == pytest.approx(missing_up_kw(case, point, t, near, "r1"), abs=CLOSE_KW)
        assert slack["r2"] == pytest.approx(missing_up_kw(case, point, t, far, "r2"), abs=CLOSE_KW)
        assert slack["down"] == pytest.approx(missing_down_kw(case, point, t, near, slow=False), abs=CLOSE_KW)
        assert slack["down_slow"] == pytest.approx(missing_down_kw(case, point, t, near, slow=True), abs=CLOSE_KW)
        stricter += slack["r1"] > plain.missing_up_kw(free, point, t, near, "r1") + 1.0

    # groups make many of the points short that are not short without them
    assert stricter > 40


def test_rows_behind_groups_are_never_looser_without_headroom_of_sets() -> None:
    for case, t, point, stored, slack in cases(range(400, 402)):
        truth = missing_up_kw(case, point, t, plain.ends_kwh(case, stored, t, n_later=0), "r0")

        free_kw = sum(sorted((MAX_KW - kw for kw in point.sets_kw), reverse=True)[:2])
        assert truth - CLOSE_KW <= slack["r0"] <= truth + free_kw + CLOSE_KW
