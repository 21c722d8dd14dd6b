"""SIGHUP on a running site: all of a valid configuration is taken, nothing of an invalid one."""

import signal
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.wire import scenarios
from tests.wire.running_site import RunningSite

pytestmark = [pytest.mark.wire, pytest.mark.slow, pytest.mark.xdist_group("running-site")]


@pytest.fixture
def site(tmp_path: Path, dusk: datetime) -> Iterator[RunningSite]:
    with RunningSite(tmp_path, site="edge-node", speed=5.0, start=dusk) as running:
        yield running


def test_reload_takes_a_valid_configuration_and_refuses_an_invalid_one(site: RunningSite) -> None:
    site.until_controlling()
    before = scenarios.health(site)
    limits = site.directory / "limits.toml"
    valid = limits.read_text(encoding="utf-8")

    limits.write_text(f"{valid}\nno_such_key = 1\n", encoding="utf-8")
    site.processes["daemon"].send_signal(signal.SIGHUP)
    site.until(lambda: "reload_refused" in site.log("daemon"), "the refusal in the log")
    assert "no_such_key" in site.log("daemon")
    site.pass_time(20.0)
    assert scenarios.health(site)["started_utc"] == before["started_utc"]

    limits.write_text(valid, encoding="utf-8")
    site.processes["daemon"].send_signal(signal.SIGHUP)
    site.until(lambda: scenarios.health(site)["started_utc"] != before["started_utc"], "a run with the new files")
    site.until_controlling()
    assert scenarios.health(site)["pid"] == before["pid"]
    assert site.processes["daemon"].poll() is None
    scenarios.served(site)
