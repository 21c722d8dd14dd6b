"""Which of several identical units starts and stops first: one rule for the plan and for control.

Units are ordered by their own clocks and counters; who may start or stop at all is decided elsewhere.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Rotation(StrEnum):
    """What decides among units that may start or stop.

    REST: the longest stopped starts, the longest running stops. RUN_HOURS: the unit with the fewest run hours
    starts, the one with the most stops. SERVICE: the unit with the most hours left to its service starts, the one
    with the fewest stops.
    """

    REST = "rest"
    RUN_HOURS = "run_hours"
    SERVICE = "service"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitClock:
    """One unit: how long it has run or rested, and its run hours so far."""

    id: str
    since_h: float
    run_h: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationRule:
    """The rule of a class. A unit that has rested for `exercise_due_h` starts before the others; None: no such unit."""

    rotation: Rotation = Rotation.REST
    service_interval_h: float | None = None
    exercise_due_h: float | None = None

    def start_order(self, resting: Iterable[UnitClock]) -> list[str]:
        """Return the units in the order in which they start; ties keep the order given."""
        return [unit.id for unit in sorted(resting, key=self._start_key)]

    def stop_order(self, running: Iterable[UnitClock]) -> list[str]:
        """Return the units in the order in which they stop; ties keep the order given."""
        return [unit.id for unit in sorted(running, key=self._stop_key)]

    def _start_key(self, unit: UnitClock) -> tuple[float, ...]:
        due = self.exercise_due_h is not None and unit.since_h >= self.exercise_due_h
        if self.rotation is Rotation.REST:
            return (-unit.since_h, unit.run_h)
        return (0.0 if due else 1.0, self._used_h(unit), -unit.since_h)

    def _stop_key(self, unit: UnitClock) -> tuple[float, ...]:
        if self.rotation is Rotation.REST:
            return (-unit.since_h,)
        return (-self._used_h(unit), -unit.since_h)

    def _used_h(self, unit: UnitClock) -> float:
        """Return the hours that speak against a unit: all of them, or those since its last service."""
        if self.rotation is Rotation.SERVICE and self.service_interval_h is not None:
            return unit.run_h % self.service_interval_h
        return unit.run_h
