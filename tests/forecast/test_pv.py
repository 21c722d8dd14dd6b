"""PV conversion, judged without pvlib: the sun's course by hand, energies of hours, ratings."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import acos, asin, cos, degrees, pi, radians, sin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ems.forecast.pv import STEP_S, available_kw
from ems.model.forecast import EvenSeries, ForecastQuality, WeatherForecast, WeatherHour
from ems.model.pv import PvArray, PvMount, PvPlant
from ems.model.site import Place
from tests.dispatch.sites import site

EQUINOX = datetime(2026, 3, 20, tzinfo=UTC)
# on the equator at Greenwich: the sun is up from about 06:00 to 18:00 UTC and nearly overhead at noon
NULL_ISLAND = Place(latitude_deg=0.0, longitude_deg=0.0, altitude_m=0.0, timezone="UTC")
DESERT = site("desert-offgrid").place
FLAT = PvPlant(
    id="pv",
    block_ids=("b1", "b2", "b3"),
    dc_kwp=1000.0,
    ac_kw=900.0,
    array=PvArray(
        mount=PvMount.FIXED,
        tilt_deg=0.0,
        azimuth_deg=180.0,
        max_rotation_deg=60.0,
        ground_coverage_frac=0.4,
        temp_coeff_frac_per_k=0.0,
        system_loss_frac=0.10,
        soiling_loss_frac=0.02,
        inverter_eff_frac=0.98,
    ),
    frequency_watt_credit_frac=0.5,
)


def poa_hours(values: list[float], *, start: datetime = EQUINOX, ambient_degc: float = 25.0) -> WeatherForecast:
    """Return hours of plane-of-array irradiance."""
    return WeatherForecast(
        issued_utc=start,
        hours=tuple(
            WeatherHour(
                start_utc=start + timedelta(hours=n), ambient_degc=ambient_degc, wind_m_per_s=2.0, poa_w_per_m2=value
            )
            for n, value in enumerate(values)
        ),
        quality=ForecastQuality.GOOD,
    )


def horizontal_hours(
    ghi: list[float], *, start: datetime = EQUINOX, dni_share: float = 0.0, ambient_degc: float = 25.0
) -> WeatherForecast:
    """Return hours of horizontal irradiance, all of it diffuse unless a share is direct."""
    return WeatherForecast(
        issued_utc=start,
        hours=tuple(
            WeatherHour(
                start_utc=start + timedelta(hours=n),
                ambient_degc=ambient_degc,
                wind_m_per_s=2.0,
                ghi_w_per_m2=value,
                dni_w_per_m2=dni_share * value,
                dhi_w_per_m2=(1.0 - dni_share) * value,
            )
            for n, value in enumerate(ghi)
        ),
        quality=ForecastQuality.GOOD,
    )


def elevation_deg(place: Place, instant: datetime) -> float:
    """Return the sun's elevation by the textbook formulas (Cooper's declination, equation of time), to about 1 deg."""
    day = instant.timetuple().tm_yday
    angle = 2.0 * pi * (day - 81) / 364.0
    declination = radians(23.45) * sin(2.0 * pi * (284 + day) / 365.0)
    equation_min = 9.87 * sin(2.0 * angle) - 7.53 * cos(angle) - 1.5 * sin(angle)
    solar_h = instant.hour + instant.minute / 60.0 + place.longitude_deg / 15.0 + equation_min / 60.0
    hour_angle = radians(15.0 * (solar_h - 12.0))
    latitude = radians(place.latitude_deg)
    return degrees(asin(sin(latitude) * sin(declination) + cos(latitude) * cos(declination) * cos(hour_angle)))


def hour_kwh(series: EvenSeries, hour: int) -> float:
    return sum(series.values[4 * hour : 4 * hour + 4]) * STEP_S / 3600.0


def test_dc_and_inverter_losses_of_a_plane_of_array_hour_are_those_of_the_array() -> None:
    noon = poa_hours([500.0] * 24)

    power_kw = available_kw(FLAT, NULL_ISLAND, noon).values[4 * 12]

    # 3 blocks of 1000 kWp at half irradiance, 10 % and 2 % lost; the inverter is about 98 % efficient at that load
    dc_kw = 3 * 1000.0 * 0.5 * 0.90 * 0.98
    assert 0.96 * dc_kw < power_kw < 0.99 * dc_kw


def test_hot_modules_lose_what_their_coefficient_says() -> None:
    array = replace(FLAT.array, temp_coeff_frac_per_k=-0.004)
    cool, hot = (
        available_kw(replace(FLAT, array=array), NULL_ISLAND, poa_hours([500.0] * 24, ambient_degc=degc)).values[48]
        for degc in (15.0, 35.0)
    )

    # 20 K are 8 % of the rated power's share; inverter efficiency moves the ratio a little
    assert hot / cool == pytest.approx((1.0 - 0.08 - 0.02) / (1.0 - 0.02), abs=0.02)


def test_night_has_no_power_whatever_the_record_says() -> None:
    # a record shifted in longitude may show light at night
    dark = poa_hours([300.0] * 24, start=EQUINOX)

    series = available_kw(FLAT, NULL_ISLAND, dark)

    lit = [value > 0.0 for value in series.values]
    sun_up = [
        elevation_deg(NULL_ISLAND, EQUINOX + timedelta(seconds=(n + 0.5) * STEP_S)) for n in range(len(series.values))
    ]
    assert [light for light, degrees_up in zip(lit, sun_up, strict=True) if degrees_up < -2.0] == [False] * (
        sum(degrees_up < -2.0 for degrees_up in sun_up)
    )
    assert all(light for light, degrees_up in zip(lit, sun_up, strict=True) if degrees_up > 2.0)


@settings(derandomize=True, deadline=None, max_examples=20)
@given(
    values=st.lists(st.integers(0, 1400).map(float), min_size=24, max_size=24),
    day=st.integers(0, 364),
    ambient_degc=st.floats(-20.0, 50.0),
    mount=st.sampled_from(list(PvMount)),
)
def test_power_lies_between_zero_and_the_rating(
    values: list[float], day: int, ambient_degc: float, mount: PvMount
) -> None:
    plant = replace(FLAT, array=replace(FLAT.array, mount=mount, temp_coeff_frac_per_k=-0.0035))
    start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)

    for weather in (
        poa_hours(values, start=start, ambient_degc=ambient_degc),
        horizontal_hours(values, start=start, dni_share=0.6, ambient_degc=ambient_degc),
    ):
        series = available_kw(plant, DESERT, weather)

        assert len(series.values) == 96
        assert min(series.values) >= 0.0
        assert max(series.values) <= plant.total_ac_kw + 1e-6


def test_each_hour_of_diffuse_light_keeps_its_energy() -> None:
    # a flat array sees exactly the diffuse light; under cloud that is more than a clear sky's
    ghi = [0.0] * 8 + [100.0, 150.0, 200.0, 250.0, 200.0, 150.0, 100.0] + [0.0] * 9

    series = available_kw(FLAT, NULL_ISLAND, horizontal_hours(ghi))

    for hour in range(8, 15):
        dc_kwh = 3.0 * ghi[hour] * 0.90 * 0.98
        assert 0.90 * dc_kwh < hour_kwh(series, hour) < 0.99 * dc_kwh


def test_power_of_a_constant_sky_is_symmetric_about_solar_noon() -> None:
    # values are means over an hour, labelled by its start: hours 11 and 12 lie around 12:00; the sun is 7 min late
    ghi = [800.0 * max(0.0, cos((hour + 0.5 - 12.125) / 12.0 * pi)) for hour in range(24)]

    series = available_kw(FLAT, NULL_ISLAND, horizontal_hours(ghi))

    middles_h = [(n + 0.5) / 4.0 for n in range(96)]
    centre_h = sum(h * kw for h, kw in zip(middles_h, series.values, strict=True)) / sum(series.values)
    assert centre_h == pytest.approx(12.125, abs=0.05)


@pytest.mark.parametrize("month", [1, 4, 7, 10])
def test_sun_of_the_site_rises_and_sets_when_the_textbook_says(month: int) -> None:
    start = datetime(2026, month, 15, tzinfo=UTC)

    series = available_kw(FLAT, DESERT, poa_hours([400.0] * 24, start=start))

    lit_h = sum(value > 0.0 for value in series.values) / 4.0
    declination = radians(23.45) * sin(2.0 * pi * (284 + start.timetuple().tm_yday) / 365.0)
    latitude = radians(DESERT.latitude_deg)
    daylight_h = 24.0 / pi * acos(-(sin(latitude) / cos(latitude)) * (sin(declination) / cos(declination)))
    # refraction lifts the sun by about half a degree; steps are quarters
    assert lit_h == pytest.approx(daylight_h, abs=0.6)


def test_tracker_turned_to_the_morning_sun_sees_more_of_it_than_a_flat_array() -> None:
    tracking = replace(FLAT, array=replace(FLAT.array, mount=PvMount.SINGLE_AXIS, ground_coverage_frac=0.2))
    morning = [0.0] * 7 + [200.0, 400.0, 600.0] + [0.0] * 14
    weather = WeatherForecast(
        issued_utc=EQUINOX,
        hours=tuple(
            replace(
                hour, dni_w_per_m2=700.0 if hour.ghi_w_per_m2 else 0.0, dhi_w_per_m2=60.0 if hour.ghi_w_per_m2 else 0.0
            )
            for hour in horizontal_hours(morning).hours
        ),
        quality=ForecastQuality.GOOD,
    )

    flat_kwh = hour_kwh(available_kw(FLAT, NULL_ISLAND, weather), 8)

    assert hour_kwh(available_kw(tracking, NULL_ISLAND, weather), 8) > 1.2 * flat_kwh


def test_blocks_add_up() -> None:
    single = replace(FLAT, block_ids=("b1",))

    three, one = (available_kw(plant, NULL_ISLAND, poa_hours([600.0] * 24)).values[50] for plant in (FLAT, single))

    assert three == pytest.approx(3.0 * one)


def test_series_begins_with_the_first_hour_on_quarters() -> None:
    series = available_kw(FLAT, NULL_ISLAND, poa_hours([0.0] * 3, start=EQUINOX + timedelta(hours=5)))

    assert (series.start_utc, series.step_s, len(series.values)) == (EQUINOX + timedelta(hours=5), 900.0, 12)
