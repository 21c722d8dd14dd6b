"""What a daemon's process takes over a long run, from its own `health`: series, judgement and figure."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from tests.wire.running_site import RunningSite

_SAMPLE_WALL_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at `health`; `at_h` is simulated time since the first."""

    at_h: float
    resident_mib: int
    n_files: int
    n_tasks: int
    n_threads: int
    n_waiting: int
    n_dropped: int
    tick_late_s: float


def watch(site: RunningSite, *, simulated_s: float) -> list[Look]:
    """Let the site run and look every five seconds of real time."""
    began_s = site.now_s()
    looks = []
    while (passed_s := site.now_s() - began_s) < simulated_s:
        time.sleep(min(_SAMPLE_WALL_S, max(0.1, (simulated_s - passed_s) / site.speed)))
        health = site.listener.value("health")
        if health is None:
            continue
        process = health["process"]
        queues = process["queues"].values()
        looks.append(
            Look(
                at_h=(site.now_s() - began_s) / 3600.0,
                resident_mib=process["resident_mib"],
                n_files=process["n_files"],
                n_tasks=process["n_tasks"],
                n_threads=process["n_threads"],
                n_waiting=sum(queue["n_waiting"] for queue in queues),
                n_dropped=sum(queue["n_dropped"] for queue in queues),
                tick_late_s=health["tick_late_s"],
            )
        )
    return looks


def write_looks(looks: Sequence[Look], file: Path) -> None:
    """Write the series."""
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps([asdict(look) for look in looks]) + "\n", encoding="utf-8")


def draw(looks: Sequence[Look], file: Path, *, what: str) -> None:
    """Draw memory, files, tasks and queues over time, each from zero."""
    with mpl.rc_context({"svg.hashsalt": "footprint", "font.size": 9.0}):
        figure = Figure(figsize=(8.0, 5.0), layout="constrained")
        panels = figure.subplots(2, 2, sharex=True)
        hours = [look.at_h for look in looks]
        series = {
            "resident memory, MiB": [look.resident_mib for look in looks],
            "open files": [look.n_files for look in looks],
            "tasks of the event loop": [look.n_tasks for look in looks],
            "waiting in all queues": [look.n_waiting for look in looks],
        }
        for panel, (title, values) in zip(panels.flat, series.items(), strict=True):
            panel.plot(hours, values, linewidth=1.0)
            panel.set_title(title)
            panel.set_ylim(0.0, max(1.0, 1.25 * max(values)))
        for panel in panels[1]:
            panel.set_xlabel("simulated hours")
        figure.suptitle(what)
        file.parent.mkdir(exist_ok=True)
        figure.savefig(file, format="svg", metadata={"Date": None})
