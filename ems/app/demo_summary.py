"""The summary of a demo: energies from the simulated plant, counts from what the daemon published."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from ems.contract.counts import plan_counts, run_counts
from ems.hmi.mirror import RunRecord
from ems.model.site import Site
from ems.model.status import PlanCounts, RunCounts, SmoothingCounts
from ems.runtime.timescale import plan_period_s, stretch_factor
from ems.studies.summary import GridAccount, RunFrame, TrueEnergies, summarise


def demo_summary(
    site: Site, runs: Sequence[RunRecord], totals: dict[str, Any], *, began: datetime, speed: float, n_starts: int
) -> dict[str, object]:
    """Return the summary object; the same keys as that of a simulation, and how often the daemon was started.

    `runs` is what each run of the daemon published last, at least one.
    """
    frame = RunFrame(
        site=site.id,
        policy="plan",
        start=f"{began.astimezone(ZoneInfo(site.place.timezone)):%Y-%m-%d}",
        days=round(totals["elapsed_s"] / 86400.0, 4),
        step_s=site.control.period_s * stretch_factor(speed),
        replan_min=plan_period_s(site, speed) / 60.0,
        seed=totals["seed"],
    )
    summary = summarise(
        site,
        frame,
        TrueEnergies(**totals["energies"]),
        GridAccount(**totals["grid"]),
        counts=joined_runs([run_counts(run.reserve, run.guard, run.control) for run in runs]),
        planning=joined_plans([plan_counts(run.health) for run in runs]),
        began=began,
    )
    return {**summary, "speed": speed, "daemon_starts": n_starts}


def joined_runs(runs: Sequence[RunCounts]) -> RunCounts:
    """Return the counts of consecutive runs as those of one."""
    return RunCounts(
        n_ticks=sum(run.n_ticks for run in runs),
        n_clipped_ticks=sum(run.n_clipped_ticks for run in runs),
        clips=_summed(run.clips for run in runs),
        clips_by_asset=_summed(run.clips_by_asset for run in runs),
        floor_violation_h=sum(run.floor_violation_h for run in runs),
        reserve_shortfall_h=sum(run.reserve_shortfall_h for run in runs),
        reserve_binding_h=sum(run.reserve_binding_h for run in runs),
        shortfalls=_summed(run.shortfalls for run in runs),
        margin_min_kw={
            name: min(run.margin_min_kw[name] for run in runs if name in run.margin_min_kw)
            for name in dict.fromkeys(name for run in runs for name in run.margin_min_kw)
        },
        soc_start_pct=_first(run.soc_start_pct for run in runs),
        soc_min_pct=_of_known(min, (run.soc_min_pct for run in runs)),
        soc_end_pct=_first(run.soc_end_pct for run in reversed(runs)),
        n_starts_above_threshold=sum(run.n_starts_above_threshold for run in runs),
        genset_band_share_frac=_first(run.genset_band_share_frac for run in reversed(runs)),
        mode_h={
            mode: sum(run.mode_h.get(mode, 0.0) for run in runs)
            for mode in dict.fromkeys(mode for run in runs for mode in run.mode_h)
        },
        starts_by_cause=_summed(run.starts_by_cause for run in runs),
        stops_by_cause=_summed(run.stops_by_cause for run in runs),
        smoothing=SmoothingCounts(
            **{
                name: sum(getattr(run.smoothing, name) for run in runs)
                for name in ("given_kwh", "taken_kwh", "loss_kwh", "cost", "active_h", "short_h")
            }
        ),
    )


def joined_plans(runs: Sequence[PlanCounts]) -> PlanCounts:
    """Return how planning went over consecutive runs; solve times are those of the slowest."""
    n_compared = sum(run.n_compared for run in runs)
    return PlanCounts(
        made=sum(run.made for run in runs),
        fallback=sum(run.fallback for run in runs),
        rejected_by_check=sum(run.rejected_by_check for run in runs),
        solve_p50_s=max(run.solve_p50_s for run in runs),
        solve_p95_s=max(run.solve_p95_s for run in runs),
        n_compared=n_compared,
        unit_change_h=sum(run.n_compared * run.unit_change_h for run in runs) / max(1, n_compared),
        change_kw=sum(run.n_compared * run.change_kw for run in runs) / max(1, n_compared),
    )


def _summed(counts: Iterable[Any]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return dict(sorted(total.items()))


def _first(values: Iterable[float | None]) -> float | None:
    return next((value for value in values if value is not None), None)


def _of_known(choose: Callable[[list[float]], float], values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return choose(known) if known else None
