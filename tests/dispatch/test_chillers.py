"""Chillers and a tank of cold: what the plan does with them, and what the check refuses."""

from dataclasses import replace

import pytest

from ems.dispatch.merit_order import merit_order_plan
from ems.dispatch.milp.assemble import build_model
from ems.dispatch.milp.shape import shape_of
from ems.model.plan import ChillerStep, Plan
from ems.model.problem import ChillerProblem, ColdTankProblem, CoolingLineProblem, PlanningProblem
from tests.dispatch.problems import connection, load, problem
from tests.dispatch.sites import site
from tests.dispatch.solving import refusals, solved

# 100 kW of IT, 30 kW of cooling, of which 20 kW are for 100 kW_th of the chillers
N = 3
GRID = connection([0.1, 0.5, 0.3])


def machines(**values: object) -> ChillerProblem:
    """Return two chillers of 100 kW_th with a COP of 5, one running."""
    plain = ChillerProblem(
        heat_kw_th=(100.0,) * N, power_frac=(0.2,) * N, capacity_kw_th=(100.0,) * N, n_available=2, n_on=1
    )
    return replace(plain, **values)  # type: ignore[arg-type]  # fields by name


def tank(**values: float) -> ColdTankProblem:
    """Return a tank of 80 kWh_th, half full."""
    plain = ColdTankProblem(
        stored_kwh_th=40.0, min_kwh_th=0.0, max_kwh_th=80.0, max_charge_kw_th=60.0, max_discharge_kw_th=60.0
    )
    return replace(plain, **values)


def cooled(chillers: ChillerProblem | None) -> PlanningProblem:
    lines = (CoolingLineProblem(c0_kw=(10.0,) * N, c1_frac=(0.2,) * N),)
    return replace(problem(replace(load([100.0] * N), cooling=lines), grid=GRID), chillers=chillers)


def parts(plan: Plan) -> list[ChillerStep]:
    return [step.chillers for step in plan.steps if step.chillers is not None]


def flows(plan: Plan) -> list[float]:
    return [part.tank_charge_kw_th - part.tank_discharge_kw_th for part in parts(plan)]


def changed(plan: Plan, t: int, **values: float) -> Plan:
    step = replace(plan.steps[t], chillers=replace(parts(plan)[t], **values))  # type: ignore[arg-type]  # by name
    return replace(plan, steps=(*plan.steps[:t], step, *plan.steps[t + 1 :]))


def test_without_chillers_the_model_has_nothing_of_them() -> None:
    model = build_model(shape_of(cooled(None)))

    names = ("chiller_on", "chiller_heat", "tank_kw_th", "tank_energy", "heat_missing_kw_th")
    assert [len(model.component(name)) for name in names] == [0] * len(names)


def test_chillers_without_a_tank_and_without_costs_change_nothing_but_what_is_reported() -> None:
    plain, chilled = solved(cooled(None)), solved(cooled(machines()))

    assert chilled.objective == plain.objective
    assert [part.heat_kw_th for part in parts(chilled)] == pytest.approx([100.0] * N)
    assert [part.n_on for part in parts(chilled)] == [1] * N
    assert [part.power_kw for part in parts(chilled)] == pytest.approx([20.0] * N)


def test_tank_is_charged_where_power_is_cheap_and_saves_chiller_power_where_it_is_dear() -> None:
    plan = solved(cooled(machines(tank=tank())))

    # 40 kWh_th in at 0.1; 60 out at 0.5, the other 20 at 0.3
    assert flows(plan) == pytest.approx([40.0, -60.0, -20.0])
    assert [part.tank_end_kwh_th for part in parts(plan)] == pytest.approx([80.0, 20.0, 0.0], abs=1e-6)
    # a kW_th is 0.2 kW
    assert [step.cooling_kw for step in plan.steps] == pytest.approx([38.0, 18.0, 26.0])
    assert [step.import_kw for step in plan.steps] == pytest.approx([138.0, 118.0, 126.0])


def test_tank_loses_cold_over_time() -> None:
    still = tank(max_charge_kw_th=0.0, max_discharge_kw_th=0.0, loss_frac_per_h=0.1)

    plan = solved(cooled(machines(tank=still)))

    assert [part.tank_end_kwh_th for part in parts(plan)] == pytest.approx([36.0, 32.4, 29.16])


def test_cold_that_is_worth_more_than_it_saves_stays_in_the_tank() -> None:
    # a kWh_th saves at most 0.2 * 0.5 = 0.10
    plan = solved(cooled(machines(tank=tank(value_per_kwh=0.2))))

    assert parts(plan)[-1].tank_end_kwh_th == pytest.approx(80.0)
    assert plan.objective.chiller_cost == pytest.approx(-0.2 * 80.0)


def test_tank_keeps_its_ride_through_floor() -> None:
    plan = solved(cooled(machines(tank=tank(min_kwh_th=30.0))))

    assert min(part.tank_end_kwh_th for part in parts(plan)) == pytest.approx(30.0)
    assert plan.relaxed == ()


def test_tank_that_was_measured_below_its_floor_is_filled_and_says_so_where_it_cannot_be() -> None:
    low = tank(stored_kwh_th=10.0, min_kwh_th=50.0, max_charge_kw_th=30.0)

    plan = solved(cooled(machines(tank=low)))

    assert [part.tank_end_kwh_th for part in parts(plan)] == pytest.approx([40.0, 50.0, 50.0])
    assert plan.relaxed == ("tank floor",)
    # 10 kWh_th for an hour at the price of the floor, in chiller power
    assert plan.objective.floor_cost == pytest.approx(3.0 * 0.2 * 10.0)


def test_second_chiller_starts_only_where_charging_pays_for_it() -> None:
    cheap = machines(tank=tank(), start_cost=0.1)
    dear = machines(tank=tank(), start_cost=10.0)

    started, kept = solved(cooled(cheap)), solved(cooled(dear))

    assert [part.n_on for part in parts(started)] == [2, 1, 1]
    assert started.objective.chiller_cost == pytest.approx(0.1)
    assert [part.n_on for part in parts(kept)] == [1, 1, 1]
    # one chiller has no heat to spare for the tank
    assert max(flows(kept)) == pytest.approx(0.0)


def test_running_chillers_draw_their_base_power() -> None:
    plan = solved(cooled(machines(base_kw=5.0)))

    assert [step.cooling_kw for step in plan.steps] == pytest.approx([35.0] * N)


def test_chiller_below_its_minimum_load_stays_off_while_the_tank_can_take_over() -> None:
    light = machines(heat_kw_th=(100.0, 20.0, 100.0), min_load_frac=0.5, tank=tank(max_discharge_kw_th=20.0))

    plan = solved(cooled(light))

    assert [part.n_on for part in parts(plan)][1] == 0
    assert flows(plan)[1] == pytest.approx(-20.0)
    assert plan.relaxed == ()


def test_chiller_that_has_to_run_below_its_minimum_load_is_priced() -> None:
    plan = solved(cooled(machines(heat_kw_th=(100.0, 20.0, 100.0), min_load_frac=0.5)))

    assert plan.relaxed == ("chiller minimum load",)
    assert plan.objective.limit_cost == pytest.approx(2.0 * 0.2 * 30.0)


def test_heat_beyond_all_chillers_is_priced_like_cooling_that_is_not_served() -> None:
    plan = solved(cooled(machines(capacity_kw_th=(100.0, 40.0, 100.0))))

    assert plan.relaxed == ("cooling capacity",)
    assert plan.objective.unserved_cost == pytest.approx(11.0 * 20.0)


def test_heat_falls_with_the_it_power_that_is_served() -> None:
    stated = cooled(machines())
    short = replace(stated, connection=replace(GRID, import_limit_kw=(130.0, 70.0, 130.0)))

    plan = solved(short)

    assert [part.heat_kw_th for part in parts(plan)] == pytest.approx([100.0, 50.0, 100.0])


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"n_on": 3}, "chillers on"),
        ({"n_on": 0}, "chiller heat_kw_th"),
        ({"n_started": 2}, "chiller starts"),
        ({"heat_kw_th": 30.0}, "heat that nothing removes"),
        ({"power_kw": 20.0}, "chiller power_kw"),
        ({"tank_discharge_kw_th": 64.0}, "tank discharge_kw_th"),
        ({"tank_charge_kw_th": 5.0}, "tank charges and discharges at once"),
        ({"tank_end_kwh_th": 24.0}, "tank_end_kwh_th"),
        ({"tank_discharge_kw_th": 40.0}, "cooling_kw"),
        ({"tank_charge_kw_th": -5.0}, "tank_charge_kw_th"),
    ],
)
def test_a_changed_chiller_value_is_refused(values: dict[str, float], what: str) -> None:
    stated = cooled(machines(tank=tank()))
    plan = solved(stated)

    # one chiller, 40 kW_th of heat, 60 kW_th out of the tank, 20 kWh_th left
    assert any(what in sentence for sentence in refusals(stated, changed(plan, 1, **values)))


def test_tank_below_its_floor_and_chillers_below_minimum_load_are_refused() -> None:
    plan = solved(cooled(machines(tank=tank())))

    floor = cooled(machines(tank=tank(min_kwh_th=30.0)))
    loaded = cooled(machines(tank=tank(), min_load_frac=0.9))

    assert any("tank_end_kwh_th" in sentence for sentence in refusals(floor, plan))
    assert any("chiller heat_kw_th" in sentence for sentence in refusals(loaded, plan))


def test_plan_without_chillers_is_refused_where_the_problem_has_them() -> None:
    assert any("chillers differ" in sentence for sentence in refusals(cooled(machines()), solved(cooled(None))))


def test_late_counts_may_be_fractions_of_which_the_plan_reports_the_next_whole_number() -> None:
    stated = cooled(machines(heat_kw_th=(100.0, 130.0, 130.0), base_kw=5.0, start_cost=1.0))
    late = replace(stated, options=replace(stated.options, integer_h=1.0))

    plan = solved(late)

    assert [part.n_on for part in parts(plan)] == [1, 2, 2]
    assert plan.objective.chiller_cost == pytest.approx(0.3)
    assert plan.steps[1].cooling_kw == pytest.approx(30.0 + 1.3 * 5.0)


def test_rules_run_the_chillers_that_the_heat_needs_and_leave_the_tank_alone() -> None:
    stated = cooled(machines(heat_kw_th=(100.0, 130.0, 250.0), base_kw=5.0, tank=tank()))

    plan = merit_order_plan(site("weak-grid-campus"), stated)

    assert [(part.n_on, part.heat_kw_th) for part in parts(plan)] == [(1, 100.0), (2, 130.0), (2, 200.0)]
    assert flows(plan) == [0.0] * N
    assert [step.import_kw for step in plan.steps] == pytest.approx([135.0, 140.0, 140.0])
