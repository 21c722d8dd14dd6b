"""Brokers in devices.toml: what the composition root builds of them."""

from pathlib import Path

import pytest

from drivers.mqtt.link import MqttLink
from ems.app.checking import checked_site
from ems.app.devices import build_fleet
from ems.config.build import build_site, build_wiring
from ems.config.loader import load_files
from ems.errors import ConfigError
from tests.config.directories import copy_of, line_of, replace
from tests.drivers.clock import SteppedClock

BROKER = """[[broker]]
id = "yard"
host = "127.0.0.1"
username = "ems"
password_file = "password.txt"

[[link]]
id = "plant"
"""


@pytest.fixture
def campus(tmp_path: Path) -> Path:
    """Return a site whose PCC meter is behind a broker."""
    home = copy_of("weak-grid-campus", tmp_path / "campus")
    (home / "password.txt").write_text("open sesame\n", encoding="utf-8")
    devices = home / "devices.toml"
    replace(devices, '[[link]]\nid = "plant"\n', BROKER)
    replace(devices, 'driver = "meter.pcc"\nmap = "generic-pcc"', 'driver = "mqtt.pcc_meter"\nmap = "mqtt-json-pcc"')
    text = devices.read_text(encoding="utf-8")
    head, _, tail = text.partition('driver = "mqtt.pcc_meter"')
    tail = tail.replace('link = "plant"', 'link = "yard"\nname = "yard/pcc"', 1)
    devices.write_text(f'{head}driver = "mqtt.pcc_meter"{tail}', encoding="utf-8")
    return home


async def test_a_fleet_has_the_links_of_registers_and_of_brokers(campus: Path) -> None:
    files = load_files(campus)

    wiring = build_wiring(files)
    fleet = build_fleet(build_site(files), wiring, SteppedClock(), directories=files.search)

    (broker,) = [link for link in fleet.links if isinstance(link, MqttLink)]
    status = broker.status()
    assert len(fleet.links) == len(wiring.links) + 1
    assert (status.link_id, status.endpoint, status.framing) == ("yard", "127.0.0.1:1883", "mqtt")
    assert list(status.units) == [fleet.devices["pcc"].device_id]


def test_a_site_with_a_broker_is_checked_as_a_whole(campus: Path) -> None:
    n_links = len(build_wiring(load_files(campus)).links)

    summary = checked_site(str(campus))

    assert summary["links"] == n_links + 1


def test_a_topic_map_of_another_class_is_refused_with_file_and_line(campus: Path) -> None:
    devices = campus / "devices.toml"
    replace(devices, 'map = "mqtt-json-pcc"', 'map = "mqtt-json-meter"')

    with pytest.raises(ConfigError) as refusal:
        checked_site(str(campus))

    (problem,) = refusal.value.problems
    assert (problem.file, problem.line) == (str(devices), line_of(devices, "mqtt-json-meter"))
    assert "describes a load_meter" in problem.message


def test_certificates_that_cannot_be_used_are_refused_with_file_and_line(campus: Path) -> None:
    devices = campus / "devices.toml"
    replace(devices, 'username = "ems"', 'username = "ems"\nca_file = "site.toml"')

    with pytest.raises(ConfigError) as refusal:
        checked_site(str(campus))

    (problem,) = refusal.value.problems
    assert (problem.file, problem.line) == (str(devices), line_of(devices, "ca_file"))
    assert "the certificates cannot be used" in problem.message
