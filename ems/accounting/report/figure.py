"""One number of a report, with everything that lets a reader follow it: formula, inputs, factors, records."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A value in its unit; None where it cannot be determined, and `remark` then says why."""

    id: str
    title: str
    value: float | None
    unit: str
    formula: str
    inputs: Mapping[str, float | int | str] = field(default_factory=dict)
    factors: tuple[str, ...] = ()
    note: str = ""

    @property
    def remark(self) -> str:
        """Return the note; where there is none and no value, what the formula lacks."""
        return self.note or ("" if self.value is not None else "there was nothing to divide by in the period")


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Figures of one subject."""

    id: str
    title: str
    figures: tuple[Figure, ...]


def share_pct(above: float, below: float) -> float | None:
    """Return a quotient in per cent, None where it has no meaning."""
    frac = ratio(above, below)
    return None if frac is None else 100.0 * frac


def ratio(above: float, below: float) -> float | None:
    """Return a quotient, None where it has no meaning."""
    return above / below if below > 0.0 else None
