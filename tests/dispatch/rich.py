"""One problem that has everything, for tests of the check, of replay and of documents."""

from dataclasses import replace
from typing import Any

from ems.model.problem import (
    CarbonBudget,
    ChillerProblem,
    ColdTankProblem,
    ContingencyKind,
    CoolingLineProblem,
    DemandProblem,
    ExerciseProblem,
    FuelStock,
    GensetProblem,
    GroupProblem,
    LoadProblem,
    OfferKind,
    OfferProblem,
    OfferRuns,
    OutWindow,
    PlanningProblem,
    PollutantProblem,
    PoolProblem,
    PowerBySoc,
    PreviousCommitment,
    ProgressPiece,
    Recalibration,
    ThroughputBudget,
    WearPiece,
)
from tests.dispatch.problems import PRICES, common_loss, connection, gensets, loss, plant, pool, problem, reserve, unit

N_STEPS = 6


def _worn(n_steps: int, **values: Any) -> PoolProblem:  # arguments of `pool`
    """Return a pool with limits by SoC, every kind of wear, a full charge that is due, and auxiliaries."""
    return replace(
        pool(n_steps, **values),
        aux_frac_of_power=0.01,
        charge_by_soc=(PowerBySoc(c0_kw=900.0, c1_per_h=-0.8),),
        discharge_by_soc=(PowerBySoc(c0_kw=200.0, c1_per_h=0.9),),
        depth_wear=(WearPiece(width_kwh=600.0, cost_per_kwh=0.002), WearPiece(width_kwh=400.0, cost_per_kwh=0.02)),
        dwell_above_kwh=800.0,
        dwell_cost_per_kwh=0.001,
        throughput_budget=ThroughputBudget(energy_kwh=100.0, price_per_kwh=0.01),
        recalibration=Recalibration(first_step=4, end_step=6, missed_cost=3.0),
    )


def rich_problem() -> PlanningProblem:
    """Return six hours with a grid that is away for two, PV, storage, sets, losses, demand charge and reserve."""
    it_kw = (300.0, 320.0, 350.0, 340.0, 300.0, 280.0)
    demand = LoadProblem(
        it_kw=it_kw,
        cooling=(
            CoolingLineProblem(c0_kw=(12.0,) * N_STEPS, c1_frac=(0.1,) * N_STEPS),
            CoolingLineProblem(c0_kw=(11.0,) * N_STEPS, c1_frac=(0.103,) * N_STEPS),
        ),
        aux_constant_kw=(8.0,) * N_STEPS,
        aux_frac_of_it=0.03,
        site_loss_frac=0.02,
        load_q90_kw=tuple(1.25 * kw for kw in it_kw),
        net_q90_kw=tuple(1.2 * kw for kw in it_kw),
        largest_block_kw=75.0,
    )
    month = DemandProblem(
        first_step=0, end_step=N_STEPS, price_per_kw=2.0, floor_kw=200.0, running_kwh=0.0, running_h=0.0
    )
    grid = connection(
        [0.2, 0.2, 0.4, 0.4, 0.1, -0.03],
        import_limit_kw=400.0,
        export_limit_kw=100.0,
        export_price_per_kwh=0.02,
        connected=[1, 1, 0, 0, 1, 1],
        kgco2e_per_kwh=0.45,
        demand=[month],
    )
    field = plant([150.0, 450.0, 120.0, 60.0, 10.0, 0.0], n_blocks=3, credit_frac=0.5)
    stated = problem(
        demand,
        pv=replace(field, curtailment_price_per_kwh=0.001),
        store=_worn(
            N_STEPS,
            stored_kwh=320.0,
            min_stored_kwh=50.0,
            power_kw=400.0,
            n_blocks=4,
            eff_frac=0.95,
            self_discharge_frac_per_h=0.0005,
            no_load_kw=4.0,
            wear_cost_per_kwh=0.01,
            terminal=[(200.0, 0.08), (500.0, 0.01)],
            hold=[(150.0, 0.004)],
        ),
        sets=gensets(
            [unit(1, on=True, since_h=0.5), unit(2), unit(3), unit(4, available=False)],
            min_up_h=1.0,
            min_down_h=0.5,
            run_wear_cost_per_h=2.0,
            step_kw=60.0,
            n_start_failures=1,
        ),
        grid=replace(grid, ramp_kw_per_min=10.0, now_kw=100.0),
        requirements=reserve(
            N_STEPS,
            r0_kw=20.0,
            r1_kw=40.0,
            r2_kw=50.0,
            losses=[
                *(loss(kind) for kind in (ContingencyKind.GENSET, ContingencyKind.BLOCK, ContingencyKind.PV_BLOCK)),
                # a bus section with two sets, and a collector with a block of storage, one of PV and the racks on it
                common_loss((ContingencyKind.GENSET, 2)),
                common_loss((ContingencyKind.BLOCK, 1), (ContingencyKind.PV_BLOCK, 1), load_kw=30.0),
            ],
            pv_drop_frac=0.15,
            floor_kwh=150.0,
            lead_kwh=20.0,
            r2_sustain_h=2.0,
            r2_shed_kw=5.0,
            curtailed_counts=True,
            down_slow=True,
        ),
        prices=replace(PRICES, co2_per_kg=0.05, low_load_per_kwh=0.02, commitment_change=1.0),
        previous=(PreviousCommitment(id="diesel", n_on=(0, 0)),),
    )
    fuel = stated.fuel
    assert fuel is not None
    return replace(
        stated,
        groups=(
            GroupProblem(id="feeder", members=("grid", "pv"), limit_kw=700.0),
            GroupProblem(id="collector", members=("bess", "diesel"), limit_kw=450.0),
        ),
        carbon_budget=CarbonBudget(kgco2e=400.0, price_per_kg=0.01),
        offers=_offers(),
        chillers=_chillers(),
        gensets=(_ruled(stated.gensets[0]),),
        fuel=replace(
            fuel, stock=FuelStock(stock_l=600.0, reserve_l=200.0, capacity_l=900.0, delivered_l=(0.0,) * N_STEPS)
        ),
    )


def _ruled(sets: GensetProblem) -> GensetProblem:
    """Return the class with every rule and every loss of power that one can have, none of them tight."""
    first, *others = sets.units
    return replace(
        sets,
        units=(first, *others[:-1], replace(others[-1], available=True, out=(OutWindow(start_h=0.0, end_h=9.0),))),
        warm_up_h=0.1,
        usable_kw=(100.0, 100.0, 99.0, 99.0, 100.0, 100.0),
        n_permitted=(3,) * N_STEPS,
        permitted_run_h=12.0,
        exercise=ExerciseProblem(first_step=0, end_step=5, missed_cost=20.0, run_h=1.0, min_load_frac=0.3),
        pollutants=(
            PollutantProblem(id="nox", min_g_per_h=300.0, segment_g_per_kwh=(6.0, 7.0), price_per_kg=0.5),
            PollutantProblem(id="pm", min_g_per_h=20.0, segment_g_per_kwh=(0.1, 0.2)),
        ),
    )


def _offers() -> tuple[OfferProblem, ...]:
    """Return one small class of each kind."""
    none_kw, most_kw = (0.0,) * N_STEPS, (1.0,) * N_STEPS
    return (
        OfferProblem(id="inference", kind=OfferKind.FIRM, min_kw=most_kw, max_kw=most_kw),
        OfferProblem(
            id="training",
            kind=OfferKind.SHAPEABLE,
            min_kw=(0.4,) * N_STEPS,
            max_kw=most_kw,
            progress=(
                ProgressPiece(width_kw=0.4, value_per_kwh=1.9),
                ProgressPiece(width_kw=0.2, value_per_kwh=0.3),
            ),
            ramp_kw_per_min=0.005,
            now_kw=0.9,
        ),
        OfferProblem(
            id="batch",
            kind=OfferKind.DEFERRABLE,
            min_kw=none_kw,
            max_kw=most_kw,
            value_per_kwh=0.45,
            energy_kwh=2.5,
            deadline_step=5,
            runs=OfferRuns(
                min_run_h=1.0, min_pause_h=0.5, max_pauses=2, restart_kwh=0.1, running_frac=0.3, since_h=0.2
            ),
        ),
        OfferProblem(
            id="render",
            kind=OfferKind.DEFERRABLE,
            min_kw=none_kw,
            max_kw=most_kw,
            value_per_kwh=0.4,
            energy_kwh=1.7,
            deadline_step=6,
            runs=OfferRuns(min_run_h=1.0, restart_kwh=0.1, whole=True),
        ),
        OfferProblem(
            id="preemptible",
            kind=OfferKind.CURTAILABLE,
            min_kw=none_kw,
            max_kw=most_kw,
            value_per_kwh=0.2,
            max_curtailed_h=2.0,
        ),
    )


def _chillers() -> ChillerProblem:
    """Return two small chillers with a tank of a few kWh_th."""
    return ChillerProblem(
        heat_kw_th=(30.0, 32.0, 35.0, 34.0, 30.0, 28.0),
        power_frac=(0.2,) * N_STEPS,
        capacity_kw_th=(25.0,) * N_STEPS,
        n_available=2,
        n_on=2,
        min_load_frac=0.15,
        base_kw=0.1,
        start_cost=0.5,
        tank=ColdTankProblem(
            stored_kwh_th=4.0,
            min_kwh_th=2.0,
            max_kwh_th=6.0,
            max_charge_kw_th=3.0,
            max_discharge_kw_th=3.0,
            loss_frac_per_h=0.01,
            value_per_kwh=0.01,
        ),
    )
