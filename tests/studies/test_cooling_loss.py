"""Cooling is lost on the port twin: the shed leaves within two seconds, and the cluster obeys it (F33)."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from drivers.sim.devices import simulated_devices
from drivers.sim.plant import Plant
from drivers.sim.port_twin import port_device
from drivers.sim.wire.faults import Faults
from ems.config.build import build_site, build_twin, build_wiring
from ems.config.loader import load_files
from ems.config.shipped import site_directory
from ems.control.state import ControlState
from ems.runtime.clock import ManualClock
from ems.runtime.cycle import ControlCycle
from ems.studies.cluster_line import ClusterLine
from tests.twin.test_scheduler import SPEC

NOON = datetime(2026, 6, 11, 19, 0, tzinfo=UTC)


class Hall:
    """The liquid-cooled hall with a cluster that speaks, second by second."""

    def __init__(self) -> None:
        files = load_files(site_directory("liquid-cooled-hall"))
        assert files.twin is not None
        native = build_site(files)
        site = replace(native, it=replace(native.it, takes_offers=True))
        spec = replace(build_twin(files.twin), cluster=replace(SPEC, job_kw=20.0))
        clock = ManualClock(NOON)
        self.clock = clock
        self.told: list[str] = []
        self.plant = Plant(site, spec, start=NOON, search=files.search, seed=1)
        simulated = simulated_devices(self.plant)
        devices = {
            device.asset: port_device(device, simulated[device.asset], clock) for device in build_wiring(files).devices
        }
        assert self.plant.scheduler is not None
        self.line = ClusterLine(
            site, self.plant.scheduler, clock, stretch=1.0, told=lambda _, text: self.told.append(text)
        )
        self.cycle = ControlCycle(site, devices, clock, state=ControlState(), cluster=self.line.dialogue)
        self.site = site

    def second(self) -> None:
        self.line.listen()
        self.line.on_cycle(self.cycle.run(None))
        self.plant.advance(1.0)
        self.clock.advance(1.0)


def test_the_cluster_is_asked_to_idle_within_two_seconds_of_the_loss_of_all_pumps_and_does() -> None:
    hall = Hall()
    for _ in range(60):
        hall.second()
    before = hall.line.n_sheds
    for cdu in hall.plant.cooling_units.cdus:
        cdu.pump_failed = True

    seconds = 0
    while hall.line.n_sheds == before and seconds < 30:
        hall.second()
        seconds += 1
    for _ in range(30):
        hall.second()

    assert before == 0
    assert seconds <= 2
    assert hall.plant.load.it_kw <= hall.site.it.idle_kw * 1.05
    assert any(text.startswith("shed ") and ": accepted, " in text for text in hall.told)


@pytest.mark.parametrize(
    ("faults", "outcome"),
    [
        (Faults(deaf=True), "ignored"),
        (Faults(mute=True), "ignored"),
        (Faults(delay_s=25.0), "late"),
    ],
    ids=["pretends", "loses messages", "delays"],
)
def test_a_cluster_that_does_not_obey_in_time_is_told_and_trusted_less(faults: Faults, outcome: str) -> None:
    hall = Hall()
    for _ in range(30):
        hall.second()
    hall.line.voice.replace_faults(faults)
    for cdu in hall.plant.cooling_units.cdus:
        cdu.pump_failed = True

    for _ in range(90):
        hall.second()

    assert any(f": {outcome}, " in text for text in hall.told)
    assert any("is not met after 10 s" in text for text in hall.told)
    view = hall.line.dialogue.view(hall.clock.utc())
    assert view.credit_frac < 0.5
    assert not view.is_proven
