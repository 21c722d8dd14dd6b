"""The dialogue with the cluster in values: sheds, what the cluster may be counted on for, limits that were promised."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ems.model.offer import FastShed


class ShedReason(StrEnum):
    """Why load is asked to go at once (cluster contract, 2.1)."""

    GENSET_TRIP = "genset-trip"
    GRID_LOSS = "grid-loss"
    BESS_LOW = "bess-low"
    COOLING_DEGRADED = "cooling-degraded"
    COOLING_LOST = "cooling-lost"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShedOrder:
    """Ask of the cluster to be at or below a power within a time; `from_kw` is what it drew when it was asked.

    An order is renewed with a later `until_utc` while its cause lasts; its release is the same order with a higher
    target, and the last one has a target of None: the envelope alone counts again.
    """

    id: str
    target_kw: float | None
    within_s: float
    until_utc: datetime
    reason: ShedReason
    text: str
    from_kw: float
    ordered_utc: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterView:
    """What control may know of the cluster now.

    `credit_frac` is what past sheds delivered of what was asked for; `fast_shed` is empty without a link. `least_kw` is
    the idle cluster and its firm classes.
    """

    is_linked: bool
    least_kw: float
    fast_shed: tuple[FastShed, ...] = ()
    credit_frac: float = 0.0
    is_proven: bool = False

    def credited_kw(self, within_s: float) -> float:
        """Return the power that is taken for certain to go within a time.

        Nothing within the first ten seconds, which are for storage and converters (contract 2.4, rule 5), and nothing
        before a shed has been obeyed once.
        """
        if not self.is_linked or not self.is_proven or within_s <= UNRELIED_S:
            return 0.0
        return self.credit_frac * max(
            (shed.load_kw for shed in self.fast_shed if shed.within_s <= within_s), default=0.0
        )


# the first seconds of a contingency belong to storage and converters (contract 2.4, rule 5)
UNRELIED_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PromisedPower:
    """A firm limit that was published: it is not lowered but by a shed, and reserve is held for it."""

    start_utc: datetime
    end_utc: datetime
    limit_kw: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterCondition:
    """What a plan may know of the cluster: what was promised to it, and the shed that it has proven."""

    promised: tuple[PromisedPower, ...] = ()
    credited_shed_kw: float = 0.0
