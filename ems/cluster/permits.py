"""From the limits that the plan allows to those that are published: promises kept, nothing raised without cause.

In this order, each of them on every interval: the least that the cluster needs (contract 2.4, rule 7); frozen at what
was last confirmed while the cluster does not answer (F16); no new permit above the present power while reserve or
cooling is short (F36, G16); never below a firm limit that was published; and a shed, which alone goes below that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ems.contract.cluster import EnvelopeInterval, EnvelopeMessage
from ems.model.cluster import PromisedPower

# times are published in milliseconds and thousandths of a minute: less than this in common is rounding
_OVERLAP_S = 1.0
# an interval's limit counts as lowered beyond the rounding of powers
_LOWERED_KW = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """What the published limits have to respect; None: nothing of the kind.

    `confirmed` is the envelope that the cluster confirmed last, only while it is silent. `present_kw` is its power
    while nothing new is permitted above it. `shed_kw` counts until `shed_until`.
    """

    least_kw: float
    promised: tuple[PromisedPower, ...] = ()
    confirmed: EnvelopeMessage | None = None
    is_frozen: bool = False
    present_kw: float | None = None
    shed_kw: float | None = None
    shed_until: datetime | None = None


def permitted(
    intervals: Sequence[EnvelopeInterval], permission: Permission, *, design_kw: float
) -> tuple[EnvelopeInterval, ...]:
    """Return the intervals with the limits that are published."""
    return tuple(_permitted(each, permission, design_kw) for each in intervals)


def promises_of(message: EnvelopeMessage) -> tuple[PromisedPower, ...]:
    """Return the firm limits of an envelope."""
    return tuple(
        PromisedPower(start_utc=each.start, end_utc=_end(each), limit_kw=each.limit_kw)
        for each in message.intervals
        if each.firm
    )


def joined_promises(
    before: Sequence[PromisedPower], new: Sequence[PromisedPower], *, utc: datetime
) -> tuple[PromisedPower, ...]:
    """Return what is promised from now on: what the new envelope says for its time, the older ones beyond it."""
    end = max((each.end_utc for each in new), default=utc)
    rest = [
        PromisedPower(start_utc=max(end, each.start_utc), end_utc=each.end_utc, limit_kw=each.limit_kw)
        for each in before
        if (each.end_utc - end).total_seconds() > _OVERLAP_S
    ]
    return (*new, *rest)


def lowers(message: EnvelopeMessage, before: EnvelopeMessage) -> bool:
    """Return whether an envelope has a lower limit than the one before for a time that both cover."""
    return any(
        each.limit_kw < other.limit_kw - _LOWERED_KW
        for each in message.intervals
        for other in before.intervals
        if _overlap(each.start, _end(each), other.start, _end(other))
    )


def _permitted(each: EnvelopeInterval, permission: Permission, design_kw: float) -> EnvelopeInterval:
    limit_kw = max(each.limit_kw, min(design_kw, permission.least_kw))
    promised_kw = _promised_kw(each, permission.promised)
    if permission.is_frozen and permission.confirmed is not None:
        limit_kw = min(limit_kw, _confirmed_kw(each, permission.confirmed))
    if permission.present_kw is not None and each.firm:
        limit_kw = min(limit_kw, max(permission.present_kw, permission.least_kw))
    if promised_kw is not None:
        limit_kw = max(limit_kw, promised_kw)
    shed_until = permission.shed_until
    if permission.shed_kw is not None and shed_until is not None and each.start < shed_until:
        limit_kw = min(limit_kw, permission.shed_kw)
    p10_kw = None if each.limit_p10_kw is None else min(each.limit_p10_kw, limit_kw)
    floor_kw = None if each.floor_kw is None or each.floor_kw > limit_kw else each.floor_kw
    return each.model_copy(
        update={
            "limit_kw": round(limit_kw, 3),
            "expected_kw": min(each.expected_kw, round(limit_kw, 3)),
            "limit_p10_kw": p10_kw,
            "floor_kw": floor_kw,
        }
    )


def _promised_kw(each: EnvelopeInterval, promised: Sequence[PromisedPower]) -> float | None:
    """Return the highest limit that was promised for any of the interval."""
    end = _end(each)
    return max(
        (one.limit_kw for one in promised if _overlap(each.start, end, one.start_utc, one.end_utc)), default=None
    )


def _confirmed_kw(each: EnvelopeInterval, confirmed: EnvelopeMessage) -> float:
    """Return the limit of the confirmed envelope in the middle of an interval; its validity does not matter here."""
    middle = each.start + (_end(each) - each.start) / 2
    for other in confirmed.intervals:
        if other.start <= middle < _end(other):
            return other.limit_kw
    return confirmed.after_expiry_limit_kw


def _overlap(start: datetime, end: datetime, other_start: datetime, other_end: datetime) -> bool:
    return (min(end, other_end) - max(start, other_start)).total_seconds() > _OVERLAP_S


def _end(each: EnvelopeInterval) -> datetime:
    return each.start + timedelta(minutes=each.duration_min)
