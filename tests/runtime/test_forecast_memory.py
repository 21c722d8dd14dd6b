"""What the daemon learns: quarter-hour means, ratios within limits, and none of what it does not know."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ems.errors import ConfigError, ConfigProblem
from ems.forecast.weather import climatology
from ems.model.forecast import WeatherForecast
from ems.model.site import Site
from ems.model.snapshot import LoadState, SiteSnapshot
from ems.runtime.forecasts import Climate, ForecastMemory, choose_weather
from ems.runtime.inputs import load_climate
from ems.thermal.plant import cooling_power
from tests.control.scene import healthy, shipped
from tests.twin.settings import START, files_of

SITE: Site = shipped("edge-node")
CLIMATE: Climate = load_climate(files_of("edge-node"))
UNKNOWN = LoadState(load_kw=None, load_max_kw=None, energy_wh=None)


def test_a_quarter_hour_is_recorded_as_its_mean_when_it_has_ended() -> None:
    memory = ForecastMemory(SITE, CLIMATE)

    _observe(memory, [(0.0, 40.0), (300.0, 40.0), (600.0, 46.0), (900.0, 90.0)])

    assert memory.load_record.value(START) == pytest.approx((1.0 * 40.0 + 300.0 * 40.0 + 300.0 * 46.0) / 601.0)


def test_unknown_load_is_left_out_of_the_mean() -> None:
    memory = ForecastMemory(SITE, CLIMATE)

    _observe(memory, [(0.0, 40.0), (300.0, None), (600.0, None), (900.0, 50.0)])

    assert memory.load_record.value(START) == pytest.approx(40.0)


def test_a_quarter_of_which_nothing_is_known_is_unknown() -> None:
    memory = ForecastMemory(SITE, CLIMATE)

    _observe(memory, [(0.0, None), (300.0, None), (900.0, 50.0), (1800.0, 50.0)])

    assert memory.load_record.value(START) is None
    assert memory.load_record.value(START + timedelta(minutes=15)) is not None


def test_the_first_complete_picture_sets_the_cooling_ratio_and_later_ones_move_it() -> None:
    memory = ForecastMemory(SITE, CLIMATE)
    model_kw = cooling_power(SITE.cooling, it_kw=40.0, ambient_degc=25.0).load_kw

    memory.observe(_picture(0.0, 40.0, cooling_kw=1.5 * model_kw))
    first = memory._cooling_ratio
    memory.observe(_picture(899.0, 40.0, cooling_kw=1.1 * model_kw))
    memory.observe(_picture(900.0, 40.0, cooling_kw=1.1 * model_kw))

    assert first == pytest.approx(1.5)
    assert memory._cooling_ratio == pytest.approx(1.5 - 0.05 * 0.4)


def test_a_wild_cooling_meter_moves_the_ratio_only_to_its_limit() -> None:
    memory = ForecastMemory(SITE, CLIMATE)

    memory.observe(_picture(0.0, 40.0, cooling_kw=5000.0))

    assert memory._cooling_ratio == 2.0


def test_without_a_load_reading_nothing_is_learnt() -> None:
    memory = ForecastMemory(SITE, CLIMATE)

    memory.observe(_picture(0.0, None, cooling_kw=30.0))

    assert memory._cooling_ratio == 1.0


def test_a_usable_issue_is_taken() -> None:
    issue = _issue()

    weather, trouble = choose_weather(SITE, CLIMATE, lambda _: issue, START)

    assert weather.hours == issue.hours
    assert weather.issued_utc == issue.issued_utc
    assert trouble is None


@pytest.mark.parametrize("case", ["missing", "old", "unreadable"])
def test_a_missing_old_or_unreadable_issue_degrades_to_the_typical_year(case: str) -> None:
    old = replace(_issue(), issued_utc=START - timedelta(hours=CLIMATE.max_age_h + 1.0))

    def source(_: object) -> WeatherForecast | None:
        if case == "unreadable":
            raise ConfigError(ConfigProblem(file="weather.csv", message="is a picture of a cat"))
        return old if case == "old" else None

    weather, trouble = choose_weather(SITE, CLIMATE, source, START)

    assert weather is not old
    assert trouble is not None
    assert {"missing": "no weather", "old": "too old", "unreadable": "picture of a cat"}[case] in trouble


def _issue() -> WeatherForecast:
    return climatology(CLIMATE.irradiance, CLIMATE.air, now_utc=START, horizon_h=60.0)


def _picture(at_s: float, it_kw: float | None, *, cooling_kw: float | None = None) -> SiteSnapshot:
    picture = replace(healthy(SITE), at_s=at_s, utc=START + timedelta(seconds=at_s))
    it = UNKNOWN if it_kw is None else replace(picture.it, load_kw=it_kw)
    return replace(picture, it=it, cooling_load=replace(picture.cooling_load, load_kw=cooling_kw))


def _observe(memory: ForecastMemory, course: list[tuple[float, float | None]]) -> None:
    for at_s, it_kw in course:
        memory.observe(_picture(at_s, it_kw))
