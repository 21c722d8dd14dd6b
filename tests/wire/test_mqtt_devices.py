"""A whole site whose storage and meters are behind a real mosquitto: daemon, twin and broker as processes."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.wire import scenarios
from tests.wire.mqtt_site import write_mqtt_site
from tests.wire.running_site import MOSQUITTO, RunningSite

pytestmark = [
    pytest.mark.wire,
    pytest.mark.mosquitto,
    pytest.mark.slow,
    pytest.mark.xdist_group("running-site"),
    pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed (apt install mosquitto)"),
]


@pytest.fixture
def site(tmp_path: Path, dusk: datetime) -> Iterator[RunningSite]:
    written = write_mqtt_site(tmp_path / "written")
    with RunningSite(tmp_path, site=str(written), speed=5.0, start=dusk, mosquitto=True) as running:
        yield running


def test_storage_behind_a_broker_is_armed_commanded_lost_by_its_will_and_found_again(site: RunningSite) -> None:
    site.until_controlling()
    site.until(lambda: (site.listener.value("setpoint/bess01-pcs") or {}).get("outcome") == "accepted", "a setpoint")
    pcs, link = site.listener.value("device/bess01-pcs/pcs"), site.listener.value("link/yard")

    assert pcs is not None
    assert pcs["fallback_armed"] is True
    assert link is not None
    assert (link["framing"], link["connected"]) == ("mqtt", True)
    scenarios.endpoint_refuses(site, device_id="bess-c01-bms")


def test_a_killed_broker_takes_the_devices_with_it_and_brings_them_back(site: RunningSite) -> None:
    scenarios.broker_killed(site)
    site.until(lambda: not scenarios.health(site)["lost_devices"], "every device again")
