"""A broker in memory: retained messages, wills, clean sessions; for drivers and simulated devices without sockets."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from drivers.mqtt.publications import Publication
from drivers.mqtt.session import Access, Arrival, Session
from drivers.sim.mqtt.connection import Line, Said, Testament
from ems.errors import DeviceUnreachableError
from ems.model.device import BrokerSpec


class Client(Protocol):
    """Whoever is connected."""

    def take(self, topic: str, payload: bytes, *, retained: bool) -> None:
        """Take a message of a topic that was subscribed."""


@dataclass
class MemoryBroker:
    """Hands messages over at once; `is_up` False refuses and drops everybody."""

    is_up: bool = True
    retained: dict[str, bytes] = field(default_factory=dict)
    log: list[tuple[str, bytes]] = field(default_factory=list)
    _ears: dict[str, list[Client]] = field(default_factory=dict)

    def subscribe(self, client: Client, topics: Sequence[str]) -> None:
        for topic in topics:
            self._ears.setdefault(topic, []).append(client)
            if topic in self.retained:
                client.take(topic, self.retained[topic], retained=True)

    def forget(self, client: Client) -> None:
        for clients in self._ears.values():
            while client in clients:
                clients.remove(client)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        if not self.is_up:
            return
        self.log.append((topic, payload))
        if retain:
            self.retained[topic] = payload
        for client in list(self._ears.get(topic, ())):
            client.take(topic, payload, retained=False)

    def stop(self) -> None:
        """End every connection; what was retained is kept."""
        self.is_up = False
        for client in {id(client): client for clients in self._ears.values() for client in clients}.values():
            if isinstance(client, MemorySession):
                client.lose()

    @asynccontextmanager
    async def connect(self, _spec: BrokerSpec, _access: Access) -> AsyncIterator[Session]:
        """Return the connection of a driver's link."""
        if not self.is_up:
            raise _gone()
        session = MemorySession(self)
        try:
            yield session
        finally:
            self.forget(session)

    def dial(
        self, _host: str, _port: int, _client_id: str, will: Testament | None, told: Callable[[Said], None]
    ) -> Line:
        """Return a line of a simulated device."""
        return MemoryLine(self, will, told)


class MemoryLine:
    """A `Line` to the broker in memory."""

    def __init__(self, broker: MemoryBroker, will: Testament | None, told: Callable[[Said], None]) -> None:
        self._broker = broker
        self._will = will
        self._told = told
        self._is_open = False

    @property
    def is_lost(self) -> bool:
        return not (self._is_open and self._broker.is_up)

    async def open(self, topics: Sequence[str]) -> bool:
        await asyncio.sleep(0)
        self._is_open = self._broker.is_up
        if self._is_open:
            self._broker.subscribe(self, topics)
        return self._is_open

    def publish(self, topic: str, payload: str | bytes, *, qos: int = 0, retain: bool = False) -> None:  # noqa: ARG002 - the protocol's signature
        self._broker.publish(topic, payload.encode() if isinstance(payload, str) else payload, retain=retain)

    async def close(self) -> None:
        await asyncio.sleep(0)
        self._leave()

    async def vanish(self) -> None:
        await asyncio.sleep(0)
        self._leave()
        if self._will is not None:
            self._broker.publish(self._will.topic, self._will.payload.encode(), retain=True)

    def take(self, topic: str, payload: bytes, *, retained: bool) -> None:
        self._told(Said(topic=topic, payload=payload, retained=retained))

    def _leave(self) -> None:
        self._is_open = False
        self._broker.forget(self)


@dataclass
class Ear:
    """A client that keeps what it hears."""

    heard: list[tuple[str, bytes, bool]] = field(default_factory=list)

    def take(self, topic: str, payload: bytes, *, retained: bool) -> None:
        self.heard.append((topic, payload, retained))


class MemorySession:
    """A driver's connection to the broker in memory."""

    n_dropped = 0

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker
        self._waiting: asyncio.Queue[Arrival | None] = asyncio.Queue()

    async def subscribe(self, topics: Mapping[str, int]) -> tuple[str, ...]:
        await asyncio.sleep(0)
        self._broker.subscribe(self, list(topics))
        return ()

    async def publish(self, publication: Publication) -> None:
        await asyncio.sleep(0)
        if not self._broker.is_up:
            raise _gone()
        self._broker.publish(publication.topic, publication.payload)

    async def messages(self) -> AsyncIterator[Arrival]:
        while (arrival := await self._waiting.get()) is not None:
            yield arrival
        raise _gone()

    def take(self, topic: str, payload: bytes, *, retained: bool) -> None:
        self._waiting.put_nowait(Arrival(topic, payload, retained))

    def lose(self) -> None:
        """End: the broker is gone."""
        self._waiting.put_nowait(None)


def _gone() -> DeviceUnreachableError:
    return DeviceUnreachableError("the broker is gone", device="broker")
