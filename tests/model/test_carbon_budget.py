"""The carbon budget: periods of the site's calendar, what has accrued in them, and what is left for a horizon."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ems.model.carbon_budget import BudgetPeriod, CarbonAllowance, CarbonSpent

SEOUL = "Asia/Seoul"
# nine hours ahead of UTC
NEW_YEAR = datetime(2025, 12, 31, 15, tzinfo=UTC)
WINTER_SHARES = (0.3, 0.2, 0.1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.15, 0.25)


def allowance(period: BudgetPeriod, kgco2e: float = 1000.0, shares: tuple[float, ...] = ()) -> CarbonAllowance:
    return CarbonAllowance(
        kgco2e=kgco2e, period=period, excess_price_per_t=1.0, timezone=SEOUL, month_shares_frac=shares
    )


@pytest.mark.parametrize(
    ("period", "begin", "end"),
    [
        (BudgetPeriod.DAY, datetime(2026, 3, 14, 15, tzinfo=UTC), datetime(2026, 3, 15, 15, tzinfo=UTC)),
        (BudgetPeriod.MONTH, datetime(2026, 2, 28, 15, tzinfo=UTC), datetime(2026, 3, 31, 15, tzinfo=UTC)),
        (BudgetPeriod.YEAR, NEW_YEAR, datetime(2026, 12, 31, 15, tzinfo=UTC)),
    ],
)
def test_a_period_begins_and_ends_at_local_midnight(period: BudgetPeriod, begin: datetime, end: datetime) -> None:
    instant = datetime(2026, 3, 15, 4, tzinfo=UTC)

    assert allowance(period).begin_of(instant) == begin
    assert allowance(period).end_of(instant) == end
    assert allowance(period).begin_of(begin) == begin
    assert allowance(period).begin_of(end) == end


def test_a_day_of_a_clock_change_has_its_own_length() -> None:
    berlin = CarbonAllowance(kgco2e=230.0, period=BudgetPeriod.DAY, excess_price_per_t=1.0, timezone="Europe/Berlin")
    begin = datetime(2026, 3, 28, 23, tzinfo=UTC)

    # the last Sunday of March has 23 hours
    assert berlin.end_of(begin) == begin + timedelta(hours=23)
    assert berlin.accrued_kg(begin, begin + timedelta(hours=1)) == pytest.approx(10.0)


def test_a_year_accrues_by_the_shares_of_its_months() -> None:
    budget = allowance(BudgetPeriod.YEAR, shares=WINTER_SHARES)

    january = budget.accrued_kg(NEW_YEAR, NEW_YEAR + timedelta(days=31))
    quarter = budget.accrued_kg(NEW_YEAR, NEW_YEAR + timedelta(days=31 + 28 + 31))

    assert january == pytest.approx(300.0)
    assert quarter == pytest.approx(600.0)
    assert budget.accrued_kg(NEW_YEAR, budget.end_of(NEW_YEAR)) == pytest.approx(1000.0)


def test_what_a_period_saved_is_left_for_its_later_days() -> None:
    budget = allowance(BudgetPeriod.MONTH, kgco2e=3100.0)
    begin = budget.begin_of(datetime(2026, 1, 15, tzinfo=UTC))
    now = begin + timedelta(days=10)
    saved = CarbonSpent(period_begin_utc=begin, since_utc=begin, kgco2e=400.0)
    overspent = CarbonSpent(period_begin_utc=begin, since_utc=begin, kgco2e=1150.0)

    # 100 kg a day: 1,200 by the end of two more days
    assert budget.left_kg(saved, now, now + timedelta(days=2)) == pytest.approx(800.0)
    assert budget.left_kg(overspent, now, now + timedelta(days=2)) == pytest.approx(50.0)
    assert budget.left_kg(overspent, now, now + timedelta(hours=6)) == 0.0


def test_nothing_passes_into_the_next_period() -> None:
    budget = allowance(BudgetPeriod.DAY, kgco2e=2400.0)
    now = NEW_YEAR + timedelta(hours=18)
    horizon = now + timedelta(hours=12)
    for kgco2e, left_kg in ((600.0, 1800.0 + 600.0), (5000.0, 600.0)):
        spent = CarbonSpent(period_begin_utc=NEW_YEAR, since_utc=NEW_YEAR, kgco2e=kgco2e)
        # six hours of tomorrow come on top of what is left of today
        assert budget.left_kg(spent, now, horizon) == pytest.approx(left_kg)


def test_what_was_counted_in_an_older_period_says_nothing_of_this_one() -> None:
    budget = allowance(BudgetPeriod.DAY, kgco2e=2400.0)
    yesterday = CarbonSpent(
        period_begin_utc=NEW_YEAR - timedelta(days=1), since_utc=NEW_YEAR - timedelta(days=1), kgco2e=9000.0
    )

    assert budget.left_kg(yesterday, NEW_YEAR, NEW_YEAR + timedelta(hours=2)) == pytest.approx(200.0)
    assert budget.left_kg(None, NEW_YEAR, NEW_YEAR + timedelta(hours=2)) == pytest.approx(200.0)


def test_a_ledger_that_began_within_the_period_is_held_to_its_own_time() -> None:
    budget = allowance(BudgetPeriod.YEAR, kgco2e=8760.0)
    since = NEW_YEAR + timedelta(days=100)
    now = since + timedelta(hours=24)
    spent = CarbonSpent(period_begin_utc=NEW_YEAR, since_utc=since, kgco2e=10.0)

    # 1 kg per hour
    assert budget.left_kg(spent, now, now + timedelta(hours=6)) == pytest.approx(20.0)


def test_emissions_of_a_new_period_begin_at_zero() -> None:
    budget = allowance(BudgetPeriod.DAY)
    spent = CarbonSpent(period_begin_utc=NEW_YEAR, since_utc=NEW_YEAR + timedelta(hours=3), kgco2e=7.0)

    same = spent.with_emission(budget, NEW_YEAR + timedelta(hours=23, minutes=45), 2.0)
    later = same.with_emission(budget, NEW_YEAR + timedelta(hours=24), 3.0)

    assert (same.kgco2e, same.since_utc) == (9.0, spent.since_utc)
    assert later == CarbonSpent(
        period_begin_utc=NEW_YEAR + timedelta(days=1), since_utc=NEW_YEAR + timedelta(days=1), kgco2e=3.0
    )


@given(
    period=st.sampled_from(BudgetPeriod),
    hours=st.lists(st.integers(0, 24 * 500), min_size=3, max_size=3).map(sorted),
    shares=st.sampled_from([(), WINTER_SHARES]),
)
def test_what_accrues_is_the_sum_of_its_parts(
    period: BudgetPeriod, hours: list[int], shares: tuple[float, ...]
) -> None:
    budget = allowance(period, shares=shares if period is BudgetPeriod.YEAR else ())
    begin, middle, end = (NEW_YEAR + timedelta(hours=h) for h in hours)

    assert budget.accrued_kg(begin, end) == pytest.approx(
        budget.accrued_kg(begin, middle) + budget.accrued_kg(middle, end), abs=1e-6
    )
