"""Keeps the last planning problems on disk, each with its plan, for replay with `ems plan`."""

import queue
import threading
from pathlib import Path

import structlog

from ems.model.plan import Plan
from ems.model.problem import PlanningProblem
from ems.runtime.codec import to_json

_QUEUE_LENGTH = 4


class ProblemArchive:
    """Writes `<id>.problem.json` and `<id>.plan.json` from a thread; the oldest go first."""

    def __init__(self, directory: Path, *, keep: int) -> None:
        self._directory = directory
        self._keep = keep
        self._log = structlog.get_logger("archive")
        self._queue: queue.Queue[tuple[PlanningProblem, Plan] | None] = queue.Queue(_QUEUE_LENGTH)
        self._thread = threading.Thread(target=self._write_all, name="problem-archive", daemon=True)
        self._thread.start()

    def __call__(self, problem: PlanningProblem, plan: Plan) -> None:
        """Hand a problem and its plan over; skipped while the disk is slow."""
        if self._keep > 0 and not self._queue.full():
            self._queue.put_nowait((problem, plan))

    def close(self) -> None:
        """Write what is queued and stop."""
        self._queue.put(None)
        self._thread.join(timeout=10.0)

    def _write_all(self) -> None:
        while (item := self._queue.get()) is not None:
            try:
                self._write(*item)
            except OSError as error:
                self._log.warning("problem_not_kept", error=str(error))

    def _write(self, problem: PlanningProblem, plan: Plan) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        (self._directory / f"{problem.id}.problem.json").write_bytes(to_json(problem))
        (self._directory / f"{problem.id}.plan.json").write_bytes(to_json(plan))
        kept = sorted(self._directory.glob("*.problem.json"))
        for old in kept[: max(0, len(kept) - self._keep)]:
            old.unlink(missing_ok=True)
            old.with_name(old.name.replace(".problem.", ".plan.")).unlink(missing_ok=True)
