"""What the coming minutes and hours may bring: quantiles from the plan's forecasts, else from what is measured.

Without a forecast PV is taken to vanish and the load to stay with a margin: pessimistic, never zero by mistake.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from ems.model.plan import Plan

# without a forecast the load may rise by this share
_BLIND_LOAD_FRAC = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class NetOutlook:
    """Mean powers over one stretch of time ahead."""

    net_q90_kw: float
    pv_q10_kw: float
    load_q90_kw: float

    @property
    def deficit_q90_kw(self) -> float:
        """Return the net deficit at its 0.9 quantile."""
        return max(0.0, self.net_q90_kw)


def net_outlook(plan: Plan | None, now: datetime, duration_s: float, *, load_kw: float) -> NetOutlook:
    """Return the outlook over the next `duration_s`; `load_kw` is the present load."""
    overlaps = () if plan is None else plan.steps_between(now, now + timedelta(seconds=duration_s))
    total_h = sum(hours for _, hours in overlaps)
    if total_h <= 0.0:
        pessimistic_kw = (1.0 + _BLIND_LOAD_FRAC) * load_kw
        return NetOutlook(net_q90_kw=pessimistic_kw, pv_q10_kw=0.0, load_q90_kw=pessimistic_kw)
    return NetOutlook(
        net_q90_kw=sum(step.net_q90_kw * hours for step, hours in overlaps) / total_h,
        pv_q10_kw=sum(step.pv_q10_kw * hours for step, hours in overlaps) / total_h,
        load_q90_kw=sum(step.load_q90_kw * hours for step, hours in overlaps) / total_h,
    )
