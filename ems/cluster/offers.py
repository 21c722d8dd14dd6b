"""Offers of the cluster on their way in: parsed, judged, and the newest valid one kept.

No offer ever raises here: what cannot be used is refused with a reason, and then all load is firm (cluster contract,
rule 1 of section 2.4).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from pydantic import ValidationError

from ems.contract.cluster import FlexOfferMessage, OfferClassPart
from ems.model.load import ItCluster
from ems.model.offer import FastShed, FlexOffer, OfferClass, OfferForecast, ProgressPoint
from ems.model.problem import OfferKind
from ems.model.units import MINUTES_PER_HOUR

# a full day of quarter hours and twenty classes are a tenth of this
MAX_BYTES: Final = 65_536
# clocks of two computers differ by less
_CLOCK_ERROR_S: Final = 60.0
# the same kind of mistake with other figures is told again after this time
_TELL_AGAIN_S: Final = 600.0
# classes may add up to design and the error of their meters, not to more
_ROUNDING_FRAC: Final = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """An offer that is not used, and why; `kind` is the same for all that are wrong in the same way."""

    kind: str
    reason: str


def read_offer(payload: bytes, *, cluster: ItCluster, utc: datetime) -> FlexOffer | Refused:
    """Return the offer in a payload as it arrived at `utc`."""
    if len(payload) > MAX_BYTES:
        return Refused(kind="size", reason=f"the offer has {len(payload)} bytes, more than {MAX_BYTES}")
    try:
        message = FlexOfferMessage.model_validate_json(payload)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        return Refused(kind="form", reason=f"{place or 'offer'}: {first['msg'].lower()}")
    return _judged(_offer(message), cluster=cluster, utc=utc)


class OfferInbox:
    """Keeps the newest valid offer of one cluster.

    A cluster repeats its mistakes with every message: `on_refusal` is told a reason when it is new, and no kind of it
    twice within ten minutes; `on_return` how many were refused when one is used again after that.
    """

    def __init__(
        self, cluster: ItCluster, on_refusal: Callable[[str], None], *, on_return: Callable[[int], None] | None = None
    ) -> None:
        self._cluster = cluster
        self._on_refusal = on_refusal
        self._on_return = on_return
        self._refused_as: Refused | None = None
        self._is_told = False
        self._n_refused = 0
        # when each kind of reason was told last
        self._told_utc: dict[str, datetime] = {}
        self._newest: FlexOffer | None = None
        # each class as it was last seen
        self._classes: dict[str, OfferClass] = {}

    def receive(self, payload: bytes, utc: datetime) -> None:
        """Take a payload; an offer that is older than the one at hand changes nothing, one that is wrong ends it."""
        offer = read_offer(payload, cluster=self._cluster, utc=utc)
        if isinstance(offer, Refused):
            # a cluster whose newest word cannot be read is not planned with by an older one
            self._newest = None
            self._refuse(offer, utc)
        elif self._newest is not None and offer.issued_utc < self._newest.issued_utc:
            reason = f"offer {offer.seq} is older than offer {self._newest.seq}"
            self._refuse(Refused(kind="older", reason=reason), utc)
        else:
            self._newest = self._with_turns(offer)
            self._take()

    def offer_at(self, utc: datetime) -> FlexOffer | None:
        """Return the offer to plan with, None without a valid one."""
        newest = self._newest
        return newest if newest is not None and utc < newest.valid_until_utc else None

    def _refuse(self, refused: Refused, utc: datetime) -> None:
        """Count a refusal, and tell of it where it is news: no kind of reason twice within ten minutes."""
        news = self._refused_as is None or refused.reason != self._refused_as.reason
        told = self._told_utc.get(refused.kind)
        self._refused_as = refused
        self._n_refused += 1
        if news and (told is None or (utc - told).total_seconds() >= _TELL_AGAIN_S):
            self._told_utc[refused.kind] = utc
            self._is_told = True
            self._on_refusal(refused.reason)

    def _take(self) -> None:
        """Note that an offer is used, and tell of it after refusals that were told."""
        if self._is_told and self._on_return is not None:
            self._on_return(self._n_refused)
        self._refused_as, self._n_refused, self._is_told = None, 0, False

    def _with_turns(self, offer: FlexOffer) -> FlexOffer:
        """Return the offer with the time at which each class began to run or to rest, as far as it was seen."""
        classes = []
        for each in offer.classes:
            before = self._classes.get(each.id)
            since = None if before is None else before.turned_utc if before.runs == each.runs else offer.issued_utc
            classes.append(replace(each, turned_utc=since))
        self._classes = {each.id: each for each in classes}
        return replace(offer, classes=tuple(classes))


def _judged(offer: FlexOffer, *, cluster: ItCluster, utc: datetime) -> FlexOffer | Refused:
    if offer.cluster_id != cluster.id:
        return Refused(kind="cluster", reason=f"the offer is of cluster '{offer.cluster_id}', not of '{cluster.id}'")
    if utc >= offer.valid_until_utc:
        return Refused(
            kind="expired", reason=f"the offer was valid until {offer.valid_until_utc:%Y-%m-%d %H:%M:%S} UTC"
        )
    if (offer.issued_utc - utc).total_seconds() > _CLOCK_ERROR_S:
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
