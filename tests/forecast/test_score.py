from datetime import UTC, datetime, timedelta

import pytest

from ems.forecast.score import LEADS_H, ErrorRecord
from ems.model.forecast import EvenSeries

START = datetime(2026, 1, 5, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


def experienced(actual_kw: list[float], *, forecast_kw: float = 100.0) -> ErrorRecord:
    """Return a record that has judged a constant forecast against loads, quarter after quarter."""
    record = ErrorRecord()
    for n, actual in enumerate(actual_kw):
        now = START + n * QUARTER
        record.observe(now, actual, least=1.0)
        record.remember(EvenSeries(start_utc=now, step_s=3600.0, values=(forecast_kw,) * 50), now=now)
    return record


def test_quantiles_are_those_of_the_relative_errors() -> None:
    # errors from -0.10 to +0.09 in equal shares
    record = experienced([90.0 + n % 20 for n in range(400)])

    assert record.quantile(1.0, 0.1) == pytest.approx(-0.08, abs=0.011)
    assert record.quantile(1.0, 0.5) == pytest.approx(0.0, abs=0.011)
    assert record.quantile(1.0, 0.9) == pytest.approx(0.08, abs=0.011)


def test_ratio_is_the_median_of_actual_over_forecast() -> None:
    assert experienced([80.0] * 200).ratio() == pytest.approx(0.8)


def test_little_experience_gives_no_quantile() -> None:
    # the first judgement comes an hour after the first forecast; 96 are asked for
    assert experienced([90.0] * 99).quantile(1.0, 0.5) is None
    assert experienced([90.0] * 100).quantile(1.0, 0.5) == pytest.approx(-0.1)


def test_each_lead_time_has_its_own_errors() -> None:
    record = experienced([90.0] * 120)

    assert record.quantile(1.0, 0.5) is not None
    assert record.quantile(24.0, 0.5) is None


@pytest.mark.parametrize(("lead_h", "known"), [(0.0, True), (1.0, True), (1.1, False), (100.0, False)])
def test_lead_time_between_two_takes_the_longer(lead_h: float, *, known: bool) -> None:
    record = experienced([90.0] * 105)

    # 101 errors at one hour, 93 at three
    assert (record.quantile(lead_h, 0.5) is not None) is known


def test_night_and_unknown_quarters_teach_nothing() -> None:
    dark = experienced([90.0] * 200, forecast_kw=0.5)
    unknown = ErrorRecord()
    for n in range(200):
        now = START + n * QUARTER
        unknown.observe(now, None, least=1.0)
        unknown.remember(EvenSeries(start_utc=now, step_s=3600.0, values=(100.0,) * 50), now=now)

    assert [record.quantile(lead, 0.5) for record in (dark, unknown) for lead in LEADS_H] == [None] * 12


def test_quarters_that_were_skipped_are_forgotten() -> None:
    record = ErrorRecord()
    record.remember(EvenSeries(start_utc=START, step_s=3600.0, values=(100.0,) * 50), now=START)

    record.observe(START + timedelta(hours=60), 90.0, least=1.0)
    for n in range(200):
        record.observe(START + timedelta(hours=61) + n * QUARTER, 90.0, least=1.0)

    assert record.quantile(1.0, 0.5) is None
