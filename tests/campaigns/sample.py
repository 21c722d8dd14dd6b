"""Real material to measure with: cycles and planning problems of a shipped site in closed loop."""

import asyncio
import tempfile
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from ems.config.build import build_site, build_twin
from ems.config.files import ConfigFiles
from ems.config.loader import load_files
from ems.config.shipped import site_directory
from ems.model.site import Site
from ems.runtime.cycle import CycleRecord
from ems.runtime.planner import PlanningResult
from ems.runtime.worker_client import WorkerClient
from ems.studies.closed_loop import ClosedLoop, Policy, RunRequest, local_midnight
from ems.studies.recorder import Recorder


@dataclass(slots=True)
class Sample:
    """What a short run saw and planned."""

    site: Site
    files: ConfigFiles
    records: list[CycleRecord] = field(default_factory=list)
    plans: list[PlanningResult] = field(default_factory=list)


class _Keeping(Recorder):
    """A recorder that also keeps what it is given."""

    def __init__(self, directory: Path, sample: Sample) -> None:
        super().__init__(directory, site=sample.site.id)
        self._sample = sample

    def decisions(self, record: CycleRecord) -> None:
        self._sample.records.append(record)
        super().decisions(record)

    def planning(self, at: datetime, result: PlanningResult) -> None:
        self._sample.plans.append(result)
        super().planning(at, result)


def sample_run(site: str, *, start: str, hours: float, replan_min: float = 60.0) -> Sample:
    """Run a site for a while with the plan and return what happened."""
    files = load_files(site_directory(site))
    sample = Sample(site=build_site(files), files=files)
    asyncio.run(_run(sample, start=start, hours=hours, replan_min=replan_min))
    return sample


async def _run(sample: Sample, *, start: str, hours: float, replan_min: float) -> None:
    assert sample.files.twin is not None
    request = RunRequest(
        start=local_midnight(sample.site, start),
        days=hours / 24.0,
        step_s=60.0,
        replan_min=replan_min,
        policy=Policy.PLAN,
        seed=None,
    )
    worker = WorkerClient()
    try:
        with tempfile.TemporaryDirectory() as out, _Keeping(Path(out), sample) as recorder:
            spec = build_twin(sample.files.twin)
            await ClosedLoop(sample.files, request, spec, worker=worker, recorder=recorder).run(lambda _: None)
    finally:
        await worker.close()
