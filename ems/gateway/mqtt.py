"""Publishes to the site's broker: keeps the newest of each retained topic, reconnects for ever, never blocks a caller.

Time here is the network's, not the site's: waits and time-outs are real seconds even where a demo runs faster.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import aiomqtt
import structlog

from ems.contract.message import content
from ems.contract.status import Presence
from ems.contract.topics import STATUS, Topics
from ems.gateway.broker import BrokerSettings
from ems.gateway.connecting import end_if_cancelled, ended, innermost
from ems.gateway.records import RecordQueue
from ems.model.status import QueueStatus

_QOS: Final = 1
_FIRST_PAUSE_S: Final = 0.5
# below the 20 that MQTT clients keep in flight, so that messages of one topic never overtake each other
_N_SENDERS: Final = 16
# messages of one topic that may wait to be read
_INCOMING: Final = 4
# messages of all topics of one pattern
_HEARD: Final = 32

# takes a payload, and whether the broker had kept it
Receiver = Callable[[bytes, bool], None]
# takes the last part of the topic as well
Listener = Callable[[str, bytes, bool], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherStatistics:
    """What the publisher has done since it was made; `n_waiting` retained topics and events are not yet sent."""

    connected: bool
    n_connects: int
    n_sent: int
    n_unchanged: int
    n_events_dropped: int
    n_waiting: int
    n_topics: int
    trouble: str | None
    n_records_waiting: int = 0
    n_records_dropped: int = 0


@dataclass(slots=True)
class _Kept:
    """The newest payload of a retained topic, and what was last handed to the network."""

    payload: bytes
    said: bytes | None = None
    said_at_s: float = 0.0


class MqttPublisher:
    """Takes messages in the event loop's thread; `run` carries them to the broker while it is there.

    Memory is bounded: one payload for each retained topic, and a fixed number of events and of records.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        topics: Topics,
        *,
        receivers: Mapping[str, Receiver] | None = None,
        listeners: Mapping[str, Listener] | None = None,
        presence: bool = True,
    ) -> None:
        """Build for a broker; `receivers` take what arrives, by topic below the root, and neither block nor raise.

        `listeners` take what arrives on any topic of a pattern that ends with `/+`, and are named the last part.

        Without `presence` the topic `status` is left to the daemon that commands.
        """
        self._receivers = {topics.full(name): receiver for name, receiver in (receivers or {}).items()}
        self._listeners = {topics.full(name): listener for name, listener in (listeners or {}).items()}
        self._settings = settings
        self._topics = topics
        self._presence = presence
        self._kept: dict[str, _Kept] = {}
        if presence:
            self._kept[STATUS] = _Kept(payload=Presence.ONLINE.value.encode())
        # an ordered set: topics in the order in which their news came
        self._due: dict[str, None] = {}
        self._events: deque[tuple[str, bytes]] = deque(maxlen=settings.queue_events)
        self._outside: set[str] = set()
        self.records = RecordQueue(settings.queue_records)
        self._news = asyncio.Event()
        self._settled = asyncio.Event()
        self._n_in_flight = 0
        self._connected = False
        self._n_connects = 0
        self._n_sent = 0
        self._n_unchanged = 0
        self._n_events_dropped = 0
        self._trouble: str | None = None
        self._random = random.Random()  # noqa: S311 - jitter, not a secret
        self._log = structlog.get_logger("mqtt")

    def publish(self, topic: str, payload: str | bytes, *, retain: bool) -> None:
        """Hand a message over; `topic` is below the site's root. Returns at once, whatever the broker does.

        Of a retained topic only the newest message is kept; one that differs in nothing but its time stamp is sent
        only when the refresh time has passed. Of the others the oldest are dropped when too many wait.
        """
        data = payload.encode() if isinstance(payload, str) else payload
        if retain:
            self._keep(topic, data)
        else:
            self._n_events_dropped += len(self._events) == self._events.maxlen
            self._events.append((topic, data))
            self._wake()

    def publish_outside(self, topic: str, payload: bytes) -> None:
        """Hand over a retained message whose topic is not below the site's root."""
        self._outside.add(topic)
        self._keep(topic, payload)

    def record(self, topic: str, payload: bytes) -> None:
        """Hand over what must not be lost: it is kept until the broker has confirmed it, and then sent in order."""
        self.records.put(topic, payload)
        self._wake()

    def withdraw(self, topic: str) -> None:
        """Take a retained message back: the broker forgets it, and so does the publisher once that is confirmed."""
        if topic in self._kept:
            self._keep(topic, b"")

    async def run(self) -> None:
        """Stay connected and send until cancelled; call `finish` first to leave in good order."""
        pause_s = _FIRST_PAUSE_S
        while True:
            n_connects = self._n_connects
            session = asyncio.create_task(self._session(), name="mqtt-session")
            try:
                await asyncio.wait((session,))
            finally:
                await ended(session)
                self._connected = False
                self._n_in_flight = 0
            # nothing that a broker or network does may reach the daemon
            if not session.cancelled() and (error := session.exception()) is not None:
                self._lost(innermost(error))
            if self._n_connects > n_connects:
                pause_s = _FIRST_PAUSE_S
            await asyncio.sleep(pause_s * self._random.uniform(0.8, 1.2))
            pause_s = min(self._settings.reconnect_max_s, 2.0 * pause_s)

    async def finish(self, *, deadline_s: float) -> None:
        """Send what waits, then `offline`; give up after `deadline_s`, at once without a connection."""
        if not self._connected:
            return
        try:
            async with asyncio.timeout(deadline_s):
                await self._sent()
                if not self._presence:
                    return
                self.publish(STATUS, Presence.OFFLINE.value, retain=True)
                await self._sent()
        except TimeoutError:
            self._log.warning("mqtt_not_flushed", n_waiting=self._n_waiting)

    def statistics(self) -> PublisherStatistics:
        """Return the counts so far."""
        return PublisherStatistics(
            connected=self._connected,
            n_connects=self._n_connects,
            n_sent=self._n_sent,
            n_unchanged=self._n_unchanged,
            n_events_dropped=self._n_events_dropped,
            n_waiting=self._n_waiting,
            n_topics=len(self._kept),
            trouble=self._trouble,
            n_records_waiting=len(self.records),
            n_records_dropped=self.records.n_dropped,
        )

    def events(self) -> QueueStatus:
        """Return how many events wait for the broker."""
        return QueueStatus(
            name="mqtt-events",
            n_waiting=len(self._events),
            length=self._settings.queue_events,
            n_dropped=self._n_events_dropped,
        )

    @property
    def _n_waiting(self) -> int:
        return len(self._due) + len(self._events) + len(self.records) + self._n_in_flight

    def _keep(self, topic: str, payload: bytes) -> None:
        kept = self._kept.setdefault(topic, _Kept(payload=payload))
        kept.payload = payload
        if topic in self._due:
            return
        age_s = asyncio.get_running_loop().time() - kept.said_at_s
        if kept.said == content(payload) and age_s < self._settings.refresh_s:
            self._n_unchanged += 1
            return
        self._due[topic] = None
        self._wake()

    def _wake(self) -> None:
        self._settled.clear()
        self._news.set()

    async def _sent(self) -> None:
        """Wait until nothing waits."""
        while self._n_waiting:
            self._settled.clear()
            await self._settled.wait()

    async def _session(self) -> None:
        """Connect, send everything that is retained, then whatever comes; raise when the connection is lost."""
        async with self._client() as client:
            self._connected = True
            self._n_connects += 1
            self._trouble = None
            self._log.info("mqtt_connected", host=self._settings.host, port=self._settings.port)
            # the broker may have lost what it retained; who is there goes first
            self._due = dict.fromkeys(self._kept)
            self._news.set()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch(client), name="mqtt-watch")
                group.create_task(self._send_events(client), name="mqtt-events")
                group.create_task(self._send_records(client), name="mqtt-records")
                for number in range(_N_SENDERS):
                    group.create_task(self._send_retained(client), name=f"mqtt-sender-{number}")

    async def _watch(self, client: aiomqtt.Client) -> None:
        """Hand over what arrives, and notice the loss of the connection while nothing is sent."""
        for topic in (*self._receivers, *self._listeners):
            await client.subscribe(topic, qos=_QOS)
        async for message in client.messages:
            self._take(str(message.topic), message.payload, retained=bool(message.retain))

    def _take(self, topic: str, payload: object, *, retained: bool) -> None:
        receiver, (head, _, last) = self._receivers.get(topic), topic.rpartition("/")
        listener = self._listeners.get(f"{head}/+")
        if isinstance(payload, bytes) and receiver is not None:
            receiver(payload, retained)
        elif isinstance(payload, bytes) and listener is not None:
            listener(last, payload, retained)
        else:
            self._log.debug("mqtt_unexpected", topic=topic)

    async def _send_retained(self, client: aiomqtt.Client) -> None:
        while True:
            while self._due:
                topic = next(iter(self._due))
                del self._due[topic]
                kept = self._kept.get(topic)
                if kept is None:
                    continue
                kept.said, kept.said_at_s = content(kept.payload), asyncio.get_running_loop().time()
                payload = kept.payload
                await self._send(client, topic, payload, retain=True)
                if not payload and not kept.payload:
                    self._kept.pop(topic, None)
            await self._more()

    async def _send_events(self, client: aiomqtt.Client) -> None:
        """Send events one after the other, so that they arrive in order; one that was not confirmed goes again."""
        while True:
            while self._events:
                event = self._events[0]
                await self._send(client, *event, retain=False)
                if self._events and self._events[0] is event:
                    self._events.popleft()
            await self._more()

    async def _send_records(self, client: aiomqtt.Client) -> None:
        """Send records one after the other; one that was not confirmed goes again."""
        while True:
            while (waiting := self.records.first()) is not None:
                await self._send(client, *waiting, retain=False)
                self.records.confirmed(*waiting)
            await self._more()

    async def _send(self, client: aiomqtt.Client, topic: str, payload: bytes, *, retain: bool) -> None:
        self._n_in_flight += 1
        full = topic if topic in self._outside else self._topics.full(topic)
        await client.publish(full, payload, qos=_QOS, retain=retain)
        self._n_in_flight -= 1
        self._n_sent += 1
        end_if_cancelled()

    async def _more(self) -> None:
        """Wait for news, and say that everything is sent where that is so."""
        if not self._n_waiting:
            self._settled.set()
        self._news.clear()
        await self._news.wait()

    def _client(self) -> aiomqtt.Client:
        settings = self._settings
        versions = {"3.1.1": aiomqtt.ProtocolVersion.V311, "5": aiomqtt.ProtocolVersion.V5}
        client = aiomqtt.Client(
            settings.host,
            port=settings.port,
            identifier=settings.identifier,
            protocol=versions[settings.protocol],
            username=settings.username,
            password=settings.password,
            tls_context=settings.tls,
            keepalive=settings.keepalive_s,
            timeout=settings.timeout_s,
            will=self._will(),
            # what comes faster than it is read is dropped by the client
            max_queued_incoming_messages=max(1, _INCOMING * len(self._receivers) + _HEARD * len(self._listeners)),
        )
        client.pending_calls_threshold = _N_SENDERS + 1
        return client

    def _will(self) -> aiomqtt.Will | None:
        if not self._presence:
            return None
        return aiomqtt.Will(self._topics.full(STATUS), Presence.OFFLINE.value.encode(), qos=_QOS, retain=True)

    def _lost(self, error: BaseException) -> None:
        """Note a failure; log it once when it begins."""
        text = str(error) or type(error).__name__
        if self._trouble is None:
            self._log.warning("mqtt_lost", host=self._settings.host, port=self._settings.port, error=text)
        self._trouble = text
