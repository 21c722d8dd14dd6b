"""What became of sheds: obeyed by the measured power, too late or not at all, and the credit that follows from it.

The busbar meter is the truth; an acknowledgement only explains. A shed is judged by its first target, not by those of
its release.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from ems.contract.cluster import AckMessage
from ems.model.cluster import ShedOrder

# what the cluster is thought to deliver before it has done so once counts as one shed (contract 2.4, rule 4)
_FIRST_CREDIT_FRAC: Final = 0.5
_MOST_CREDIT_FRAC: Final = 0.9
# sheds that count
_REMEMBERED: Final = 20
# the meter is read and averaged within this time, s
_METER_S: Final = 3.0
# of design: a target is met within the meter's error and the swings of training
_MET_FRAC: Final = 0.02
# a shed that is met within this multiple of its time is late, after that ignored
_LATE: Final = 4.0
_LATE_AT_LEAST_S: Final = 60.0


class ShedOutcome(StrEnum):
    """How a shed ended, by the meter."""

    ACCEPTED = "accepted"
    LATE = "late"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShedNews:
    """Something to tell of a shed."""

    text: str
    urgent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Watched:
    """A shed whose end is not known yet."""

    order: ShedOrder
    target_kw: float
    eta_s: float | None = None
    is_refused: bool = False
    is_due_told: bool = False

    @property
    def asked_kw(self) -> float:
        return self.order.from_kw - self.target_kw


class ShedBook:
    """Watches the sheds of one cluster; `restore` goes on where an earlier run stopped."""

    def __init__(self, *, design_kw: float) -> None:
        self._met_kw = _MET_FRAC * design_kw
        self._watched: _Watched | None = None
        # the newest shed and the lowest power that it has asked for
        self._id: str | None = None
        self._lowest_kw: float | None = None
        self._delivered: list[float] = []
        self.n_outcomes: dict[ShedOutcome, int] = dict.fromkeys(ShedOutcome, 0)

    @property
    def credit_frac(self) -> float:
        """Return the share of a promise that counts as reserve: what past sheds delivered, and one half at first."""
        known = [_FIRST_CREDIT_FRAC, *self._delivered]
        return min(_MOST_CREDIT_FRAC, max(0.0, sum(known) / len(known)))

    @property
    def is_proven(self) -> bool:
        """Return whether the cluster has obeyed a shed within its time."""
        return any(frac >= 1.0 for frac in self._delivered)

    def ordered(self, order: ShedOrder) -> None:
        """Watch an order; a renewal and a release of it change nothing, a lower target is a new demand."""
        target_kw = order.target_kw
        if target_kw is None:
            return
        lowest_kw = self._lowest_kw if self._id == order.id else None
        if lowest_kw is not None and target_kw >= lowest_kw:
            return
        self._id, self._lowest_kw = order.id, target_kw
        # nothing is asked of a cluster that is below the target already
        if order.from_kw - target_kw > self._met_kw:
            self._watched = _Watched(order=order, target_kw=target_kw)

    def acknowledged(self, ack: AckMessage) -> ShedNews | None:
        """Note what the cluster says to a shed."""
        watched = self._watched
        if watched is None or ack.shed is None or ack.shed.id != watched.order.id:
            return None
        if not ack.accepted:
            self._watched = replace(watched, is_refused=True)
            why = "no reason given" if ack.reason is None else ack.reason
            return ShedNews(text=f"shed {watched.order.id} is not accepted by the cluster: {why}", urgent=True)
        self._watched = replace(watched, eta_s=ack.shed.eta_s)
        return None

    def look(self, *, it_kw: float | None, utc: datetime) -> tuple[ShedNews, ...]:
        """Judge the watched shed by the power at the busbar; an unknown power judges nothing until it is known."""
        watched = self._watched
        if watched is None or it_kw is None:
            return ()
        order = watched.order
        passed_s = (utc - order.ordered_utc).total_seconds()
        due_s = order.within_s + _METER_S
        if it_kw <= watched.target_kw + self._met_kw:
            # the first look after its time decides, however far apart looks are
            return self._met(watched, passed_s, is_late=watched.is_due_told)
        if passed_s <= due_s:
            return ()
        news: list[ShedNews] = []
        if not watched.is_due_told:
            delivered_kw = max(0.0, order.from_kw - it_kw)
            self._note(delivered_kw / watched.asked_kw)
            watched = replace(watched, is_due_told=True)
            self._watched = watched
            text = (
                f"shed {order.id} is not met after {order.within_s:.0f} s: {delivered_kw:.0f} of "
                f"{watched.asked_kw:.0f} kW are gone, {_said(watched)}"
            )
            news.append(ShedNews(text=text, urgent=True))
        if passed_s > max(_LATE * order.within_s, order.within_s + _LATE_AT_LEAST_S):
            self.n_outcomes[ShedOutcome.IGNORED] += 1
            self._watched = None
            text = f"shed {order.id}: ignored, {it_kw:.0f} kW against {watched.target_kw:.0f} kW"
            news.append(ShedNews(text=text, urgent=True))
        return tuple(news)

    def document(self) -> dict[str, object]:
        """Return what a restart must know."""
        return {"delivered_frac": list(self._delivered)}

    def restore(self, document: object) -> None:
        """Go on with what an earlier run has learnt.

        Raises:
            KeyError, TypeError, ValueError: The document is not one of ours.
        """
        delivered = document["delivered_frac"] if isinstance(document, dict) else None
        if not isinstance(delivered, list):
            raise TypeError("not a document of sheds")
        self._delivered = [min(1.0, max(0.0, float(frac))) for frac in delivered][-_REMEMBERED:]

    def _met(self, watched: _Watched, passed_s: float, *, is_late: bool) -> tuple[ShedNews, ...]:
        outcome = ShedOutcome.LATE if is_late else ShedOutcome.ACCEPTED
        if not is_late:
            self._note(1.0)
        self.n_outcomes[outcome] += 1
        self._watched = None
        text = f"shed {watched.order.id}: {outcome.value}, {watched.asked_kw:.0f} kW gone after {passed_s:.0f} s"
        return (ShedNews(text=text, urgent=is_late),)

    def _note(self, delivered_frac: float) -> None:
        self._delivered = [*self._delivered, min(1.0, max(0.0, delivered_frac))][-_REMEMBERED:]


def _said(watched: _Watched) -> str:
    if watched.is_refused:
        return "the cluster had refused"
    if watched.eta_s is None:
        return "the cluster has not answered"
    return f"the cluster had announced {watched.eta_s:.0f} s"
