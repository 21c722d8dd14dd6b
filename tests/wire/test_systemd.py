"""A daemon that hangs under real systemd is killed by the watchdog and started again."""

from datetime import datetime
from pathlib import Path

import pytest

from tests.wire.booting import booted, daemon_pid, hang, why_not
from tests.wire.running_site import RunningSite
from tests.wire.scenarios import served, state

pytestmark = [pytest.mark.wire, pytest.mark.root]


@pytest.fixture
def _can_boot() -> None:
    if (why := why_not()) is not None:
        pytest.skip(why)


@pytest.mark.usefixtures("_can_boot")
def test_a_daemon_that_hangs_is_killed_by_the_watchdog_started_again_and_moves_nothing(
    tmp_path: Path, dusk: datetime
) -> None:
    with RunningSite(tmp_path, site="edge-node", speed=1.0, start=dusk) as site:
        site.kill("daemon")
        site.listener.newest.clear()
        with booted(site):
            site.until(lambda: state(site).get("mode") == "island", "control under systemd")
            site.pass_time(8.0)

            first = daemon_pid(site)

            restart = hang(site)

            second = daemon_pid(site)
            served(site)

    # how soon is measured by `make soak ONLY=hangs`: it depends on what else the machine does
    assert second != first
    assert restart.moved == ()
