from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from math import exp, pi, sin
from random import Random

import pytest

from ems.forecast.load import LoadRecord, forecast_load
from ems.forecast.score import ErrorRecord
from ems.model.forecast import ForecastQuality, LoadForecast

START = datetime(2026, 1, 5, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
DAY_H, WEEK_H = 24.0, 168.0


def record_of(values: Sequence[float | None], *, history_h: float = 24.0 * 21.0) -> LoadRecord:
    record = LoadRecord(history_h=history_h)
    for n, value in enumerate(values):
        record.add(START + n * QUARTER, value)
    return record


def daily(n: int) -> float:
    """Return a load with a daily course of quarters."""
    return 4000.0 + 500.0 * sin(2.0 * pi * n / 96.0)


def forecast(
    record: LoadRecord, now: datetime, *, level_kw: float | None, season_h: float = DAY_H, high_frac: float = 0.1
) -> LoadForecast:
    return forecast_load(
        record,
        now=now,
        level_kw=level_kw,
        cold_mean_kw=3000.0,
        season_h=season_h,
        horizon_h=48.0,
        high_frac=high_frac,
    )


def test_load_that_repeats_is_forecast_as_it_was() -> None:
    n_known = 96 * 7
    record = record_of([daily(n) for n in range(n_known)])

    made = forecast(record, START + n_known * QUARTER, level_kw=daily(n_known))

    expected = [daily(n_known + n) for n in range(len(made.p50_kw.values))]
    # the mean over an hour flattens the course; at the record's end it is one-sided
    assert made.p50_kw.values == pytest.approx(expected, rel=1e-2)
    assert made.quality is ForecastQuality.GOOD


def test_forecast_begins_with_the_quarter_that_holds_now() -> None:
    made = forecast(record_of([4000.0] * 96), START + timedelta(hours=24, minutes=7, seconds=3), level_kw=4000.0)

    assert made.p50_kw.start_utc == START + timedelta(hours=24)
    assert made.p50_kw.end_utc >= START + timedelta(hours=72)


def test_present_level_fades_into_the_pattern_with_eight_hours() -> None:
    record = record_of([4000.0] * 96)

    values = forecast(record, START + 96 * QUARTER, level_kw=4800.0).p50_kw.values

    assert [values[n] for n in (0, 32, 64)] == pytest.approx([4800.0, 4000.0 + 800.0 / exp(1), 4000.0 + 800.0 / exp(2)])


def test_week_is_taken_from_the_week_before() -> None:
    values = [3000.0 if (n // 96) % 7 >= 5 else 5000.0 for n in range(96 * 14)]
    record = record_of(values)

    # Monday 00:00 of the third week; the next weekend lies five days ahead
    monday = forecast(record, START + timedelta(days=14), level_kw=None, season_h=WEEK_H)
    friday = forecast(record, START + timedelta(days=14), level_kw=None, season_h=DAY_H)

    assert monday.p50_kw.values[48] == pytest.approx(5000.0)
    assert friday.p50_kw.values[48] == pytest.approx(3000.0)


def test_without_a_record_the_level_fades_into_the_configured_mean_as_persistence() -> None:
    made = forecast(LoadRecord(history_h=100.0), START, level_kw=4000.0)

    assert made.p50_kw.values[0] == pytest.approx(4000.0)
    assert made.p50_kw.values[-1] == pytest.approx(3000.0, abs=5.0)
    assert made.quality is ForecastQuality.PERSISTENCE


def test_unknown_level_leaves_the_pattern_as_it_is() -> None:
    made = forecast(record_of([4000.0] * 96), START + 96 * QUARTER, level_kw=None)

    assert made.p50_kw.values == pytest.approx([4000.0] * len(made.p50_kw.values))


def test_gap_in_the_record_is_bridged_from_its_edges_and_costs_quality_only_when_large() -> None:
    small: list[float | None] = [4000.0] * 96
    small[40:44] = [None] * 4
    large: list[float | None] = [None] * 96
    large[:30] = [4000.0] * 30

    now = START + 96 * QUARTER

    assert forecast(record_of(small), now, level_kw=4000.0).quality is ForecastQuality.GOOD
    assert forecast(record_of(large), now, level_kw=4000.0).quality is ForecastQuality.PERSISTENCE


def test_quarters_that_were_not_recorded_are_unknown() -> None:
    record = record_of([4000.0])

    record.add(START + 4 * QUARTER, 5000.0)

    assert [record.value(START + n * QUARTER) for n in range(6)] == [4000.0, None, None, None, 5000.0, None]
    assert record.end_utc == START + 5 * QUARTER


def test_record_keeps_its_history_and_no_more() -> None:
    record = record_of([float(n) for n in range(20)], history_h=2.0)

    assert record.values() == tuple(float(n) for n in range(12, 20))
    assert record.value(START) is None


def test_upper_quantile_lies_the_stated_share_above_the_median() -> None:
    made = forecast(record_of([4000.0] * 96), START + 96 * QUARTER, level_kw=4000.0, high_frac=0.12)

    assert made.q90_kw.values == pytest.approx([1.12 * value for value in made.p50_kw.values])


def test_load_is_never_forecast_below_zero() -> None:
    made = forecast(record_of([1000.0] * 48 + [10.0] * 48), START + 96 * QUARTER, level_kw=0.0)

    assert min(made.p50_kw.values) >= 0.0


def test_learned_quantile_covers_nine_of_ten_loads() -> None:
    # a daily course with noise of 5 %; ten days teach, eleven are judged
    random = Random(7)
    record, errors = LoadRecord(history_h=24.0 * 7.0), ErrorRecord()
    covered: list[bool] = []
    judged: dict[datetime, float] = {}
    for n in range(96 * 21):
        now = START + n * QUARTER
        actual = daily(n) * (1.0 + random.gauss(0.0, 0.05))
        if n >= 96:
            high = errors.quantile(6.0, 0.9)
            made = forecast(record, now, level_kw=None, high_frac=0.0 if high is None else high)
            errors.remember(made.p50_kw, now=now)
            if n >= 96 * 10:
                judged[now + timedelta(hours=6)] = made.q90_kw.values[24]
        errors.observe(now, actual, least=1.0)
        if (expected := judged.pop(now, None)) is not None:
            covered.append(actual <= expected)
        record.add(now, actual)

    share = sum(covered) / len(covered)

    # three standard deviations of 1000 draws are 2.8 %
    assert len(covered) > 1000
    assert share == pytest.approx(0.9, abs=0.035)
