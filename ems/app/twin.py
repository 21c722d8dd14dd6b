"""The twin as a process of its own: what `ems demo` starts behind the daemon."""

from pathlib import Path

from ems.app.clocks import parse_shared_time
from ems.config.loader import load_files
from ems.studies.wire_twin import run_wire_twin


def run_twin(directory: Path, *, clock: str, seed: int | None, faults_port: int | None) -> None:
    """Serve the simulated site of a configuration until standard input ends."""
    shared = parse_shared_time(clock)
    files = load_files(directory)
    run_wire_twin(files, shared.clock(), start=shared.start, speed=shared.speed, seed=seed, faults_port=faults_port)
