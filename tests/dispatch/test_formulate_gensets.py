"""From the configuration of gensets, planned work and the tank's gauge to the planning problem."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ems.dispatch.formulate import formulate, refused_deliveries
from ems.model.condition import SiteCondition
from ems.model.genset_rules import (
    DailyHours,
    Derating,
    Exercise,
    FuelDelivery,
    Maintenance,
    Pollutant,
    PollutantPoint,
    QuietHours,
)
from ems.model.problem import PlanningProblem
from ems.model.rotation import Rotation
from ems.model.site import Site
from tests.dispatch.sites import NOON, condition, outlook, site
from tests.dispatch.solving import solved

DESERT = site("desert-offgrid")
# 12:00 UTC is 4 o'clock in Los Angeles
EIGHT_TO_TEN = DailyHours(start_h=8.0, end_h=10.0)


def with_class(**values: object) -> Site:
    """Return the desert site with some values of its class changed."""
    return replace(DESERT, gensets=(replace(DESERT.gensets[0], **values),))  # type: ignore[arg-type]  # any field


def stated(desert: Site, measured: SiteCondition | None = None, *, ambient_degc: float = 20.0) -> PlanningProblem:
    forecasts = outlook(desert, ambient_degc=ambient_degc)
    return formulate(desert, measured or condition(desert), forecasts, previous=None, problem_id="p")


def test_shipped_class_has_no_rules() -> None:
    (sets,) = stated(DESERT).gensets

    rules = (sets.usable_kw, sets.n_permitted, sets.permitted_run_h, sets.exercise, sets.pollutants)
    assert rules == ((), (), None, None, ())


def test_price_of_a_start_is_its_wear_and_its_fuel_without_the_co2_that_is_counted_apart() -> None:
    dear = replace(DESERT, economics=replace(DESERT.economics, co2_price_per_t=100.0))
    (kind,) = dear.gensets

    (sets,) = stated(dear).gensets

    assert sets.start_fuel_l == kind.start_fuel_l > 0.0
    assert sets.start_cost == pytest.approx(
        kind.start_wear_cost + kind.start_fuel_l * dear.economics.diesel_price_per_l
    )


def test_hot_air_takes_its_share_of_the_rating() -> None:
    hot = with_class(derating=Derating(above_degc=35.0, frac_per_k=0.01))

    assert stated(hot, ambient_degc=45.0).gensets[0].usable_kw == pytest.approx((1800.0,) * 84)
    assert stated(hot, ambient_degc=30.0).gensets[0].usable_kw == ()


def test_reactive_power_leaves_less_active_power() -> None:
    # 2500 kVA beside 2000 kvar: 1500 kW
    (sets,) = stated(with_class(apparent_kva=2500.0, reactive_kvar=2000.0)).gensets

    assert sets.usable_kw == pytest.approx((1500.0,) * 84)


def test_quiet_hours_are_local() -> None:
    problem = stated(with_class(quiet=(QuietHours(hours=EIGHT_TO_TEN, n_units=2),)))

    grid, (sets,) = problem.grid, problem.gensets
    steps = zip(grid.starts_utc, grid.duration_h, sets.n_permitted, strict=True)
    quiet_h = [(start.hour, hours) for start, hours, n in steps if n == 2]
    # twice from 16 to 18 UTC within 48 h
    assert sum(hours for _, hours in quiet_h) == pytest.approx(4.0)
    assert {hour for hour, _ in quiet_h} == {16, 17}


def test_daily_run_hours_are_those_of_the_horizon() -> None:
    assert stated(with_class(daily_run_h=30.0)).gensets[0].permitted_run_h == pytest.approx(60.0)


def test_exercise_is_due_in_the_first_hours_after_a_long_rest() -> None:
    rule = Exercise(every_h=720.0, hours=EIGHT_TO_TEN, run_h=0.5, min_load_frac=0.3, missed_cost=50.0)
    desert = with_class(exercise=rule)
    (measured,) = condition(desert).gensets
    # the longest rested unit is due in 20 h, after today's hours: tomorrow's are from 16 to 18 UTC
    units = (replace(measured.units[0], since_h=700.0), *measured.units[1:])
    due = replace(condition(desert), gensets=(replace(measured, units=units),))

    problem = stated(desert, due)

    exercise = problem.gensets[0].exercise
    assert exercise is not None
    assert problem.grid.starts_utc[exercise.first_step] == NOON + timedelta(hours=28.0)
    assert problem.grid.starts_utc[exercise.end_step] == NOON + timedelta(hours=30.0)
    assert stated(desert).gensets[0].exercise is None


def test_pollutants_lie_on_the_stretches_of_the_fuel_curve() -> None:
    points = (PollutantPoint(power_kw=600.0, g_per_h=6000.0), PollutantPoint(power_kw=2000.0, g_per_h=13_000.0))
    nox = Pollutant(id="nox", points=points)

    (pollutant,) = stated(with_class(pollutants=(nox,))).gensets[0].pollutants

    assert pollutant.min_g_per_h == pytest.approx(6000.0)
    assert pollutant.segment_g_per_kwh == pytest.approx((5.0, 5.0, 5.0))


def test_planned_work_takes_its_unit_out_for_its_hours() -> None:
    work = Maintenance(unit_id="gen03", start_utc=NOON + timedelta(hours=5.1), end_utc=NOON + timedelta(hours=9.0))

    problem = stated(with_class(maintenance=(work,)))

    (window,) = problem.gensets[0].units[2].out
    assert (window.start_h, window.end_h) == pytest.approx((5.1, 9.0))
    assert any(offset == pytest.approx(5.1) for offset in problem.grid.offset_h)


def test_rotation_is_that_of_the_class() -> None:
    (sets,) = stated(with_class(rotation=Rotation.SERVICE, service_interval_h=250.0)).gensets

    assert (sets.rotation, sets.service_interval_h) == (Rotation.SERVICE, 250.0)


def with_deliveries(*volumes_l: float) -> Site:
    """Return the desert site with a delivery every six hours."""
    assert DESERT.tank is not None
    deliveries = tuple(
        FuelDelivery(at_utc=NOON + timedelta(hours=6.0 * number), volume_l=volume)
        for number, volume in enumerate(volumes_l, start=1)
    )
    return replace(DESERT, tank=replace(DESERT.tank, deliveries=deliveries))


def test_measured_level_and_announced_deliveries_are_the_stock() -> None:
    desert = with_deliveries(30_000.0)

    problem = stated(desert, replace(condition(desert), tank_l=300_000.0))

    assert problem.fuel is not None
    stock = problem.fuel.stock
    assert stock is not None
    assert (stock.stock_l, stock.reserve_l, stock.capacity_l) == (300_000.0, 150_000.0, 400_000.0)
    (step,) = [t for t, volume in enumerate(stock.delivered_l) if volume]
    assert problem.grid.offset_h[step + 1] == pytest.approx(6.0)
    assert stock.delivered_l[step] == 30_000.0


def test_a_tank_whose_level_is_not_known_limits_nothing() -> None:
    fuel = stated(DESERT).fuel

    assert fuel is not None
    assert fuel.stock is None


def test_a_delivery_that_does_not_fit_is_left_out_and_said() -> None:
    desert = with_deliveries(50_000.0, 60_000.0, 40_000.0)
    measured = replace(condition(desert), tank_l=300_000.0)

    problem = stated(desert, measured)
    (refused,) = refused_deliveries(desert, measured, problem.grid)

    assert problem.fuel is not None
    assert problem.fuel.stock is not None
    assert [volume for volume in problem.fuel.stock.delivered_l if volume] == [50_000.0, 40_000.0]
    assert "60000 l at 2026-01-09 00:00 UTC does not fit" in refused


def test_desert_in_the_dark_costs_the_same_with_its_tank_in_the_plan() -> None:
    measured = condition(DESERT, soc_frac=0.15)

    without = solved(stated(DESERT, measured))
    metered = solved(stated(DESERT, replace(measured, tank_l=390_000.0)))

    assert metered.relaxed == without.relaxed
    # both are optimal within the gap
    assert metered.objective.total_cost() == pytest.approx(without.objective.total_cost(), rel=0.006)
    assert metered.steps[-1].fuel_stock_end_l is not None


def test_hours_over_midnight_end_on_the_next_day() -> None:
    night = DailyHours(start_h=22.0, end_h=6.0)

    windows = night.windows_utc(NOON, NOON + timedelta(hours=24.0), timezone="UTC")

    assert [(begin.hour, end.hour, end - begin) for begin, end in windows] == [(22, 6, timedelta(hours=8.0))]
