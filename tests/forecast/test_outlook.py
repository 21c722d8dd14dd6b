"""One plan's beliefs: nowcast, lasting bias, quantiles, and what is missing."""

from datetime import UTC, datetime, timedelta
from math import exp

import pytest

from ems.forecast.load import LoadRecord
from ems.forecast.outlook import Measured, PvBasis, compose_outlook, raw_pv
from ems.forecast.score import ErrorRecord
from ems.forecast.yearly import YearTable
from ems.model.condition import Outlook
from ems.model.forecast import EvenSeries, ForecastQuality, WeatherForecast, WeatherHour
from tests.dispatch.sites import site

NOW = datetime(2026, 1, 8, 12, tzinfo=UTC)
DESERT = site("desert-offgrid")
PLANT = DESERT.pv[0]
HALF_KW = 0.5 * PLANT.total_ac_kw


def basis(power_kw: float, *, quality: ForecastQuality = ForecastQuality.GOOD) -> PvBasis:
    """Return a weather issue whose conversion gave the same power all the time."""
    hours = tuple(
        WeatherHour(
            start_utc=NOW - timedelta(hours=1) + timedelta(hours=n),
            ambient_degc=20.0 + n,
            wind_m_per_s=3.0,
            ghi_w_per_m2=0.0,
        )
        for n in range(54)
    )
    series = EvenSeries(start_utc=hours[0].start_utc, step_s=900.0, values=(power_kw,) * (4 * len(hours)))
    return PvBasis(
        weather=WeatherForecast(issued_utc=NOW, hours=hours, quality=quality),
        available_kw={plant.id: series for plant in DESERT.pv},
    )


def outlook(
    given: PvBasis,
    *,
    pv_kw: float | None = None,
    it_kw: float | None = 4000.0,
    pv_errors: ErrorRecord | None = None,
    load_errors: ErrorRecord | None = None,
    carbon: YearTable | None = None,
) -> Outlook:
    return compose_outlook(
        DESERT,
        now=NOW,
        basis=given,
        measured=Measured(pv_available_kw={PLANT.id: pv_kw}, it_kw=it_kw, cooling_ratio_frac=1.1, aux_ratio_frac=0.9),
        load_record=LoadRecord(history_h=24.0),
        load_errors=ErrorRecord() if load_errors is None else load_errors,
        pv_errors={plant.id: ErrorRecord() if pv_errors is None else pv_errors for plant in DESERT.pv},
        carbon=carbon,
        season_h=24.0,
    )


def experienced(ratio: float, *, spread: float = 0.0) -> ErrorRecord:
    """Return a record in which actual values were `ratio` of what was forecast, give or take a spread."""
    record = ErrorRecord()
    for n in range(400):
        now = NOW - timedelta(days=8) + n * timedelta(minutes=15)
        record.observe(now, 100.0 * (ratio + spread * ((n % 21) - 10) / 10.0), least=1.0)
        record.remember(EvenSeries(start_utc=now, step_s=3600.0, values=(100.0,) * 50), now=now)
    return record


def kw_at(series: EvenSeries, lead_h: float) -> float:
    """Return the value of the quarter that begins a lead time from now."""
    value = series.mean(NOW + timedelta(hours=lead_h), NOW + timedelta(hours=lead_h + 0.25))
    assert value is not None
    return value


def test_forecast_without_a_measurement_is_what_the_weather_gave() -> None:
    made = outlook(basis(HALF_KW)).pv[0]

    assert made.p50_kw.values == pytest.approx([HALF_KW] * len(made.p50_kw.values))
    assert (made.plant_id, made.issued_utc, made.quality) == (PLANT.id, NOW, ForecastQuality.GOOD)


def test_measured_power_moves_the_next_hours_and_fades_with_two() -> None:
    made = outlook(basis(HALF_KW), pv_kw=0.6 * HALF_KW).pv[0].p50_kw

    # 40 % less now; the middle of the quarter at a lead of 2 h lies at 2.125 h
    assert kw_at(made, 2.0) == pytest.approx(HALF_KW * (1.0 - 0.4 * exp(-2.125 / 2.0)))
    assert kw_at(made, 20.0) == pytest.approx(HALF_KW, rel=1e-3)


@pytest.mark.parametrize(("measured_kw", "factor"), [(0.0, 0.3), (10.0 * HALF_KW, 2.0)])
def test_nowcast_keeps_inside_its_range(measured_kw: float, factor: float) -> None:
    small = 0.2 * PLANT.total_ac_kw

    made = outlook(basis(small), pv_kw=measured_kw if factor < 1.0 else 10.0 * small).pv[0].p50_kw

    assert kw_at(made, 0.0) == pytest.approx(small * (1.0 + (factor - 1.0) * exp(-0.125 / 2.0)))


def test_ratio_of_little_power_is_noise() -> None:
    dim = 0.04 * PLANT.total_ac_kw

    assert kw_at(outlook(basis(dim), pv_kw=0.0).pv[0].p50_kw, 0.0) == pytest.approx(dim)


def test_lasting_bias_is_taken_out_within_its_range() -> None:
    assert raw_pv(PLANT, basis(HALF_KW), experienced(0.9)).values[0] == pytest.approx(0.9 * HALF_KW)
    assert raw_pv(PLANT, basis(HALF_KW), experienced(0.2)).values[0] == pytest.approx(0.7 * HALF_KW)
    assert raw_pv(PLANT, basis(HALF_KW), ErrorRecord()).values[0] == pytest.approx(HALF_KW)


def test_power_never_exceeds_the_rating() -> None:
    made = outlook(basis(0.95 * PLANT.total_ac_kw), pv_kw=PLANT.total_ac_kw, pv_errors=experienced(1.2)).pv[0]

    for series in (made.p50_kw, made.q90_kw):
        assert max(series.values) <= PLANT.total_ac_kw + 1e-9


@pytest.mark.parametrize("errors", [ErrorRecord(), experienced(1.0, spread=0.3), experienced(0.8, spread=0.1)])
def test_quantiles_lie_around_the_median(errors: ErrorRecord) -> None:
    made = outlook(basis(HALF_KW), pv_errors=errors).pv[0]

    for low, middle, high in zip(made.q10_kw.values, made.p50_kw.values, made.q90_kw.values, strict=True):
        assert 0.0 <= low <= middle <= high


def test_cold_start_spreads_as_the_configured_error_grows_with_lead() -> None:
    made = outlook(basis(HALF_KW)).pv[0]

    # the q10 lies at 1.2816/2.3263 of the configured 0.99 quantile of the next day
    full_kw = 1.2816 / 2.3263 * DESERT.reserve.forecast_error_pv_frac * PLANT.total_ac_kw
    assert HALF_KW - kw_at(made.q10_kw, 12.0) == pytest.approx(full_kw)
    assert HALF_KW - kw_at(made.q10_kw, 1.25) == pytest.approx(full_kw * (1.375 / 6.0) ** 0.5)


def test_learned_errors_replace_the_cold_start() -> None:
    made = outlook(basis(HALF_KW), pv_errors=experienced(1.0, spread=0.3)).pv[0]

    # errors from -0.30 to +0.30 in equal shares: the q10 lies at -0.24
    assert kw_at(made.q10_kw, 1.0) == pytest.approx(0.76 * HALF_KW, rel=0.03)


def test_night_stays_dark_in_every_quantile() -> None:
    made = outlook(basis(0.0), pv_kw=0.0).pv[0]

    assert max(made.q90_kw.values) == min(made.q10_kw.values) == 0.0


def test_quality_of_pv_is_that_of_its_weather() -> None:
    made = outlook(basis(HALF_KW, quality=ForecastQuality.CLIMATOLOGY))

    assert made.pv[0].quality is ForecastQuality.CLIMATOLOGY
    assert made.ambient_degc.quality is ForecastQuality.CLIMATOLOGY


def test_load_spreads_by_the_configured_error_until_the_record_knows_better() -> None:
    cold = outlook(basis(0.0)).it
    learned = outlook(basis(0.0), load_errors=experienced(1.0, spread=0.2)).it

    cold_frac = 1.2816 / 2.3263 * DESERT.reserve.forecast_error_load_frac
    assert cold.q90_kw.values[0] == pytest.approx((1.0 + cold_frac) * 4000.0)
    assert learned.q90_kw.values[0] == pytest.approx(1.16 * 4000.0, rel=0.02)


def test_unknown_load_is_forecast_at_the_configured_mean_as_persistence() -> None:
    made = outlook(basis(0.0), it_kw=None).it

    assert made.p50_kw.values[0] == pytest.approx(DESERT.it.design_kw * DESERT.it.mean_frac)
    assert made.quality is ForecastQuality.PERSISTENCE


def test_ambient_and_ratios_are_handed_on() -> None:
    made = outlook(basis(0.0))

    assert made.ambient_degc.values.values[:3] == (20.0, 21.0, 22.0)
    assert (made.cooling_ratio_frac, made.aux_ratio_frac) == (1.1, 0.9)


def test_carbon_is_read_by_month_day_and_hour_where_there_is_a_grid() -> None:
    year = YearTable(columns=("kgco2e_per_kwh",), rows=tuple((n / 1e4,) for n in range(8760)))

    made = outlook(basis(0.0), carbon=year).carbon_kgco2e_per_kwh

    assert outlook(basis(0.0)).carbon_kgco2e_per_kwh is None
    assert made is not None
    # 8 January 12:00 is hour 180
    assert made.values.values[:2] == pytest.approx((0.0180, 0.0181))
    assert made.values.end_utc >= NOW + timedelta(hours=DESERT.planning.shape.horizon_h)


def test_load_forecast_reaches_the_horizon() -> None:
    end = outlook(basis(0.0)).it.p50_kw.end_utc

    assert end >= NOW + timedelta(hours=DESERT.planning.shape.horizon_h)
