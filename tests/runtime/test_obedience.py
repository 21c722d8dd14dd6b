"""A unit that does not do what it is told, in the cycle of a whole site: planned without, probed, taken back."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from drivers.sim.port_twin import PortDevice
from ems.control.state import ControlState, Mode
from ems.model.capability import PowerLimits
from ems.model.readings import PcsReading, Reading
from ems.model.setpoints import Outcome, WriteOutcome
from ems.ports import Device
from ems.runtime.condition import condition_of
from ems.runtime.cycle import ControlCycle, CycleRecord
from tests.runtime.fakes import PortSite
from tests.twin.settings import START

BLOCK = "bess01"


class StubbornPcs:
    """A PCS of the port twin in front of which a test can put a fault."""

    def __init__(self, pcs: PortDevice, site: PortSite) -> None:
        self._pcs = pcs
        self._site = site
        self.forming: bool | None = None
        self.stuck_kw: float | None = None
        self.answer = Outcome.ACCEPTED
        self.refused: str | None = None
        self.asked_kw: list[tuple[float, float]] = []
        self._newest: WriteOutcome | None = None

    @property
    def device_id(self) -> str:
        return self._pcs.device_id

    @property
    def asset_id(self) -> str:
        return self._pcs.asset_id

    def reading(self) -> Reading | None:
        reading = self._pcs.reading()
        assert isinstance(reading, PcsReading)
        if self.forming is not None:
            reading = replace(reading, forming=self.forming)
        return reading if self.stuck_kw is None else replace(reading, power_kw=self.stuck_kw)

    def trouble(self) -> str | None:
        return None

    def outcome(self) -> WriteOutcome | None:
        return self._newest

    def withheld(self) -> str | None:
        return self.refused

    def power_limits(self) -> PowerLimits:
        return PowerLimits(lowest_kw=-1e6, highest_kw=1e6, lowest_reason="none", highest_reason="none")

    def set_power(self, power_kw: float, *, valid_until_s: float) -> None:  # noqa: ARG002 - acts at once
        now_s = self._site.clock.monotonic_s()
        self.asked_kw.append((now_s, power_kw))
        if self.answer is Outcome.ACCEPTED and self.stuck_kw is None:
            self._pcs._write("power_kw", power_kw)
        self._newest = WriteOutcome(
            device_id=self.device_id,
            outcome=self.answer,
            at_s=now_s,
            detail=f"power_kw: {self.answer.value}",
            written_kw=power_kw,
        )


class Site:
    """A campus on the grid with one stubborn PCS among its blocks."""

    def __init__(self) -> None:
        self.port = PortSite("weak-grid-campus")
        self.pcs = StubbornPcs(self.port.devices[BLOCK], self.port)
        devices: dict[str, Device] = {**self.port.devices, BLOCK: self.pcs}
        self.cycle = ControlCycle(self.port.site, devices, self.port.clock, state=ControlState())
        self.run(30)
        assert self.cycle.state.mode is Mode.GRID
        assert self.pcs.asked_kw != []

    def run(self, seconds: int, until: Callable[[CycleRecord], bool] | None = None) -> CycleRecord:
        """Run cycles once a second, at most until one of them shows something."""
        for _ in range(seconds):
            record = self.cycle.run(None)
            self.port.advance(1.0)
            if until is not None and until(record):
                return record
        assert until is None, "it did not come about"
        return record

    def now_s(self) -> float:
        return self.port.clock.monotonic_s()


def misses(record: CycleRecord) -> bool:
    return BLOCK in record.missed


def is_controllable(record: CycleRecord) -> bool:
    return next(block for block in record.snapshot.blocks if block.id == BLOCK).controllable


@pytest.fixture
def site() -> Site:
    return Site()


def test_a_healthy_unit_is_never_missed(site: Site) -> None:
    record = site.run(120)

    assert record.missed == {}
    assert record.probes.blocks == ()


def test_a_unit_whose_power_does_not_move_is_planned_without_within_four_seconds(site: Site) -> None:
    began_s = site.now_s()
    site.pcs.stuck_kw = site.port.plant.blocks[BLOCK].power_kw + 900.0

    record = site.run(10, misses)

    assert record.snapshot.at_s - began_s <= 4.0
    assert "kW measured" in record.missed[BLOCK]
    assert not is_controllable(record)
    assert BLOCK not in {block.id for block in record.decision.setpoints.blocks}
    assert [problem.value for problem in record.snapshot.problems] == ["setpoint"]
    pool = condition_of(site.port.site, record.snapshot, site.cycle.state).pools[0]
    assert pool.n_blocks == len(site.port.site.batteries[0].blocks) - 1


@pytest.mark.parametrize("answer", [Outcome.REFUSED, Outcome.FAILED, Outcome.LOST])
def test_a_write_that_is_not_accepted_excludes_the_unit_and_says_which_of_the_four_it_was(
    site: Site, answer: Outcome
) -> None:
    site.pcs.answer = answer

    record = site.run(15, misses)

    assert record.missed[BLOCK] == f"power_kw: {answer.value}"
    assert not is_controllable(record)


def test_a_unit_under_local_control_is_left_alone_and_comes_back_at_once(site: Site) -> None:
    site.pcs.refused = "local control at the device"
    site.run(2)
    n_asked = len(site.pcs.asked_kw)
    record = site.run(30)
    asked_meanwhile = len(site.pcs.asked_kw) - n_asked
    site.pcs.refused = None
    healed = site.run(1)

    assert record.missed == {}
    assert not is_controllable(record)
    assert asked_meanwhile == 0
    assert is_controllable(healed)


def test_a_stuck_unit_is_probed_through_the_guard_and_taken_back_when_it_follows(site: Site) -> None:
    limits_kw = site.port.site.batteries[0].pcs_kw
    site.pcs.stuck_kw = 900.0
    site.run(10, misses)
    excluded_s = site.now_s()
    probed = site.run(10, lambda record: record.probes.blocks != ())
    site.run(20)
    site.pcs.stuck_kw = None
    healed_s = site.now_s()

    record = site.run(20, lambda record: not misses(record))

    (probe,) = probed.probes.blocks
    assert probe.id == BLOCK
    assert abs(probe.power_kw) <= limits_kw
    assert probed.snapshot.at_s - excluded_s <= 3.0
    assert record.snapshot.at_s - healed_s <= 10.0
    assert is_controllable(record)


def test_a_unit_that_forms_an_island_is_not_judged_by_its_power(site: Site) -> None:
    grid = site.port.plant.grid
    assert grid is not None
    grid.forced = True
    site.run(30)
    site.pcs.forming = True
    site.pcs.stuck_kw = 900.0

    record = site.run(30)

    assert site.cycle.state.mode is not Mode.GRID
    assert record.missed == {}


def test_what_an_excluded_unit_could_give_is_in_no_limit_of_the_store(site: Site) -> None:
    before = site.run(1).decision.storage
    site.pcs.answer = Outcome.REFUSED
    site.run(15, misses)

    after = site.run(1).decision.storage

    assert before is not None
    assert after is not None
    assert after.max_discharge_kw < before.max_discharge_kw


@pytest.mark.parametrize("name", ["weak-grid-campus", "desert-offgrid"])
def test_no_unit_of_a_healthy_site_is_ever_missed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = PowerLimits(lowest_kw=-1e6, highest_kw=1e6, lowest_reason="none", highest_reason="none")
    monkeypatch.setattr(PortDevice, "power_limits", lambda _: wide, raising=False)
    # by night, when the stores are what carries the load
    port = PortSite(name, start=START + timedelta(hours=12))
    cycle = ControlCycle(port.site, port.devices, port.clock, state=ControlState())
    found: dict[str, str] = {}
    modes = set()

    for second in range(600):
        if second == 200 and port.plant.grid is not None:
            port.plant.grid.forced = True
        if second == 400 and port.plant.grid is not None:
            port.plant.grid.forced = False
        if second == 100:
            # the stores are nearly empty: sets start, come on load and follow
            for block in port.plant.blocks.values():
                for container in block.containers:
                    container.stored_kwh = 0.12 * container.full_kwh
        record = cycle.run(None)
        found |= record.missed
        modes.add(cycle.state.mode)
        port.advance(1.0)

    assert found == {}
    assert any(genset.n_starts for genset in port.plant.gensets.values())
    assert Mode.ISLAND in modes
