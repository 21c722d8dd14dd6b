"""`make soak`: what takes long. A day at speed 10 and an hour in real time, in which nothing may grow, 100
returns to the grid and 100 black starts, 200 kills and some hangs under systemd, 200 kills while the
ledger is written, 200 of what writes and seals the history, and 72 hours without solver.

ONLY=kills,hour takes these.
"""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import psutil
import typer

from tests.campaigns.footprint import draw, watch, write_looks
from tests.campaigns.hangs import hang_rows
from tests.campaigns.history_kills import history_rows
from tests.campaigns.kills import kill_rows
from tests.campaigns.ledger_kills import ledger_kill_rows
from tests.campaigns.rows import BUILD, Part, Row, carry_out, exit_code
from tests.campaigns.soak_modes import mode_rows
from tests.campaigns.soak_nosolver import nosolver_rows
from tests.wire.running_site import RunningSite

_MIB = 1024.0 * 1024.0
# caches fill at first; growth is counted from here
_WARM_FRAC = 0.2


def soak_rows(
    *, hours: float = 24.0, speed: float = 10.0, site: str = "desert-offgrid", name: str = "day"
) -> Iterator[Row]:
    """Run a site for simulated hours and judge what must not grow; series and figure go to build/."""
    start = datetime(2025, 1, 8, 14, tzinfo=UTC)
    with TemporaryDirectory() as home, RunningSite(Path(home), site=site, speed=speed, start=start) as running:
        running.until_controlling()
        daemon = psutil.Process(running.processes["daemon"].pid)
        running.pass_time(3600.0 * hours * _WARM_FRAC)
        warm, n_files, n_threads = daemon.memory_info().rss, daemon.num_fds(), daemon.num_threads()
        before = (running.listener.value("health") or {})["n_ticks"]
        looks = watch(running, simulated_s=3600.0 * hours * (1.0 - _WARM_FRAC))
        grown = (daemon.memory_info().rss - warm) / _MIB
        health = running.listener.value("health") or {}
        expected = 3600.0 * hours * (1.0 - _WARM_FRAC)
        energies = running.energies()
        file_growth, thread_growth = daemon.num_fds() - n_files, daemon.num_threads() - n_threads
    what = f"{hours:g} h of {site} at speed {speed:g}"
    write_looks(looks, BUILD / f"soak-{name}.json")
    draw(looks, BUILD / f"soak-{name}.svg", what=what)
    first = "soak" if name == "day" else f"soak.{name}"
    made = (health["n_ticks"] - before) / expected
    limit_mib = max(16.0, 2.0 * hours)
    yield Row(
        id=f"{first}.memory",
        what=f"growth of resident memory after warming up, {what}",
        value=grown,
        unit="MiB",
        target=f"<= {limit_mib:g}",
        met=grown <= limit_mib,
    )
    yield Row(
        id=f"{first}.files",
        what="more open files",
        value=float(file_growth),
        unit="",
        target="<= 4",
        met=file_growth <= 4,
    )
    yield Row(
        id=f"{first}.threads",
        what="more threads",
        value=float(thread_growth),
        unit="",
        target="<= 2",
        met=thread_growth <= 2,
    )
    yield Row(
        id=f"{first}.cycles",
        what="control cycles against those due",
        value=made,
        unit="share",
        target=">= 0.98",
        met=made >= 0.98,
    )
    task_growth = looks[-1].n_tasks - looks[0].n_tasks
    yield Row(
        id=f"{first}.tasks",
        what="more tasks of the event loop",
        value=float(task_growth),
        unit="",
        target="<= 20",
        # publications and solves come and go
        met=task_growth <= 20,
    )
    dropped = looks[-1].n_dropped
    yield Row(
        id=f"{first}.dropped", what="lost from queues", value=float(dropped), unit="", target="0", met=dropped == 0
    )
    unserved = energies["unserved"]
    yield Row(
        id=f"{first}.unserved", what="load not served", value=unserved, unit="kWh", target="0", met=unserved == 0.0
    )


PARTS: dict[str, Part] = {
    "day": soak_rows,
    "hour": partial(soak_rows, hours=1.0, speed=1.0, name="hour"),
    "modes": mode_rows,
    "kills": kill_rows,
    "history": history_rows,
    "ledger": ledger_kill_rows,
    "hangs": hang_rows,
    "nosolver": nosolver_rows,
}


def main(only: Annotated[str | None, typer.Option(help="names of parts, with commas")] = None) -> None:
    """Run all parts or some, and write build/soak.json."""
    wanted = list(PARTS) if only is None else only.split(",")
    if unknown := [name for name in wanted if name not in PARTS]:
        raise typer.BadParameter(f"'{unknown[0]}' is none of {', '.join(PARTS)}", param_hint="--only")
    sys.exit(exit_code(carry_out("soak", [PARTS[name] for name in wanted])))


if __name__ == "__main__":
    typer.run(main)
