"""The cluster's dialogue in the daemon: payloads go by the gateway, and what is to be told becomes events."""

from collections.abc import Callable, Mapping
from datetime import datetime

from ems.cluster.dialogue import ClusterDialogue, Listeners, News
from ems.contract.outgoing import Outgoing
from ems.model.cluster import ClusterCondition, ClusterView
from ems.model.offer import FlexOffer
from ems.model.site import Site
from ems.ports import Clock
from ems.runtime.cycle import CycleRecord
from ems.runtime.observer import Event
from ems.runtime.persistence import StateStore
from ems.runtime.planner import PlanningResult

_NAME = "cluster"


class ClusterDesk:
    """An observer that speaks with the cluster; `connect` names where its words go before the daemon runs."""

    def __init__(self, site: Site, clock: Clock, store: StateStore) -> None:
        """Go on where the last run stopped."""
        self._clock = clock
        self._store = store
        self._publish: Callable[[Outgoing], None] = _to_nobody
        self._tell: Callable[[Event], None] = _to_nobody
        self._waiting: list[Event] = []
        found = store.load(_NAME)
        listeners = Listeners(
            news=self._news,
            refused=lambda kind, reason: self._event(f"{kind} of the cluster refused: {reason}", urgent=True),
            returned=lambda kind, count: self._event(f"{kind} of the cluster used again after {count} that were not"),
        )
        self._dialogue = ClusterDialogue(site, listeners, saved=None if found is None else found[0])

    def connect(self, *, publish: Callable[[Outgoing], None], tell: Callable[[Event], None]) -> None:
        """Name who carries messages away and who hears of events."""
        self._publish, self._tell = publish, tell
        for event in self._waiting:
            tell(event)
        self._waiting = []

    def receivers(self) -> Mapping[str, Callable[[bytes, bool], None]]:
        """Return who takes what arrives, by topic below the site's root."""
        return {topic: self._stamped(take) for topic, take in self._dialogue.receivers().items()}

    def view(self, utc: datetime) -> ClusterView:
        """Return what the cluster can be counted on for."""
        return self._dialogue.view(utc)

    def offer_at(self, utc: datetime) -> FlexOffer | None:
        """Return the offer to plan with."""
        return self._dialogue.offer_at(utc)

    def condition_at(self, utc: datetime) -> ClusterCondition:
        """Return what a plan may know of the cluster beside its offer."""
        return self._dialogue.condition_at(utc)

    def on_cycle(self, record: CycleRecord) -> None:
        """Say what the cycle makes necessary."""
        self._say(self._dialogue.on_cycle(record.snapshot, record.decision))

    def on_plan(self, result: PlanningResult) -> None:
        """Say what the new plan allows."""
        carbon = None if result.outlook is None else result.outlook.carbon_kgco2e_per_kwh
        self._say(self._dialogue.on_plan(result.plan, carbon, self._clock.utc()))

    def on_event(self, event: Event) -> None:
        """Hear of an event; the cluster is told nothing of it."""

    def _say(self, outgoing: tuple[Outgoing, ...]) -> None:
        if not outgoing:
            return
        # the numbers are saved before they are used
        self._store.save(_NAME, self._dialogue.document(), utc=self._clock.utc())
        for each in outgoing:
            self._publish(each)

    def _stamped(self, take: Callable[[bytes, datetime, bool], None]) -> Callable[[bytes, bool], None]:
        return lambda payload, retained: take(payload, self._clock.utc(), retained)

    def _news(self, news: News) -> None:
        self._event(news.text, urgent=news.urgent)

    def _event(self, text: str, *, urgent: bool = False) -> None:
        event = Event(utc=self._clock.utc(), kind="cluster", text=text, urgent=urgent)
        if self._tell is _to_nobody:
            self._waiting.append(event)
        else:
            self._tell(event)


def _to_nobody(_: object) -> None:
    """Carry nothing: the daemon does not run yet."""
