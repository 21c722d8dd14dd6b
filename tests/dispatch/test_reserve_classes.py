"""Class R2, common losses, curtailed PV and the slow downward class: each where it changes the plan and where not."""

from dataclasses import replace

import pytest

from ems.dispatch.check import evaluate
from ems.dispatch.milp.assemble import build_model
from ems.dispatch.milp.screening import up_rows_can_bind
from ems.dispatch.milp.shape import shape_of
from ems.model.problem import Contingency, ContingencyKind, PlanningProblem, PvProblem
from tests.dispatch.problems import PRICES, common_loss, gensets, load, loss, plant, pool, problem, reserve, unit
from tests.dispatch.solving import n_on, refusals, solved

GENSET, BLOCK, PV_BLOCK = ContingencyKind.GENSET, ContingencyKind.BLOCK, ContingencyKind.PV_BLOCK


def slow(
    r2_kw: float, *, n_failures: int = 0, n_units: int = 3, losses: tuple[Contingency, ...] = (), shed_kw: float = 0.0
) -> PlanningProblem:
    # 100 kW of load and 150 kW of storage: 50 kW are left without sets
    return problem(
        [100.0],
        store=pool(1, stored_kwh=1000.0, power_kw=150.0),
        sets=gensets([unit(n) for n in range(n_units)], n_start_failures=n_failures),
        requirements=reserve(1, r2_kw=r2_kw, losses=losses, r2_shed_kw=shed_kw),
    )


@pytest.mark.parametrize(
    ("r2_kw", "n_failures", "n_sets"),
    [
        pytest.param(350.0, 0, 0, id="all three start"),
        pytest.param(250.0, 1, 0, id="two of three surely start"),
        pytest.param(300.0, 1, 3, id="what may fail has to run"),
        pytest.param(60.0, 3, 1, id="none starts in time"),
    ],
)
def test_sets_at_rest_count_as_far_as_they_surely_start(r2_kw: float, n_failures: int, n_sets: int) -> None:
    plan = solved(slow(r2_kw, n_failures=n_failures))

    assert (n_on(plan), plan.relaxed) == ([n_sets], ())


def test_running_sets_give_all_their_headroom_within_120_seconds() -> None:
    # one set at 100 - 0 kW of load: 70 kW free beside 150 kW of storage, of which it accepts 20 kW at once
    stated = slow(200.0, n_failures=3)
    stated = replace(stated, gensets=(replace(stated.gensets[0], step_kw=20.0),))
    fast = replace(stated.reserve, classes=(replace(stated.reserve.classes[0], id="r1", starts_count=False),))

    assert n_on(solved(stated)) == [2]
    assert n_on(solved(replace(stated, reserve=fast))) == [3]


def test_credited_shed_lowers_what_is_held() -> None:
    assert n_on(solved(slow(60.0, n_failures=3))) == [1]
    assert n_on(solved(slow(60.0, n_failures=3, shed_kw=10.0))) == [0]


@pytest.mark.parametrize(("sustain_h", "n_sets"), [(0.2, 0), (2.0, 1)])
def test_class_has_a_sustain_time_of_its_own(sustain_h: float, n_sets: int) -> None:
    # 100 kWh sustain 90 kW for 0.2 h twice over, and 50 kW for two hours
    stated = problem(
        [0.0],
        store=pool(1, stored_kwh=100.0, power_kw=500.0),
        sets=gensets([unit(1)], n_start_failures=1),
        requirements=reserve(1, r2_kw=90.0, r2_sustain_h=sustain_h),
    )

    assert n_on(solved(stated)) == [n_sets]


@pytest.mark.parametrize(("sustain_h", "missing_kw"), [(0.5, 0.0), (2.0, 50.0)])
def test_headroom_is_there_at_every_end_within_the_sustain_time(sustain_h: float, missing_kw: float) -> None:
    # 150 kW are asked in the first hour only; the second one takes the store from 400 to 200 kWh, 100 kW for two hours
    stated = problem(
        [0.0, 200.0],
        store=pool(2, stored_kwh=400.0, power_kw=500.0),
        requirements=replace(reserve(2, r2_kw=0.0, r2_sustain_h=sustain_h), down=False),
        prices=replace(PRICES, unserved_per_kwh=100.0),
    )
    first = replace(stated.reserve.classes[0], variation_kw=(150.0, 0.0))

    plan = solved(replace(stated, reserve=replace(stated.reserve, classes=(first,))))

    assert plan.objective.reserve_cost == pytest.approx(5.0 * missing_kw)


@pytest.mark.parametrize(("n_lost", "n_sets"), [(1, 2), (2, 3)])
def test_bus_section_takes_several_sets_at_once(n_lost: int, n_sets: int) -> None:
    # 120 kW of load, 150 kW of storage: with n sets of 100 kW all free power is 150 + 100 n - 120 kW
    stated = problem(
        [120.0],
        store=pool(1, stored_kwh=1000.0, power_kw=150.0, wear_cost_per_kwh=1.0),
        sets=gensets([unit(1), unit(2), unit(3)]),
        requirements=reserve(1, r1_kw=50.0, losses=[common_loss((GENSET, n_lost))]),
    )

    plan = solved(stated)

    # one: 230 - 100 >= 50 with two, 130 - 100 < 50 with one; two: 330 - 200 >= 50 with three, 230 - 200 < 50 with two
    assert (n_on(plan), plan.relaxed) == ([n_sets], ())


@pytest.mark.parametrize(("power_kw", "relaxed"), [(170.0, ()), (160.0, ("reserve: r1 after genset",))])
def test_loss_of_a_whole_class_leaves_the_store_alone(power_kw: float, relaxed: tuple[str, ...]) -> None:
    # load and variation are 170 kW, whatever the sets deliver
    plan = solved(
        problem(
            [120.0],
            store=pool(1, stored_kwh=1000.0, power_kw=power_kw, wear_cost_per_kwh=1.0),
            sets=gensets([unit(1), unit(2), unit(3)]),
            requirements=reserve(1, r1_kw=50.0, losses=[common_loss((GENSET, 3))]),
        )
    )

    assert plan.relaxed == relaxed


def test_few_running_sets_are_lost_as_many_as_they_are() -> None:
    # one set of a section of two runs: its loss asks for 100 + 20 kW of the store's 150, not for 200 kW
    plan = solved(
        problem(
            [60.0],
            store=pool(1, stored_kwh=1000.0, power_kw=150.0, wear_cost_per_kwh=1.0),
            sets=gensets([unit(1), unit(2), unit(3)]),
            requirements=reserve(1, r1_kw=20.0, losses=[common_loss((GENSET, 2))]),
        )
    )

    assert (n_on(plan), plan.relaxed) == ([1], ())


def test_section_takes_the_sets_with_it_that_would_have_started() -> None:
    # three surely start; with two of them lost 150 kW are left: 50 kW of storage and one set
    assert solved(slow(150.0, losses=(common_loss((GENSET, 2)),))).relaxed == ()
    assert solved(slow(151.0, losses=(common_loss((GENSET, 2)),))).relaxed == ("reserve: r2 after genset",)


def test_collector_takes_storage_and_pv_together() -> None:
    # half of the store's headroom and of the PV: 1/2 (300 - d) >= d/2 + pv/2 + 10 with d + pv = 200 needs p >= 60
    stated = problem(
        [200.0],
        pv=plant([80.0]),
        store=pool(1, stored_kwh=1000.0, power_kw=300.0, n_blocks=2),
        sets=gensets([unit(1)]),
        requirements=reserve(1, r0_kw=10.0, losses=[common_loss((BLOCK, 1), (PV_BLOCK, 1))]),
    )
    apart = replace(stated, reserve=reserve(1, r0_kw=10.0, losses=[loss(BLOCK), loss(PV_BLOCK)]))

    # 1/2 (300 - d) - d/2 - 40 >= 10 holds up to d = 100; with 120 kW of the store 20 kW come from a set at 30 kW least
    assert n_on(solved(stated)) == [1]
    assert n_on(solved(apart)) == [0]


def test_lost_load_needs_room_with_the_store_that_is_lost_with_it() -> None:
    # 60 kW of load and one of two charging blocks vanish: (120 - c)/2 >= 60 + c/2 leaves no charge at all
    stated = problem(
        load([100.0]),
        pv=plant([200.0]),
        store=pool(1, stored_kwh=500.0, power_kw=120.0, n_blocks=2, terminal=[(1000.0, 1.0)]),
        requirements=reserve(1, r0_kw=0.0, losses=[common_loss((BLOCK, 1), load_kw=60.0)]),
    )

    assert solved(stated).steps[0].pools[0].charge_kw == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(("counts", "n_sets"), [(True, 0), (False, 1)])
def test_curtailed_pv_is_headroom_where_the_class_counts_it(counts: bool, n_sets: int) -> None:  # noqa: FBT001 - a case's value
    # 100 of 300 kW are used and 200 are certain: 100 kW of headroom beside the store's 10
    plan = solved(_curtailing(certain_kw=200.0, counts=counts))

    assert n_on(plan) == [n_sets]


def test_curtailed_pv_counts_no_further_than_it_is_certain() -> None:
    assert n_on(solved(_curtailing(certain_kw=150.0, counts=True))) == [0]
    assert n_on(solved(_curtailing(certain_kw=130.0, counts=True))) == [1]


def test_pv_in_use_beyond_what_is_certain_is_no_negative_headroom() -> None:
    stated = _curtailing(certain_kw=50.0, counts=True)
    enough = replace(stated, pools=(pool(1, stored_kwh=1000.0, power_kw=60.0),))

    assert solved(enough).objective.reserve_cost == 0.0


def _curtailing(*, certain_kw: float, counts: bool) -> PlanningProblem:
    pv: PvProblem = replace(plant([300.0]), available_q10_kw=(certain_kw,))
    return problem(
        [100.0],
        pv=pv,
        store=pool(1, stored_kwh=1000.0, power_kw=10.0),
        sets=gensets([unit(1)]),
        requirements=replace(reserve(1, r1_kw=60.0, curtailed_counts=counts), down=False),
    )


def test_sets_above_their_minimum_are_room_within_ten_seconds_only() -> None:
    # the full store discharges nothing: one set at 100 kW can give way by 70 kW
    stated = problem(
        load([100.0], largest_block_kw=60.0),
        sets=gensets([unit(1, on=True)]),
        requirements=reserve(1, r1_kw=0.0, down=False, down_slow=True),
    )
    fast = replace(stated, reserve=replace(stated.reserve, down=True, down_slow=False))
    more = replace(stated, load=replace(stated.load, largest_block_kw=80.0))

    assert solved(stated).relaxed == ()
    assert solved(fast).relaxed == ("down reserve: down after load_block",)
    assert solved(more).relaxed == ("down reserve: down_slow after load_block",)
    assert solved(more).objective.reserve_cost == pytest.approx(5.0 * 10.0)


@pytest.mark.parametrize("running", [0, 1])
def test_a_set_of_any_class_spares_the_lead_energy(running: int) -> None:
    # a running set of either class is enough: the store may go down to its floor of 100 kWh
    stated = problem(
        [40.0],
        store=pool(1, stored_kwh=100.0, power_kw=50.0),
        sets=gensets([unit(1)], run_wear_cost_per_h=100.0 * (running == 1)),
        requirements=reserve(1, floor_kwh=100.0, lead_kwh=50.0),
        prices=replace(PRICES, floor_per_kwh=30.0),
    )
    other = replace(gensets([unit(2)], run_wear_cost_per_h=100.0 * (running == 0)), id="gas")

    plan = solved(replace(stated, gensets=(*stated.gensets, other)))

    assert [genset.n_on for genset in plan.steps[0].gensets] == [int(running == 0), int(running == 1)]
    assert plan.objective.floor_cost == pytest.approx(0.0, abs=1e-6)


def test_class_has_a_price_of_its_own() -> None:
    stated = problem(
        [50.0],
        store=pool(1, stored_kwh=500.0, power_kw=100.0),
        requirements=reserve(1, r0_kw=80.0, r1_kw=80.0),
        prices=replace(PRICES, unserved_per_kwh=100.0),
    )
    first, second = stated.reserve.classes
    dear = replace(stated, reserve=replace(stated.reserve, classes=(first, replace(second, price_per_kwh=7.0))))

    plan = solved(dear)

    # 30 kW are missing in both
    assert plan.objective.reserve_cost == pytest.approx(30.0 * (5.0 + 7.0))
    assert plan.relaxed == ("reserve: r0 after none", "reserve: r1 after none")


def test_lack_of_reserve_is_named_by_class_and_by_the_loss_that_leaves_the_least() -> None:
    plan = solved(
        problem(
            [250.0],
            store=pool(1, stored_kwh=1000.0, power_kw=300.0, n_blocks=2),
            requirements=reserve(1, r0_kw=10.0, losses=[loss(BLOCK), loss(PV_BLOCK)][:1]),
        )
    )

    # 25 kW in the other block against 125 + 10 kW
    assert plan.relaxed == ("reserve: r0 after block bess",)
    assert plan.objective.reserve_cost == pytest.approx(5.0 * 110.0)


def test_a_plan_that_counts_on_sets_that_may_fail_is_refused() -> None:
    stated = slow(350.0)
    plan = solved(stated)

    weaker = replace(stated, gensets=(replace(stated.gensets[0], n_start_failures=1),))

    assert any("reserve r2 after the loss of none" in sentence for sentence in refusals(weaker, plan))


def test_a_plan_that_does_not_survive_a_common_loss_is_refused() -> None:
    stated = slow(300.0)
    plan = solved(stated)

    harder = replace(stated, reserve=replace(stated.reserve, contingencies=(common_loss((GENSET, 2)),)))
    found = evaluate(harder, plan)

    assert any("reserve r2 after the loss of genset" in violation.sentence() for violation in found.violations)


def test_what_a_problem_does_not_ask_for_adds_nothing() -> None:
    stated = problem(
        [150.0],
        pv=plant([50.0]),
        store=pool(1, stored_kwh=500.0, power_kw=100.0),
        sets=gensets([unit(1), unit(2), unit(3)]),
        requirements=reserve(1, r1_kw=20.0, losses=[loss(GENSET)]),
    )
    model = build_model(shape_of(stated))

    assert up_rows_can_bind(stated)
    for name in ("genset_ready", "genset_all_asked", "genset_lost", "genset_gone", "curtailed_up_kw"):
        assert len(model.component(name)) == 0
    for name in ("up_reach", "genset_ready_running", "genset_lost_few", "curtailed_where"):
        assert len(model.component(name)) == 0
    assert len(model.up_kw) == 1
