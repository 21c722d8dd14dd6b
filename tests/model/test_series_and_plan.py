from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ems.dispatch.merit_order import merit_order_plan
from ems.model.forecast import EvenSeries
from ems.model.plan import ObjectiveTerms, Plan
from tests.dispatch.problems import START, gensets, pool, problem, unit
from tests.dispatch.sites import site

SERIES = EvenSeries(start_utc=START, step_s=900.0, values=(10.0, 20.0, 30.0, 40.0))


def minutes(count: float) -> datetime:
    return START + timedelta(minutes=count)


@pytest.mark.parametrize(
    ("first_min", "last_min", "mean"),
    [(0.0, 15.0, 10.0), (0.0, 60.0, 25.0), (5.0, 10.0, 10.0), (10.0, 20.0, 15.0), (14.0, 31.0, 20.0)],
)
def test_mean_of_a_series_weighs_its_steps_by_time(first_min: float, last_min: float, mean: float) -> None:
    assert SERIES.mean(minutes(first_min), minutes(last_min)) == pytest.approx(mean)


@pytest.mark.parametrize(("first_min", "last_min"), [(-1.0, 10.0), (50.0, 61.0), (10.0, 10.0), (20.0, 10.0)])
def test_mean_over_time_that_a_series_does_not_cover_is_unknown(first_min: float, last_min: float) -> None:
    assert SERIES.mean(minutes(first_min), minutes(last_min)) is None


@settings(derandomize=True, deadline=None, max_examples=100)
@given(
    values=st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=20),
    cut_frac=st.floats(0.01, 0.99),
)
def test_means_of_two_parts_make_the_mean_of_the_whole(values: list[float], cut_frac: float) -> None:
    series = EvenSeries(start_utc=START, step_s=900.0, values=tuple(values))
    cut = START + cut_frac * (series.end_utc - START)

    first, second, whole = series.mean(START, cut), series.mean(cut, series.end_utc), series.mean(START, series.end_utc)

    assert first is not None
    assert second is not None
    share = (cut - START) / (series.end_utc - START)
    assert share * first + (1.0 - share) * second == pytest.approx(whole, abs=1e-2)


def plan() -> Plan:
    """Return three hours of one set's work."""
    stated = problem([500.0] * 3, store=pool(3, stored_kwh=900.0), sets=gensets([unit(1)]))
    return merit_order_plan(site("desert-offgrid"), stated)


def test_step_of_an_instant_is_the_one_that_covers_it() -> None:
    made = plan()

    assert made.step_at(START) is made.steps[0]
    assert made.step_at(minutes(59.99)) is made.steps[0]
    assert made.step_at(minutes(60.0)) is made.steps[1]
    assert made.step_at(minutes(-0.01)) is None
    assert made.step_at(minutes(180.0)) is None


def test_steps_between_two_instants_carry_their_hours_of_overlap() -> None:
    made = plan()

    overlaps = made.steps_between(minutes(30.0), minutes(75.0))

    assert [step for step, _ in overlaps] == [made.steps[0], made.steps[1]]
    assert [hours for _, hours in overlaps] == pytest.approx([0.5, 0.25])


def test_age_of_a_plan_counts_from_the_state_that_it_was_made_from() -> None:
    assert plan().age_s(minutes(7.0)) == pytest.approx(420.0)


def test_total_is_the_sum_of_all_terms() -> None:
    terms = ObjectiveTerms(fuel_cost=100.0, terminal_value_cost=-30.0, starts_cost=5.0)

    assert terms.total_cost() == pytest.approx(75.0)
    assert sum(terms.terms().values()) == pytest.approx(75.0)


def test_load_at_the_bus_holds_cooling_auxiliaries_and_losses() -> None:
    assert plan().steps[0].load_kw == pytest.approx(500.0)
