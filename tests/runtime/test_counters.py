"""Counters that start again at zero, over restarts: nothing is lost, and nothing that is damaged is believed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from drivers.modbus.sunspec.counters import WrappingCounter, memories
from ems.model.counters import CounterMemory
from ems.ports import Device
from ems.runtime.counters import CounterBook
from ems.runtime.persistence import StateStore
from tests.runtime.fakes import ShownDevice

NOON = datetime(2026, 6, 21, 12, 0, tzinfo=UTC)
SPAN = 1 << 32
DEVICE = "pcc-device"


@dataclass
class CountingDevice(ShownDevice):
    """A device with counters as the test says."""

    counted: Mapping[str, CounterMemory] = field(default_factory=dict)

    def counters(self) -> Mapping[str, CounterMemory]:
        return self.counted


def saved(home: Path, *devices: Device) -> None:
    store = StateStore(home / "state.db")
    CounterBook(store).save(devices, utc=NOON)
    store.close()


def restored(home: Path, device_id: str = DEVICE) -> Mapping[str, CounterMemory]:
    store = StateStore(home / "state.db")
    try:
        return CounterBook(store).counted(device_id)
    finally:
        store.close()


def test_a_counter_goes_on_after_a_restart_and_a_wrap_in_between_is_seen(tmp_path: Path) -> None:
    before = WrappingCounter(32)
    for shown_wh in (SPAN - 100.0, 50.0, SPAN - 30.0):
        last_wh = before.total_wh(shown_wh, wh_per_count=1.0)
    saved(tmp_path, CountingDevice("pcc", counted=memories({"TotWhImp": before})), ShownDevice("it"))

    after = WrappingCounter(32, restored(tmp_path)["TotWhImp"])

    assert last_wh == 2 * SPAN - 30
    # it has passed its end while nobody looked
    assert after.total_wh(20.0, wh_per_count=1.0) == 2 * SPAN + 20


def test_a_counter_that_was_never_read_is_not_remembered(tmp_path: Path) -> None:
    saved(tmp_path, CountingDevice("pcc", counted=memories({"TotWhImp": WrappingCounter(32)})))

    assert restored(tmp_path) == {}


def test_a_device_that_is_away_for_one_run_keeps_its_counters(tmp_path: Path) -> None:
    memory = CounterMemory(shown_wh=5.0, added_wh=SPAN)
    saved(tmp_path, CountingDevice("pcc", counted={"TotWhImp": memory}))
    saved(tmp_path, CountingDevice("it", counted={"TotWhImp": memory}))

    assert restored(tmp_path) == restored(tmp_path, "it-device") == {"TotWhImp": memory}


@pytest.mark.parametrize("entry", [None, [], {"shown_wh": 1.0}, {"shown_wh": "1", "added_wh": 0.0}])
def test_a_damaged_entry_counts_as_nothing(tmp_path: Path, entry: object) -> None:
    store = StateStore(tmp_path / "state.db")
    good = {"shown_wh": 2.0, "added_wh": 3.0}
    store.save("counters", {DEVICE: {"TotWhImp": entry, "TotWhExp": good}, "other": entry}, utc=NOON)
    store.close()

    assert restored(tmp_path) == {"TotWhExp": CounterMemory(shown_wh=2.0, added_wh=3.0)}
