"""What watches the daemon: publishers, historian, logs. An observer only hands over; it never waits or raises."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from ems.model.setpoints import Cause
from ems.runtime.cycle import CycleRecord
from ems.runtime.planner import PlanningResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One decision or state change, with its cause and the figures behind it; an `urgent` one asks for an operator."""

    utc: datetime
    kind: str
    text: str
    cause: str | None = None
    figures: dict[str, float] = field(default_factory=dict)
    urgent: bool = False


class Observer(Protocol):
    """Sees every cycle, every plan and every event."""

    def on_cycle(self, record: CycleRecord) -> None:
        """See a completed control cycle."""

    def on_plan(self, result: PlanningResult) -> None:
        """See a completed planning cycle."""

    def on_event(self, event: Event) -> None:
        """See an event."""


def cycle_events(record: CycleRecord) -> tuple[Event, ...]:
    """Return the state changes of a cycle: mode, starts and stops, failed starts."""
    decision, utc = record.decision, record.snapshot.utc
    events = []
    if decision.change is not None:
        change = decision.change
        events.append(
            Event(utc=utc, kind="mode", text=f"{change.before.value} to {change.after.value}: {change.reason}")
        )
    events += [
        Event(utc=utc, kind="cluster", text=reason.text, cause=reason.cause.value, urgent=True)
        for reason in decision.reasons
        if reason.cause is Cause.LOAD_SHED
    ]
    figures = {} if decision.storage is None else {"soc_pct": round(decision.storage.soc_pct, 2)}
    events += [
        Event(utc=utc, kind="genset", text=reason.text, cause=reason.cause.value, figures=figures)
        for reason in decision.reasons
        if reason.text.startswith(("start ", "stop ")) or reason.cause is Cause.FAILED_START
    ]
    return tuple(events)
