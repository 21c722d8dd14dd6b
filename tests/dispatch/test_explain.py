"""Reasons and limits of small plans whose optimum is plain: the right code, at the right asset, with its figures."""

from dataclasses import replace

import pytest

from ems.dispatch.check import evaluate
from ems.dispatch.document import plan_text
from ems.dispatch.explain import explained
from ems.dispatch.milp.extract.broken import SLACKS
from ems.dispatch.relaxed import CATALOGUE, relaxed_items, relaxed_meaning
from ems.model.plan import ChillerStep, ObjectiveTerms, Plan
from ems.model.problem import (
    CarbonBudget,
    ContingencyKind,
    GroupProblem,
    OfferKind,
    OfferProblem,
    OutWindow,
    PlanningProblem,
    Recalibration,
)
from ems.model.reason import MEANINGS, Reason, ReasonCode
from tests.conventions.suffixes import unit_of
from tests.dispatch.problems import connection, gensets, loss, plant, pool, problem, reserve, unit
from tests.dispatch.rich import rich_problem
from tests.dispatch.solving import n_on, solved, storage_kw


def told(stated: PlanningProblem, plan: Plan | None = None) -> Plan:
    """Return the explained plan; every code and figure in it is documented."""
    plan = solved(stated) if plan is None else plan
    complete = explained(stated, plan, evaluate(stated, plan))
    for step in complete.steps:
        for limit in step.binding:
            assert MEANINGS[limit.code].limit, limit
        for reason in (*step.binding, *step.reasons):
            assert {name for name, _ in reason.figures} <= set(MEANINGS[reason.code].figures), reason
            assert reason.text
    return complete


def reasons(plan: Plan, t: int, asset: str) -> list[Reason]:
    return [reason for reason in plan.steps[t].reasons if reason.asset == asset]


def the_reason(plan: Plan, t: int, asset: str) -> Reason:
    (reason,) = reasons(plan, t, asset)
    return reason


def limits(plan: Plan, t: int) -> dict[ReasonCode, Reason]:
    return {limit.code: limit for limit in plan.steps[t].binding}


def with_prices(plan: Plan, prices_per_kwh: list[float]) -> Plan:
    """Return a plan whose marginal prices are given."""
    steps = zip(plan.steps, prices_per_kwh, strict=True)
    return replace(plan, steps=tuple(replace(step, marginal_price_per_kwh=price) for step, price in steps))


def with_unknown_prices(plan: Plan) -> Plan:
    return replace(plan, steps=tuple(replace(step, marginal_price_per_kwh=None) for step in plan.steps))


def test_every_code_has_its_meaning_and_its_figures_have_units() -> None:
    assert set(MEANINGS) == set(ReasonCode)
    names = {name for meaning in MEANINGS.values() for name in meaning.figures}
    assert [name for name in names if unit_of(name) is None and not name.startswith("n_")] == []


def test_every_asset_that_flows_in_the_rich_plan_has_a_reason() -> None:
    plan = told(rich_problem())

    for t, step in enumerate(plan.steps):
        moving = [pool.id for pool in step.pools if abs(pool.power_kw) > 1.0]
        moving += [genset.id for genset in step.gensets if genset.n_on]
        moving += ["grid"] if step.import_kw + step.export_kw > 1.0 else []
        assert all(reasons(plan, t, asset) for asset in moving)


def test_sets_that_reserve_holds_on_say_so_with_class_and_figures() -> None:
    # 60 kW of storage less what it delivers, and 100 kW of the set less what it delivers, against 80 kW
    stated = problem(
        [70.0],
        store=pool(1, stored_kwh=500.0, power_kw=60.0, wear_cost_per_kwh=1.0),
        sets=gensets([unit(1), unit(2)]),
        requirements=reserve(1, r1_kw=80.0),
    )

    plan = told(stated)

    reason = the_reason(plan, 0, "diesel")
    assert (reason.code, reason.about) == (ReasonCode.RESERVE, "r1: none")
    assert dict(reason.figures)["required_kw"] == pytest.approx(80.0)
    # the store would have to carry 70 kW with its 60
    assert dict(reason.figures)["held_without_kw"] == pytest.approx(0.0)
    assert limits(plan, 0)[ReasonCode.RESERVE].asset == "diesel"


def test_only_the_class_that_reserve_needs_is_said_to_be_held_on_by_it() -> None:
    big = replace(gensets([unit(1)], start_cost=0.0), id="big")
    small = gensets(
        [replace(unit(1), id="s1")],
        min_kw=10.0,
        max_kw=20.0,
        segments=((10.0, 0.1),),
        min_fuel_l_per_h=1.0,
        start_cost=0.0,
        step_kw=20.0,
        band_low_kw=0.0,
    )
    stated = replace(
        problem([110.0], sets=big, requirements=reserve(1, r1_kw=5.0)), gensets=(big, replace(small, id="small"))
    )

    (held_on,) = evaluate(stated, solved(stated)).held_on

    # the small set runs at its full 20 kW for its fuel: the 5 kW are held by the big one
    assert [held.genset_class for held in held_on] == ["big"]
    assert evaluate(replace(stated, reserve=reserve(1)), solved(replace(stated, reserve=reserve(1)))).held_on == ()


def test_sets_that_save_the_store_from_its_floor_say_when_it_would_be_reached() -> None:
    sets = gensets([unit(1)], min_kw=100.0, max_kw=100.0, segments=(), start_cost=0.0)
    stated = problem([100.0] * 3, store=pool(3, stored_kwh=250.0), sets=sets, requirements=reserve(3, floor_kwh=150.0))

    plan = told(stated)

    runs = [t for t, count in enumerate(n_on(plan)) if count]
    assert len(runs) == 2
    assert {the_reason(plan, t, "diesel").code for t in runs} == {ReasonCode.ENERGY_TO_FLOOR}
    last = limits(plan, 2)[ReasonCode.FLOOR]
    assert dict(last.figures) == pytest.approx({"stored_end_kwh": 150.0, "floor_kwh": 150.0})


def test_minimum_run_and_rest_are_stated_with_the_hours_that_are_left() -> None:
    running = gensets([unit(1, on=True, since_h=0.5)], min_up_h=2.0, start_cost=0.0)
    resting = gensets([unit(1, since_h=0.5)], min_down_h=2.0, start_cost=0.0)
    grid = connection([0.01] * 3)

    up, down = (
        told(problem([100.0] * 3, sets=sets, grid=grid, store=pool(3, stored_kwh=0.0))) for sets in (running, resting)
    )

    assert n_on(up) == [1, 1, 0]
    assert the_reason(up, 0, "diesel").code is ReasonCode.MINIMUM_UP_TIME
    assert dict(limits(up, 0)[ReasonCode.MINIMUM_UP_TIME].figures) == pytest.approx({"n_sets": 1.0, "left_h": 1.5})
    assert dict(limits(up, 1)[ReasonCode.MINIMUM_UP_TIME].figures) == pytest.approx({"n_sets": 1.0, "left_h": 0.5})
    assert ReasonCode.MINIMUM_UP_TIME not in limits(up, 2)
    assert dict(limits(down, 0)[ReasonCode.MINIMUM_DOWN_TIME].figures) == pytest.approx({"n_sets": 1.0, "left_h": 1.5})
    assert ReasonCode.MINIMUM_DOWN_TIME not in limits(down, 2)


def test_set_at_full_and_at_minimum_load_says_so() -> None:
    full = told(problem([100.0], sets=gensets([unit(1)])))
    least = told(problem([30.0], sets=gensets([unit(1)])))

    assert dict(limits(full, 0)[ReasonCode.GENSET_MAXIMUM].figures) == pytest.approx({"power_kw": 100.0})
    assert dict(limits(least, 0)[ReasonCode.GENSET_MINIMUM].figures) == pytest.approx({"power_kw": 30.0})


def test_quiet_hours_and_maintenance_say_how_many_sets_they_leave() -> None:
    grid = connection([0.01])
    away = replace(unit(2), out=(OutWindow(start_h=0.0, end_h=1.0),))
    sets = replace(gensets([unit(1), away]), n_permitted=(0,))
    stated = problem([100.0], sets=gensets([unit(1), unit(2)]), grid=grid)
    plan = solved(stated)

    told_limits = limits(told(replace(stated, gensets=(sets,)), plan), 0)

    assert dict(told_limits[ReasonCode.QUIET_HOURS].figures) == {"n_sets": 0.0}
    assert ReasonCode.MAINTENANCE not in told_limits


def test_set_that_runs_and_set_that_stands_by_compare_their_cost_with_the_next_kwh() -> None:
    # 100 kW of a set burn 24.5 l in the hour; imported they cost 40 or 10
    dear = problem([100.0], sets=gensets([unit(1)], start_cost=0.0), grid=connection([0.4]))
    cheap = problem([100.0], sets=gensets([unit(1)]), grid=connection([0.1]))

    runs = the_reason(told(dear, with_prices(solved(dear), [0.4])), 0, "diesel")
    stands = the_reason(told(cheap, with_prices(solved(cheap), [0.1])), 0, "diesel")
    silent = the_reason(told(cheap, with_unknown_prices(solved(cheap))), 0, "diesel")

    assert runs.code is ReasonCode.CHEAPEST
    assert dict(runs.figures) == pytest.approx({"cost_per_kwh": 0.245, "marginal_price_per_kwh": 0.4})
    assert stands.code is ReasonCode.TOO_DEAR
    assert dict(stands.figures) == pytest.approx({"cost_per_kwh": 0.245, "marginal_price_per_kwh": 0.1})
    assert silent.code is ReasonCode.COST
    assert dict(silent.figures) == pytest.approx({"cost_per_kwh": 0.245})


def test_pool_charges_for_the_dear_step_and_discharges_there() -> None:
    stated = problem([100.0] * 3, store=pool(3, stored_kwh=0.0, power_kw=100.0), grid=connection([0.1, 0.2, 0.5]))
    plan = told(stated, with_prices(solved(stated), [0.1, 0.2, 0.5]))

    assert storage_kw(plan) == pytest.approx([-100.0, 0.0, 100.0])
    charging, waiting, using = (the_reason(plan, t, "bess") for t in range(3))
    assert charging.code is ReasonCode.CHARGE_FOR_LATER
    assert charging.about == "2026-01-08T02:00:00Z"
    assert dict(charging.figures) == pytest.approx(
        {"charge_kw": 100.0, "ahead_h": 2.0, "marginal_price_per_kwh": 0.1, "later_price_per_kwh": 0.5}
    )
    assert waiting.code is ReasonCode.KEPT_FOR_LATER
    assert dict(waiting.figures)["ahead_h"] == pytest.approx(1.0)
    assert (using.code, using.about) == (ReasonCode.CHEAPEST, "import")
    assert dict(using.figures)["alternative_price_per_kwh"] == pytest.approx(0.5)
    assert limits(plan, 0)[ReasonCode.CHARGE_LIMIT].figures == (("limit_kw", 100.0),)
    assert limits(plan, 2)[ReasonCode.DISCHARGE_LIMIT].figures == (("limit_kw", 100.0),)
    assert ReasonCode.STORE_EMPTY in limits(plan, 2)


def test_marginal_source_is_the_one_whose_price_it_is() -> None:
    stated = problem([50.0], sets=gensets([unit(1, on=True)], start_cost=0.0, min_up_h=3.0), grid=connection([0.3]))
    plan = solved(stated)

    by_set = told(stated, with_prices(plan, [0.2]))
    by_grid = told(stated, with_prices(plan, [0.3]))
    unknown = told(stated, with_prices(plan, [0.7]))

    assert the_reason(by_set, 0, "site").about == "diesel"
    assert the_reason(by_grid, 0, "site").about == "import"
    assert the_reason(unknown, 0, "site").about == ""


def test_pv_beyond_the_load_is_stored_until_the_store_is_full_and_then_has_no_taker() -> None:
    roomy, tight = (
        told(problem([100.0], pv=plant([400.0]), store=pool(1, stored_kwh=kwh, terminal=[(1000.0, 0.1)])))
        for kwh in (600.0, 900.0)
    )

    stored = the_reason(roomy, 0, "bess")
    assert stored.code is ReasonCode.CHARGE_SURPLUS
    assert dict(stored.figures) == pytest.approx({"charge_kw": 300.0, "surplus_kw": 300.0})
    assert reasons(roomy, 0, "pv") == []
    curtailed = the_reason(tight, 0, "pv")
    assert (curtailed.code, curtailed.about) == (ReasonCode.NO_TAKER, "the store is full")
    assert dict(curtailed.figures) == pytest.approx({"curtailed_kw": 200.0})
    assert limits(tight, 0)[ReasonCode.STORE_FULL].asset == "bess"


def test_pool_charges_for_the_value_of_its_energy_where_no_later_step_uses_it() -> None:
    stated = problem([100.0], store=pool(1, stored_kwh=0.0, terminal=[(200.0, 0.3)]), grid=connection([0.1]))

    reason = the_reason(told(stated), 0, "bess")

    assert reason.code is ReasonCode.CHARGE_FOR_END
    assert dict(reason.figures) == pytest.approx({"charge_kw": 200.0, "value_per_kwh": 0.3})


def test_pool_below_its_floor_says_what_is_missing() -> None:
    stated = problem(
        [100.0],
        store=pool(1, stored_kwh=100.0),
        grid=connection([0.1]),
        requirements=reserve(1, floor_kwh=150.0),
    )

    reason = the_reason(told(stated), 0, "bess")

    assert reason.code is ReasonCode.CHARGE_TO_FLOOR
    assert dict(reason.figures) == pytest.approx({"charge_kw": 50.0, "missing_kwh": 50.0})


def test_connection_at_its_limits_says_so() -> None:
    month_free = connection([0.1], import_limit_kw=80.0)
    imports = told(problem([100.0], store=pool(1, stored_kwh=500.0, wear_cost_per_kwh=0.5), grid=month_free))
    exporting = connection([0.1], export_limit_kw=30.0, export_price_per_kwh=0.05)
    exports = told(problem([100.0], pv=plant([400.0]), grid=exporting))

    assert limits(imports, 0)[ReasonCode.IMPORT_LIMIT].figures == (("limit_kw", 80.0),)
    assert the_reason(imports, 0, "bess").about == ""
    assert limits(exports, 0)[ReasonCode.EXPORT_LIMIT].figures == (("limit_kw", 30.0),)
    assert the_reason(exports, 0, "grid").figures == (("price_per_kwh", 0.05),)


def test_billed_peak_binds_where_it_is_reached_and_an_absent_grid_is_a_reason() -> None:
    plan = told(rich_problem())

    peaks = [t for t in range(6) if ReasonCode.BILLED_PEAK in limits(plan, t)]
    imports = [step.import_kw for step in plan.steps]
    assert peaks == [t for t, kw in enumerate(imports) if kw > 1.0 and kw >= max(200.0, *imports) * 0.999 - 0.1]
    assert peaks
    assert all(the_reason(plan, t, "grid").code is ReasonCode.NO_GRID for t in (2, 3))


def test_group_at_its_limit_and_carbon_budget_with_its_price_are_stated() -> None:
    stated = replace(
        problem([100.0], grid=connection([0.1])),
        groups=(GroupProblem(id="feeder", members=("grid",), limit_kw=100.0),),
        carbon_budget=CarbonBudget(kgco2e=1000.0, price_per_kg=1.0),
    )
    plan = replace(solved(stated), carbon_shadow_price_per_kg=0.25)

    found = limits(told(stated, plan), 0)

    assert dict(found[ReasonCode.GROUP_LIMIT].figures) == pytest.approx({"power_kw": 100.0, "limit_kw": 100.0})
    assert dict(found[ReasonCode.CARBON_BUDGET].figures) == {"budget_kgco2e": 1000.0, "shadow_price_per_kg": 0.25}


def test_load_that_is_lost_is_stated_and_its_slack_says_what_to_do() -> None:
    stated = problem([150.0, 100.0], sets=gensets([unit(1)]))

    plan = told(stated)
    (item,) = relaxed_items(plan)

    lost = next(reason for reason in reasons(plan, 0, "site") if reason.code is ReasonCode.UNSERVED)
    assert dict(lost.figures) == {"unserved_kw": pytest.approx(50.0)}
    assert item.name == "unserved"
    assert item.cost == pytest.approx(plan.objective.unserved_cost)
    assert dict(item.figures) == {"most_kw": pytest.approx(50.0), "lasts_h": pytest.approx(1.0)}
    assert item.action


def test_missing_floor_and_reserve_say_how_much_is_missing() -> None:
    low = problem([100.0], store=pool(1, stored_kwh=100.0), requirements=reserve(1, floor_kwh=150.0))
    weak = problem(
        [90.0],
        sets=gensets([unit(1)]),
        store=pool(1, stored_kwh=500.0, power_kw=50.0, wear_cost_per_kwh=1.0),
        requirements=reserve(1, r1_kw=10.0, losses=[loss(ContingencyKind.GENSET)]),
    )

    items = {item.name: dict(item.figures) for stated in (low, weak) for item in relaxed_items(told(stated))}

    assert items["floor"] == {"most_kwh": pytest.approx(150.0), "lasts_h": pytest.approx(1.0)}
    # the set's loss leaves the store's 50 kW for at least 90 kW and 10 kW of variation
    assert items["reserve: r1 after genset diesel"]["most_kw"] == pytest.approx(50.0)


def test_every_slack_of_the_model_is_in_the_catalogue_under_a_term_that_exists() -> None:
    names = {*SLACKS.values(), "reserve: r0 after none", "down reserve: down_slow after grid"}

    assert [name for name in names if relaxed_meaning(name) is None] == []
    assert {row.term for row in CATALOGUE.values()} <= set(ObjectiveTerms().terms())
    assert all(row.meaning and row.cause and row.action for row in CATALOGUE.values())


def test_details_after_a_colon_belong_to_the_row_before_it() -> None:
    assert relaxed_meaning("reserve: r1 after grid") is CATALOGUE["reserve"]
    with pytest.raises(KeyError):
        relaxed_meaning("no such slack")


def test_offered_classes_say_whether_they_run_wait_or_are_cut() -> None:
    wait = OfferProblem(
        id="wait",
        kind=OfferKind.DEFERRABLE,
        min_kw=(0.0, 0.0),
        max_kw=(50.0, 50.0),
        value_per_kwh=1.0,
        energy_kwh=50.0,
        deadline_step=2,
    )
    cut = OfferProblem(id="cut", kind=OfferKind.CURTAILABLE, min_kw=(0.0, 0.0), max_kw=(20.0, 20.0), value_per_kwh=0.2)
    stated = replace(problem([100.0, 100.0], grid=connection([0.5, 0.1])), offers=(wait, cut))

    plan = told(stated)

    waiting, running = the_reason(plan, 0, "wait"), the_reason(plan, 1, "wait")
    assert waiting.code is ReasonCode.OFFER_DEFERRED
    assert dict(waiting.figures)["left_h"] == pytest.approx(2.0)
    assert running.code is ReasonCode.OFFER_SERVED
    assert dict(running.figures)["power_kw"] == pytest.approx(50.0)
    reduced = the_reason(plan, 0, "cut")
    assert reduced.code is ReasonCode.OFFER_REDUCED
    assert dict(reduced.figures)["value_per_kwh"] == pytest.approx(0.2)
    assert the_reason(plan, 1, "cut").code is ReasonCode.OFFER_SERVED


def test_cold_tank_says_when_it_is_charged_and_used() -> None:
    stated = problem([100.0])
    plan = solved(stated)
    cold = ChillerStep(n_on=1, n_started=0, heat_kw_th=50.0, power_kw=10.0, tank_charge_kw_th=20.0)
    warm = replace(cold, tank_charge_kw_th=0.0, tank_discharge_kw_th=30.0)

    charged, used = (
        explained(stated, replace(plan, steps=(replace(plan.steps[0], chillers=tank),)), evaluate(stated, plan))
        for tank in (cold, warm)
    )

    stored = the_reason(charged, 0, "chillers")
    assert (stored.code, dict(stored.figures)["tank_charge_kw_th"]) == (ReasonCode.COLD_STORED, 20.0)
    assert the_reason(used, 0, "chillers").code is ReasonCode.COLD_USED


def test_full_charge_that_is_due_is_the_reason_to_charge_above_the_maximum() -> None:
    store = replace(
        pool(1, stored_kwh=80.0, full_kwh=100.0),
        max_stored_kwh=90.0,
        recalibration=Recalibration(first_step=0, end_step=1, missed_cost=100.0),
    )

    plan = told(problem([50.0], store=store, grid=connection([0.1])))

    reason = the_reason(plan, 0, "bess")
    assert reason.code is ReasonCode.RECALIBRATION
    assert dict(reason.figures) == pytest.approx({"charge_kw": 20.0})


def test_full_charge_for_racks_that_are_apart_says_so() -> None:
    store = replace(
        pool(1, stored_kwh=80.0, full_kwh=100.0),
        max_stored_kwh=90.0,
        recalibration=Recalibration(first_step=0, end_step=1, missed_cost=100.0, rack_spread_pct=9.4),
    )

    reason = the_reason(told(problem([50.0], store=store, grid=connection([0.1]))), 0, "bess")

    assert reason.text == "bess charges: a full charge is due, racks are 9.4 % apart"
    assert dict(reason.figures)["rack_spread_pct"] == 9.4


def test_store_that_carries_alone_names_the_set_that_it_spares() -> None:
    stated = problem([50.0], store=pool(1, stored_kwh=500.0), sets=gensets([unit(1)]))

    reason = the_reason(told(stated), 0, "bess")

    assert (reason.code, reason.about) == (ReasonCode.CHEAPEST, "diesel")
    assert dict(reason.figures)["alternative_price_per_kwh"] == pytest.approx(0.245)


def test_terminal_names_assets_that_share_a_reason_once() -> None:
    pools = tuple(replace(pool(1, stored_kwh=500.0, power_kw=100.0), id=name) for name in ("one", "two"))
    stated = replace(problem([200.0], sets=gensets([unit(1)])), pools=pools)
    plan = solved(stated)
    evaluation = evaluate(stated, plan)

    line = plan_text(explained(stated, plan, evaluation), evaluation).splitlines()[-1]

    assert line.count("discharges: a further set of diesel would cost 0.245 per kWh (and 1 more)") == 1


def test_set_that_warms_up_says_for_how_long() -> None:
    # the set is started an hour ahead of the load that it carries
    cold = replace(gensets([unit(1)], start_cost=1.0), warm_up_h=1.5)
    plan = told(problem([0.0, 0.0, 80.0], store=pool(3, stored_kwh=20.0, power_kw=60.0), sets=cold))

    started = next(t for t, step in enumerate(plan.steps) if step.gensets[0].n_started)
    reason = the_reason(plan, started, "diesel")
    assert reason.code is ReasonCode.WARM_UP
    assert dict(reason.figures) == pytest.approx({"n_sets": 1.0, "left_h": 1.5})
    assert dict(limits(plan, started + 1)[ReasonCode.WARM_UP].figures) == pytest.approx({"n_sets": 1.0, "left_h": 0.5})
    assert started + 2 == len(plan.steps) or ReasonCode.WARM_UP not in limits(plan, started + 2)


def test_set_that_warms_up_since_before_the_plan_says_what_is_left() -> None:
    warming = replace(unit(1, on=True, since_h=0.1), warm_up_left_h=0.4)
    plan = told(problem([40.0, 40.0], sets=replace(gensets([warming]), warm_up_h=0.5)))

    assert dict(limits(plan, 0)[ReasonCode.WARM_UP].figures) == pytest.approx({"n_sets": 1.0, "left_h": 0.4})
    assert ReasonCode.WARM_UP not in limits(plan, 1)
