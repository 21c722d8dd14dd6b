"""SIGSTOP under real systemd, in real time: how soon the plant hears from the next daemon."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.campaigns.rows import Row, skipped
from tests.wire.booting import booted, hang, why_not
from tests.wire.running_site import RunningSite
from tests.wire.scenarios import state

_RECOVERED_S = 12.0
_WINTER_DUSK = datetime(2025, 1, 9, 0, 0, tzinfo=UTC)


def hang_rows(*, n_hangs: int = 5, site: str = "edge-node") -> Iterator[Row]:
    """Let a daemon hang under systemd with the settings of the shipped unit."""
    what = f"longest of {n_hangs} hangs under systemd: from the hang to the first power setpoint or heartbeat [{site}]"
    if (why := why_not()) is not None:
        yield skipped("soak.hang.recovered", what, why)
        return
    restarts = []
    with TemporaryDirectory() as home, RunningSite(Path(home), site=site, speed=1.0, start=_WINTER_DUSK) as running:
        running.kill("daemon")
        running.listener.newest.clear()
        with booted(running):
            for _ in range(n_hangs):
                running.until(lambda: state(running).get("mode") in ("island", "grid"), "control under systemd")
                running.pass_time(8.0)
                restarts.append(hang(running))
    longest_s = max(restart.first_write_s for restart in restarts)
    yield Row(
        id="soak.hang.recovered",
        what=what,
        value=longest_s,
        unit="s",
        target=f"<= {_RECOVERED_S:g}",
        met=longest_s <= _RECOVERED_S,
    )
    n_moved = sum(len(restart.moved) for restart in restarts)
    yield Row(
        id="soak.hang.moved",
        what="starts, stops and changes of mode before adoption",
        value=float(n_moved),
        unit="",
        target="0",
        met=n_moved == 0,
    )
