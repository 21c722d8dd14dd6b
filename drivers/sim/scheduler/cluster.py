"""The scheduler of the simulated cluster: splits its load into the four kinds, and keeps to the limits it was given.

Its base load comes from the measured shapes; batch jobs come on top. What is expected of it is the aim of its batch
work, the limit is what it never exceeds: jobs are paused first, then curtailable work is stopped, then training is
capped; firm work goes in a shed only. Powers fall within `react_s` and rise by the agreed ramp.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import exp
from typing import Final

from drivers.sim.noise import generator
from drivers.sim.scheduler.jobs import JobQueue
from drivers.sim.scheduler.limits import Limits, Present
from ems.model.load import ItCluster
from ems.model.twin import TwinCluster

_DAY_H: Final = 24
# how long a deviation from yesterday's hour lasts, on average; assumption
_FORGET_H: Final = 6.0
# what is expected is compared with the load of so many seconds: jobs do not chase its noise
_NOISE_S: Final = 3600.0
# training at this share of its power is as slow as may be
_CAP_FRAC: Final = 0.51


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """The power of each kind of load now."""

    firm_kw: float
    shapeable_kw: float
    curtailable_kw: float
    batch_kw: float

    @property
    def total_kw(self) -> float:
        """Return all of it."""
        return self.firm_kw + self.shapeable_kw + self.curtailable_kw + self.batch_kw


class TwinScheduler:
    """One cluster. `advance` is called by the plant; who carries messages calls `limits.take`."""

    def __init__(self, it: ItCluster, spec: TwinCluster, *, start: datetime, seed: int) -> None:
        self.it = it
        self.spec = spec
        self.limits = Limits()
        # whether what was said is obeyed; acknowledging is another matter
        self.obeys = True
        self._start = start
        self.elapsed_s = 0.0
        self.queue = JobQueue(
            spec,
            mean_kw=max(1e-3, spec.deferrable_frac * it.mean_frac * it.design_kw),
            peak_kw=spec.batch_peak_frac * it.design_kw,
            rng=generator(seed, "jobs"),
        )
        self._usual_kw: float | None = None
        self._has_batch = spec.deferrable_frac > 0.0
        self.asked = Shares(firm_kw=0.0, shapeable_kw=0.0, curtailable_kw=0.0, batch_kw=0.0)
        self.served = self.asked
        self._hours: dict[int, float] = {}
        self.curtailed_kwh = self.capped_kwh = self.over_limit_kwh = self.cut_firm_kwh = 0.0

    @property
    def utc(self) -> datetime:
        """Return the simulated time."""
        return self._start + timedelta(seconds=self.elapsed_s)

    def present(self) -> Present:
        """Return what counts now."""
        return self.limits.at(self.utc)

    def begin(self, base_kw: float) -> None:
        """Be under load from the first moment: who is asked before the first step says what runs."""
        self._ask(base_kw)
        self.served = self.asked

    def advance(self, base_kw: float, dt_s: float) -> float:
        """Move by a step with the load that would be there without batch work; return the power of the whole."""
        self._ask(base_kw)
        present = self.present()
        if not self.obeys:
            present = Present(limit_kw=None, expected_kw=None, ramp_kw_per_min=None, is_shed=False)
        self._batch(present, dt_s)
        self._serve(present, dt_s)
        self.elapsed_s += dt_s
        self.queue.run(self.elapsed_s, dt_s)
        self._book(present, dt_s / 3600.0)
        return self.served.total_kw

    def forecast_kw(self, hour: int) -> float:
        """Return the expected load without batch work, `hour` hours from now: as yesterday, and what differs fades."""
        now_kw = self.asked.total_kw - self.asked.batch_kw
        now = int(self.elapsed_s // 3600)
        mean_kw = (1.0 - self.spec.deferrable_frac) * self.it.mean_frac * self.it.design_kw
        usual_kw = self._hours.get((now + hour) % _DAY_H, mean_kw)
        differs_kw = now_kw - self._hours.get(now % _DAY_H, mean_kw)
        fading: float = 0.5 ** (hour / _FORGET_H)
        return max(self.it.idle_kw, usual_kw + differs_kw * fading)

    def _ask(self, base_kw: float) -> None:
        spec = self.spec
        rest_kw = (1.0 - spec.deferrable_frac) * base_kw
        shapeable_kw, curtailable_kw = spec.shapeable_frac * base_kw, spec.curtailable_frac * base_kw
        self.asked = Shares(
            firm_kw=max(0.0, rest_kw - shapeable_kw - curtailable_kw),
            shapeable_kw=shapeable_kw,
            curtailable_kw=curtailable_kw,
            batch_kw=0.0,
        )
        hour = int(self.elapsed_s // 3600) % _DAY_H
        self._hours[hour] = rest_kw if hour not in self._hours else 0.98 * self._hours[hour] + 0.02 * rest_kw

    def _batch(self, present: Present, dt_s: float) -> None:
        """Start and pause jobs by what is expected, up to the limit."""
        if not self._has_batch:
            return
        other_kw = self.asked.total_kw
        self.queue.arrive(self.elapsed_s)
        free_kw = max(0.0, self.it.design_kw - other_kw)
        most_kw = free_kw if present.limit_kw is None else min(free_kw, max(0.0, present.limit_kw - other_kw))
        if present.ramp_kw_per_min is not None:
            most_kw = min(most_kw, self.queue.power_kw + present.ramp_kw_per_min * dt_s / 60.0)
        aim_kw = present.expected_kw if present.expected_kw is not None else present.limit_kw
        usual_kw = other_kw if self._usual_kw is None else self._usual_kw
        usual_kw += (other_kw - usual_kw) * (1.0 - exp(-dt_s / _NOISE_S))
        self._usual_kw = usual_kw
        wanted_kw = most_kw if aim_kw is None else min(most_kw, max(0.0, aim_kw - usual_kw))
        if not self.spec.defers:
            wanted_kw = most_kw
        self.queue.schedule(
            self.elapsed_s, wanted_kw=wanted_kw, most_kw=most_kw, reserve_s=max(dt_s, self.spec.checkpoint_s)
        )
        if present.is_shed:
            self.queue.kill(most_kw, self.elapsed_s)

    def _serve(self, present: Present, dt_s: float) -> None:
        """Cut what is above the limit, and follow the ramps."""
        batch_kw = self.queue.power_kw if self._has_batch else 0.0
        asked = self.asked
        over_kw = 0.0
        if present.limit_kw is not None:
            over_kw = max(0.0, asked.total_kw + batch_kw - present.limit_kw)
        curtail_kw = min(asked.curtailable_kw, over_kw)
        cap_kw = min((1.0 - _CAP_FRAC) * asked.shapeable_kw, over_kw - curtail_kw)
        firm_cut_kw = 0.0
        if present.is_shed:
            spare_kw = max(0.0, asked.firm_kw + asked.shapeable_kw - cap_kw - self.it.idle_kw)
            firm_cut_kw = min(spare_kw, max(0.0, over_kw - curtail_kw - cap_kw))
        shapeable_kw = asked.shapeable_kw - cap_kw
        from_shapeable_kw = min(shapeable_kw, firm_cut_kw)
        wanted = Shares(
            firm_kw=asked.firm_kw - (firm_cut_kw - from_shapeable_kw),
            shapeable_kw=shapeable_kw - from_shapeable_kw,
            curtailable_kw=asked.curtailable_kw - curtail_kw,
            batch_kw=batch_kw,
        )
        self.served = self._slowed(wanted, dt_s)

    def _slowed(self, wanted: Shares, dt_s: float) -> Shares:
        """Return what is served in the step: power that is taken back goes in its time."""
        fall_kw = self.it.design_kw * dt_s / max(1e-6, self.spec.react_s)
        total_kw = max(wanted.total_kw, self.served.total_kw - fall_kw)
        factor = total_kw / wanted.total_kw if wanted.total_kw > 0.0 else 1.0
        return Shares(
            firm_kw=wanted.firm_kw * factor,
            shapeable_kw=wanted.shapeable_kw * factor,
            curtailable_kw=wanted.curtailable_kw * factor,
            batch_kw=wanted.batch_kw * factor,
        )

    def _book(self, present: Present, hours: float) -> None:
        asked, served = self.asked, self.served
        self.curtailed_kwh += max(0.0, asked.curtailable_kw - served.curtailable_kw) * hours
        self.capped_kwh += max(0.0, asked.shapeable_kw - served.shapeable_kw) * hours
        self.cut_firm_kwh += max(0.0, asked.firm_kw - served.firm_kw) * hours
        if present.limit_kw is not None:
            self.over_limit_kwh += max(0.0, served.total_kw - present.limit_kw) * hours
