"""The desert site over the wire at speed 5, and one part after the other fails."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.wire import scenarios
from tests.wire.running_site import RunningSite

pytestmark = [pytest.mark.wire, pytest.mark.slow, pytest.mark.xdist_group("running-site")]


@pytest.fixture
def site(tmp_path: Path, dusk: datetime) -> Iterator[RunningSite]:
    with RunningSite(tmp_path, site="desert-offgrid", speed=5.0, start=dusk) as running:
        yield running


def test_killed_solver_is_replaced(site: RunningSite) -> None:
    scenarios.solver_killed(site)


def test_killed_broker_comes_back_with_everything(site: RunningSite) -> None:
    scenarios.broker_killed(site)


def test_killed_daemon_adopts_the_plant(site: RunningSite) -> None:
    scenarios.daemon_killed(site)


def test_refusing_endpoint_is_told_and_borne(site: RunningSite) -> None:
    scenarios.endpoint_refuses(site, device_id=_first(site, "bess"))


def test_frozen_endpoint_is_told_and_borne(site: RunningSite) -> None:
    scenarios.endpoint_lost(site, device_id=_first(site, "bess"), frozen=True)


def test_a_pcs_that_ignores_its_setpoints_is_borne(site: RunningSite) -> None:
    scenarios.endpoint_annoying(site, device_id="bess01-pcs", ignore_writes=True)


def test_daemon_ends_in_good_order(site: RunningSite) -> None:
    site.until_controlling()
    assert site.end("daemon") == 0
    site.until(lambda: site.listener.statuses[-1:] == ["offline"], "the word that it is gone")
    scenarios.served(site)


def _first(site: RunningSite, beginning: str) -> str:
    return min(device_id for device_id in site.links if device_id.startswith(beginning))
