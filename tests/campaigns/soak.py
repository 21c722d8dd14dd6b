"""`make soak`: the daemon over a simulated day at speed 10; memory, cycles, threads and service must hold."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from tests.campaigns.rows import Row, carry_out, exit_code
from tests.wire.running_site import RunningSite

_MIB = 1024.0 * 1024.0
# caches fill at first; growth is counted from here
_WARM_FRAC = 0.2


def soak_rows(*, hours: float = 24.0, speed: float = 10.0, site: str = "desert-offgrid") -> Iterator[Row]:
    """Run a site for simulated hours and judge what must not grow."""
    start = datetime(2025, 1, 8, 14, tzinfo=UTC)
    with TemporaryDirectory() as home, RunningSite(Path(home), site=site, speed=speed, start=start) as running:
        running.until_controlling()
        daemon = psutil.Process(running.processes["daemon"].pid)
        running.pass_time(3600.0 * hours * _WARM_FRAC)
        warm, n_files, n_threads = daemon.memory_info().rss, daemon.num_fds(), daemon.num_threads()
        before = (running.listener.value("health") or {})["n_ticks"]
        running.pass_time(3600.0 * hours * (1.0 - _WARM_FRAC))
        grown = (daemon.memory_info().rss - warm) / _MIB
        health = running.listener.value("health") or {}
        expected = 3600.0 * hours * (1.0 - _WARM_FRAC)
        energies = running.energies()
        file_growth, thread_growth = daemon.num_fds() - n_files, daemon.num_threads() - n_threads
    what = f"{hours:g} h of {site} at speed {speed:g}"
    made = (health["n_ticks"] - before) / expected
    limit_mib = max(16.0, 2.0 * hours)
    yield Row(
        id="soak.memory",
        what=f"growth of resident memory after warming up, {what}",
        value=grown,
        unit="MiB",
        target=f"<= {limit_mib:g}",
        met=grown <= limit_mib,
    )
    yield Row(
        id="soak.files", what="more open files", value=float(file_growth), unit="", target="<= 4", met=file_growth <= 4
    )
    yield Row(
        id="soak.threads",
        what="more threads",
        value=float(thread_growth),
        unit="",
        target="<= 2",
        met=thread_growth <= 2,
    )
    yield Row(
        id="soak.cycles",
        what="control cycles against those due",
        value=made,
        unit="share",
        target=">= 0.98",
        met=made >= 0.98,
    )
    unserved = energies["unserved"]
    yield Row(id="soak.unserved", what="load not served", value=unserved, unit="kWh", target="0", met=unserved == 0.0)


if __name__ == "__main__":
    sys.exit(exit_code(carry_out("soak", [soak_rows])))
