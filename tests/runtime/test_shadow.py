"""Shadow mode in process: a model is controlled, the real devices hear nothing, and the books compare both courses."""

import json
from pathlib import Path
from typing import Any

import pytest

from ems.control.state import ControlState, Mode
from ems.model.setpoints import Setpoints
from ems.ports import Device
from ems.runtime.cycle import ControlCycle, CycleRecord
from ems.runtime.persistence import StateStore
from ems.runtime.prices import SitePrices
from ems.runtime.shadow_books import REPORT_FILE, ShadowBooks
from ems.runtime.shadow_site import ShadowSite
from tests.runtime.fakes import PortSite


class Watched:
    """A real device in front of which every command is noted."""

    def __init__(self, device: Device, heard: list[str]) -> None:
        self._device = device
        self._heard = heard

    def __getattr__(self, name: str) -> Any:  # whatever the device has
        if name.startswith(("set_", "energise", "give_back", "reset_")):
            self._heard.append(name)
        return getattr(self._device, name)


class Looking:
    """A site that goes its own way, and a controller in shadow mode beside it."""

    def __init__(self, home: Path, twin: PortSite) -> None:
        self.twin = twin
        self.heard: list[str] = []
        devices: dict[str, Any] = {asset: Watched(device, self.heard) for asset, device in twin.devices.items()}
        self.store = StateStore(home / "state.db")
        self.shadow = ShadowSite(twin.site, devices, twin.clock)
        self.heard.clear()
        self.books = ShadowBooks(
            twin.site, self.shadow, self.store, home, interval_min=1, carbon=None, prices=SitePrices(twin.site)
        )
        self.books.restore(utc=twin.clock.utc())
        self.cycle = ControlCycle(twin.site, self.shadow.devices, twin.clock, state=ControlState(), image=self.shadow)

    def run(self, seconds: int) -> CycleRecord:
        for _ in range(seconds):
            record = self.cycle.run(None)
            self.books.observe(at_s=record.snapshot.at_s)
            self.twin.advance(1.0)
        return record

    def close(self) -> None:
        self.books.close()
        self.store.close()


@pytest.fixture
def looking(tmp_path: Path) -> Looking:
    twin = PortSite()
    # a little of its own course, so that every device has something to show
    twin.advance(5.0)
    return Looking(tmp_path, twin)


def test_the_model_is_controlled_and_the_real_devices_hear_nothing(looking: Looking) -> None:
    record = looking.run(60)
    looking.close()

    assert record.decision.state.mode is Mode.ISLAND
    assert record.decision.setpoints != Setpoints()
    assert looking.heard == []
    courses = looking.shadow.courses()
    assert courses is not None
    assert courses.model is not None
    # the controller sees the model, not the plant
    stored_kwh = sum(block.stored_kwh for block in courses.model.blocks.values())
    assert record.decision.storage is not None
    assert record.decision.storage.stored_kwh == pytest.approx(stored_kwh, rel=1e-3)


def test_intervals_are_compared_on_three_sides_and_written_down(looking: Looking, tmp_path: Path) -> None:
    looking.run(200)
    comparison = looking.books.comparison()
    looking.close()

    assert comparison is not None
    assert comparison.n_intervals >= 2
    assert comparison.n_left_out == 0
    report = json.loads((tmp_path / REPORT_FILE).read_text(encoding="utf-8"))
    assert report["saved"]["cost"] == pytest.approx(
        comparison.own.result.cost - comparison.controller.result.cost, abs=0.01
    )
    lines = [json.loads(line) for line in next(tmp_path.glob("intervals-*.jsonl")).read_text().splitlines()]
    assert len(lines) == comparison.n_intervals
    # the site's own course through the model is what its meters say
    assert lines[-1]["own"]["genset_kwh"] == pytest.approx(lines[-1]["metered"]["genset_kwh"], abs=0.1)
    assert lines[-1]["own"]["discharge_kwh"] == pytest.approx(lines[-1]["metered"]["discharge_kwh"], rel=0.05, abs=0.1)


def test_a_restart_goes_on_with_the_same_courses_and_leaves_the_pause_out(looking: Looking, tmp_path: Path) -> None:
    looking.run(130)
    before = looking.books.comparison()
    looking.close()
    looking.twin.advance(20.0)
    again = Looking(tmp_path, looking.twin)

    again.run(130)
    after = again.books.comparison()
    again.close()

    assert before is not None
    assert after is not None
    assert after.since_utc == before.since_utc
    assert after.n_intervals > before.n_intervals
    assert after.n_left_out == before.n_left_out + 1
    assert again.heard == []


def test_a_document_of_another_site_begins_new_books(looking: Looking, tmp_path: Path) -> None:
    looking.store.save("shadow", {"sum": {}}, utc=looking.twin.clock.utc())
    looking.close()

    again = Looking(tmp_path, looking.twin)
    again.run(5)
    again.close()

    assert again.books.comparison() is None
