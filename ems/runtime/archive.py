"""Keeps the last planning problems on disk, each with its plan, for replay with `ems plan`."""

from pathlib import Path

import structlog

from ems.model.plan import Plan
from ems.model.problem import PlanningProblem
from ems.model.status import QueueStatus
from ems.runtime.codec import to_json
from ems.runtime.writer import WriterThread

_QUEUE_LENGTH = 4


class ProblemArchive:
    """Writes `<id>.problem.json` and `<id>.plan.json` from a thread; the oldest go first."""

    def __init__(self, directory: Path, *, keep: int) -> None:
        self._directory = directory
        self._keep = keep
        self._log = structlog.get_logger("archive")
        self._writer = WriterThread(self._kept, name="problem-archive", length=_QUEUE_LENGTH)

    def __call__(self, problem: PlanningProblem, plan: Plan) -> None:
        """Hand a problem and its plan over; skipped while the disk is slow."""
        if self._keep > 0:
            self._writer.offer((problem, plan))

    def queue(self) -> QueueStatus:
        """Return how full its queue is."""
        return self._writer.status()

    def close(self) -> None:
        """Write what is queued and stop."""
        self._writer.close()

    def _kept(self, item: tuple[PlanningProblem, Plan]) -> None:
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
