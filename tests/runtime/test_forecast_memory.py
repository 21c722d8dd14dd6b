"""What the daemon learns: quarter-hour means, ratios within limits, and none of what it does not know."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from ems.errors import ConfigError, ConfigProblem
from ems.forecast.weather import climatology
from ems.model.forecast import EvenSeries, WeatherForecast
from ems.model.site import Site
from ems.model.snapshot import LoadState, SiteSnapshot
from ems.runtime.forecasts import Climate, ForecastMemory, choose_weather
from ems.runtime.inputs import load_climate
from ems.runtime.memory import restore_forecasts
from ems.runtime.persistence import StateStore
from ems.thermal.container import resting_aux_kw
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


def test_the_end_of_a_quarter_brings_something_to_save_once() -> None:
    memory = ForecastMemory(SITE, CLIMATE)

    saved = []
    for at_s in (0.0, 899.0, 900.0, 901.0, 1800.0):
        memory.observe(_picture(at_s, 40.0))
        saved.append(memory.unsaved_document())

    assert [document is not None for document in saved] == [False, False, True, False, True]
    assert saved[-1] == memory.document()


def test_what_was_learnt_survives_a_restart(tmp_path: Path) -> None:
    before = _experienced()
    now = START + timedelta(days=3, minutes=5)
    _saved(before.document(), tmp_path)

    memory, restored = _restored(tmp_path, now_h=72.1)

    assert restored
    assert memory.document() == before.document()
    assert memory.load_record.value(now - timedelta(hours=24)) == pytest.approx(40.0)
    for lead_h in (1.0, 6.0, 24.0):
        known = before.load_errors.quantile(lead_h, 0.9)
        assert known is not None
        assert memory.load_errors.quantile(lead_h, 0.9) == pytest.approx(known, abs=5e-5)
        for plant in SITE.pv:
            assert memory.pv_errors[plant.id].quantile(lead_h, 0.1) == pytest.approx(-0.2, abs=5e-5)
    assert memory._cooling_ratio == before._cooling_ratio == pytest.approx(1.5)


def test_forecasts_of_before_a_restart_are_judged_after_it(tmp_path: Path) -> None:
    before = ForecastMemory(SITE, CLIMATE)
    _observe(before, [(0.0, 40.0)])
    before.load_errors.remember(_flat(50.0), now=START)
    _saved(before.document(), tmp_path)

    memory, _ = _restored(tmp_path, now_h=0.1)
    _observe(memory, [(3600.0, 40.0), (4400.0, 40.0), (4500.0, 40.0)])

    errors = memory.load_errors.document()["errors"]
    assert isinstance(errors, list)
    assert errors[0] == [-0.2]


def test_the_first_picture_after_a_restart_only_moves_the_ratio(tmp_path: Path) -> None:
    model_kw = cooling_power(SITE.cooling, it_kw=40.0, ambient_degc=25.0).load_kw
    before = ForecastMemory(SITE, CLIMATE)
    before.observe(_picture(0.0, 40.0, cooling_kw=1.5 * model_kw))
    _saved(before.document(), tmp_path)

    memory, _ = _restored(tmp_path, now_h=0.1)
    memory.observe(_picture(400.0, 40.0, cooling_kw=0.8 * model_kw))

    assert memory._cooling_ratio == pytest.approx(1.5)


def test_a_pause_is_unknown_load_and_not_the_load_of_before(tmp_path: Path) -> None:
    before = ForecastMemory(SITE, CLIMATE)
    _observe(before, [(0.0, 40.0), (900.0, 40.0)])
    _saved(before.document(), tmp_path)

    memory, _ = _restored(tmp_path, now_h=1.0)
    _observe(memory, [(3600.0, 44.0), (4500.0, 44.0)])

    values = [memory.load_record.value(START + timedelta(minutes=15 * quarter)) for quarter in range(5)]
    assert values == [40.0, None, None, None, 44.0]


def test_the_document_has_a_bounded_size() -> None:
    small = len(json.dumps(_experienced(days=40).document()))

    longer = len(json.dumps(_experienced(days=50).document()))

    assert longer == pytest.approx(small, rel=0.01)


def test_a_shorter_history_keeps_the_newest_part() -> None:
    before = _experienced()
    memory = ForecastMemory(SITE, replace(CLIMATE, history_h=1.0))

    memory.restore(before.document(), now=START + timedelta(days=3, minutes=5))

    assert len(memory.load_record.values()) == 4
    assert memory.load_record.end_utc == before.load_record.end_utc


def test_a_new_plant_begins_anew_and_one_that_is_gone_is_forgotten() -> None:
    document = _experienced().document()
    errors = document["pv_errors"]
    assert isinstance(errors, dict)
    memory = ForecastMemory(SITE, CLIMATE)

    memory.restore({**document, "pv_errors": {"gone": next(iter(errors.values()))}}, now=START + timedelta(days=4))

    assert memory.pv_errors.keys() == {plant.id for plant in SITE.pv}
    assert all(record.quantile(1.0, 0.5) is None for record in memory.pv_errors.values())
    assert memory.load_errors.quantile(1.0, 0.5) is not None


@pytest.mark.parametrize(
    "damage",
    [
        {"load_end": "yesterday"},
        {"load_end": "2026-01-01T00:00:00"},
        # a clock that was wrong
        {"load_end": "2044-01-01T00:00:00+00:00"},
        {"load_kw": "40"},
        {"load_kw": [40.0, "much"]},
        {"load_kw": [float("nan")]},
        {"load_kw": [-1.0]},
        {"load_errors": []},
        {"load_errors": {"errors": [[0.1]], "expected": {}}},
        {"load_errors": {"errors": [["a"]] * 6, "expected": {}}},
        {"load_errors": {"errors": [[float("inf")]] * 6, "expected": {}}},
        {"load_errors": {"errors": [[]] * 6, "expected": {"2026-01-01T00:00:00+00:00": {"9": 1.0}}}},
        {"load_errors": {"errors": [[]] * 6, "expected": {"2026-01-01T00:00:00+00:00": [1.0]}}},
        {"load_errors": {"errors": [[]] * 6, "expected": []}},
        {"pv_errors": None},
        {"pv_errors": {plant.id: 5 for plant in SITE.pv}},
        {"cooling_ratio_frac": 40.0},
        {"aux_ratio_frac": None},
    ],
)
def test_a_damaged_document_begins_anew_with_a_warning(tmp_path: Path, damage: Mapping[str, object]) -> None:
    _saved({**_experienced(days=1).document(), **damage}, tmp_path)

    with capture_logs() as logs:
        memory, restored = _restored(tmp_path, now_h=72.1)

    assert not restored
    assert memory.document() == ForecastMemory(SITE, CLIMATE).document()
    assert [line["event"] for line in logs] == ["forecasts_not_restored"]


def test_without_a_document_there_is_nothing_to_restore_and_nothing_to_warn_of(tmp_path: Path) -> None:
    with capture_logs() as logs:
        _, restored = _restored(tmp_path, now_h=0.0)

    assert not restored
    assert logs == []


def _experienced(*, days: int = 3) -> ForecastMemory:
    """Return a memory after days of quarters: 40 kW where 50 was forecast, PV a fifth below its forecast."""
    model_kw = cooling_power(SITE.cooling, it_kw=40.0, ambient_degc=25.0).load_kw
    memory = ForecastMemory(SITE, CLIMATE)
    for quarter in range(96 * days + 1):
        now = START + timedelta(minutes=15 * quarter)
        memory.observe(_picture(900.0 * quarter, 40.0, cooling_kw=1.5 * model_kw))
        memory.load_errors.remember(_flat(50.0, start_h=quarter / 4), now=now)
        for record in memory.pv_errors.values():
            record.observe(now, 80.0, least=1.0)
            record.remember(_flat(100.0, start_h=quarter / 4), now=now)
    return memory


def _flat(kw: float, *, start_h: float = 0.0) -> EvenSeries:
    return EvenSeries(start_utc=START + timedelta(hours=start_h), step_s=3600.0, values=(kw,) * 50)


def _saved(document: dict[str, object], directory: Path) -> None:
    store = StateStore(directory / "state.db")
    store.save("forecasts", document, utc=START)
    store.close()


def _restored(directory: Path, *, now_h: float) -> tuple[ForecastMemory, bool]:
    memory = ForecastMemory(SITE, CLIMATE)
    store = StateStore(directory / "state.db")
    restored = restore_forecasts(memory, store, now=START + timedelta(hours=now_h))
    store.close()
    return memory, restored


def _issue() -> WeatherForecast:
    return climatology(CLIMATE.irradiance, CLIMATE.air, now_utc=START, horizon_h=60.0)


def _picture(at_s: float, it_kw: float | None, *, cooling_kw: float | None = None) -> SiteSnapshot:
    picture = replace(healthy(SITE), at_s=at_s, utc=START + timedelta(seconds=at_s))
    it = UNKNOWN if it_kw is None else replace(picture.it, load_kw=it_kw)
    return replace(picture, it=it, cooling_load=replace(picture.cooling_load, load_kw=cooling_kw))


def test_auxiliaries_are_held_against_a_model_at_the_present_ambient() -> None:
    # base load and, at 40 degC, the cooling of what comes through the envelopes
    (pool,) = SITE.batteries
    cooled = replace(SITE, batteries=(replace(pool, cooling_power_frac=0.4),))
    picture = _picture(0.0, 40.0, cooling_kw=5.0)
    picture = replace(picture, cooling=replace(picture.cooling, ambient_degc=40.0))
    model_kw = SITE.auxiliaries.constant_kw + resting_aux_kw(cooled.batteries, ambient_degc=40.0)
    rest_kw = SITE.auxiliaries.frac_of_it * 40.0
    picture = replace(picture, aux=LoadState(load_kw=rest_kw + model_kw, load_max_kw=None, energy_wh=None))

    plain, following = ForecastMemory(SITE, CLIMATE), ForecastMemory(cooled, CLIMATE)
    for memory in (plain, following):
        memory.observe(picture)

    assert following._aux_ratio == pytest.approx(1.0)
    assert plain._aux_ratio > 1.0


def _observe(memory: ForecastMemory, course: list[tuple[float, float | None]]) -> None:
    for at_s, it_kw in course:
        memory.observe(_picture(at_s, it_kw))
