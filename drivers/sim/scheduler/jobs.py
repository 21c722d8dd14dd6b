"""Batch jobs of the simulated cluster: they arrive at random, may wait and be paused, and are due at a deadline.

A job draws its power while it runs. A pause takes a checkpoint first, in which it draws power and gets nothing done; a
start after a pause takes extra energy to load it. Jobs that are not done by their deadline are missed, and go on.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from ems.model.twin import TwinCluster

_H: Final = 3600.0
# of what a job needs: it is started this much sooner than it would have to be
_SLACK_FRAC: Final = 0.1


@dataclass(slots=True)
class Job:
    """One job; times are seconds of the run."""

    power_kw: float
    left_kwh: float
    due_s: float
    running: bool = False
    turned_s: float = -1e9
    checkpoint_s: float = 0.0
    n_pauses: int = 0
    missed: bool = False
    # it could not wait any longer once, and runs to its end
    urgent: bool = False

    @property
    def needs_s(self) -> float:
        """Return how long it has to run yet."""
        return _H * self.left_kwh / self.power_kw

    def must_run(self, at_s: float, *, reserve_s: float) -> bool:
        """Return whether it cannot wait any longer, from now on for good: a pause would cost what is left."""
        self.urgent = self.urgent or at_s + self.needs_s * (1.0 + _SLACK_FRAC) + reserve_s >= self.due_s
        return self.urgent

    def draws(self) -> bool:
        """Return whether it takes power: it runs, or writes its checkpoint."""
        return self.running or self.checkpoint_s > 0.0


class JobQueue:
    """All jobs that are not done, in the order of their deadlines."""

    def __init__(self, spec: TwinCluster, *, mean_kw: float, peak_kw: float, rng: np.random.Generator) -> None:
        """Take the mean power of all batch work and the most that may run at once."""
        self._spec = spec
        self._rng = rng
        self.peak_kw = peak_kw
        self._every_s = _H * spec.job_kw * spec.job_h / mean_kw
        self._next_s = self._wait_s()
        self.jobs: list[Job] = []
        self.n_arrived = self.n_done = self.n_missed = self.n_pauses = 0
        self.arrived_kwh = self.done_kwh = self.restart_kwh = 0.0

    @property
    def power_kw(self) -> float:
        """Return what all jobs draw."""
        return sum(job.power_kw for job in self.jobs if job.draws())

    @property
    def left_kwh(self) -> float:
        """Return the work that is known and not done."""
        return sum(job.left_kwh for job in self.jobs)

    @property
    def n_held(self) -> int:
        """Return how many jobs wait."""
        return sum(not job.running for job in self.jobs)

    def arrive(self, at_s: float) -> None:
        """Take the jobs that have arrived by now."""
        while self._next_s <= at_s:
            length_h = self._spec.job_h * float(self._rng.uniform(0.5, 1.5))
            energy_kwh = self._spec.job_kw * length_h
            due_s = self._next_s + _H * (length_h + self._spec.slack_h)
            self.jobs.append(Job(power_kw=self._spec.job_kw, left_kwh=energy_kwh, due_s=due_s))
            self.n_arrived += 1
            self.arrived_kwh += energy_kwh
            self._next_s += self._wait_s()
        self.jobs.sort(key=lambda job: job.due_s)

    def schedule(self, at_s: float, *, wanted_kw: float, most_kw: float, reserve_s: float) -> None:
        """Start and pause jobs: what must run runs up to `most_kw`, the rest up to `wanted_kw`, the soonest due first.

        A job that has just been started or paused stays so for its least time, but not above `most_kw`.
        """
        spent_kw = 0.0
        reserve_s += 60.0 * self._spec.min_pause_min
        urgent = [job for job in self.jobs if job.must_run(at_s, reserve_s=reserve_s)]
        others = [job for job in self.jobs if not job.urgent]
        # what runs goes before what waits: a pause costs a checkpoint
        ordered = [*urgent, *sorted(others, key=lambda job: (not job.running, job.due_s))]
        for job in ordered:
            fresh_s = at_s - job.turned_s
            bound_kw = most_kw if job.urgent or (job.running and fresh_s < 60.0 * self._spec.min_run_min) else wanted_kw
            # a job more or less is no reason to pause one
            spare_kw = min(job.power_kw, wanted_kw) if job.running else 0.0
            fits = spent_kw + job.power_kw <= min(bound_kw + spare_kw, most_kw, self.peak_kw) + 1e-6
            rests = not job.running and job.n_pauses > 0 and fresh_s < 60.0 * self._spec.min_pause_min
            if fits and not rests:
                self._start(job, at_s)
                spent_kw += job.power_kw
            elif job.running:
                self._pause(job, at_s)

    def kill(self, most_kw: float, at_s: float) -> None:
        """Stop jobs at once, the latest due first, until all draw no more than a power; what they did since stays."""
        for job in reversed(self.jobs):
            if self.power_kw <= most_kw + 1e-6:
                return
            if job.draws():
                if job.running:
                    self._pause(job, at_s)
                job.checkpoint_s = 0.0

    def run(self, at_s: float, dt_s: float) -> None:
        """Let the running jobs do a step's work that ends at `at_s`."""
        hours = dt_s / _H
        for job in self.jobs:
            job.checkpoint_s = max(0.0, job.checkpoint_s - dt_s)
            if job.running:
                done_kwh = min(job.left_kwh, job.power_kw * hours)
                job.left_kwh -= done_kwh
                self.done_kwh += done_kwh
            if not job.missed and job.left_kwh > 1e-9 and at_s > job.due_s:
                job.missed = True
                self.n_missed += 1
        self.n_done += sum(job.left_kwh <= 1e-9 for job in self.jobs)
        self.jobs = [job for job in self.jobs if job.left_kwh > 1e-9]

    def _start(self, job: Job, at_s: float) -> None:
        if job.running:
            return
        job.running, job.turned_s, job.checkpoint_s = True, at_s, 0.0
        if job.n_pauses:
            job.left_kwh += self._spec.restart_kwh
            self.restart_kwh += self._spec.restart_kwh

    def _pause(self, job: Job, at_s: float) -> None:
        job.running, job.turned_s, job.checkpoint_s = False, at_s, self._spec.checkpoint_s
        job.n_pauses += 1
        self.n_pauses += 1

    def _wait_s(self) -> float:
        return float(self._rng.exponential(self._every_s))
