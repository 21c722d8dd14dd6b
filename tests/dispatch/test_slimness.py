"""What a problem does not ask for is not in its model."""

from dataclasses import replace

import pytest

from ems.dispatch.milp.assemble import build_model
from ems.dispatch.milp.compiled import CompiledModel, compile_model
from ems.dispatch.milp.objective import TERMS
from ems.dispatch.milp.screening import up_rows_can_bind
from ems.dispatch.milp.shape import shape_of
from ems.model.problem import ContingencyKind, PlanningProblem
from tests.benchmark.instances import BenchmarkSite, instance
from tests.dispatch.problems import PRICES, gensets, loss, pool, problem, reserve, unit
from tests.dispatch.solving import solved

PLAIN_VARIABLES = {
    "pv_kw",
    "import_kw",
    "export_kw",
    "genset_on",
    "genset_start",
    "genset_stop",
    "genset_segment_kw",
    "genset_up_slack",
    "genset_down_slack",
    "charge_kw",
    "discharge_kw",
    "stored_kwh",
    "terminal_kwh",
    "it_unserved_kw",
    "surplus_kw",
    "reserve_slack_kw",
    "up_kw",
}
PLAIN_ROWS = {
    "genset_commitment",
    "genset_segment_limit",
    "genset_min_up",
    "genset_min_down",
    "battery_energy",
    "battery_terminal",
    "bus_balance",
    "up_power",
    "up_energy",
    "reserve_up",
}


def _compiled(stated: PlanningProblem) -> CompiledModel:
    return compile_model(build_model(shape_of(stated)), terms=TERMS)


def _present(places: dict[str, slice]) -> set[str]:
    return {name for name, place in places.items() if place.stop > place.start}


def test_plain_problem_has_no_variable_and_no_row_beyond_its_own() -> None:
    compiled = _compiled(BenchmarkSite(instance("S-96-grid-1")).problem())

    assert _present(dict(compiled.variables)) == PLAIN_VARIABLES
    assert _present(dict(compiled.rows)) == PLAIN_ROWS


@pytest.mark.parametrize(
    ("feature", "variable"),
    [
        ("low load", "genset_low_load_kw"),
        ("lost set", "genset_any"),
        ("lead energy", "any_set"),
        ("floor", "floor_slack_kwh"),
        ("no load", "stored_missing_kwh"),
        ("step", "genset_up_kw"),
        ("cloud", "pv_drop_kw"),
        ("auxiliaries", "other_unserved_kw"),
    ],
)
def test_feature_brings_its_variable_and_only_with_it(feature: str, variable: str) -> None:
    plain = problem(
        [150.0, 150.0],
        store=pool(2, stored_kwh=500.0, power_kw=60.0),
        sets=gensets([unit(1), unit(2)], step_kw=100.0),
        requirements=replace(reserve(2, r1_kw=20.0), down=False, floor_kwh=(), lead_kwh=()),
    )
    wanted = plain.reserve
    changed = {
        "low load": replace(plain, prices=replace(PRICES, low_load_per_kwh=0.1)),
        "lost set": replace(plain, reserve=replace(wanted, contingencies=(loss(ContingencyKind.GENSET),))),
        "lead energy": replace(plain, reserve=replace(wanted, lead_kwh=(5.0, 5.0))),
        "floor": replace(plain, reserve=replace(wanted, floor_kwh=(5.0, 5.0))),
        "no load": replace(plain, pools=(pool(2, stored_kwh=500.0, power_kw=60.0, no_load_kw=1.0),)),
        "step": replace(plain, gensets=(gensets([unit(1), unit(2)], step_kw=40.0),)),
        "cloud": replace(plain, reserve=replace(wanted, classes=(replace(wanted.classes[0], pv_drop_frac=0.2),))),
        "auxiliaries": replace(plain, load=replace(plain.load, aux_constant_kw=(5.0, 5.0))),
    }[feature]

    assert variable not in _present(dict(_compiled(plain).variables))
    assert variable in _present(dict(_compiled(changed).variables))
    solved(plain)
    solved(changed)


def test_store_without_a_floor_may_be_emptied_so_that_its_reserve_rows_can_bind() -> None:
    # all of the store's energy would cover V if it had to stay; the problem names no contingency
    stated = problem(
        [100.0],
        store=pool(1, stored_kwh=500.0, power_kw=500.0),
        sets=gensets([unit(1)]),
        requirements=replace(reserve(1, r1_kw=50.0, sustain_h=1.0), down=False, floor_kwh=(), lead_kwh=()),
    )

    assert up_rows_can_bind(stated) is True
