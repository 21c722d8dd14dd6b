"""The dialogue with one cluster: what arrives is judged here, what is said is made here; no I/O and no clock.

The caller hands over payloads, cycles and plans, and carries the answers away, over MQTT or in process. Control asks
`view`, planning `offer_at` and `condition_at`; neither ever waits for the cluster.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ems.cluster.answers import AckReader, Telemetry, TelemetryInbox
from ems.cluster.envelope import Situation, envelope, is_survival
from ems.cluster.offers import OfferInbox
from ems.cluster.permits import Permission, joined_promises, lowers, promises_of
from ems.cluster.refusals import Refusals
from ems.cluster.sheds import ShedBook, ShedNews
from ems.contract.cluster import AckMessage, EnvelopeMessage, ShedMessage
from ems.contract.outgoing import Outgoing
from ems.contract.topics import ack_topic, offer_topic, shed_topic, telemetry_topic
from ems.control.step import Decision
from ems.model.cluster import ClusterCondition, ClusterView, PromisedPower, ShedOrder
from ems.model.forecast import SignalForecast
from ems.model.offer import FlexOffer
from ems.model.plan import Plan
from ems.model.site import Site
from ems.model.snapshot import SiteSnapshot
from ems.reserve import R2_WITHIN_S

# a lowered limit is acknowledged within the longest notice and this (contract 2.4, rule 2)
_ACK_WITHIN_S: Final = 30.0
# an envelope is said again this often even where there is no new plan
_REPEAT_S: Final = 300.0
# envelopes that may still be acknowledged
_REMEMBERED: Final = 32
# numbers left free after a restart, for envelopes that were sent and not saved
_SEQ_GAP: Final = 1000
_SHORT_KW: Final = 1.0
# a change of reserve alone makes no new envelope sooner than this
_CHANGE_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """Something that an operator is told; `urgent` asks for a look."""

    text: str
    urgent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Listeners:
    """Who is told what: news, refused messages (by kind and reason) and their end (by kind and count)."""

    news: Callable[[News], None]
    refused: Callable[[str, str], None]
    returned: Callable[[str, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Due:
    """An envelope that lowers a limit and waits for its acknowledgement."""

    seq: int
    due_utc: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What the newest envelope was made of, to make it again on a change."""

    snapshot: SiteSnapshot
    decision: Decision


class ClusterDialogue:
    """Everything that is known of one cluster and was said to it."""

    def __init__(self, site: Site, listeners: Listeners, *, saved: Mapping[str, object] | None = None) -> None:
        """Go on from `saved`, a `document` of an earlier run; one that is not usable is left out."""
        self._site = site
        self._listeners = listeners
        self._offers = OfferInbox(
            site.it,
            lambda reason: listeners.refused("offer", reason),
            on_return=lambda count: listeners.returned("offer", count),
        )
        self._telemetry = TelemetryInbox(site.it, self._refusals("telemetry"))
        self._acks = AckReader(site.it, self._refusals("ack"))
        self._sheds = ShedBook(design_kw=site.it.design_kw)
        self._seq = 0
        self._promised: tuple[PromisedPower, ...] = ()
        self._sent: dict[int, EnvelopeMessage] = {}
        self._confirmed: EnvelopeMessage | None = None
        self._due: _Due | None = None
        self._is_ignored = False
        self._heard_utc: datetime | None = None
        # None: it has not been heard yet, and there was no time to miss it
        self._is_linked: bool | None = None
        self._began_utc: datetime | None = None
        self._plan: Plan | None = None
        self._carbon: SignalForecast | None = None
        self._known: _Known | None = None
        self._order: ShedOrder | None = None
        self._said: tuple[object, ...] | None = None
        self._said_utc: datetime | None = None
        if saved is not None:
            self._restore(saved)

    # what arrives

    def receivers(self) -> Mapping[str, Callable[[bytes, datetime, bool], None]]:
        """Return who takes what arrives, by topic below the site's root; with the time and whether it was retained."""
        if not self._site.it.takes_offers:
            return {}
        cluster_id = self._site.it.id
        return {
            offer_topic(cluster_id): lambda payload, utc, _: self.receive_offer(payload, utc),
            ack_topic(cluster_id): lambda payload, utc, retained: self.receive_ack(payload, utc, retained=retained),
            telemetry_topic(cluster_id): lambda payload, utc, retained: self.receive_telemetry(
                payload, utc, retained=retained
            ),
        }

    def receive_offer(self, payload: bytes, utc: datetime) -> None:
        """Take an offer; one that the broker has kept says nothing about the link."""
        if self._offers.receive(payload, utc):
            offer = self._offers.offer_at(utc)
            if offer is not None and (utc - offer.issued_utc).total_seconds() <= self._site.it.link_timeout_s:
                self._heard_utc = utc

    def receive_ack(self, payload: bytes, utc: datetime, *, retained: bool) -> None:
        """Take an acknowledgement of an envelope or a shed."""
        ack = self._acks.read(payload, utc, retained=retained, sent_seq=self._seq)
        if ack is None:
            return
        self._heard_utc = utc
        if (news := self._sheds.acknowledged(ack)) is not None:
            self._tell(news)
        sent = self._sent.get(ack.seq)
        if sent is not None:
            self._answered(sent, ack)

    def receive_telemetry(self, payload: bytes, utc: datetime, *, retained: bool) -> None:
        """Take telemetry."""
        if self._telemetry.receive(payload, utc, retained=retained):
            self._heard_utc = utc

    # what control and planning may know

    def view(self, utc: datetime) -> ClusterView:
        """Return what the cluster can be counted on for: nothing without a link, an offer, or its answers."""
        offer = self.offer_at(utc)
        return ClusterView(
            is_linked=self._links(utc),
            least_kw=self._least_kw(offer),
            fast_shed=() if offer is None else offer.fast_shed,
            credit_frac=self._sheds.credit_frac,
            is_proven=self._sheds.is_proven,
        )

    def offer_at(self, utc: datetime) -> FlexOffer | None:
        """Return the offer to plan with, None where nothing may be relied on: all load is firm then."""
        if self._is_ignored or not self._links(utc):
            return None
        return self._offers.offer_at(utc)

    def condition_at(self, utc: datetime) -> ClusterCondition:
        """Return what a plan may know beside the offer."""
        return ClusterCondition(
            promised=tuple(each for each in self._promised if each.end_utc > utc) if self._site.it.takes_offers else (),
            credited_shed_kw=self.view(utc).credited_kw(R2_WITHIN_S),
        )

    @property
    def telemetry(self) -> Telemetry | None:
        """Return what the cluster told of itself last."""
        return self._telemetry.newest

    # what is said

    def on_plan(
        self, plan: Plan | None, carbon_kgco2e_per_kwh: SignalForecast | None, utc: datetime
    ) -> tuple[Outgoing, ...]:
        """Return the envelope of a new plan."""
        self._plan, self._carbon = plan, carbon_kgco2e_per_kwh
        return () if self._known is None else self._envelope(self._known, utc)

    def on_cycle(self, snapshot: SiteSnapshot, decision: Decision) -> tuple[Outgoing, ...]:
        """Return what the newest cycle makes it necessary to say: a shed, and an envelope on a change."""
        utc = snapshot.utc
        self._known = _Known(snapshot=snapshot, decision=decision)
        self._watch(snapshot, utc)
        outgoing: tuple[Outgoing, ...] = ()
        is_urgent = False
        order = decision.state.shed.order
        if order is not None and order != self._order:
            self._sheds.ordered(order)
            outgoing = (self._shed(order, utc),)
            is_urgent = True
        self._order = order
        age_s = _REPEAT_S if self._said_utc is None else (utc - self._said_utc).total_seconds()
        has_changed = age_s >= _CHANGE_S and self._said != self._words(decision, utc)
        if is_urgent or has_changed or age_s >= _REPEAT_S:
            outgoing += self._envelope(self._known, utc)
        return outgoing

    def document(self) -> dict[str, object]:
        """Return what a restart must know: the number, the promises, and what sheds have proven."""
        return {
            "seq": self._seq,
            "promised": [
                [each.start_utc.isoformat(), each.end_utc.isoformat(), each.limit_kw] for each in self._promised
            ],
            "sheds": self._sheds.document(),
        }

    # inside

    def _restore(self, saved: Mapping[str, object]) -> None:
        try:
            seq, promised = _said_before(saved)
            self._sheds.restore(saved["sheds"])
        except (KeyError, TypeError, ValueError) as error:
            self._listeners.news(News(text=f"what was said to the cluster before is not known: {error}", urgent=False))
            return
        self._seq, self._promised = seq + _SEQ_GAP, promised

    def _refusals(self, kind: str) -> Refusals:
        return Refusals(
            lambda reason: self._listeners.refused(kind, reason),
            returned=lambda count: self._listeners.returned(kind, count),
        )

    def _tell(self, news: ShedNews) -> None:
        self._listeners.news(News(text=news.text, urgent=news.urgent))

    def _links(self, utc: datetime) -> bool:
        heard = self._heard_utc
        return heard is not None and (utc - heard).total_seconds() <= self._site.it.link_timeout_s

    def _least_kw(self, offer: FlexOffer | None) -> float:
        return max(self._site.it.idle_kw, 0.0 if offer is None else offer.least_kw)

    def _answered(self, sent: EnvelopeMessage, ack: AckMessage) -> None:
        """Note the answer to an envelope."""
        if not ack.accepted:
            if not self._is_ignored:
                why = "no reason given" if ack.reason is None else ack.reason
                self._listeners.news(News(text=f"the cluster does not accept envelope {ack.seq}: {why}", urgent=True))
            self._is_ignored = True
            return
        if self._confirmed is None or sent.seq > self._confirmed.seq:
            self._confirmed = sent
        if self._due is not None and ack.seq >= self._due.seq:
            self._due = None
        if self._due is None and self._is_ignored:
            self._is_ignored = False
            self._listeners.news(News(text=f"the cluster accepts limits again, envelope {ack.seq}", urgent=False))

    def _watch(self, snapshot: SiteSnapshot, utc: datetime) -> None:
        """Judge sheds by the meter, and tell of answers that did not come and of the link."""
        for news in self._sheds.look(it_kw=snapshot.it.load_kw, utc=utc):
            self._tell(news)
        if not self._site.it.takes_offers:
            return
        if self._due is not None and utc >= self._due.due_utc:
            text = (
                f"the cluster has not acknowledged the lowered limits of envelope {self._due.seq}: planned as ignored"
            )
            self._due = None
            if not self._is_ignored:
                self._listeners.news(News(text=text, urgent=True))
            self._is_ignored = True
        linked = self._links(utc)
        self._began_utc = utc if self._began_utc is None else self._began_utc
        waited_s = (utc - self._began_utc).total_seconds()
        if self._is_linked is None and not linked and waited_s <= self._site.it.link_timeout_s:
            return
        if linked != self._is_linked:
            text = (
                "the cluster answers" if linked else "the cluster is silent: no flexibility, permits stay as confirmed"
            )
            self._listeners.news(News(text=text, urgent=not linked))
        self._is_linked = linked

    def _words(self, decision: Decision, utc: datetime) -> tuple[object, ...]:
        """Return what an envelope depends on beside plan and time."""
        return (
            decision.state.mode,
            decision.state.shed.order,
            self._may_rise(decision),
            self._links(utc),
            self._plan,
        )

    def _may_rise(self, decision: Decision) -> bool:
        """Return whether new permits may go above the present power: reserve is held and cooling takes the heat."""
        short = any(each.margin_kw < -_SHORT_KW for each in decision.assessments if each.id.upward)
        return not short and decision.state.shed.order is None

    def _permission(self, known: _Known, utc: datetime) -> Permission:
        order = known.decision.state.shed.order
        shed_kw = None if order is None else order.target_kw
        is_frozen = self._site.it.takes_offers and not self._links(utc)
        return Permission(
            least_kw=self._site.it.idle_kw
            if is_survival(known.decision)
            else self._least_kw(self._offers.offer_at(utc)),
            promised=tuple(each for each in self._promised if each.end_utc > utc),
            confirmed=self._confirmed,
            is_frozen=is_frozen,
            present_kw=None if self._may_rise(known.decision) else known.snapshot.it.load_kw,
            shed_kw=shed_kw,
            shed_until=None if order is None else order.until_utc,
        )

    def _envelope(self, known: _Known, utc: datetime) -> tuple[Outgoing, ...]:
        situation = Situation(
            site=self._site,
            decision=known.decision,
            plan=self._plan,
            carbon_kgco2e_per_kwh=self._carbon,
            utc=utc,
            permission=self._permission(known, utc),
        )
        outgoing = envelope(situation, seq=self._seq + 1)
        if outgoing is None or not isinstance(message := outgoing.message, EnvelopeMessage):
            return ()
        self._seq += 1
        self._said, self._said_utc = self._words(known.decision, utc), utc
        before = next(reversed(self._sent.values()), None)
        self._sent[message.seq] = message
        for seq in list(self._sent)[:-_REMEMBERED]:
            del self._sent[seq]
        if known.decision.state.shed.order is None:
            # what a shed takes back is no promise, and the old ones hold again when it is over
            self._promised = joined_promises(self._promised, promises_of(message), utc=utc)
        if before is not None and lowers(message, before) and self._due is None and self._site.it.takes_offers:
            self._due = _Due(seq=message.seq, due_utc=utc + timedelta(seconds=self._patience_s(utc)))
        return (outgoing,)

    def _patience_s(self, utc: datetime) -> float:
        """Return how long an acknowledgement may take; a loop with long cycles gives it one more of them."""
        offer = self._offers.offer_at(utc)
        notice_s = 0.0 if offer is None else offer.notice_s
        return notice_s + max(_ACK_WITHIN_S, 2.0 * self._site.control.period_s)

    def _shed(self, order: ShedOrder, utc: datetime) -> Outgoing:
        self._seq += 1
        message = ShedMessage(
            ts=utc,
            seq=self._seq,
            cluster=self._site.it.id,
            id=order.id,
            target_kw=order.target_kw,
            within_s=order.within_s,
            until=order.until_utc,
            reason=order.reason.value,
            text=order.text,
        )
        return Outgoing(topic=shed_topic(self._site.it.id), message=message, retain=False)


def _said_before(saved: Mapping[str, object]) -> tuple[int, tuple[PromisedPower, ...]]:
    """Return the last number and the promises of a document.

    Raises:
        KeyError, TypeError, ValueError: It is not one of ours.
    """
    seq, promised = saved["seq"], saved["promised"]
    if not isinstance(seq, int) or not isinstance(promised, list):
        raise TypeError("not a document of the dialogue")
    return seq, tuple(
        PromisedPower(start_utc=datetime.fromisoformat(start), end_utc=datetime.fromisoformat(end), limit_kw=float(kw))
        for start, end, kw in promised
    )
