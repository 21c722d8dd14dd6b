"""Absurd data is refused before anything is built, with the field named; everything else is planned."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ems.dispatch.check import evaluate
from ems.dispatch.refusal import accept, refusals
from ems.errors import ConfigError, DispatchError, ProblemRefusedError
from ems.model.fuel import FuelSegment
from ems.model.problem import (
    ChillerProblem,
    ColdTankProblem,
    Contingency,
    ContingencyKind,
    CoolingLineProblem,
    DemandProblem,
    ExerciseProblem,
    FuelProblem,
    FuelStock,
    GroupProblem,
    Loss,
    OfferKind,
    OfferProblem,
    OutWindow,
    PlanningProblem,
    PollutantProblem,
    PreviousCommitment,
    Recalibration,
    ValuePiece,
    WearPiece,
)
from ems.model.rotation import Rotation
from ems.runtime.codec import to_json
from ems.runtime.problem_file import read_problem
from tests.dispatch.problems import connection, gensets, pool, problem, reserve, unit
from tests.dispatch.rich import N_STEPS, rich_problem
from tests.dispatch.solving import engine
from tests.dispatch.test_random_problems import PLANNING

NAN = float("nan")
OFFER = OfferProblem(id="training", kind=OfferKind.SHAPEABLE, min_kw=(0.0,) * N_STEPS, max_kw=(50.0,) * N_STEPS)
DIRTY = PollutantProblem(id="nox", min_g_per_h=1.0, segment_g_per_kwh=(1.0, 1.0), price_per_kg=1.0)
TERMINAL, HOLD = "pools.0.terminal_value.0.value_per_kwh", "pools.0.hold_value_per_h.0.value_per_kwh"
RISING = (ValuePiece(width_kwh=1.0, value_per_kwh=0.1), ValuePiece(width_kwh=1.0, value_per_kwh=0.2))
MONTH = DemandProblem(first_step=0, end_step=3, price_per_kw=1.0)
# inside the first window, and after the second
LAST, LAST_FIRST = DemandProblem(first_step=4, end_step=6, price_per_kw=1.0), "connection.demand.2.first_step"
BACKWARDS = OutWindow(start_h=2.0, end_h=1.0)
CHILLERS = ChillerProblem(
    heat_kw_th=(100.0,) * N_STEPS, power_frac=(0.2,) * N_STEPS, capacity_kw_th=(80.0,) * N_STEPS, n_available=2, n_on=1
)
TANK = ColdTankProblem(
    stored_kwh_th=50.0, min_kwh_th=0.0, max_kwh_th=100.0, max_charge_kw_th=20.0, max_discharge_kw_th=20.0
)


def rich(**changes: object) -> PlanningProblem:
    return replace(rich_problem(), **changes)  # type: ignore[arg-type]  # any field of a problem


def with_pool(**changes: object) -> PlanningProblem:
    return rich(pools=(replace(rich_problem().pools[0], **changes),))  # type: ignore[arg-type]  # any field


def with_gensets(**changes: object) -> PlanningProblem:
    return rich(gensets=(replace(rich_problem().gensets[0], **changes),))  # type: ignore[arg-type]  # any field


def with_grid(**changes: object) -> PlanningProblem:
    grid = rich_problem().connection
    assert grid is not None
    return rich(connection=replace(grid, **changes))  # type: ignore[arg-type]  # any field of a connection


def with_load(**changes: object) -> PlanningProblem:
    return rich(load=replace(rich_problem().load, **changes))  # type: ignore[arg-type]  # any field of a load


def with_reserve(**changes: object) -> PlanningProblem:
    return rich(reserve=replace(rich_problem().reserve, **changes))  # type: ignore[arg-type]  # any field


def lost(*losses: Loss) -> Contingency:
    return Contingency(id="x", losses=losses)


def with_options(**changes: object) -> PlanningProblem:
    return rich(options=replace(rich_problem().options, **changes))  # type: ignore[arg-type]  # any field


@pytest.mark.parametrize(
    ("stated", "path"),
    [
        (rich(schema="planning-problem/99"), "schema"),
        (rich(created_utc=datetime(2026, 1, 8)), "created_utc"),  # noqa: DTZ001  # what is refused
        (with_load(it_kw=(100.0,) * 3), "load.it_kw"),
        (with_load(it_kw=(100.0,) * 5 + (NAN,)), "load.it_kw.5"),
        (with_load(it_kw=(100.0,) * 5 + (-1.0,)), "load.it_kw.5"),
        (with_load(aux_constant_kw=(1.0,)), "load.aux_constant_kw"),
        (with_load(site_loss_frac=1.5), "load.site_loss_frac"),
        (with_load(largest_block_kw=float("inf")), "load.largest_block_kw"),
        (with_pool(max_charge_kw=(1.0, 2.0, 3.0)), "pools.0.max_charge_kw"),
        (with_pool(max_discharge_kw=(400.0,) * 5 + (1e12,)), "pools.0.max_discharge_kw.5"),
        (with_pool(charge_eff_frac=0.0), "pools.0.charge_eff_frac"),
        (with_pool(discharge_eff_frac=1.01), "pools.0.discharge_eff_frac"),
        (with_pool(stored_kwh=-1.0), "pools.0.stored_kwh"),
        (with_pool(stored_kwh=1000.5), "pools.0.stored_kwh"),
        (with_pool(max_stored_kwh=1200.0), "pools.0.max_stored_kwh"),
        (with_pool(min_stored_kwh=600.0, max_stored_kwh=500.0), "pools.0.min_stored_kwh"),
        (with_pool(wear_cost_per_kwh=NAN), "pools.0.wear_cost_per_kwh"),
        (with_pool(n_blocks=-1), "pools.0.n_blocks"),
        (with_pool(n_blocks=2.5), "pools.0.n_blocks"),
        (
            with_pool(
                terminal_value=(
                    ValuePiece(width_kwh=10.0, value_per_kwh=0.1),
                    ValuePiece(width_kwh=10.0, value_per_kwh=0.2),
                )
            ),
            "pools.0.terminal_value.1",
        ),
        (
            with_pool(
                depth_wear=(
                    WearPiece(width_kwh=10.0, cost_per_kwh=0.2),
                    WearPiece(width_kwh=10.0, cost_per_kwh=0.1),
                )
            ),
            "pools.0.depth_wear.1",
        ),
        (
            with_pool(recalibration=Recalibration(first_step=0, end_step=7, missed_cost=1.0)),
            "pools.0.recalibration.end_step",
        ),
        (rich(pools=rich_problem().pools * 2), "pools, gensets, pv"),
        (rich(pools=(replace(rich_problem().pools[0], id="grid"),)), "pools, gensets, pv"),
        (with_gensets(units=()), "gensets.0.units"),
        (with_gensets(units=(unit(1), unit(1))), "gensets.0.units"),
        (with_gensets(units=(unit(1, since_h=-1.0),)), "gensets.0.units.0.since_h"),
        (with_gensets(min_kw=120.0), "gensets.0.min_kw"),
        (with_gensets(max_kw=0.0, min_kw=0.0), "gensets.0.max_kw"),
        (with_gensets(min_up_h=NAN), "gensets.0.min_up_h"),
        (with_gensets(segments=(FuelSegment(width_kw=40.0, fuel_l_per_kwh=0.2),)), "gensets.0.segments"),
        (
            with_gensets(
                segments=(
                    FuelSegment(width_kw=40.0, fuel_l_per_kwh=0.25),
                    FuelSegment(width_kw=30.0, fuel_l_per_kwh=0.2),
                )
            ),
            "gensets.0.segments.1",
        ),
        (with_gensets(n_permitted=(4,) * 5 + (5,)), "gensets.0.n_permitted.5"),
        (
            with_gensets(units=(replace(unit(1), out=(OutWindow(start_h=2.0, end_h=1.0),)),)),
            "gensets.0.units.0.out.0.start_h",
        ),
        (with_gensets(rotation=Rotation.SERVICE), "gensets.0.service_interval_h"),
        (with_gensets(pollutants=(replace(DIRTY, segment_g_per_kwh=(900.0, 0.0)),)), "gensets.0.pollutants.0.1"),
        (with_gensets(pollutants=(DIRTY, DIRTY)), "gensets.0.pollutants"),
        (with_gensets(usable_kw=(100.0,)), "gensets.0.usable_kw"),
        (with_gensets(n_start_failures=5), "gensets.0.n_start_failures"),
        (
            with_gensets(pollutants=(PollutantProblem(id="nox", min_g_per_h=1.0, segment_g_per_kwh=(1.0,)),)),
            "gensets.0.pollutants.0.segment_g_per_kwh",
        ),
        (
            with_gensets(exercise=ExerciseProblem(first_step=3, end_step=3, missed_cost=1.0)),
            "gensets.0.exercise.first_step",
        ),
        (rich(fuel=FuelProblem(price_per_l=NAN)), "fuel.price_per_l"),
        (
            rich(fuel=FuelProblem(price_per_l=1.0, stock=FuelStock(stock_l=9.0, reserve_l=1.0, capacity_l=8.0))),
            "fuel.stock.stock_l",
        ),
        (
            rich(fuel=FuelProblem(price_per_l=1.0, stock=FuelStock(stock_l=5.0, reserve_l=9.0, capacity_l=8.0))),
            "fuel.stock.reserve_l",
        ),
        (
            rich(
                fuel=FuelProblem(
                    price_per_l=1.0,
                    stock=FuelStock(stock_l=5.0, reserve_l=0.0, capacity_l=8.0, delivered_l=(0.0,) * 4 + (2.0,) * 2),
                )
            ),
            "fuel.stock.delivered_l.5",
        ),
        (with_grid(connected=(1, 1, 2, 0, 1, 1)), "connection.connected.2"),
        (with_grid(connected=(1.0, 0.5, 0.0, 0.0, 1.0, 1.0)), "connection.connected.1"),
        (with_grid(price_per_kwh=(0.1,) * 5 + (NAN,)), "connection.price_per_kwh.5"),
        (
            with_grid(demand=(DemandProblem(first_step=2, end_step=9, price_per_kw=1.0),)),
            "connection.demand.0.end_step",
        ),
        (
            with_grid(demand=(replace(MONTH, interval_ends=(2, 2, 3)),)),
            "connection.demand.0.interval_ends",
        ),
        (
            with_grid(demand=(replace(MONTH, interval_ends=(1, 2)),)),
            "connection.demand.0.interval_ends",
        ),
        (
            with_grid(demand=(DemandProblem(first_step=-1, end_step=2, price_per_kw=1.0),)),
            "connection.demand.0.first_step",
        ),
        (rich(groups=(GroupProblem(id="t1", members=("nobody",), limit_kw=5.0),)), "groups.0.members"),
        (with_reserve(sustain_h=-0.1), "reserve.sustain_h"),
        (
            with_reserve(contingencies=(lost(Loss(kind=ContingencyKind.GENSET, member="nobody")),)),
            "reserve.contingencies.0.losses.0.member",
        ),
        (
            with_reserve(contingencies=(lost(Loss(kind=ContingencyKind.BLOCK, member="bess", count=0)),)),
            "reserve.contingencies.0.losses.0.count",
        ),
        (
            with_reserve(contingencies=(lost(*(Loss(kind=ContingencyKind.GRID),) * 2),)),
            "reserve.contingencies.0.losses",
        ),
        (with_reserve(contingencies=(lost(Loss(kind=ContingencyKind.GRID)),) * 2), "reserve.contingencies"),
        (with_reserve(classes=rich_problem().reserve.classes[:1] * 2), "reserve.classes"),
        (rich(previous=(PreviousCommitment(id="nobody", n_on=(1,)),)), "previous.0.id"),
        (rich(previous=(PreviousCommitment(id="diesel", n_on=(1,) * 7),)), "previous.0.n_on"),
        (rich(offers=(replace(OFFER, min_kw=(60.0,) * N_STEPS),)), "offers.0.min_kw.0"),
        (rich(offers=(replace(OFFER, deadline_step=7),)), "offers.0.deadline_step"),
        (rich(chillers=replace(CHILLERS, heat_kw_th=(1.0,))), "chillers.heat_kw_th"),
        (rich(chillers=replace(CHILLERS, heat_kw_th=(900.0,) * N_STEPS)), "chillers.heat_kw_th.0"),
        (rich(chillers=replace(CHILLERS, tank=replace(TANK, min_kwh_th=101.0))), "chillers.tank.min_kwh_th"),
        (with_options(gap_frac=2.0), "options.gap_frac"),
        (with_options(time_limit_s=0.0), "options.time_limit_s"),
        (with_options(threads=0), "options.threads"),
        (rich(prices=replace(rich_problem().prices, floor_per_kwh=-1.0)), "prices.floor_per_kwh"),
        (with_options(time_limit_s=0.09), "options.time_limit_s"),
        (with_options(time_limit_s=86401.0), "options.time_limit_s"),
        (with_options(threads=65), "options.threads"),
        (with_pool(n_blocks=0), "pools.0.n_blocks"),
        (with_pool(no_load_kw=951.0), "pools.0.no_load_kw"),
        (with_pool(terminal_value=(ValuePiece(width_kwh=1.0, value_per_kwh=-0.1),)), TERMINAL),
        (with_pool(hold_value_per_h=(ValuePiece(width_kwh=1.0, value_per_kwh=-0.1),)), HOLD),
        (with_pool(hold_value_per_h=RISING), "pools.0.hold_value_per_h.1"),
        (with_gensets(step_kw=0.0), "gensets.0.step_kw"),
        (with_gensets(step_kw=101.0), "gensets.0.step_kw"),
        (rich(previous=(PreviousCommitment(id="diesel", n_on=(1, 5)),)), "previous.0.n_on.1"),
        (rich(groups=(GroupProblem(id="t1", members=(), limit_kw=5.0),)), "groups.0.members"),
        (rich(groups=(GroupProblem(id="t1", members=("pv", "grid", "pv"), limit_kw=5.0),)), "groups.0.members"),
        (
            rich(
                groups=(
                    GroupProblem(id="t1", members=("pv", "grid"), limit_kw=5.0),
                    GroupProblem(id="t2", members=("pv",), limit_kw=5.0),
                    GroupProblem(id="t3", members=("pv", "bess"), limit_kw=5.0),
                )
            ),
            "groups.2.members",
        ),
        (
            with_reserve(contingencies=(lost(Loss(kind=ContingencyKind.GENSET, member="diesel", count=5)),)),
            "reserve.contingencies.0.losses.0.count",
        ),
        (
            with_reserve(contingencies=(lost(Loss(kind=ContingencyKind.PV_BLOCK, member="pv", count=4)),)),
            "reserve.contingencies.0.losses.0.count",
        ),
        (with_grid(demand=(MONTH, replace(MONTH, first_step=2, end_step=6))), "connection.demand.1.first_step"),
        (with_grid(demand=(replace(MONTH, first_step=1, end_step=6), MONTH)), "connection.demand.0.first_step"),
        (with_grid(demand=(replace(MONTH, end_step=6), replace(MONTH, end_step=2), LAST)), LAST_FIRST),
        (
            rich(pv=(replace(rich_problem().pv[0], available_q10_kw=(100.0, 400.0, 100.0, 60.0, 10.1, 0.0)),)),
            "pv.0.available_q10_kw.4",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_is_refused_by_its_name(stated: PlanningProblem, path: str) -> None:
    found = refusals(stated)

    assert path in [refusal.path for refusal in found]
    assert all(refusal.allowed for refusal in found)


@pytest.mark.parametrize(
    "stated",
    [
        rich_problem(),
        # measured states outside the limits are no mistake of the problem
        with_pool(stored_kwh=20.0),
        with_pool(max_stored_kwh=200.0, stored_kwh=320.0),
        # every block out of service
        rich(pools=(pool(N_STEPS, stored_kwh=0.0, full_kwh=0.0, power_kw=0.0, n_blocks=0),)),
        with_gensets(units=(unit(1, on=True, available=False), unit(2, available=False)), n_permitted=()),
        # a common loss of two blocks, of which one is out of service
        replace(
            with_pool(n_blocks=1),
            reserve=replace(
                rich_problem().reserve,
                contingencies=(lost(Loss(kind=ContingencyKind.BLOCK, member="bess", count=2)),),
            ),
        ),
        with_reserve(contingencies=(lost(Loss(kind=ContingencyKind.GENSET, member="diesel", count=4)),)),
        rich(previous=(PreviousCommitment(id="diesel", n_on=(4,)),)),
        with_pool(no_load_kw=0.95 * 1000.0),
        with_gensets(step_kw=100.00001),
        with_pool(terminal_value=(ValuePiece(width_kwh=1.0, value_per_kwh=0.0),)),
        rich(pv=(replace(rich_problem().pv[0], available_q10_kw=(150.0005, 450.0, 120.0, 60.0, 10.0, 0.0005)),)),
        with_grid(demand=(MONTH, replace(MONTH, first_step=3, end_step=6))),
        with_grid(price_per_kwh=(-0.2,) * N_STEPS),
        rich(offers=(OFFER,), chillers=replace(CHILLERS, tank=TANK)),
        problem([100.0], grid=connection([0.1]), requirements=reserve(1)),
        # the steep line of a plant whose next unit steps in within a few kW of load
        with_load(
            cooling=(
                *rich_problem().load.cooling,
                CoolingLineProblem(c0_kw=(-2900.0,) * N_STEPS, c1_frac=(10.9,) * N_STEPS),
            )
        ),
        problem([100.0], sets=gensets([unit(1)], min_kw=100.0, max_kw=100.0, segments=())),
    ],
)
def test_what_can_be_is_accepted(stated: PlanningProblem) -> None:
    accept(stated)


def test_group_that_cannot_pass_sets_that_warm_up_is_refused() -> None:
    warming = replace(unit(1, on=True, since_h=0.1), warm_up_left_h=0.5)
    sets = replace(gensets([warming]), warm_up_h=0.6)
    behind = GroupProblem(id="t1", members=("diesel",), limit_kw=14.0)
    stated = replace(problem([0.0], sets=sets), groups=(behind,))

    # half an hour at 30 kW
    assert [(each.path, each.message) for each in refusals(stated)] == [
        ("groups.0.limit_kw", "is 14, less than the least output of sets of the group that warm up")
    ]
    accept(replace(stated, groups=(replace(behind, limit_kw=15.0),)))


def test_engine_refuses_before_it_builds() -> None:
    with pytest.raises(ProblemRefusedError, match=r"pools\.0\.max_charge_kw: has 3 values, the grid has 6 steps"):
        engine().solve(with_pool(max_charge_kw=(1.0, 2.0, 3.0)))


def test_file_with_absurd_figures_is_refused_with_the_field_and_what_is_allowed(tmp_path: Path) -> None:
    file = tmp_path / "problem.json"
    file.write_bytes(to_json(with_pool(charge_eff_frac=1.2)))

    with pytest.raises(ConfigError) as refused:
        read_problem(file)

    (found,) = refused.value.problems
    assert (found.file, found.key, found.message) == (str(file), "pools.0.charge_eff_frac", "is 1.2")
    assert found.allowed == "a number above 0 up to 1"


def test_too_many_steps_are_refused() -> None:
    many = replace(rich_problem().grid, duration_h=(0.25,) * 5000)

    assert [refusal.path for refusal in refusals(rich(grid=many))] == ["grid.duration_h"]


# what a mistaken program writes into one field of a file
WRONG: st.SearchStrategy[object] = st.sampled_from(
    [-1, 0, 1, 2, 7, -0.5, 0.5, 1.5, 1e3, 1e8, 1e15, -1e15, "NaN", "Infinity", "", "x", "grid", True, None, [], {}]
)


@settings(PLANNING, max_examples=150)
@given(data=st.data())
def test_one_wrong_field_is_refused_or_planned_and_never_a_crash(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    document = json.loads(to_json(replace(rich_problem(), created_utc=datetime(2026, 1, 8, tzinfo=UTC))))
    *above, last = data.draw(st.sampled_from(list(_places(document))))
    holder: Any = document  # nested JSON
    for part in above:
        holder = holder[part]
    holder[last] = data.draw(WRONG)
    file = tmp_path_factory.mktemp("wrong") / "problem.json"
    file.write_text(json.dumps(document), encoding="utf-8")

    try:
        stated = read_problem(file)
        plan = engine().solve(stated)
    except (ConfigError, DispatchError):
        return
    evaluate(stated, plan)


def _places(node: object, above: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of every field and value of a document."""
    if above:
        yield above
    match node:
        case dict():
            for key, value in node.items():
                yield from _places(value, (*above, key))
        case list():
            for number, value in enumerate(node):
                yield from _places(value, (*above, number))
