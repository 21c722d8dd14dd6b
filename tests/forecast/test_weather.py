"""Weather issues: what is read, what is refused, what stands in, and the simulated provider's seeded error."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest

from drivers.sim.weather_service import WeatherService, issue_text
from ems.config.build import build_twin
from ems.config.files import ConfigFiles
from ems.config.loader import load_files
from ems.config.shipped import site_directory
from ems.errors import ConfigError
from ems.forecast.pv import available_kw
from ems.forecast.weather import climatology, parse_issue, usable_issue
from ems.forecast.yearly import YearTable
from ems.model.forecast import ForecastQuality, WeatherForecast, WeatherHour
from ems.runtime.forecasts import choose_weather
from ems.runtime.inputs import load_climate
from tests.dispatch.sites import site

NOON = datetime(2026, 1, 8, 12, tzinfo=UTC)
SUN = YearTable(
    columns=("ghi_w_per_m2", "dni_w_per_m2", "dhi_w_per_m2"),
    rows=tuple((500.0, 400.0, 100.0) if 8 <= n % 24 < 16 else (0.0, 0.0, 0.0) for n in range(8760)),
)
AIR = YearTable(columns=("ambient_degc", "wind_m_per_s"), rows=((20.0, 3.0),) * 8760)


def issue(*, issued: datetime = NOON, n_hours: int = 60) -> WeatherForecast:
    first = issued.replace(minute=0)
    return WeatherForecast(
        issued_utc=issued,
        hours=tuple(
            WeatherHour(
                start_utc=first + timedelta(hours=n), ambient_degc=20.0, wind_m_per_s=3.0, poa_w_per_m2=float(n % 24)
            )
            for n in range(n_hours)
        ),
        quality=ForecastQuality.GOOD,
    )


@cache
def desert_files() -> ConfigFiles:
    return load_files(site_directory("desert-offgrid"))


def provider(*, seed: int) -> WeatherService:
    files = desert_files()
    assert files.twin is not None
    return WeatherService(build_twin(files.twin), site("desert-offgrid").place, search=files.search, seed=seed)


def test_issue_comes_back_from_its_file() -> None:
    made = provider(seed=3).issue(NOON)

    read = parse_issue(issue_text(made), file="f")

    assert read.issued_utc == made.issued_utc
    assert len(read.hours) == len(made.hours)
    assert read.hours[0].start_utc == made.hours[0].start_utc
    assert [hour.ghi_w_per_m2 for hour in read.hours] == pytest.approx(
        [hour.ghi_w_per_m2 for hour in made.hours], abs=0.051
    )


HEADER = "issued_utc,time_utc,ambient_degc,wind_m_per_s,poa_w_per_m2\n"
ROW = "2026-01-08T12:00:00Z,2026-01-08T{hour:02d}:00:00Z,{degc},3,{poa}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "column issued_utc"),
        (HEADER, "holds no hours"),
        (HEADER.replace(",wind_m_per_s", ""), "column wind_m_per_s is missing"),
        (HEADER + ROW.format(hour=0, degc=20, poa="nan"), "f:2: poa_w_per_m2 is nan"),
        (HEADER + ROW.format(hour=0, degc=20, poa="inf"), "poa_w_per_m2 is inf"),
        (HEADER + ROW.format(hour=0, degc=20, poa="-1"), "outside 0 to 2000"),
        (HEADER + ROW.format(hour=0, degc=20, poa="2001"), "outside 0 to 2000"),
        (HEADER + ROW.format(hour=0, degc=70, poa="0"), "outside -60 to 65"),
        (HEADER + ROW.format(hour=0, degc="warm", poa="0"), "could not convert"),
        (HEADER + ROW.format(hour=0, degc=20, poa=0) + ROW.format(hour=2, degc=20, poa=0), "f:3: hours are not cons"),
        (HEADER + ROW.format(hour=1, degc=20, poa=0) + ROW.format(hour=0, degc=20, poa=0), "hours are not consecutive"),
        (HEADER + "2026-01-08T12:00:00,2026-01-08T00:00:00Z,20,3,0\n", "has no offset"),
        (HEADER + "2026-01-08T12:00:00Z,2026-01-08T00:00:00Z,20\n", "float"),
    ],
)
def test_issue_that_is_not_plausible_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_issue(text, file="f")


@pytest.mark.parametrize(
    ("age_h", "quality"),
    [
        (0.0, ForecastQuality.GOOD),
        (6.0, ForecastQuality.GOOD),
        (6.1, ForecastQuality.AGED),
        (11.9, ForecastQuality.AGED),
    ],
)
def test_quality_of_an_issue_falls_with_its_age(age_h: float, quality: ForecastQuality) -> None:
    usable = usable_issue(issue(), now_utc=NOON + timedelta(hours=age_h), horizon_h=40.0, max_age_h=12.0)

    assert usable is not None
    assert usable.quality is quality


@pytest.mark.parametrize(
    ("now", "horizon_h"),
    [
        pytest.param(NOON + timedelta(hours=12.1), 40.0, id="too old"),
        pytest.param(NOON, 61.0, id="ends before the horizon"),
        pytest.param(NOON - timedelta(hours=1), 40.0, id="begins later than now"),
    ],
)
def test_issue_that_cannot_carry_a_plan_is_not_used(now: datetime, horizon_h: float) -> None:
    assert usable_issue(issue(), now_utc=now, horizon_h=horizon_h, max_age_h=12.0) is None


def test_no_issue_is_no_issue() -> None:
    assert usable_issue(None, now_utc=NOON, horizon_h=40.0, max_age_h=12.0) is None


def test_climatology_is_the_typical_course_and_says_so() -> None:
    typical = climatology(SUN, AIR, now_utc=NOON + timedelta(minutes=20), horizon_h=48.0)

    assert typical.quality is ForecastQuality.CLIMATOLOGY
    assert typical.hours[0].start_utc == NOON
    assert typical.hours[-1].start_utc + timedelta(hours=1) >= NOON + timedelta(hours=48, minutes=20)
    assert [hour.ghi_w_per_m2 for hour in typical.hours[:5]] == pytest.approx([500.0] * 4 + [0.0])
    assert typical.hours[0].poa_w_per_m2 is None


def no_file(_: datetime) -> WeatherForecast | None:
    return None


def unreadable(_: datetime) -> WeatherForecast | None:
    return parse_issue("no weather", file="weather.csv")


def outdated(now: datetime) -> WeatherForecast | None:
    return issue(issued=now - timedelta(days=9), n_hours=24 * 14)


@pytest.mark.parametrize(
    ("source", "trouble"),
    [
        (no_file, "there is no weather forecast"),
        (unreadable, "weather.csv"),
        (outdated, "is too old"),
    ],
)
def test_missing_weather_degrades_to_climatology_and_still_gives_pv(
    source: Callable[[datetime], WeatherForecast | None], trouble: str
) -> None:
    desert = site("desert-offgrid")
    climate = load_climate(desert_files())

    weather, why = choose_weather(desert, climate, source, NOON)

    assert why is not None
    assert trouble in why
    assert weather.quality is ForecastQuality.CLIMATOLOGY
    series = available_kw(desert.pv[0], desert.place, weather)
    assert series.end_utc >= NOON + timedelta(hours=desert.planning.shape.horizon_h)
    assert max(series.values) > 0.2 * desert.pv[0].total_ac_kw


def test_good_weather_is_taken_as_it_is() -> None:
    desert = site("desert-offgrid")
    fresh = issue(n_hours=72)

    weather, why = choose_weather(desert, load_climate(desert_files()), lambda _: fresh, NOON)

    assert (weather, why) == (fresh, None)


def test_same_seed_gives_the_same_issue_and_another_seed_another() -> None:
    first, again, other = (provider(seed=seed).issue(NOON) for seed in (3, 3, 4))

    assert first == again
    assert first != other


def test_issue_stays_the_same_until_the_next_one() -> None:
    service = provider(seed=3)
    issued = service.issue(NOON).issued_utc

    assert service.issue(issued) == service.issue(issued + timedelta(minutes=30))


def test_error_of_the_provider_grows_with_lead_time() -> None:
    service = provider(seed=5)
    truth = load_climate(desert_files()).irradiance
    near: list[float] = []
    far: list[float] = []
    for day in range(40):
        made = service.issue(NOON + timedelta(days=day))
        for hour in made.hours:
            actual = truth.value("ghi_w_per_m2", hour.start_utc)
            lead_h = (hour.start_utc - made.issued_utc) / timedelta(hours=1)
            if actual > 200.0 and hour.ghi_w_per_m2 is not None:
                error = abs(hour.ghi_w_per_m2 / actual - 1.0)
                (near if lead_h < 5.0 else far if lead_h > 40.0 else []).append(error)

    assert min(len(near), len(far)) > 20
    assert sum(near) / len(near) < 0.7 * sum(far) / len(far)
