"""Reserve behind transformers and feeders: where a group keeps headroom from passing, where not; what is refused."""

from dataclasses import replace

import pytest

from ems.dispatch.milp.assemble import build_model
from ems.dispatch.milp.screening import up_rows_can_bind
from ems.dispatch.milp.shape import shape_of
from ems.model.problem import ContingencyKind, GroupProblem, PlanningProblem
from tests.dispatch.problems import connection, gensets, load, loss, plant, pool, problem, reserve, unit
from tests.dispatch.solving import n_on, refusals, solved

ROWS = ("group_passes_up", "group_passes_down")
VARIABLES = ("blocked_up_kw", "blocked_down_kw")


def group(limit_kw: float, *members: str) -> GroupProblem:
    return GroupProblem(id="-".join(members), members=members, limit_kw=limit_kw)


def grouped(stated: PlanningProblem, *groups: GroupProblem) -> PlanningProblem:
    return replace(stated, groups=groups)


def ready(v_kw: float, *losses: ContingencyKind) -> PlanningProblem:
    """Return an hour in which a store of 300 kW carries 100 kW, and V asks for more; three sets stand by."""
    return problem(
        [100.0],
        store=pool(1, stored_kwh=1000.0, power_kw=300.0, wear_cost_per_kwh=0.001),
        sets=gensets([unit(1), unit(2), unit(3)]),
        requirements=replace(reserve(1, r1_kw=v_kw, losses=[loss(each) for each in losses]), down=False),
    )


@pytest.mark.parametrize(
    ("limit_kw", "n_sets"),
    [
        pytest.param(180.0, 0, id="80 kW pass"),
        # 50 kW pass of the store's 200: a set takes load off the store, and has 70 kW itself
        pytest.param(150.0, 1, id="50 kW pass"),
    ],
)
def test_headroom_behind_a_transformer_counts_as_far_as_it_passes(limit_kw: float, n_sets: int) -> None:
    assert n_on(solved(ready(80.0))) == [0]
    assert n_on(solved(grouped(ready(80.0), group(limit_kw, "bess")))) == [n_sets]


def test_screening_keeps_the_rows_of_a_site_whose_store_stands_behind_a_small_transformer() -> None:
    stated = problem([10.0], store=pool(1, stored_kwh=1000.0), requirements=reserve(1, r1_kw=20.0, floor_kwh=500.0))

    assert not up_rows_can_bind(grouped(stated, group(500.0, "bess")))
    assert up_rows_can_bind(grouped(stated, group(499.0, "bess")))


def test_group_that_cannot_block_anything_has_no_rows() -> None:
    stated = ready(80.0)
    roomy = build_model(shape_of(grouped(stated, group(300.0, "bess"))))
    tight = build_model(shape_of(grouped(stated, group(299.0, "bess"))))

    assert [roomy.component(name) for name in ROWS] == [None, None]
    assert all(roomy.component(name) is None or len(roomy.component(name)) == 0 for name in VARIABLES)
    assert len(tight.component("group_passes_up")) == 1


def test_what_is_blocked_inside_is_no_burden_for_the_group_around_it() -> None:
    # 50 kW pass the transformer; the feeder around it has room for the set's output and headroom as well
    stated = ready(80.0)
    inner = group(150.0, "bess")

    plan = solved(grouped(stated, inner, group(250.0, "bess", "diesel")))
    tight = solved(grouped(stated, inner, group(150.0, "bess", "diesel")))

    assert (n_on(plan), plan.relaxed) == ([1], ())
    # 50 kW pass the feeder, whatever runs behind it
    assert tight.relaxed == ("reserve: r1 after none",)
    assert tight.objective.reserve_cost == pytest.approx(5.0 * 30.0)


def test_what_is_lost_behind_a_feeder_leaves_its_room_to_the_rest() -> None:
    # 120 kW pass; a set that must run delivers 30 kW of 100 kW. With it lost the store passes 120 kW instead of 90 kW
    stated = ready(20.0, ContingencyKind.GENSET)
    sets = gensets([unit(1, on=True, since_h=0.5)], min_up_h=5.0)
    stated = replace(stated, gensets=(sets,))

    plan = solved(grouped(stated, group(120.0, "bess", "diesel")))
    tight = solved(grouped(stated, group(119.0, "bess", "diesel")))

    assert (n_on(plan), plan.relaxed) == ([1], ())
    assert tight.objective.reserve_cost > 1.0


def test_loss_of_the_grid_is_held_by_what_passes() -> None:
    # all 300 kW of the store would replace the import, 200 kW of it pass
    stated = problem(
        [300.0],
        store=pool(1, stored_kwh=1000.0, power_kw=300.0, wear_cost_per_kwh=1.0),
        grid=connection([0.1]),
        requirements=replace(reserve(1, r0_kw=0.0, losses=[loss(ContingencyKind.GRID)]), down=False),
    )

    free, held = solved(stated), solved(grouped(stated, group(200.0, "bess")))

    assert free.steps[0].import_kw == pytest.approx(300.0)
    assert free.relaxed == ()
    # what the store delivers already passes as well: no use of it brings 300 kW of load through 200 kW
    assert held.relaxed == ("reserve: r0 after grid",)
    assert held.objective.reserve_cost == pytest.approx(5.0 * 100.0)


@pytest.mark.parametrize(("limit_kw", "charge_kw"), [(400.0, 200.0), (150.0, 90.0)])
def test_room_behind_a_transformer_counts_as_far_as_it_passes(limit_kw: float, charge_kw: float) -> None:
    # 60 kW of load may vanish while the store takes 200 kW of PV: of 150 kW that pass 60 kW stay free
    stated = problem(
        load([100.0], largest_block_kw=60.0),
        pv=plant([300.0]),
        store=pool(1, stored_kwh=100.0, power_kw=400.0, terminal=[(1000.0, 1.0)]),
        requirements=reserve(1, r0_kw=0.0),
    )

    plan = solved(grouped(stated, group(limit_kw, "bess")))

    assert plan.relaxed == ()
    assert plan.steps[0].pools[0].charge_kw == pytest.approx(charge_kw)


def test_a_plan_that_counts_on_what_cannot_pass_is_refused() -> None:
    stated = ready(80.0)
    plan = solved(stated)

    found = refusals(grouped(stated, group(150.0, "bess")), plan)

    assert found[0] == "step 0: reserve r1 after the loss of none, kW is 50, allowed 80"


def test_a_plan_that_counts_on_room_that_cannot_pass_is_refused() -> None:
    stated = problem(
        load([100.0], largest_block_kw=60.0),
        pv=plant([300.0]),
        store=pool(1, stored_kwh=100.0, power_kw=400.0, terminal=[(1000.0, 1.0)]),
        requirements=reserve(1, r0_kw=0.0),
    )
    plan = solved(stated)

    found = refusals(grouped(stated, group(210.0, "bess")), plan)

    assert found[0] == "step 0: reserve down after the loss of load_block, kW is 10, allowed 60"


def test_plants_flow_through_their_groups_as_they_are_used_not_alike() -> None:
    # one of two plants stands behind 50 kW: the other delivers the rest, and nothing is missing
    west, east = replace(plant([150.0]), id="west"), replace(plant([150.0]), id="east")
    stated = problem(
        [200.0],
        store=pool(1, stored_kwh=500.0, power_kw=300.0, wear_cost_per_kwh=1.0),
        requirements=replace(reserve(1, r1_kw=50.0), down=False),
    )

    plan = solved(replace(stated, pv=(west, east), groups=(group(50.0, "west"),)))

    assert [part.power_kw for part in plan.steps[0].plants] == pytest.approx([50.0, 150.0])
    assert plan.relaxed == ()
