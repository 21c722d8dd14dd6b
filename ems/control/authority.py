"""Nested bounds: each layer is told the interval that the layers above it leave, and may only narrow it.

Order of authority: what the devices report, the guard's limits, emergency rules, operators, SCADA, the plan. What a
layer asks for outside its interval ends at the nearest edge, which stays the edge of the layer above.
"""

from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import Final

from ems.model.setpoints import Cause, Reason


class Authority(StrEnum):
    """Who narrows, from the highest to the lowest."""

    DEVICE = "device"
    GUARD = "guard"
    EMERGENCY = "emergency"
    OPERATOR = "operator"
    SCADA = "scada"
    PLAN = "plan"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """One edge of an interval, the layer that set it, and why."""

    limit_kw: float
    by: Authority
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """What is left to the layers below; the lowest edge is never above the highest."""

    lowest: Bound
    highest: Bound

    def narrowed(
        self, by: Authority, reason: Reason, *, lowest_kw: float = -inf, highest_kw: float = inf
    ) -> "Interval":
        """Return what a layer leaves to those below it: the part of its range that lies in this interval.

        A range that lies outside leaves the nearest edge. Of a range that is empty the lower edge counts.
        """
        low, high = self.lowest, self.highest
        if lowest_kw > low.limit_kw:
            low = Bound(limit_kw=lowest_kw, by=by, reason=reason) if lowest_kw < high.limit_kw else high
        if highest_kw < high.limit_kw:
            high = Bound(limit_kw=highest_kw, by=by, reason=reason) if highest_kw > low.limit_kw else low
        return Interval(lowest=low, highest=high)

    def placed(self, power_kw: float) -> tuple[float, Bound | None]:
        """Return the nearest power in the interval, and the edge that moved it there."""
        if power_kw >= self.highest.limit_kw:
            return self.highest.limit_kw, self.highest
        if power_kw <= self.lowest.limit_kw:
            return self.lowest.limit_kw, self.lowest
        return power_kw, None


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedExchange:
    """What people leave of the exchange at the PCC, import positive; None: they have said nothing."""

    lowest: Bound | None = None
    highest: Bound | None = None


NOTHING_ASKED: Final = AskedExchange()


def unbounded(by: Authority) -> Interval:
    """Return the interval of all powers."""
    reason = Reason(cause=Cause.BALANCE, text="no limit")
    return Interval(
        lowest=Bound(limit_kw=-inf, by=by, reason=reason), highest=Bound(limit_kw=inf, by=by, reason=reason)
    )
