"""Chillers in the planning problem: stated where they are read, with the heat of the forecast ambient."""

from dataclasses import replace

import pytest

from ems.control.state import ControlState
from ems.dispatch.formulate import formulate
from ems.dispatch.merit_order import merit_order_plan
from ems.dispatch.refusal import refusals
from ems.model.condition import ChillerCondition
from ems.model.problem import ChillerProblem, PlanningProblem
from ems.model.readings import ChillerReading
from ems.runtime.condition import condition_of
from ems.runtime.cycle import ControlCycle
from ems.thermal.plant import chilled_heat, cooling_power
from tests.dispatch.sites import condition, outlook, site
from tests.dispatch.solving import refusals as refused
from tests.dispatch.solving import solved
from tests.runtime.fakes import PortSite

HALL = site("liquid-cooled-hall")
KNOWN = ChillerCondition(n_available=2, n_on=1)


def stated(*, ambient_degc: float = 30.0, chillers: ChillerCondition | None = KNOWN) -> PlanningProblem:
    measured = replace(condition(HALL), chillers=chillers)
    beliefs = outlook(HALL, it_kw=1300.0, it_q90_kw=1400.0, ambient_degc=ambient_degc, carbon_kgco2e_per_kwh=0.4)
    return formulate(HALL, measured, beliefs, previous=None, problem_id="p")


def chillers_of(problem: PlanningProblem) -> ChillerProblem:
    assert problem.chillers is not None
    return problem.chillers


def test_the_heat_of_the_chillers_is_that_of_the_plant_model() -> None:
    chillers = chillers_of(stated(ambient_degc=30.0))

    chilled = chilled_heat(HALL.cooling, it_kw=1300.0, ambient_degc=30.0)
    power = cooling_power(HALL.cooling, it_kw=1300.0, ambient_degc=30.0)
    assert chillers.heat_kw_th[0] == pytest.approx(chilled.heat_kw_th)
    assert chillers.heat_kw_th[0] * chillers.power_frac[0] == pytest.approx(power.compressors_kw)
    # the room air's share at least
    assert chilled.heat_kw_th >= 0.15 * 1300.0 - 1e-9


def test_hot_air_leaves_more_to_the_chillers() -> None:
    mild, hot = chillers_of(stated(ambient_degc=20.0)), chillers_of(stated(ambient_degc=38.0))

    assert hot.heat_kw_th[0] > mild.heat_kw_th[0]
    assert hot.power_frac[0] > mild.power_frac[0]


def test_in_the_cold_the_chillers_have_nothing_to_do() -> None:
    chilled = chilled_heat(HALL.cooling, it_kw=1300.0, ambient_degc=-10.0)

    assert chilled.heat_kw_th == pytest.approx(0.0, abs=1e-6)
    assert chilled.power_frac > 0.0


def test_nameplates_and_the_measured_state_are_in_the_problem() -> None:
    chillers = chillers_of(stated())

    assert (chillers.n_available, chillers.n_on) == (2, 1)
    assert (chillers.capacity_kw_th[0], chillers.min_load_frac, chillers.base_kw) == (600.0, 0.15, 6.0)
    assert chillers.start_cost == 5000.0
    assert chillers.tank is None


def test_more_cannot_run_than_work() -> None:
    assert chillers_of(stated(chillers=ChillerCondition(n_available=1, n_on=2))).n_on == 1


@pytest.mark.parametrize("name", ["edge-node", "liquid-cooled-hall"])
def test_where_they_are_not_known_none_are_stated(name: str) -> None:
    of = site(name)

    problem = formulate(of, condition(of), outlook(of, carbon_kgco2e_per_kwh=0.4), previous=None, problem_id="p")

    assert problem.chillers is None


@pytest.mark.parametrize("ambient_degc", [-10.0, 20.0, 40.0])
def test_the_problem_is_accepted_and_both_plans_of_it_hold(ambient_degc: float) -> None:
    problem = stated(ambient_degc=ambient_degc)

    plan, rules = solved(problem), merit_order_plan(HALL, problem)

    assert list(refusals(problem)) == []
    # the solved one has passed the independent check already
    assert [text for text in refused(problem, rules) if "chiller" in text or "heat" in text or "power" in text] == []
    first = plan.steps[0].chillers
    assert first is not None
    assert first.n_on * 600.0 >= first.heat_kw_th - 1e-3


def test_the_condition_counts_chillers_that_work_and_run() -> None:
    hall = PortSite("liquid-cooled-hall")
    cycle = ControlCycle(hall.site, hall.devices, hall.clock, state=ControlState())
    for _ in range(3):
        record = cycle.run(None)
        hall.advance(1.0)
    snapshot = record.snapshot
    running = sum(unit.running is True for unit in snapshot.cooling.chillers)

    known = condition_of(hall.site, snapshot, cycle.state).chillers
    silent = replace(
        snapshot,
        cooling=replace(
            snapshot.cooling, chillers=tuple(replace(unit, running=None) for unit in snapshot.cooling.chillers)
        ),
    )

    assert known == ChillerCondition(n_available=2, n_on=running)
    assert condition_of(hall.site, silent, cycle.state).chillers is None
    assert isinstance(hall.devices["chiller01"].reading(), ChillerReading)
