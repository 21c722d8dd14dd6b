"""SIGKILL at random instants, in real time: how soon the plant hears from the next daemon, and that nothing moves."""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.campaigns.rows import Row
from tests.wire.restarts import Restart, killed
from tests.wire.running_site import RunningSite

_FIRST_WRITE_S = 5.0
_BUMP_FRAC = 0.02
# every so many kills the grid goes or comes back, so that transitions are hit too
_GRID_EVERY = 4
_WINTER_DUSK = datetime(2025, 1, 9, 0, 0, tzinfo=UTC)
_CAMPUS_NOON = datetime(2025, 7, 9, 3, 0, tzinfo=UTC)


SITES = (("desert-offgrid", _WINTER_DUSK), ("weak-grid-campus", _CAMPUS_NOON))


def kill_rows(*, n_kills: int = 200, seed: int = 5, sites: Sequence[tuple[str, datetime]] = SITES) -> Iterator[Row]:
    """Kill the daemons of an off-grid site and of a campus, the same number of times each."""
    restarts: list[Restart] = []
    bumps_frac: list[float] = []
    unserved_kwh = 0.0
    for site, start in sites:
        rng = random.Random(seed)
        with TemporaryDirectory() as home, RunningSite(Path(home), site=site, speed=1.0, start=start) as running:
            running.until_controlling()
            has_grid = running.files.limits.grid is not None
            for number in range(n_kills // len(sites)):
                if has_grid and number % _GRID_EVERY == _GRID_EVERY - 1:
                    lost = number // _GRID_EVERY % 2 == 0
                    running.steer(do="grid", state="lost" if lost else "present")
                restart = killed(running, rng)
                restarts.append(restart)
                bumps_frac.append(restart.bump_kw / running.files.assets.it.design_kw)
            unserved_kwh += running.energies()["unserved"]
    times_s = sorted(restart.first_write_s for restart in restarts)
    p99_s = times_s[min(len(times_s) - 1, int(0.99 * len(times_s)))]
    what = f"after {len(restarts)} kills at random instants"
    yield Row(
        id="soak.kill.first-write",
        what=f"99 % of first power setpoints or heartbeats {what}, started again at once",
        value=p99_s,
        unit="s",
        target=f"<= {_FIRST_WRITE_S:g}",
        met=p99_s <= _FIRST_WRITE_S,
        seed=seed,
    )
    yield Row(
        id="soak.kill.bump",
        what=f"greatest change of power setpoints before control begins, share of the IT design load, {what}",
        value=max(bumps_frac),
        unit="",
        target=f"<= {_BUMP_FRAC:g}",
        met=max(bumps_frac) <= _BUMP_FRAC,
        seed=seed,
    )
    n_moved = sum(len(restart.moved) for restart in restarts)
    yield Row(
        id="soak.kill.moved",
        what=f"starts, stops and changes of mode before adoption {what}",
        value=float(n_moved),
        unit="",
        target="0",
        met=n_moved == 0,
        seed=seed,
    )
    yield Row(
        id="soak.kill.unserved",
        what=f"load not served {what}",
        value=unserved_kwh,
        unit="kWh",
        target="0",
        met=unserved_kwh == 0.0,
        seed=seed,
    )
