"""A daemon that is killed comes back in seconds, holds what it finds, and moves nothing before it has adopted it."""

import random
from datetime import datetime
from pathlib import Path

import pytest

from tests.wire.restarts import killed
from tests.wire.running_site import RunningSite
from tests.wire.scenarios import served

pytestmark = pytest.mark.wire

# of the critical load, by the design
_BUMP_FRAC = 0.02


def test_a_killed_daemon_holds_what_it_finds_and_starts_stops_and_switches_nothing(
    tmp_path: Path, dusk: datetime
) -> None:
    rng = random.Random(11)
    with RunningSite(tmp_path, site="edge-node", speed=1.0, start=dusk) as site:
        site.until_controlling()

        restarts = [killed(site, rng) for _ in range(1)]

        served(site)
        critical_kw = site.files.assets.it.design_kw
    assert [restart.moved for restart in restarts] == [()]
    assert all(restart.bump_kw <= _BUMP_FRAC * critical_kw for restart in restarts), restarts
    # the powers are held before control begins
    assert all(restart.first_write_s < restart.adopted_s for restart in restarts), restarts
