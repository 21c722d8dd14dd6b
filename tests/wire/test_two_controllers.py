"""Two real daemons of one site: one commands, the other is passive and says why, and takes over when it is needed."""

import os
import signal
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.wire.running_site import RunningSite
from tests.wire.scenarios import health, served, state

pytestmark = [pytest.mark.wire, pytest.mark.slow]


def _standby(site: RunningSite) -> dict[str, Any]:
    """Return what a passive controller has said last."""
    heard = [heard.value for topic, heard in list(site.listener.newest.items()) if topic.startswith("standby/")]
    return heard[-1] if heard and isinstance(heard[-1], dict) else {}


def test_a_standby_is_passive_until_the_owner_is_gone_and_the_owner_comes_back_as_standby(
    tmp_path: Path, dusk: datetime
) -> None:
    with RunningSite(tmp_path, site="edge-node", speed=2.0, start=dusk, lease=True) as site:
        site.until_controlling()
        assert health(site)["epoch"] == 1
        first_pid = health(site)["pid"]

        site.start_second()
        site.until(lambda: "holds the lease" in str(_standby(site).get("reason")), "the standby's reason")
        assert _standby(site)["pid"] == site.processes["second"].pid
        assert health(site)["pid"] == first_pid

        site.kill("daemon")
        killed_s = site.now_s()
        site.listener.newest.clear()
        site.until(lambda: state(site).get("mode") == "island", "control by the standby")
        assert health(site)["pid"] == site.processes["second"].pid
        assert health(site)["epoch"] == 2
        # nobody commanded before the lease had expired
        taken = [command for command in site.commands(killed_s + 0.5) if command.name == "power_kw"]
        assert min(command.at_s for command in taken) - killed_s >= site.files.control.ownership.term_s

        site.start_daemon()
        back = site.processes["daemon"].pid
        site.until(
            lambda: (_standby(site).get("pid"), _standby(site).get("epoch")) == (back, 2), "the first as standby"
        )
        site.pass_time(20.0)
        assert health(site)["pid"] == site.processes["second"].pid
        served(site)


def test_a_daemon_that_was_frozen_writes_nothing_once_another_has_taken_over(tmp_path: Path, dusk: datetime) -> None:
    with RunningSite(tmp_path, site="edge-node", speed=2.0, start=dusk, lease=True) as site:
        site.until_controlling()
        site.start_second()
        site.until(lambda: _standby(site) != {}, "the standby")
        first = site.processes["daemon"].pid

        os.kill(first, signal.SIGSTOP)
        site.until(lambda: health(site)["pid"] == site.processes["second"].pid, "the standby in command")
        site.listener.newest.clear()
        os.kill(first, signal.SIGCONT)

        site.until(lambda: _standby(site).get("pid") == first, "the frozen one as standby")
        assert "this controller is passive" in site.log("daemon")
        site.pass_time(10.0)
        assert health(site)["pid"] == site.processes["second"].pid
        served(site)
