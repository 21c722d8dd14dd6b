from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ems.runtime.clock import ManualClock
from ems.runtime.persistence import StateStore
from ems.runtime.wear import WriteBook
from tests.runtime.fakes import ShownDevice

NOON = datetime(2026, 6, 21, 12, 0, tzinfo=UTC)
H_S = 3600.0
DEVICE = "gen01-device"


@dataclass
class WearingDevice(ShownDevice):
    """A device that counts writes as the test says."""

    counted: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def written_s(self) -> Mapping[str, Sequence[float]]:
        return self.counted


class Run:
    """One run of a daemon that begins at an instant; its monotonic clock begins at zero."""

    def __init__(self, home: Path, start: datetime) -> None:
        self.clock = ManualClock(start)
        self.store = StateStore(home / "state.db")
        self.book = WriteBook(self.store, self.clock)

    def look(self, *, after_s: float = 0.0, **counted: Sequence[float]) -> None:
        self.clock.advance(after_s)
        self.book.look([WearingDevice(asset_id="gen01", counted=counted), ShownDevice(asset_id="bess01")])

    def end(self) -> None:
        self.store.close()


def test_writes_are_known_after_a_restart_at_the_instants_at_which_they_happened(tmp_path: Path) -> None:
    first = Run(tmp_path, NOON)
    first.look(after_s=10.0, run=(4.0,))
    first.look(after_s=50.0, run=(4.0, 60.0))
    first.end()

    second = Run(tmp_path, NOON + timedelta(hours=1))

    assert first.book.written("bess01-device") == {}
    assert second.book.written(DEVICE) == {"run": (NOON + timedelta(seconds=4), NOON + timedelta(seconds=60))}


def test_a_device_that_is_away_for_one_run_keeps_its_count_for_a_day(tmp_path: Path) -> None:
    first = Run(tmp_path, NOON)
    first.look(after_s=H_S, run=(0.0, H_S))
    first.end()
    without = Run(tmp_path, NOON + timedelta(hours=2))
    without.book.look([WearingDevice(asset_id="gen02", counted={"run": (0.0,)})])
    without.end()

    next_day = Run(tmp_path, NOON + timedelta(hours=24, minutes=30))
    kept = next_day.book.written(DEVICE)
    next_day.book.look([WearingDevice(asset_id="gen02", counted={"run": (1.0,)})])
    next_day.end()

    assert kept == {"run": (NOON, NOON + timedelta(hours=1))}
    # what is older than 24 h binds nobody
    assert Run(tmp_path, NOON).book.written(DEVICE) == {"run": (NOON + timedelta(hours=1),)}


def test_nothing_is_saved_while_nothing_is_written(tmp_path: Path) -> None:
    run = Run(tmp_path, NOON)
    run.look()
    run.look(after_s=1.0)
    run.end()

    assert StateStore(tmp_path / "state.db").load("writes") is None


@pytest.mark.parametrize("entry", [{"run": "often"}, {"run": ["yesterday"]}, {"run": [17]}])
def test_a_count_that_cannot_be_read_counts_as_nothing_written(tmp_path: Path, entry: dict[str, object]) -> None:
    store = StateStore(tmp_path / "state.db")
    store.save("writes", {DEVICE: entry, "gen02-device": 3}, utc=NOON)
    store.close()

    run = Run(tmp_path, NOON)

    assert run.book.written(DEVICE) == {"run": ()}
    assert run.book.written("gen02-device") == {}
