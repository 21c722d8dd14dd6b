"""Offers of the cluster on their way in: parsed, judged, and the newest valid one kept.

No offer ever raises here: what cannot be used is refused with a reason, and then all load is firm (cluster contract,
rule 1 of section 2.4).
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from ems.cluster.refusals import CLOCK_ERROR_S, MAX_BYTES, Refusals, Refused, read_message
from ems.contract.cluster import FlexOfferMessage, OfferClassPart
from ems.model.load import ItCluster
from ems.model.offer import FastShed, FlexOffer, OfferClass, OfferForecast, ProgressPoint
from ems.model.problem import OfferKind
from ems.model.units import MINUTES_PER_HOUR

__all__ = ["MAX_BYTES", "OfferInbox", "Refused", "read_offer"]

# classes may add up to design and the error of their meters, not to more
_ROUNDING_FRAC: Final = 0.02
# offers come every 5 to 15 minutes; whatever one says of its validity, four missing ones are no dialogue
_LONGEST_S: Final = 3600.0


def read_offer(payload: bytes, *, cluster: ItCluster, utc: datetime) -> FlexOffer | Refused:
    """Return the offer in a payload as it arrived at `utc`."""
    message = read_message(payload, FlexOfferMessage, name="offer")
    return message if isinstance(message, Refused) else _judged(_offer(message), cluster=cluster, utc=utc)


class OfferInbox:
    """Keeps the newest valid offer of one cluster.

    `on_refusal` is told a reason when it is news, `on_return` how many were refused when one is used again.
    """

    def __init__(
        self, cluster: ItCluster, on_refusal: Callable[[str], None], *, on_return: Callable[[int], None] | None = None
    ) -> None:
        self._cluster = cluster
        self._refusals = Refusals(on_refusal, returned=on_return)
        self._newest: FlexOffer | None = None
        # each class as it was last seen
        self._classes: dict[str, OfferClass] = {}

    @property
    def n_refused(self) -> int:
        """Return how many offers were refused so far."""
        return self._refusals.n_total

    def receive(self, payload: bytes, utc: datetime) -> bool:
        """Take a payload and return whether it is used.

        An offer that is older than the one at hand changes nothing, one that is wrong ends it. A cluster that was
        started anew may count from the beginning: of two offers the later issued one counts, of one instant the one
        with the higher number.
        """
        offer = read_offer(payload, cluster=self._cluster, utc=utc)
        if isinstance(offer, Refused):
            # a cluster whose newest word cannot be read is not planned with by an older one
            self._newest = None
            self._refusals.refuse(offer, utc)
            return False
        newest = self._newest
        if newest is not None and (offer.issued_utc, offer.seq) < (newest.issued_utc, newest.seq):
            reason = f"offer {offer.seq} is older than offer {newest.seq}"
            self._refusals.refuse(Refused(kind="older", reason=reason), utc)
            return False
        self._newest = self._with_turns(offer)
        self._refusals.take()
        return True

    def offer_at(self, utc: datetime) -> FlexOffer | None:
        """Return the offer to plan with, None without a valid one."""
        newest = self._newest
        return newest if newest is not None and utc < _ends_utc(newest) else None

    def _with_turns(self, offer: FlexOffer) -> FlexOffer:
        """Return the offer with the time at which each class began to run or to rest, as far as it was seen."""
        classes = []
        for each in offer.classes:
            before = self._classes.get(each.id)
            since = None if before is None else before.turned_utc if before.runs == each.runs else offer.issued_utc
            classes.append(replace(each, turned_utc=since))
        self._classes = {each.id: each for each in classes}
        return replace(offer, classes=tuple(classes))


def _ends_utc(offer: FlexOffer) -> datetime:
    return min(offer.valid_until_utc, offer.issued_utc + timedelta(seconds=_LONGEST_S))


def _judged(offer: FlexOffer, *, cluster: ItCluster, utc: datetime) -> FlexOffer | Refused:
    if offer.cluster_id != cluster.id:
        return Refused(kind="cluster", reason=f"the offer is of cluster '{offer.cluster_id}', not of '{cluster.id}'")
    if utc >= offer.valid_until_utc:
        return Refused(
            kind="expired", reason=f"the offer was valid until {offer.valid_until_utc:%Y-%m-%d %H:%M:%S} UTC"
        )
    if utc >= _ends_utc(offer):
        return Refused(kind="stale", reason=f"the offer is of {offer.issued_utc:%Y-%m-%d %H:%M:%S} UTC, an hour ago")
    if (offer.issued_utc - utc).total_seconds() > CLOCK_ERROR_S:
        return Refused(
            kind="early", reason=f"the offer is of {offer.issued_utc:%Y-%m-%d %H:%M:%S} UTC, which is to come"
        )
    now_kw = sum(each.now_kw for each in offer.classes)
    if now_kw > cluster.design_kw * (1.0 + _ROUNDING_FRAC):
        return Refused(
            kind="power",
            reason=f"the classes draw {now_kw:.0f} kW now, more than the design of {cluster.design_kw:.0f} kW",
        )
    large = next((each for each in offer.classes if each.max_kw > cluster.design_kw), None)
    if large is not None:
        return Refused(kind="power", reason=f"class {large.id} may draw {large.max_kw:.0f} kW, more than the design")
    if offer.idle_kw > cluster.design_kw:
        reason = f"the idle cluster draws {offer.idle_kw:.0f} kW, more than the design"
        return Refused(kind="power", reason=reason)
    return offer


def _offer(message: FlexOfferMessage) -> FlexOffer:
    return FlexOffer(
        cluster_id=message.cluster,
        seq=message.seq,
        issued_utc=message.issued.astimezone(UTC),
        valid_until_utc=message.valid_until.astimezone(UTC),
        forecast=tuple(
            OfferForecast(
                start_utc=part.start.astimezone(UTC),
                duration_h=part.duration_min / MINUTES_PER_HOUR,
                load_kw=part.kw,
            )
            for part in message.forecast_kw
        ),
        classes=tuple(_class(part) for part in message.classes),
        fast_shed=tuple(FastShed(within_s=part.within_s, load_kw=part.kw) for part in message.fast_shed),
        idle_kw=message.idle_kw,
    )


def _class(part: OfferClassPart) -> OfferClass:
    kind = OfferKind(part.kind)
    return OfferClass(
        id=part.id,
        kind=kind,
        now_kw=part.now_kw,
        min_kw=part.min_kw,
        max_kw=part.max_kw,
        value_per_kwh=part.penalty_per_kwh if kind is OfferKind.CURTAILABLE else part.value_per_kwh,
        notice_s=part.notice_s,
        ramp_kw_per_min=part.ramp_kw_per_min,
        progress=tuple(
            ProgressPoint(power_frac=power, progress_frac=progress) for power, progress in part.power_to_progress
        ),
        max_slowdown_frac=part.max_slowdown_share,
        energy_kwh=part.energy_kwh,
        deadline_utc=None if part.deadline is None else part.deadline.astimezone(UTC),
        min_run_h=part.min_run_min / MINUTES_PER_HOUR,
        min_pause_h=part.min_pause_min / MINUTES_PER_HOUR,
        max_pauses=part.max_pauses,
        restart_kwh=part.restart_kwh,
        whole=part.whole,
        max_hours_per_day_h=part.max_hours_per_day,
    )
