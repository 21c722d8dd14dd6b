"""The twin as a process of its own: what `ems demo` starts behind the daemon, and what a rehearsal talks to."""

from pathlib import Path

from ems.app.clocks import SharedTime, parse_shared_time
from ems.config.loader import load_files
from ems.runtime.clock import SystemClock, wall_origin
from ems.studies.wire_twin import run_wire_twin


def run_twin(directory: Path, *, clock: str | None, seed: int | None, faults_port: int | None) -> None:
    """Serve the simulated site of a configuration until standard input ends, in real time without a clock."""
    shared = _real_time() if clock is None else parse_shared_time(clock)
    files = load_files(directory)
    run_wire_twin(files, shared.clock(), start=shared.start, speed=shared.speed, seed=seed, faults_port=faults_port)


def _real_time() -> SharedTime:
    return SharedTime(start=SystemClock().utc(), origin=wall_origin(), speed=1.0)
