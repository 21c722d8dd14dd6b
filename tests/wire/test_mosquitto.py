"""A whole site with a real mosquitto, watched by mosquitto_sub and paho: the same topics as with any broker."""

import shutil
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from ems.contract.catalogue import topic_of
from tests.wire import scenarios
from tests.wire.running_site import MOSQUITTO, RunningSite

SUBSCRIBER = shutil.which("mosquitto_sub")
pytestmark = [
    pytest.mark.wire,
    pytest.mark.mosquitto,
    pytest.mark.slow,
    pytest.mark.xdist_group("running-site"),
    pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed (apt install mosquitto)"),
]


@pytest.fixture
def site(tmp_path: Path, dusk: datetime) -> Iterator[RunningSite]:
    with RunningSite(tmp_path, site="edge-node", speed=5.0, start=dusk, mosquitto=True) as running:
        yield running


def test_every_topic_of_the_contract_is_there_and_fits_its_model(site: RunningSite) -> None:
    site.until_controlling()
    site.until(lambda: "cluster/edge/envelope" in site.listener.newest, "the envelope")

    for name, heard in list(site.listener.newest.items()):
        row = topic_of(name)
        assert row is not None, f"{name} is not in the contract"
        if isinstance(heard.value, dict):
            row.model.model_validate(heard.value)
    assert {"status", "state", "health", "plan", "reserve", "readiness", "guard", "forecast/it"} <= set(
        site.listener.newest
    )
    scenarios.served(site)


@pytest.mark.skipif(SUBSCRIBER is None, reason="mosquitto_sub is not installed (apt install mosquitto-clients)")
def test_a_late_subscriber_gets_the_retained_state_at_once(site: RunningSite) -> None:
    site.until_controlling()
    assert SUBSCRIBER is not None
    command = [SUBSCRIBER, "-h", "127.0.0.1", "-p", str(site.broker_port), "-V", "mqttv5", "-W", "20"]

    answer = subprocess.run(
        [*command, "-C", "1", "-t", f"{site.root}/plan", "-F", "%r %p"], capture_output=True, check=True, text=True
    )

    retained, _, payload = answer.stdout.partition(" ")
    row = topic_of("plan")
    assert retained == "1"
    assert row is not None
    row.model.model_validate_json(payload)


def test_a_killed_mosquitto_gets_everything_again(site: RunningSite) -> None:
    scenarios.broker_killed(site)
