"""Memory and processor time of the daemon on the desert site, in real time against the wire twin."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from tests.campaigns.rows import Row
from tests.wire.running_site import RunningSite


def measure_daemon(*, wall_s: float = 30.0, speed: float = 1.0) -> Iterator[Row]:
    """Run the daemon until it has planned, then watch it for a while."""
    start = datetime(2025, 1, 8, 20, tzinfo=UTC)
    with (
        TemporaryDirectory() as home,
        RunningSite(Path(home), site="desert-offgrid", speed=speed, start=start) as site,
    ):
        site.until_controlling()
        daemon = psutil.Process(site.processes["daemon"].pid)
        before = daemon.cpu_times()
        site.pass_time(wall_s * speed)
        after = daemon.cpu_times()
        used_s = after.user + after.system - before.user - before.system
        solvers = [child.memory_info().rss for child in daemon.children(recursive=True)]
        health = site.listener.value("health") or {}
        rss = daemon.memory_info().rss
        energies = site.energies()
    mib = 1024.0 * 1024.0
    what = f"{len(site.links)} devices, speed {speed:g}"
    yield Row(id="daemon.memory", what=f"resident memory of the daemon, {what}", value=rss / mib, unit="MiB")
    yield Row(id="daemon.solver_memory", what="resident memory of the solver", value=sum(solvers) / mib, unit="MiB")
    yield Row(id="daemon.core", what=f"share of one core, solver left out, {what}", value=used_s / wall_s, unit="share")
    yield Row(id="daemon.late", what="greatest lateness of a cycle", value=1e3 * health["tick_late_s"], unit="ms")
    unserved = energies["unserved"]
    yield Row(id="daemon.unserved", what="load not served", value=unserved, unit="kWh", target="0", met=unserved == 0.0)
