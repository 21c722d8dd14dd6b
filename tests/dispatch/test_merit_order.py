"""The rules without a plan: where sets start and stop, how many run, what the store does on the grid."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ems.dispatch.merit_order import merit_order_plan
from ems.dispatch.merit_order.sets import powers_kw
from ems.model.genset import GensetClass
from ems.model.plan import Plan, PlanSource, PlanStatus
from ems.model.problem import DemandProblem, GensetProblem, PlanningProblem, PoolProblem, UnitHistory
from ems.model.reason import ReasonCode
from tests.dispatch.problems import connection, gensets, plant, pool, problem, reserve, unit
from tests.dispatch.sites import site
from tests.dispatch.solving import gensets_kw, n_on, refusals, storage_kw, stored_kwh

# ten sets of 2 MW, band 0.7 to 0.9; sets start 2 % above the floor and stop 10 % above that
DESERT = site("desert-offgrid")
FLOOR_KWH = 1000.0
START_KWH = FLOOR_KWH + 200.0
STOP_KWH = START_KWH + 1000.0


def sets(*units: UnitHistory) -> GensetProblem:
    return gensets(
        units or [unit(n) for n in range(10)],
        min_kw=600.0,
        max_kw=2000.0,
        min_fuel_l_per_h=180.0,
        segments=((1400.0, 0.24),),
    )


def store(n_steps: int, *, stored: float, power_kw: float = 20000.0) -> PoolProblem:
    return pool(n_steps, stored_kwh=stored, full_kwh=10000.0, power_kw=power_kw)


def islanded(
    net_kw: list[float], *, stored: float, units: tuple[UnitHistory, ...] = (), pv_kw: list[float] | None = None
) -> PlanningProblem:
    return problem(
        net_kw,
        pv=None if pv_kw is None else plant(pv_kw),
        store=store(len(net_kw), stored=stored),
        sets=sets(*units),
        requirements=reserve(len(net_kw), floor_kwh=FLOOR_KWH),
    )


def rules(stated: PlanningProblem) -> Plan:
    return merit_order_plan(DESERT, stated)


def test_sets_start_in_the_hour_in_which_the_store_would_come_near_its_floor() -> None:
    plan = rules(islanded([3000.0] * 3, stored=5000.0))

    # 5000 -> 2000 -> below 1200: two sets carry 3000 kW inside 0.9 of their rating
    assert n_on(plan) == [0, 2, 2]
    assert gensets_kw(plan) == pytest.approx([0.0, 3000.0, 3000.0])
    assert stored_kwh(plan) == pytest.approx([2000.0, 2000.0, 2000.0])


@pytest.mark.parametrize(("stored", "starts"), [(START_KWH + 1001.0, False), (START_KWH + 1000.0, True)])
def test_sets_start_two_percent_above_the_floor(stored: float, *, starts: bool) -> None:
    plan = rules(islanded([1000.0], stored=stored))

    assert bool(n_on(plan)[0]) is starts


@pytest.mark.parametrize(("net_kw", "expected"), [(500.0, 1), (1800.0, 1), (1801.0, 2), (9000.0, 5), (30000.0, 10)])
def test_number_of_sets_carries_the_net_deficit_inside_the_band(net_kw: float, expected: int) -> None:
    assert n_on(rules(islanded([net_kw], stored=START_KWH))) == [expected]


def test_net_deficit_counts_pv() -> None:
    plan = rules(islanded([5000.0], stored=START_KWH, pv_kw=[3500.0]))

    assert n_on(plan) == [1]
    assert plan.steps[0].pv_kw == pytest.approx(3500.0)


def test_a_set_above_its_load_runs_at_the_low_edge_of_the_band_and_charges() -> None:
    plan = rules(islanded([500.0], stored=START_KWH))

    assert gensets_kw(plan) == pytest.approx([1400.0])
    assert storage_kw(plan) == pytest.approx([-900.0])


@pytest.mark.parametrize(("stored", "expected"), [(STOP_KWH, 0), (STOP_KWH - 1.0, 1)])
def test_sets_stop_ten_percent_above_the_start(stored: float, expected: int) -> None:
    plan = rules(islanded([500.0], stored=stored, units=(unit(1, on=True), unit(2))))

    assert n_on(plan) == [expected]


def test_sets_stop_when_pv_carries_the_load() -> None:
    plan = rules(islanded([500.0], stored=START_KWH, units=(unit(1, on=True),), pv_kw=[600.0]))

    assert n_on(plan) == [0]


def test_a_young_set_stays_on_through_its_minimum_up_time() -> None:
    young = unit(1, on=True, since_h=0.1)

    plan = rules(islanded([500.0], stored=9000.0, units=(young,)))

    assert n_on(plan) == [1]


def test_unavailable_sets_are_not_counted_on() -> None:
    units = (unit(1), unit(2, available=False), unit(3, available=False))

    assert n_on(rules(islanded([5000.0], stored=START_KWH, units=units))) == [1]


def test_load_beyond_the_store_and_the_sets_is_unserved() -> None:
    plan = rules(islanded([3000.0] * 4, stored=6000.0, units=(unit(1, available=False),)))

    assert [step.unserved_kw for step in plan.steps] == pytest.approx([0.0, 0.0, 3000.0, 3000.0])
    assert stored_kwh(plan) == pytest.approx([3000.0, 0.0, 0.0, 0.0])


@settings(derandomize=True, deadline=None, max_examples=100)
@given(
    net_kw=st.lists(st.integers(0, 25000).map(float), min_size=1, max_size=8),
    pv_kw=st.integers(0, 20000).map(float),
    stored=st.integers(0, 10000).map(float),
    n_available=st.integers(0, 10),
    n_young=st.integers(0, 3),
)
def test_flows_of_the_rules_are_possible(
    net_kw: list[float], pv_kw: float, stored: float, n_available: int, n_young: int
) -> None:
    units = tuple(unit(n, on=n < n_young, since_h=0.1, available=n < n_available) for n in range(10))
    stated = islanded(net_kw, stored=stored, units=units, pv_kw=[pv_kw] * len(net_kw))

    plan = rules(stated)

    flows = ("balance error", "stored_kwh", "stored_end_kwh", "charge_kw", "power_kw", "units on", "pv_kw")
    impossible = (*flows, "fuel_cost", "co2_cost", "starts_cost", "wear_cost")
    found = [sentence for sentence in refusals(stated, plan) if any(what in sentence for what in impossible)]
    assert found == []


def test_surplus_of_a_young_set_with_a_full_store_is_reported() -> None:
    plan = rules(islanded([500.0], stored=10000.0, units=(unit(1, on=True, since_h=0.1),)))

    assert plan.steps[0].surplus_kw == pytest.approx(900.0)


def test_rules_count_the_carbon_of_their_starts() -> None:
    stated = islanded([500.0], stored=0.0)
    thirsty = replace(stated.gensets[0], start_fuel_l=10.0)
    stated = replace(stated, gensets=(thirsty,), prices=replace(stated.prices, co2_per_kg=0.1))

    plan = rules(stated)

    (sets,) = plan.steps[0].gensets
    assert sets.n_started > 0
    assert plan.objective.co2_cost == pytest.approx(0.1 * 2.5 * (sets.fuel_l_per_h + 10.0 * sets.n_started))


def test_plan_says_that_it_is_a_fallback() -> None:
    plan = rules(islanded([500.0], stored=5000.0))

    assert (plan.source, plan.status) == (PlanSource.MERIT_ORDER, PlanStatus.FALLBACK)
    assert not plan.followed
    assert [reason.code for reason in plan.steps[0].reasons] == [ReasonCode.RULES]


def on_grid(
    prices_per_kwh: list[float],
    *,
    stored: float,
    pv_kw: float = 0.0,
    peak_kw: float | None = None,
    import_limit_kw: float = 10000.0,
    connected: list[int] | None = None,
) -> PlanningProblem:
    n_steps = len(prices_per_kwh)
    months = []
    if peak_kw is not None:
        months.append(
            DemandProblem(
                first_step=0, end_step=n_steps, price_per_kw=5.0, floor_kw=peak_kw, running_kwh=0.0, running_h=0.0
            )
        )
    return problem(
        [1000.0] * n_steps,
        pv=plant([pv_kw] * n_steps),
        store=store(n_steps, stored=stored),
        sets=sets(),
        grid=connection(prices_per_kwh, import_limit_kw=import_limit_kw, connected=connected, demand=months),
        requirements=reserve(n_steps, floor_kwh=FLOOR_KWH),
    )


def test_cheap_hours_charge_evenly_and_dear_hours_discharge() -> None:
    plan = rules(on_grid([0.1, 0.1, 0.2, 0.3, 0.3, 0.1], stored=8000.0))

    # 2000 kWh of room over two hours; 9000 kWh above the floor carry the load of both dear hours
    assert storage_kw(plan) == pytest.approx([-1000.0, -1000.0, 0.0, 1000.0, 1000.0, -2000.0])


def test_dear_hours_discharge_up_to_the_end_of_the_horizon() -> None:
    # what comes after the last hour looks like the day before it
    plan = rules(on_grid([0.1] * 22 + [0.3] * 4, stored=8000.0))

    assert storage_kw(plan)[-4:] == pytest.approx([1000.0] * 4)


def test_a_day_of_one_price_leaves_the_store_at_rest_whatever_the_days_after_it_cost() -> None:
    plan = rules(on_grid([0.1] * 24 + [0.3] * 24, stored=8000.0))

    assert storage_kw(plan)[0] == pytest.approx(0.0)


def test_store_rests_where_the_spread_does_not_pay_its_wear() -> None:
    worn = on_grid([0.1, 0.3], stored=8000.0)
    worn = replace(worn, pools=(replace(worn.pools[0], wear_cost_per_kwh=0.25),))

    assert storage_kw(rules(worn)) == pytest.approx([0.0, 0.0])


def test_charging_keeps_below_the_peak_target() -> None:
    plan = rules(on_grid([0.1, 0.3], stored=2000.0, peak_kw=1500.0))

    assert storage_kw(plan)[0] == pytest.approx(-500.0)
    assert plan.steps[0].import_kw == pytest.approx(1500.0)


def test_load_above_the_peak_target_is_shaved() -> None:
    plan = rules(on_grid([0.2, 0.2], stored=5000.0, peak_kw=600.0))

    assert [step.import_kw for step in plan.steps] == pytest.approx([600.0, 600.0])


def test_dear_hours_stop_at_the_floor() -> None:
    plan = rules(on_grid([0.3, 0.1], stored=1400.0))

    assert stored_kwh(plan)[0] == pytest.approx(FLOOR_KWH)


def test_store_below_its_floor_is_refilled_in_half_an_hour_whatever_the_price() -> None:
    plan = rules(on_grid([0.3, 0.1], stored=700.0, peak_kw=1000.0))

    # 300 kWh within 0.5 h
    assert storage_kw(plan)[0] == pytest.approx(-600.0)


def test_surplus_pv_charges_and_nothing_is_imported() -> None:
    plan = rules(on_grid([0.2], stored=5000.0, pv_kw=1800.0))

    assert storage_kw(plan) == pytest.approx([-800.0])
    assert plan.steps[0].import_kw == 0.0


def test_cheap_hours_leave_room_for_the_surplus_of_the_day() -> None:
    stated = on_grid([0.1, 0.2], stored=8000.0)
    sunny = replace(stated, pv=(replace(stated.pv[0], available_kw=(0.0, 2500.0)),))

    # 1500 kWh of surplus are to come: only 500 of the 2000 kWh of room are filled
    assert storage_kw(rules(sunny))[0] == pytest.approx(-500.0)


def test_sets_stand_still_while_the_grid_is_there() -> None:
    plan = rules(on_grid([0.2, 0.2], stored=START_KWH, connected=[0, 1]))

    assert n_on(plan) == [1, 0]


KIND = DESERT.gensets[0]


def a_class(name: str, *, base_load_frac: float | None = None, takes_power: bool = False) -> GensetClass:
    return replace(KIND, id=name, takes_power=takes_power, base_load_frac=base_load_frac)


def test_a_set_with_a_base_load_of_its_own_carries_it_whatever_the_load() -> None:
    based = replace(DESERT, gensets=(replace(KIND, takes_power=False, base_load_frac=0.75),))

    plan = merit_order_plan(based, islanded([3100.0], stored=START_KWH))

    # 1500 kW each: two leave 100 kW uncovered
    assert n_on(plan) == [3]
    assert gensets_kw(plan) == pytest.approx([4500.0])
    assert storage_kw(plan) == pytest.approx([-1400.0])


def test_classes_that_share_load_by_themselves_are_loaded_equally_before_sets_that_follow_a_setpoint() -> None:
    small = replace(a_class("small"), rated_kw=1000.0)
    classes = (a_class("steered", takes_power=True), a_class("large"), small, a_class("based", base_load_frac=0.75))

    powers = powers_kw(classes, [1, 1, 1, 1], net_kw=5500.0)

    # 4000 kW beside the base load fill 2000 and 1000 kW of the sharing sets; steered ones take the rest
    assert powers == pytest.approx([1400.0, 2000.0, 1000.0, 1500.0])


def test_sets_that_share_load_are_at_the_same_share_of_their_ratings() -> None:
    small = replace(a_class("small"), rated_kw=1000.0)

    powers = powers_kw((a_class("large"), small), [2, 1], net_kw=4000.0)

    assert powers == pytest.approx([3200.0, 800.0])
