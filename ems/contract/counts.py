"""What a client gets back out of the messages: the counts and totals that the daemon put in."""

from ems.contract.control import ControlMessage
from ems.contract.daemon import HealthMessage
from ems.contract.site import GuardMessage, ReserveMessage
from ems.model.status import PlanCounts, RunCounts, SmoothingCounts


def run_counts(reserve: ReserveMessage, guard: GuardMessage, control: ControlMessage) -> RunCounts:
    """Return the counts of a run from its messages."""
    return RunCounts(
        n_ticks=guard.n_ticks,
        n_clipped_ticks=guard.n_clipped_ticks,
        clips=guard.clip_counts,
        floor_violation_h=reserve.floor_violation_h,
        reserve_shortfall_h=reserve.reserve_shortfall_h,
        reserve_binding_h=reserve.reserve_binding_h,
        shortfalls=reserve.shortfalls,
        margin_min_kw=reserve.margin_min_kw,
        soc_start_pct=reserve.soc_start_pct,
        soc_min_pct=reserve.soc_min_pct,
        soc_end_pct=reserve.soc_end_pct,
        n_starts_above_threshold=reserve.n_starts_above_threshold,
        genset_band_share_frac=reserve.genset_band_share_frac,
        mode_h=reserve.mode_h,
        clips_by_asset=guard.clip_counts_by_asset,
        recent_clips_frac=guard.recent_clips_frac,
        starts_by_cause=control.starts_by_cause,
        stops_by_cause=control.stops_by_cause,
        smoothing=SmoothingCounts(**control.smoothing.model_dump()),
    )


def plan_counts(health: HealthMessage) -> PlanCounts:
    """Return how planning went."""
    return PlanCounts(
        made=health.plans_made,
        fallback=health.plans_fallback,
        rejected_by_check=health.plans_rejected_by_check,
        solve_p50_s=health.solve_p50_s,
        solve_p95_s=health.solve_p95_s,
        n_compared=health.plans_compared,
        unit_change_h=health.plan_unit_change_h,
        change_kw=health.plan_change_kw,
    )
