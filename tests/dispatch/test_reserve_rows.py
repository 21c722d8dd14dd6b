"""Reserve by constraint (E19 to E24): each row once where it changes the commitment and once where it does not."""

from dataclasses import replace
from pathlib import Path

import pytest

from ems.dispatch.milp import engine as engine_module
from ems.dispatch.milp import shape as model_shape
from ems.dispatch.milp.engine import DispatchEngine
from ems.dispatch.milp.screening import up_rows_can_bind
from ems.dispatch.milp.shape import ModelShape
from ems.dispatch.milp.solver import ColumnLimits, LinearProblem, LinearSolution, Solution, Values
from ems.model.problem import ContingencyKind, PlanningProblem
from ems.runtime.problem_file import read_problem
from tests.dispatch.problems import PRICES, connection, gensets, load, loss, plant, pool, problem, reserve, unit
from tests.dispatch.solving import gensets_kw, n_on, refusals, solved, storage_kw, without

GRID = loss(ContingencyKind.GRID)
GENSET = loss(ContingencyKind.GENSET)
BLOCK = loss(ContingencyKind.BLOCK)
PV_BLOCK = loss(ContingencyKind.PV_BLOCK)


@pytest.mark.parametrize(("variation_kw", "output_kw"), [(50.0, 0.0), (150.0, 50.0)])
def test_loss_of_the_grid_asks_for_a_set_once_load_and_variation_exceed_the_store(
    variation_kw: float, output_kw: float
) -> None:
    # 500 kW of storage - discharge >= import + V: by the balance 500 - (400 - p) >= V
    stated = problem(
        [400.0],
        grid=connection([0.1]),
        store=pool(1, stored_kwh=1000.0),
        sets=gensets([unit(1)]),
        requirements=reserve(1, r0_kw=variation_kw, losses=[GRID]),
    )

    plan = solved(stated)

    assert gensets_kw(plan) == pytest.approx([output_kw])
    assert gensets_kw(solved(without(stated, "grid"))) == pytest.approx([0.0])


@pytest.mark.parametrize(("variation_kw", "n_sets"), [(20.0, 3), (10.0, 2)])
def test_loss_of_a_set_asks_for_one_more_than_the_load_needs(variation_kw: float, n_sets: int) -> None:
    # two sets: 200 - 150 + 60 of storage - 100 of the lost set = 10 kW
    stated = problem(
        [150.0],
        store=pool(1, stored_kwh=500.0, power_kw=60.0, wear_cost_per_kwh=1.0),
        sets=gensets([unit(1), unit(2), unit(3)]),
        requirements=reserve(1, r1_kw=variation_kw, losses=[GENSET]),
    )

    plan = solved(stated)

    assert n_on(plan) == [n_sets]
    assert n_on(solved(without(stated, "genset"))) == [2]


def test_headroom_of_a_set_counts_only_up_to_its_permitted_step() -> None:
    # one set at 70 kW: 30 kW are free, 20 kW may be taken at once; the full store adds 30 kW
    stated = problem(
        [70.0],
        store=pool(1, stored_kwh=1000.0, power_kw=30.0, wear_cost_per_kwh=1.0),
        sets=gensets([unit(1, on=True), unit(2)], step_kw=20.0),
        requirements=reserve(1, r1_kw=60.0),
    )

    stepwise, at_once = solved(stated), solved(replace(stated, gensets=(replace(stated.gensets[0], step_kw=100.0),)))

    assert (n_on(stepwise), n_on(at_once)) == ([2], [1])
    assert stepwise.relaxed == ()


def test_sets_give_no_headroom_within_100_milliseconds() -> None:
    # the full store has 100 kW of headroom at most; two sets have 120 kW more within ten seconds
    stated = problem(
        [80.0],
        store=pool(1, stored_kwh=1000.0, power_kw=100.0, wear_cost_per_kwh=1.0),
        sets=gensets([unit(1, on=True), unit(2)]),
        requirements=reserve(1, r0_kw=180.0),
    )

    fast, slow = solved(stated), solved(replace(stated, reserve=reserve(1, r1_kw=180.0)))

    assert fast.relaxed == ("reserve: r0 after none",)
    assert (n_on(slow), slow.relaxed) == ([2], ())


def test_loss_of_a_block_takes_its_output_and_its_headroom() -> None:
    # 3/4 * (400 - d) >= d/4 + 100 with d = 250 - p needs p >= 50
    stated = problem(
        [250.0],
        store=pool(1, stored_kwh=1000.0, power_kw=400.0, n_blocks=4),
        sets=gensets([unit(1)]),
        requirements=reserve(1, r0_kw=100.0, losses=[BLOCK]),
    )

    plan = solved(stated)

    assert gensets_kw(plan) == pytest.approx([50.0])
    assert gensets_kw(solved(without(stated, "block"))) == pytest.approx([0.0])


def test_loss_of_one_of_many_blocks_is_carried_by_the_others() -> None:
    # 15/16 * (400 - 250) = 140.6 >= 250/16 + 100 = 115.6
    stated = problem(
        [250.0],
        store=pool(1, stored_kwh=1000.0, power_kw=400.0, n_blocks=16),
        sets=gensets([unit(1)]),
        requirements=reserve(1, r0_kw=100.0, losses=[BLOCK]),
    )

    assert n_on(solved(stated)) == [0]


def test_loss_of_a_charging_block_frees_no_reserve() -> None:
    store = pool(2, stored_kwh=10.0, power_kw=200.0, n_blocks=2, terminal=[(500.0, 1.0)])
    stated = problem(
        [0.0, 0.0],
        pv=plant([400.0, 0.0]),
        store=store,
        requirements=reserve(2, r0_kw=100.0, losses=[BLOCK], sustain_h=0.1),
    )

    plan = solved(stated)

    # 10 kWh sustain 100 kW, half of it in the block that is lost; 100 kW charge, or the other block has no room for it
    assert storage_kw(plan) == pytest.approx([-100.0, 0.0])
    assert plan.relaxed == ("reserve: r0 after block bess",)
    assert plan.objective.reserve_cost == pytest.approx(5.0 * 50.0)


def exporting(export_price_per_kwh: float) -> PlanningProblem:
    # 30 kWh of room take 300 kW for 0.1 h, of which the PCS can take 200; discharging does not pay
    return problem(
        [0.0],
        pv=plant([400.0]),
        store=pool(1, stored_kwh=970.0, power_kw=200.0, wear_cost_per_kwh=100.0),
        grid=connection([0.1], export_limit_kw=400.0, export_price_per_kwh=export_price_per_kwh),
        requirements=reserve(1, r0_kw=0.0, losses=[GRID]),
    )


@pytest.mark.parametrize(("export_price", "exported_kw"), [(0.05, 200.0), (6.0, 400.0)])
def test_export_that_is_lost_needs_room_in_the_store(export_price: float, exported_kw: float) -> None:
    stated = exporting(export_price)

    plan = solved(stated)

    # missing room costs 5 per kW
    assert plan.steps[0].export_kw == pytest.approx(exported_kw)
    assert plan.relaxed == (("down reserve: down after grid",) if exported_kw > 200.0 else ())
    assert solved(without(stated, "grid")).steps[0].export_kw == pytest.approx(400.0)


def test_export_that_is_lost_frees_no_reserve() -> None:
    plan = solved(
        problem(
            [0.0],
            pv=plant([400.0]),
            store=pool(1, stored_kwh=5.0, power_kw=400.0),
            grid=connection([0.1], export_limit_kw=400.0, export_price_per_kwh=0.05),
            requirements=reserve(1, r0_kw=100.0, losses=[GRID]),
        )
    )

    # 5 kWh sustain 50 kW for 0.1 h
    assert plan.steps[0].export_kw > 0.0
    assert plan.relaxed == ("reserve: r0 after grid",)
    assert plan.objective.reserve_cost == pytest.approx(5.0 * 50.0)


def test_export_is_reserve_while_the_grid_is_there() -> None:
    # 10 kW more could be imported and 390 kW of export could be taken back: 400 kW without the store
    plan = solved(
        problem(
            [0.0],
            pv=plant([390.0]),
            grid=connection([0.1], import_limit_kw=10.0, export_limit_kw=400.0, export_price_per_kwh=0.05),
            requirements=reserve(1, r0_kw=400.0),
        )
    )

    assert plan.relaxed == ()


def test_plants_are_curtailed_alike_when_a_block_of_one_is_lost() -> None:
    # 100 of 300 kW are used: 2/3 of it from the first plant, half of that from each of its blocks
    stated = problem(
        [100.0],
        pv=plant([200.0]),
        store=pool(1, stored_kwh=1000.0, power_kw=130.0),
        requirements=reserve(1, r1_kw=100.0, losses=[PV_BLOCK]),
    )

    plan = solved(replace(stated, pv=(*stated.pv, replace(plant([100.0]), id="roof"))))

    assert plan.objective.reserve_cost == pytest.approx(5.0 * (100.0 + 100.0 / 3.0 - 130.0))


def test_loss_of_a_pv_block_takes_half_of_the_pv_of_two_blocks() -> None:
    # 150 - d >= pv/2 with d = 300 - 200 - p needs p >= 50
    stated = problem(
        [300.0],
        pv=plant([200.0], n_blocks=2),
        store=pool(1, stored_kwh=1000.0, power_kw=150.0),
        sets=gensets([unit(1)]),
        requirements=reserve(1, r0_kw=0.0, losses=[PV_BLOCK]),
    )

    plan = solved(stated)

    assert gensets_kw(plan) == pytest.approx([50.0])
    assert gensets_kw(solved(without(stated, "pv_block"))) == pytest.approx([0.0])


@pytest.mark.parametrize(("drop_frac", "n_sets"), [(0.2, 0), (0.5, 1)])
def test_cloud_takes_a_share_of_the_available_pv(drop_frac: float, n_sets: int) -> None:
    # 150 - 100 = 50 kW of headroom against 40 or 100 kW
    plan = solved(
        problem(
            [300.0],
            pv=plant([200.0]),
            store=pool(1, stored_kwh=1000.0, power_kw=150.0),
            sets=gensets([unit(1)]),
            requirements=reserve(1, r1_kw=0.0, pv_drop_frac=drop_frac),
        )
    )

    assert n_on(plan) == [n_sets]


def test_cloud_takes_nothing_of_pv_that_is_curtailed_anyway() -> None:
    # 100 of 200 kW are used: a drop by half of the available power is not felt
    plan = solved(
        problem(
            [100.0],
            pv=plant([200.0]),
            store=pool(1, stored_kwh=1000.0, power_kw=10.0),
            sets=gensets([unit(1)]),
            requirements=reserve(1, r1_kw=5.0, pv_drop_frac=0.5),
        )
    )

    assert n_on(plan) == [0]


@pytest.mark.parametrize(("stored_kwh", "n_sets"), [(10.0, 1), (60.0, 0)])
def test_headroom_of_a_store_must_be_sustained_by_its_energy(stored_kwh: float, n_sets: int) -> None:
    # 200 kW for 0.1 h take 20 kWh; 30 kWh serve the load
    plan = solved(
        problem(
            [30.0],
            store=pool(1, stored_kwh=stored_kwh, power_kw=1000.0),
            sets=gensets([unit(1)]),
            requirements=reserve(1, r1_kw=200.0, sustain_h=0.1),
        )
    )

    assert n_on(plan) == [n_sets]


@pytest.mark.parametrize(("block_kw", "pv_kw"), [(0.0, 100.0), (100.0, 50.0)])
def test_full_store_discharges_so_that_a_falling_load_finds_room(block_kw: float, pv_kw: float) -> None:
    # nothing fits into the cells: only what is discharged can be taken back
    plan = solved(
        problem(
            load([150.0], largest_block_kw=block_kw),
            pv=plant([100.0]),
            store=pool(1, stored_kwh=1000.0),
            requirements=reserve(1, r0_kw=0.0),
        )
    )

    assert plan.steps[0].pv_kw == pytest.approx(pv_kw)


def test_pv_with_a_frequency_watt_response_is_room_for_a_falling_load() -> None:
    plan = solved(
        problem(
            load([150.0], largest_block_kw=100.0),
            pv=plant([100.0], credit_frac=0.5),
            store=pool(1, stored_kwh=1000.0),
            requirements=reserve(1, r0_kw=0.0),
        )
    )

    # d + pv/2 >= 100 with d = 150 - pv: all of the PV may stay
    assert plan.steps[0].pv_kw == pytest.approx(100.0)


def test_import_that_can_fall_away_is_room_for_a_falling_load() -> None:
    plan = solved(
        problem(
            load([150.0], largest_block_kw=100.0),
            store=pool(1, stored_kwh=1000.0, wear_cost_per_kwh=1.0),
            grid=connection([0.1]),
            requirements=reserve(1, r0_kw=0.0),
        )
    )

    assert plan.steps[0].import_kw == pytest.approx(150.0)
    assert plan.relaxed == ()


def test_charging_block_that_is_lost_needs_room_in_the_others() -> None:
    # charging c: (c/2) of the lost block must fit into the other one: 1/2 * (120 - c) >= c/2
    stated = problem(
        [0.0],
        pv=plant([200.0]),
        store=pool(1, stored_kwh=500.0, power_kw=120.0, n_blocks=2, terminal=[(1000.0, 1.0)]),
        requirements=reserve(1, r0_kw=0.0, losses=[BLOCK]),
    )

    assert solved(stated).steps[0].pools[0].charge_kw == pytest.approx(60.0)
    assert solved(without(stated, "block")).steps[0].pools[0].charge_kw == pytest.approx(120.0)


def test_shortfall_of_reserve_is_priced_and_named() -> None:
    plan = solved(
        problem(
            [50.0],
            store=pool(1, stored_kwh=500.0, power_kw=100.0),
            requirements=reserve(1, r0_kw=80.0),
        )
    )

    # 100 - 50 = 50 kW are held
    assert plan.relaxed == ("reserve: r0 after none",)
    assert plan.objective.reserve_cost == pytest.approx(5.0 * 30.0)


def _islanded(power_kw: float) -> PlanningProblem:
    return problem(
        [150.0, 250.0, 100.0],
        pv=plant([0.0, 180.0, 60.0]),
        store=pool(3, stored_kwh=600.0, power_kw=power_kw, min_stored_kwh=50.0),
        sets=gensets([unit(1, on=True), unit(2), unit(3)], min_up_h=1.0),
        requirements=reserve(
            3, r0_kw=10.0, r1_kw=40.0, losses=[GENSET, BLOCK, PV_BLOCK], pv_drop_frac=0.15, floor_kwh=300.0
        ),
    )


@pytest.mark.parametrize(("power_kw", "can_bind"), [(2000.0, False), (200.0, True)])
def test_rows_are_left_out_only_where_the_store_covers_every_loss(power_kw: float, can_bind: bool) -> None:  # noqa: FBT001 - a case's second value
    assert up_rows_can_bind(_islanded(power_kw)) is can_bind


@pytest.mark.parametrize("power_kw", [2000.0, 800.0, 200.0])
def test_leaving_rows_out_does_not_change_the_optimum(monkeypatch: pytest.MonkeyPatch, power_kw: float) -> None:
    stated = _islanded(power_kw)

    screened = solved(stated).objective.total_cost()
    monkeypatch.setattr(model_shape, "up_rows_can_bind", lambda _: True)
    complete = DispatchEngine().solve(stated).objective.total_cost()

    assert screened == pytest.approx(complete)


def test_rows_that_are_left_out_are_still_judged_by_the_check() -> None:
    stated = _islanded(2000.0)
    plan = solved(stated)
    weak = replace(stated, pools=(replace(stated.pools[0], max_discharge_kw=(150.0,) * 3),))

    assert any("after the loss of" in sentence for sentence in refusals(weak, plan))


def emptied() -> PlanningProblem:
    """Return a problem whose cells end empty, so that nothing sustains 2 kW, whatever is shed."""
    return problem(
        [20.0],
        pv=plant([20.0]),
        store=pool(1, stored_kwh=5.0, power_kw=200.0, n_blocks=2, no_load_kw=5.0),
        requirements=reserve(1, r1_kw=2.0, floor_kwh=5.0, sustain_h=0.02),
        prices=replace(PRICES, unserved_per_kwh=1000.0),
    )


def test_plan_that_cannot_keep_the_floor_declares_the_reserve_that_it_lacks() -> None:
    stated = emptied()

    plan = solved(stated)

    assert up_rows_can_bind(stated) is False
    assert plan.relaxed == ("floor", "reserve: r1 after none")
    assert plan.objective.reserve_cost == pytest.approx(5.0 * 2.0)


def test_plan_without_the_rows_is_left_to_the_check_where_the_second_solve_finds_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nothing = Solution(status="Time limit reached", values=None, objective=None, gap_frac=None, optimal=False)
    honest, solves = LinearProblem.solve_priced, 0

    def once(linear: LinearProblem, limits: ColumnLimits, *, measured: Values, time_limit_s: float) -> LinearSolution:
        nonlocal solves
        solves += 1
        found = honest(linear, limits, measured=measured, time_limit_s=time_limit_s)
        return found if solves == 1 else LinearSolution(solution=nothing)

    monkeypatch.setattr(LinearProblem, "solve_priced", once)
    stated = emptied()

    plan = DispatchEngine().solve(stated)

    assert plan.relaxed == ("floor",)
    assert any("reserve r1 after the loss of none" in sentence for sentence in refusals(stated, plan))


def test_plan_below_the_floor_is_solved_once_where_it_holds_its_reserve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "with_up_rows", _refuse)

    # 70 kWh are left: 2 kW for 0.02 h take nothing of that
    plan = solved(
        problem(
            [20.0],
            store=pool(1, stored_kwh=90.0, power_kw=200.0, n_blocks=2),
            requirements=reserve(1, r1_kw=2.0, floor_kwh=80.0, sustain_h=0.02),
        )
    )

    assert plan.relaxed == ("floor",)


def _refuse(shape: ModelShape, problem: PlanningProblem) -> ModelShape:
    raise AssertionError((shape, problem))


def test_site_without_classes_has_no_reserve_rows() -> None:
    stated = problem([50.0], store=pool(1, stored_kwh=500.0, power_kw=50.0), requirements=reserve(1, losses=[BLOCK]))

    plan = solved(stated)

    assert (plan.relaxed, plan.objective.reserve_cost) == ((), 0.0)


def test_the_only_set_of_a_class_is_lost_with_its_output_not_its_rating() -> None:
    # two classes of one set with 25 kW each: the other takes over 25 kW within its step of 30 kW
    found = read_problem(Path(__file__).parent / "data/single_unit_classes.json")

    plan = solved(found)

    assert plan.relaxed == ()
    assert plan.objective.reserve_cost == 0.0
    assert n_on(plan) == [2, 2, 2, 2]
