"""Writes what happens to the structured log: events, plans, and clips when they change."""

import structlog

from ems.runtime.cycle import CycleRecord
from ems.runtime.observer import Event
from ems.runtime.planner import PlanningResult


class LogObserver:
    """An observer that only logs; standard error is written without waiting for anybody."""

    def __init__(self) -> None:
        self._log = structlog.get_logger("site")
        self._clipped: frozenset[str] = frozenset()
        self._lost: frozenset[str] = frozenset()

    def on_cycle(self, record: CycleRecord) -> None:
        """Log the guard's interventions and missing values when their set changes, not every second."""
        clipped = frozenset(f"{clip.rule} {clip.asset_id}" for clip in record.decision.clips)
        if clipped - self._clipped:
            self._log.warning("guard_clipped", clips=sorted(clipped - self._clipped))
        self._clipped = clipped
        lost = frozenset(f"{problem.device_id} {problem.value}" for problem in record.snapshot.problems)
        if lost != self._lost:
            self._log.warning("values_missing", new=sorted(lost - self._lost)[:20], missing=len(lost))
        self._lost = lost

    def on_plan(self, result: PlanningResult) -> None:
        """Log every plan in one line."""
        plan = result.plan
        if plan is None:
            self._log.warning("plan_missing", troubles=list(result.trouble))
            return
        self._log.info(
            "plan_made",
            source=plan.source.value,
            status=plan.status.value,
            gap_frac=plan.gap_frac,
            total_cost=round(plan.objective.total_cost(), 2),
            solve_s=round(plan.timings.solve_s, 3),
            relaxed=list(plan.relaxed),
        )

    def on_event(self, event: Event) -> None:
        """Log an event, one that asks for an operator as a warning."""
        if event.urgent:
            self._log.warning("event", kind=event.kind, text=event.text, cause=event.cause, **event.figures)
        else:
            self._log.info("event", kind=event.kind, text=event.text, cause=event.cause, **event.figures)
