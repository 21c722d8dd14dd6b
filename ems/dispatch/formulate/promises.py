"""Firm limits that were published to the cluster: power and energy are held for them (cluster contract, 2.1)."""

from dataclasses import replace
from datetime import datetime, timedelta

from ems.model.cluster import ClusterCondition
from ems.model.load import ItCluster
from ems.model.problem import LoadProblem
from ems.model.timegrid import TimeGrid
from ems.model.units import SECONDS_PER_MINUTE
from ems.reserve import R2_WITHIN_S


def promised_kw(cluster: ClusterCondition, start: datetime, duration_h: float) -> float | None:
    """Return the highest firm limit that was promised for any of a step, None where there is none."""
    end = start + timedelta(hours=duration_h)
    return max(
        (each.limit_kw for each in cluster.promised if each.start_utc < end and start < each.end_utc), default=None
    )


def promised_rises_kw(it: ItCluster, cluster: ClusterCondition, load: LoadProblem, grid: TimeGrid) -> tuple[float, ...]:
    """Return how far the cluster may rise within class R2, by the agreed ramp and up to its firm limit.

    Above the firm load: what the plan gives to other classes it may take back, and the limit stays.
    """
    ramp_kw_per_min = it.job_step_kw if it.ramp_up_kw_per_min is None else it.ramp_up_kw_per_min
    most_kw = ramp_kw_per_min * R2_WITHIN_S / SECONDS_PER_MINUTE
    limits = _on_steps(cluster, grid)
    return tuple(
        0.0 if limit is None else min(most_kw, max(0.0, limit - firm))
        for limit, firm in zip(limits, load.it_kw, strict=True)
    )


def with_promises(load: LoadProblem, cluster: ClusterCondition, grid: TimeGrid) -> LoadProblem:
    """Return the load whose 0.9 quantiles reach what was promised: energy is held for that much at least."""
    if not cluster.promised:
        return load
    raised, net = [], []
    for t, limit_kw in enumerate(_on_steps(cluster, grid)):
        before_kw = load.load_q90_kw[t]
        after_kw = before_kw if limit_kw is None else max(before_kw, load.served_kw(t, limit_kw))
        raised.append(after_kw)
        net.append(load.net_q90_kw[t] + after_kw - before_kw)
    return replace(load, load_q90_kw=tuple(raised), net_q90_kw=tuple(net))


def _on_steps(cluster: ClusterCondition, grid: TimeGrid) -> list[float | None]:
    return [
        promised_kw(cluster, start, duration_h)
        for start, duration_h in zip(grid.starts_utc, grid.duration_h, strict=True)
    ]
