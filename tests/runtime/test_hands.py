"""What is in hands: a file and windows of the configuration, each of which ends by the monotonic clock."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ems.app.modes import put_in_hands
from ems.control.state import ControlState
from ems.errors import ConfigError
from ems.model.hand import HandMode, Hands, HandSetting, HandWindow
from ems.runtime.clock import ManualClock
from ems.runtime.cycle import ControlCycle
from ems.runtime.hands import HANDS_FILE, HandBook, HandEntry, load_hands, save_confirmation, save_hand
from tests.runtime.fakes import PortSite
from tests.twin.settings import START

HOUR = timedelta(hours=1)
ASSETS = ("site", "bess01", "gen01")


def entry(mode: HandMode = HandMode.OFF, **values: float) -> HandEntry:
    return HandEntry(mode=mode, since_utc=START, until_utc=START + HOUR, values=values)


class SteppedClock(ManualClock):
    """A clock whose wall time a test steps."""

    step = timedelta()

    def utc(self) -> datetime:
        return super().utc() + self.step


def test_a_mode_is_known_before_the_first_cycle_and_ends_whatever_the_wall_clock_does(tmp_path: Path) -> None:
    save_hand(tmp_path / HANDS_FILE, "bess01", entry(HandMode.MANUAL, power_kw=100.0), now=START)
    clock = SteppedClock(START)
    book = HandBook(tmp_path, ASSETS)

    setting = book.in_force(clock).setting("bess01", clock.monotonic_s())
    assert setting is not None
    assert (setting.mode, setting.power_kw) == (HandMode.MANUAL, 100.0)
    assert book.changes(clock.monotonic_s()) == ("bess01 is in MANUAL until 2026-03-10 19:00:00 UTC by an operator",)
    clock.step = timedelta(hours=-2)
    clock.advance(3599.0)
    assert book.in_force(clock).mode("bess01", clock.monotonic_s()) is HandMode.MANUAL
    clock.advance(1.0)
    assert book.in_force(clock) == Hands()
    assert book.changes(clock.monotonic_s()) == ("bess01 is in AUTO again",)


def test_a_restart_finds_the_mode_and_not_one_that_has_ended(tmp_path: Path) -> None:
    save_hand(tmp_path / HANDS_FILE, "bess01", entry(), now=START)
    save_confirmation(tmp_path / HANDS_FILE, "gen01", until=START + HOUR / 2, now=START)
    clock = ManualClock(START + HOUR / 4)

    hands = HandBook(tmp_path, ASSETS).in_force(clock)

    assert hands.mode("bess01", clock.monotonic_s()) is HandMode.OFF
    assert hands.is_confirmed("gen01", clock.monotonic_s())
    assert HandBook(tmp_path, ASSETS).in_force(ManualClock(START + 2 * HOUR)) == Hands()


def test_planned_work_begins_and_ends_and_a_person_s_word_goes_before_it(tmp_path: Path) -> None:
    window = HandWindow(asset_id="gen01", mode=HandMode.OFF, start_utc=START + HOUR, end_utc=START + 2 * HOUR)
    book, clock = HandBook(tmp_path, ASSETS, (window,)), ManualClock(START)

    assert book.in_force(clock).mode("gen01", clock.monotonic_s()) is HandMode.AUTO
    clock.advance(3600.0)
    assert book.in_force(clock).mode("gen01", clock.monotonic_s()) is HandMode.OFF
    asked = HandEntry(mode=HandMode.SEMI, since_utc=clock.utc(), until_utc=clock.utc() + HOUR)
    save_hand(tmp_path / HANDS_FILE, "gen01", asked, now=clock.utc())
    assert HandBook(tmp_path, ASSETS, (window,)).in_force(clock).mode("gen01", clock.monotonic_s()) is HandMode.SEMI
    clock.advance(3600.0)
    assert book.in_force(clock).mode("gen01", clock.monotonic_s()) is HandMode.AUTO


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[]",
        '{"settings": {"bess01": {"mode": "auto", "since": "2026-03-10T18:00:00+00:00", "until": "x"}}}',
        '{"settings": {"bess01": {"mode": "off"}}}',
        '{"settings": {"nobody": {"mode": "off", "since": "2026-03-10T18:00:00Z", "until": "2026-03-10T19:00:00Z"}}}',
        '{"confirmed": [], "settings": {"bess01": {"mode": "manual", "power_kw": "much"}}}',
        '{"confirmed": {"gen01": "now"}}',
    ],
)
def test_a_file_that_is_not_ours_changes_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / HANDS_FILE).write_text(text, encoding="utf-8")

    assert HandBook(tmp_path, ASSETS).in_force(ManualClock(START)) == Hands()


def test_what_is_given_back_and_what_has_ended_leave_the_file(tmp_path: Path) -> None:
    file = tmp_path / HANDS_FILE
    save_hand(file, "bess01", entry(), now=START)
    save_hand(file, "gen01", entry(), now=START)

    save_hand(file, "gen01", None, now=START)
    assert set(load_hands(file).settings) == {"bess01"}
    save_hand(file, "site", entry(), now=START + 2 * HOUR)
    assert "bess01" not in load_hands(file).settings


def test_the_command_writes_where_the_daemon_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))

    asked = put_in_hands("edge-node", "bess01", "manual", minutes=5.0, values={"power_kw": 10.0, "run": None})
    put_in_hands("edge-node", "site", "confirm", minutes=5.0, values={})

    assert asked.until is not None
    document = json.loads((tmp_path / HANDS_FILE).read_text(encoding="utf-8"))
    assert document["settings"]["bess01"]["power_kw"] == 10.0
    assert set(document["confirmed"]) == {"site"}
    assert put_in_hands("edge-node", "bess01", "auto", minutes=5.0, values={}).until is None
    assert load_hands(tmp_path / HANDS_FILE).settings == {}


@pytest.mark.parametrize(
    ("asset", "what", "values", "message"),
    [
        ("bes01", "off", {}, "nothing is called 'bes01'"),
        ("bess01", "of", {}, "'of' is no mode"),
        ("bess01", "manual", {"run": True}, "run means nothing for 'bess01'"),
        ("bess01", "off", {"power_kw": 1.0}, "power_kw means nothing"),
    ],
)
def test_what_cannot_be_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asset: str, what: str, values: dict[str, object], message: str
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))

    with pytest.raises(ConfigError, match=message):
        put_in_hands("edge-node", asset, what, minutes=5.0, values=values)

    assert not (tmp_path / HANDS_FILE).exists()


def test_a_cycle_tells_the_driver_of_a_device_that_is_off_to_be_silent() -> None:
    twin = PortSite()
    silences: dict[str, list[str | None]] = {"bess01": []}
    device = twin.devices["bess01"]
    device.silence = silences["bess01"].append  # type: ignore[attr-defined]
    cycle = ControlCycle(twin.site, twin.devices, twin.clock, state=ControlState())
    now_s = twin.clock.monotonic_s()
    off = HandSetting(mode=HandMode.OFF, since_s=now_s, until_s=now_s + 2.0, until_utc=START + HOUR)

    for _ in range(4):
        record = cycle.run(None, hands=Hands(settings={"bess01": off}))
        twin.advance(1.0)

    assert [reason is None for reason in silences["bess01"]] == [False, False, True, True]
    assert record.hands.settings
