"""The unmodified daemon on a real broker, seen by an independent client: all that it publishes fits the contract."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ems.contract.catalogue import TOPICS, topic_of
from ems.contract.message import Message
from ems.contract.topics import Topics
from tests.conventions.sources import ROOT
from tests.gateway.brokers import Mosquitto, needs_mosquitto, subscriber

pytestmark = [
    pytest.mark.wire,
    pytest.mark.mosquitto,
    pytest.mark.slow,
    needs_mosquitto,
    pytest.mark.xdist_group("running-site"),
]
SITE = Topics(prefix="ems", site_id="edge-node")
# an island has no PCC and no carbon forecast
# what edge-node has not: a grid, racks, cooling units of their own
NOT_THERE = {
    "cluster/<id>/shed",
    "device/<device>/pcc",
    "forecast/carbon",
    "device/<device>/racks",
    "device/<device>/cdu",
    "device/<device>/chiller",
    "device/<device>/dry_cooler",
    # nobody sends a command
    "ack/<id>",
    # nor is there another controller, or one that only looks on
    "standby/<host>",
    "comparison",
}

# a run in which all is well has no alarm
OF_A_BAD_DAY = {"alarm/<id>", "record/alarm"}


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[tuple[str, bytes]]]:
    """Return every message of a short run, by its name below the root."""
    command = (
        str(Path(sys.executable).with_name("ems")),
        "demo",
        "edge-node",
        "--speed",
        # slow enough for plans on a machine that does other things as well
        "30",
        "--for",
        "24m",
        "--json",
    )
    with Mosquitto(tmp_path_factory.mktemp("broker")) as broker, subscriber(broker.port, SITE) as client:
        address = f"127.0.0.1:{broker.port}"
        run = subprocess.run(
            (*command, "--broker", address), cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
        )
        assert run.returncode == 0, run.stderr
        yield [(SITE.name(topic) or topic, payload) for topic, payload, _ in client.messages]


def test_every_message_is_in_the_contract(heard: list[tuple[str, bytes]]) -> None:
    for name, payload in heard:
        row = topic_of(name)
        assert row is not None, name
        if not payload:
            # only an alarm that is over is withdrawn
            assert row.pattern == "alarm/<id>"
        elif issubclass(row.model, Message):
            assert row.model.model_validate_json(payload).payload() == payload


def test_every_topic_of_the_contract_is_published(heard: list[tuple[str, bytes]]) -> None:
    found = {row.pattern for name, _ in heard if (row := topic_of(name)) is not None}

    assert found - OF_A_BAD_DAY == {topic.pattern for topic in TOPICS} - NOT_THERE - OF_A_BAD_DAY


def test_the_daemon_comes_and_goes_in_good_order(heard: list[tuple[str, bytes]]) -> None:
    assert [payload for name, payload in heard if name == "status"] == [b"online", b"offline"]
    assert heard[-1] == ("status", b"offline")
