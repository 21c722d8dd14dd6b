"""Units of the cooling plant as control sees them: what each shows, and whether it can be counted on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class CduState:
    """One coolant distribution unit."""

    id: str
    supply_degc: float | None = None
    return_degc: float | None = None
    flow_m3_per_h: float | None = None
    heat_kw_th: float | None = None
    setpoint_degc: float | None = None
    running: bool | None = None
    leak: bool | None = None
    low_flow: bool | None = None
    alarm: bool | None = None

    @property
    def available(self) -> bool | None:
        """Return whether it takes heat: it does not with a leak, a low flow, an alarm or stopped pumps."""
        return _works(bad=(self.leak, self.low_flow, self.alarm), needed=(self.running,))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChillerState:
    """One chiller."""

    id: str
    running: bool | None = None
    enabled: bool | None = None
    capacity_pct: float | None = None
    supply_degc: float | None = None
    return_degc: float | None = None
    setpoint_degc: float | None = None
    load_kw: float | None = None
    low_flow: bool | None = None
    alarm: bool | None = None

    @property
    def available(self) -> bool | None:
        """Return whether it runs or would when it is needed."""
        return _works(bad=(self.low_flow, self.alarm), needed=(self.enabled,))


@dataclass(frozen=True, slots=True, kw_only=True)
class DryCoolerState:
    """One dry cooler."""

    id: str
    fan_pct: float | None = None
    ambient_degc: float | None = None
    supply_degc: float | None = None
    return_degc: float | None = None
    load_kw: float | None = None
    running: bool | None = None
    alarm: bool | None = None

    @property
    def available(self) -> bool | None:
        """Return whether it takes heat."""
        return _works(bad=(self.alarm,), needed=(self.running,))


class Unit(Protocol):
    """What all units have in common."""

    @property
    def available(self) -> bool | None:
        """Return whether it can be counted on, None where that is not known."""


def _works(*, bad: Sequence[bool | None], needed: Sequence[bool | None]) -> bool | None:
    """Return whether nothing bad is known and nothing needed is missing; None where the unit says nothing at all.

    A unit that is heard but has no signal of one kind is judged by the others.
    """
    if True in bad or False in needed:
        return False
    return None if all(value is None for value in (*bad, *needed)) else True


def n_available(units: Sequence[Unit]) -> int | None:
    """Return how many units can be counted on, None where none of them says; an unknown one is not counted."""
    known = [unit.available for unit in units]
    return None if all(value is None for value in known) else sum(value is True for value in known)
