"""Random small problems: every plan passes the check, and its objective follows from its flows."""

from dataclasses import replace
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from ems.dispatch.check import evaluate
from ems.dispatch.milp import shape as model_shape
from ems.dispatch.milp.engine import DispatchEngine
from ems.dispatch.milp.screening import up_rows_can_bind
from ems.model.plan import Plan
from ems.model.problem import (
    CarbonBudget,
    ChillerProblem,
    ColdTankProblem,
    ContingencyKind,
    CoolingLineProblem,
    DemandProblem,
    GensetProblem,
    GroupProblem,
    OfferKind,
    OfferProblem,
    OfferRuns,
    PlanningProblem,
    PoolProblem,
    PowerBySoc,
    PreviousCommitment,
    ProgressPiece,
    Recalibration,
    ThroughputBudget,
    ValuePiece,
    WearPiece,
)
from tests.dispatch.problems import (
    PRICES,
    common_loss,
    connection,
    gensets,
    load,
    loss,
    plant,
    pool,
    problem,
    reserve,
    unit,
)
from tests.dispatch.solving import engine

# relative to the tolerance of the solver's integers times the largest price
CLOSE = 1e-4
# per kW: below the price of a quarter hour of unserved load, else a short peak is shed rather than paid
DEMAND_PRICE = 1.0
settings.register_profile("planning", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
PLANNING = settings(settings.get_profile("planning"), max_examples=60)

_T = TypeVar("_T")
# one decimal: powers are meters' figures, not arbitrary floats
power = st.integers(0, 3000).map(lambda tenths: tenths / 10.0)
price = st.integers(1, 60).map(lambda cents: cents / 100.0)
spot_price = st.integers(-20, 60).map(lambda cents: cents / 100.0)


def per_step(element: st.SearchStrategy[_T], n_steps: int) -> st.SearchStrategy[list[_T]]:
    return st.lists(element, min_size=n_steps, max_size=n_steps)


@st.composite
def sets_of(draw: st.DrawFn) -> GensetProblem:
    units = draw(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=3))
    return gensets(
        [unit(n, on=on, available=available) for n, (on, available) in enumerate(units)],
        min_up_h=draw(st.sampled_from([0.0, 1.0, 2.0])),
        min_down_h=draw(st.sampled_from([0.0, 1.0])),
        start_cost=draw(st.sampled_from([0.0, 5.0, 30.0])),
        run_wear_cost_per_h=draw(st.sampled_from([0.0, 2.0])),
        step_kw=draw(st.sampled_from([30.0, 60.0, 100.0])),
        n_start_failures=draw(st.integers(0, len(units))),
    )


@st.composite
def pool_of(draw: st.DrawFn, n_steps: int) -> PoolProblem:
    stored = draw(st.integers(20, 1000))
    plain = pool(
        n_steps,
        stored_kwh=float(stored),
        power_kw=draw(st.sampled_from([100.0, 300.0, 600.0, 2000.0])),
        n_blocks=draw(st.integers(2, 6)),
        eff_frac=draw(st.sampled_from([1.0, 0.9])),
        no_load_kw=draw(st.sampled_from([0.0, 2.0])),
        wear_cost_per_kwh=draw(st.sampled_from([0.001, 0.05])),
        terminal=[(200.0, draw(price)), (300.0, 0.001)],
        hold=draw(st.sampled_from([(), ((150.0, 0.01),)])),
    )
    if not draw(st.booleans()):
        return plain
    wear = (WearPiece(width_kwh=400.0, cost_per_kwh=0.002), WearPiece(width_kwh=600.0, cost_per_kwh=0.03))
    return replace(
        plain,
        max_stored_kwh=950.0,
        aux_frac_of_power=draw(st.sampled_from([0.0, 0.02])),
        charge_by_soc=draw(st.sampled_from([(), (PowerBySoc(c0_kw=820.0, c1_per_h=-0.8),)])),
        discharge_by_soc=draw(st.sampled_from([(), (PowerBySoc(c0_kw=-20.0, c1_per_h=1.0),)])),
        depth_wear=draw(st.sampled_from([(), wear])),
        dwell_above_kwh=700.0,
        dwell_cost_per_kwh=draw(st.sampled_from([0.0, 0.004])),
        throughput_budget=draw(st.none() | st.just(ThroughputBudget(energy_kwh=60.0, price_per_kwh=0.05))),
        recalibration=draw(
            st.none() | st.just(Recalibration(first_step=0, end_step=min(2, n_steps), missed_cost=20.0))
        ),
    )


@st.composite
def runs_of(draw: st.DrawFn) -> OfferRuns:
    whole = draw(st.booleans())
    return OfferRuns(
        min_run_h=draw(st.sampled_from([0.0, 0.5, 1.5])),
        min_pause_h=draw(st.sampled_from([0.0, 0.5, 1.5])),
        max_pauses=draw(st.sampled_from([None, 0, 1])),
        restart_kwh=draw(st.sampled_from([0.0, 5.0])),
        whole=whole,
        running_frac=draw(st.sampled_from([0.0, 1.0] if whole else [0.0, 0.4, 1.0])),
        since_h=draw(st.sampled_from([None, 0.0, 0.25])),
    )


@st.composite
def offers_of(draw: st.DrawFn, n_steps: int) -> tuple[OfferProblem, ...]:
    def offer(kind: OfferKind) -> OfferProblem:
        least = draw(st.sampled_from([0.0, 10.0]))
        return OfferProblem(
            id=kind.value,
            kind=kind,
            min_kw=(least,) * n_steps,
            max_kw=tuple(least + kw for kw in draw(per_step(st.sampled_from([0.0, 30.0, 80.0]), n_steps))),
            value_per_kwh=draw(price),
            progress=draw(st.sampled_from([(), (ProgressPiece(width_kw=20.0, value_per_kwh=2.0),) * 2])),
            energy_kwh=draw(st.sampled_from([0.0, 40.0])),
            deadline_step=draw(st.integers(0, n_steps)),
            max_curtailed_h=draw(st.sampled_from([None, 0.5])),
            ramp_kw_per_min=draw(st.sampled_from([None, 0.5])),
            now_kw=draw(st.sampled_from([0.0, 60.0])),
            runs=draw(st.none() | runs_of()) if kind is OfferKind.DEFERRABLE else None,
        )

    return tuple(offer(kind) for kind in OfferKind if draw(st.booleans()))


@st.composite
def chillers_of(draw: st.DrawFn, cooled: PlanningProblem) -> ChillerProblem:
    n_steps = cooled.grid.n_steps
    power = draw(per_step(st.sampled_from([0.2, 0.4]), n_steps))
    # what the chillers draw is part of what the cooling lines hold
    most = [cooled.load.cooling_kw(t, cooled.full_it_kw(t)) / frac for t, frac in enumerate(power)]
    share = draw(per_step(st.sampled_from([0.0, 0.3, 1.0]), n_steps))
    tank = ColdTankProblem(
        stored_kwh_th=draw(st.sampled_from([0.0, 30.0, 90.0])),
        min_kwh_th=20.0,
        max_kwh_th=80.0,
        max_charge_kw_th=30.0,
        max_discharge_kw_th=50.0,
        loss_frac_per_h=0.02,
        value_per_kwh=draw(st.sampled_from([0.0, 0.1])),
    )
    return ChillerProblem(
        heat_kw_th=tuple(x * kw for x, kw in zip(share, most, strict=True)),
        power_frac=tuple(power),
        capacity_kw_th=(50.0,) * n_steps,
        n_available=draw(st.integers(1, 3)),
        n_on=draw(st.integers(0, 1)),
        min_load_frac=draw(st.sampled_from([0.0, 0.4])),
        base_kw=draw(st.sampled_from([0.0, 2.0])),
        start_cost=draw(st.sampled_from([0.0, 1.0])),
        tank=draw(st.none() | st.just(tank)),
    )


@st.composite
def cooling_of(draw: st.DrawFn, n_steps: int) -> tuple[CoolingLineProblem, ...]:
    lines = draw(st.lists(st.sampled_from([(20.0, 0.0), (5.0, 0.1), (-10.0, 0.3)]), max_size=3, unique=True))
    return tuple(CoolingLineProblem(c0_kw=(c0,) * n_steps, c1_frac=(c1,) * n_steps) for c0, c1 in [(0.0, 0.0), *lines])


@st.composite
def groups_of(draw: st.DrawFn, others: list[str]) -> tuple[GroupProblem, ...]:
    """Return nothing, a transformer of the store, and a feeder around it with some of the others."""
    transformer = GroupProblem(id="transformer", members=("bess",), limit_kw=draw(st.sampled_from([90.0, 250.0])))
    around = tuple(member for member in others if draw(st.booleans()))
    feeder = GroupProblem(id="feeder", members=("bess", *around), limit_kw=draw(st.sampled_from([120.0, 300.0])))
    return draw(st.sampled_from([(), (transformer,), (feeder,), (transformer, feeder)]))


@st.composite
def problems(draw: st.DrawFn) -> PlanningProblem:
    n_steps = draw(st.integers(1, 5))
    sets = draw(st.none() | sets_of())
    store = draw(st.none() | pool_of(n_steps))
    pv = draw(st.none() | per_step(power, n_steps).map(plant))
    if pv is not None:
        pv = replace(pv, curtailment_price_per_kwh=draw(st.sampled_from([0.0, 0.02])))
    grid = None
    if draw(st.booleans()):
        month = DemandProblem(
            first_step=0,
            end_step=n_steps,
            price_per_kw=DEMAND_PRICE,
            floor_kw=draw(power),
            running_kwh=10.0,
            running_h=0.25,
            interval_ends=draw(
                st.just(()) | st.sets(st.integers(1, n_steps)).map(lambda ends: tuple(sorted({*ends, n_steps})))
            ),
        )
        grid = connection(
            draw(per_step(draw(st.sampled_from([price, spot_price])), n_steps)),
            import_limit_kw=draw(st.sampled_from([100.0, 400.0])),
            export_limit_kw=draw(st.sampled_from([0.0, 200.0])),
            export_price_per_kwh=draw(st.sampled_from([0.005, 0.3])),
            connected=draw(per_step(st.integers(0, 1), n_steps)),
            kgco2e_per_kwh=0.4,
            demand=[month],
        )
        grid = replace(grid, ramp_kw_per_min=draw(st.none() | st.just(2.0)), now_kw=draw(st.sampled_from([0.0, 80.0])))
    possible = [loss(ContingencyKind.GRID)] if grid is not None else []
    possible += [loss(ContingencyKind.GENSET)] if sets is not None else []
    possible += [loss(ContingencyKind.BLOCK)] if store is not None else []
    possible += [loss(ContingencyKind.PV_BLOCK)] if pv is not None else []
    possible += [common_loss((ContingencyKind.GENSET, 2))] if sets is not None and len(sets.units) > 1 else []
    if store is not None and pv is not None:
        possible += [common_loss((ContingencyKind.BLOCK, 2), (ContingencyKind.PV_BLOCK, 1), load_kw=25.0)]
    requirements = reserve(
        n_steps,
        r0_kw=draw(st.none() | st.integers(0, 80).map(float)) if store is not None else None,
        r1_kw=draw(st.none() | st.integers(0, 80).map(float)) if store is not None else None,
        r2_kw=draw(st.none() | st.integers(0, 120).map(float)) if store is not None else None,
        r2_sustain_h=draw(st.sampled_from([0.25, 0.5, 1.0])),
        r2_shed_kw=draw(st.sampled_from([0.0, 10.0])),
        curtailed_counts=draw(st.booleans()),
        down_slow=draw(st.booleans()) if store is not None else False,
        losses=[each for each in possible if draw(st.booleans())],
        pv_drop_frac=draw(st.sampled_from([0.0, 0.15])),
        floor_kwh=draw(st.sampled_from([20.0, 100.0, 400.0])) if store is not None else 0.0,
        lead_kwh=draw(st.sampled_from([0.0, 30.0])) if sets is not None and store is not None else 0.0,
        sustain_h=draw(st.sampled_from([0.02, 0.25])),
    )
    previous: tuple[PreviousCommitment, ...] = ()
    if sets is not None and draw(st.booleans()):
        previous = (PreviousCommitment(id="diesel", n_on=(draw(st.integers(0, len(sets.units))),)),)
    stated = problem(
        load(draw(per_step(power, n_steps)), largest_block_kw=draw(st.sampled_from([0.0, 40.0]))),
        pv=pv,
        store=store,
        sets=sets,
        grid=grid,
        requirements=requirements,
        prices=replace(PRICES, co2_per_kg=0.05, low_load_per_kwh=0.01, commitment_change=1.0),
        previous=previous,
        duration_h=draw(per_step(st.sampled_from([0.25, 0.5, 1.0]), n_steps)),
    )
    present = [part.id for part in stated.gensets] + [part.id for part in stated.pv]
    present += ["grid"] if grid is not None else []
    return replace(
        stated,
        groups=draw(groups_of(present)) if store is not None else (),
        carbon_budget=draw(st.none() | st.just(CarbonBudget(kgco2e=50.0, price_per_kg=0.2))),
    )


@PLANNING
@given(stated=problems(), integer_h=st.sampled_from([0.0, 0.5, 1000.0]))
def test_every_plan_passes_the_check(stated: PlanningProblem, integer_h: float) -> None:
    partly = replace(stated, options=replace(stated.options, integer_h=integer_h))

    plan = engine().solve(partly)

    assert [violation.sentence() for violation in evaluate(partly, plan).violations] == []


@PLANNING
@given(data=st.data(), stated=problems())
def test_every_plan_with_offers_and_cooling_passes_the_check(data: st.DataObject, stated: PlanningProblem) -> None:
    integer_h = data.draw(st.sampled_from([0.5, 1000.0]))
    stated = replace(stated, options=replace(stated.options, integer_h=integer_h))
    n_steps = stated.grid.n_steps
    cooled = replace(stated.load, cooling=data.draw(cooling_of(n_steps)), aux_frac_of_it=0.05, site_loss_frac=0.02)
    offered = replace(stated, load=cooled, offers=data.draw(offers_of(n_steps)))
    offered = replace(offered, chillers=data.draw(st.none() | chillers_of(offered)))

    plan = engine().solve(offered)

    assert [violation.sentence() for violation in evaluate(offered, plan).violations] == []


@PLANNING
@given(stated=problems())
def test_objective_of_every_plan_follows_from_its_flows(stated: PlanningProblem) -> None:
    plan = engine().solve(stated)

    reported = plan.objective.terms()
    for name, value in _terms(stated, plan).items():
        assert reported[name] == pytest.approx(value, rel=CLOSE, abs=0.01), name


@PLANNING
@given(stated=problems())
def test_nothing_is_unserved_while_a_source_could_still_serve_it(stated: PlanningProblem) -> None:
    plan = engine().solve(stated)
    assume(not plan.relaxed or plan.relaxed == ("unserved",))

    for t, step in enumerate(plan.steps):
        if step.unserved_kw > 0.1:
            grid = stated.connection
            import_limit = 0.0 if grid is None else grid.connected[t] * grid.import_limit_kw[t]
            assert step.pv_kw == pytest.approx(stated.available_pv_kw(t), abs=0.1)
            assert step.import_kw == pytest.approx(import_limit, abs=0.1)


@settings(PLANNING, max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(stated=problems())
def test_screening_of_reserve_rows_never_changes_the_optimum(stated: PlanningProblem) -> None:
    assume(stated.reserve.classes and not up_rows_can_bind(stated))

    screened = engine().solve(stated)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_shape, "up_rows_can_bind", lambda _: True)
        complete = DispatchEngine().solve(stated)

    assert screened.objective.total_cost() == pytest.approx(complete.objective.total_cost(), rel=CLOSE, abs=0.01)


def _terms(stated: PlanningProblem, plan: Plan) -> dict[str, float]:
    """Return the terms that a plan's flows determine."""
    hours, prices = stated.grid.duration_h, stated.prices
    steps = list(zip(hours, plan.steps, strict=True))
    litres = sum(h * genset.fuel_l_per_h for h, step in steps for genset in step.gensets)
    imported = [h * step.import_kw for h, step in steps]
    terms = {
        "fuel_cost": litres,
        "curtailment_cost": sum(
            h * plant.curtailment_price_per_kwh * (step.pv_available_kw - step.pv_kw)
            for h, step in steps
            for plant in stated.pv
        ),
        "surplus_cost": 11.0 * sum(h * step.surplus_kw for h, step in steps),
        # without cooling and auxiliaries every unserved kW is IT load up to the load
        "unserved_cost": sum(
            h * (10.0 * (kw - step.it_kw) + 11.0 * (step.unserved_kw - (kw - step.it_kw)))
            for (h, step), kw in zip(steps, stated.load.it_kw, strict=True)
        ),
        "co2_cost": prices.co2_per_kg * 2.5 * litres,
        "starts_cost": 0.0,
    }
    if stated.connection is not None:
        grid = stated.connection
        terms["energy_export_cost"] = -sum(
            h * step.export_kw * p for (h, step), p in zip(steps, grid.export_price_per_kwh, strict=True)
        )
        terms["energy_import_cost"] = sum(k * p for k, p in zip(imported, grid.price_per_kwh, strict=True))
        terms["co2_cost"] += prices.co2_per_kg * 0.4 * sum(imported)
        ends = grid.demand[0].interval_ends or tuple(range(1, len(hours) + 1))
        before, means = 0, []
        for end in ends:
            past_kwh, past_h = (10.0, 0.25) if before == 0 else (0.0, 0.0)
            means.append((past_kwh + sum(imported[before:end])) / (past_h + sum(hours[before:end])))
            before = end
        terms["demand_cost"] = DEMAND_PRICE * max(0.0, max(means) - grid.demand[0].floor_kw)
    if stated.carbon_budget is not None:
        excess = max(0.0, terms["co2_cost"] / prices.co2_per_kg - stated.carbon_budget.kgco2e)
        terms["carbon_budget_cost"] = stated.carbon_budget.price_per_kg * excess
    for sets in stated.gensets:
        counts = [(h, step.gensets[0]) for h, step in steps]
        terms["starts_cost"] = sets.start_cost * sum(genset.n_started for _, genset in counts)
        terms["genset_wear_cost"] = sets.run_wear_cost_per_h * sum(h * genset.n_on for h, genset in counts)
        low_kw = [h * max(0.0, sets.band_low_kw * genset.n_on - genset.power_kw) for h, genset in counts]
        terms["low_load_cost"] = prices.low_load_per_kwh * sum(low_kw)
        changes = zip(stated.previous[0].n_on, counts, strict=False) if stated.previous else ()
        terms["change_cost"] = prices.commitment_change * sum(
            h * abs(genset.n_on - was) for was, (h, genset) in changes
        )
    for store in stated.pools:
        levels = [step.pools[0].stored_end_kwh - store.min_stored_kwh for step in plan.steps]
        wear = sum(h * step.pools[0].discharge_kw for h, step in steps)
        if not store.depth_wear and not store.dwell_cost_per_kwh:
            terms["battery_wear_cost"] = store.wear_cost_per_kwh * wear
        terms["terminal_value_cost"] = -_worth(store.terminal_value, levels[-1])
        terms["hold_value_cost"] = -sum(
            h * _worth(store.hold_value_per_h, kwh) for h, kwh in zip(hours, levels, strict=True)
        )
        any_on = [any(genset.n_on for genset in step.gensets) for step in plan.steps]
        floors = zip(stated.reserve.floor_kwh, stated.reserve.lead_kwh, any_on, strict=True)
        required = [floor + (0.0 if on or not stated.gensets else lead) for floor, lead, on in floors]
        missing = [max(0.0, need - kwh) for need, kwh in zip(required, levels, strict=True)]
        terms["floor_cost"] = prices.floor_per_kwh * sum(h * kwh for h, kwh in zip(hours, missing, strict=True))
    return terms


def _worth(pieces: tuple[ValuePiece, ...], stored_kwh: float) -> float:
    """Return the value of stored energy, the most valued pieces first."""
    worth = 0.0
    for piece in pieces:
        taken = min(piece.width_kwh, max(0.0, stored_kwh))
        worth += taken * piece.value_per_kwh
        stored_kwh -= taken
    return worth
