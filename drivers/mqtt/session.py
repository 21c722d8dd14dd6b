"""One connection to a broker; the only module among the drivers that imports aiomqtt.

The session is clean: the broker keeps nothing for us while we are away, so that neither an old command nor an old
value comes with a new connection.
"""

import asyncio
import math
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, Protocol

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from drivers.mqtt.publications import Publication
from ems.errors import DeviceUnreachableError
from ems.model.device import BrokerSpec, MqttVersion

# calls that wait for the broker at the same time; aiomqtt warns above ten
MOST_PENDING: Final = 10
_VERSIONS: Final = {MqttVersion.V311: aiomqtt.ProtocolVersion.V311, MqttVersion.V5: aiomqtt.ProtocolVersion.V5}
# reason codes of a subscription from here on are refusals (MQTT 3.1.1, 3.9.3; MQTT 5.0, 3.9.3)
_REFUSED: Final = 0x80


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message; `retained`: the broker kept it from before the subscription."""

    topic: str
    payload: bytes
    retained: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What lets us in: the password alone, and how the broker is verified and we are known to it."""

    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None


class Session(Protocol):
    """A connection to a broker; every method raises `DeviceUnreachableError` once it is lost."""

    @property
    def n_dropped(self) -> int:
        """Return how many messages came faster than they were read; the oldest go first."""

    async def subscribe(self, topics: Mapping[str, int]) -> tuple[str, ...]:
        """Subscribe to topics, each with its quality of service; return those that are refused."""

    async def publish(self, publication: Publication) -> None:
        """Publish, and wait until the broker has confirmed it (at quality of service 0: until it is sent)."""

    def messages(self) -> AsyncIterator[Arrival]:
        """Yield what arrives."""


Connect = Callable[[BrokerSpec, Access], AbstractAsyncContextManager[Session]]


@asynccontextmanager
async def broker_session(spec: BrokerSpec, access: Access) -> AsyncIterator[Session]:
    """Connect to a broker while entered.

    Raises:
        DeviceUnreachableError: There is no connection, or it cannot be ended in good order.
    """
    waiting: list[_Newest] = []

    class Queue(_Newest):
        """The client makes its queue by itself."""

        def __init__(self, maxsize: int = 0) -> None:
            super().__init__(maxsize)
            waiting.append(self)

    try:
        async with _client(spec, access, Queue) as client:
            yield _BrokerSession(client, waiting[0], spec)
    except aiomqtt.MqttError as error:
        raise _unreachable(spec, error) from error


class _Newest(asyncio.Queue[aiomqtt.Message]):
    """Drops the oldest message where the newest finds no room: an old value is worth less."""

    n_dropped = 0

    def put_nowait(self, item: aiomqtt.Message) -> None:
        """Put a message into the queue."""
        if self.full():
            self.get_nowait()
            self.n_dropped += 1
        super().put_nowait(item)


class _BrokerSession:
    """A connection by aiomqtt."""

    def __init__(self, client: aiomqtt.Client, queue: _Newest, spec: BrokerSpec) -> None:
        self._client = client
        self._queue = queue
        self._spec = spec

    @property
    def n_dropped(self) -> int:
        return self._queue.n_dropped

    async def subscribe(self, topics: Mapping[str, int]) -> tuple[str, ...]:
        pairs = list(topics.items())
        refused: list[str] = []
        for start in range(0, len(pairs), MOST_PENDING):
            some = pairs[start : start + MOST_PENDING]
            try:
                granted = await asyncio.gather(*(self._client.subscribe(topic, qos=qos) for topic, qos in some))
            except aiomqtt.MqttError as error:
                raise _unreachable(self._spec, error) from error
            refused += [topic for (topic, _), codes in zip(some, granted, strict=True) if _is_refused(codes)]
        return tuple(refused)

    async def publish(self, publication: Publication) -> None:
        properties = None
        if self._spec.version is MqttVersion.V5 and publication.expires_s is not None:
            properties = _expiring(publication.expires_s)
        try:
            await self._client.publish(
                publication.topic, publication.payload, qos=publication.qos, retain=False, properties=properties
            )
        except aiomqtt.MqttError as error:
            raise _unreachable(self._spec, error) from error

    async def messages(self) -> AsyncIterator[Arrival]:
        try:
            async for message in self._client.messages:
                payload = message.payload if isinstance(message.payload, bytes) else b""
                yield Arrival(str(message.topic), payload, message.retain)
        except aiomqtt.MqttError as error:
            raise _unreachable(self._spec, error) from error


def _client(spec: BrokerSpec, access: Access, queue: type[_Newest]) -> aiomqtt.Client:
    return aiomqtt.Client(
        spec.host,
        port=spec.port,
        identifier=spec.client_id,
        protocol=_VERSIONS[spec.version],
        username=spec.username,
        password=access.password,
        tls_context=access.tls,
        keepalive=spec.keepalive_s,
        timeout=spec.timeout_s,
        queue_type=queue,
        max_queued_incoming_messages=spec.max_queued,
    )


def _expiring(expires_s: float) -> Properties:
    """Return the properties by which a broker drops a message that it could not hand on in time."""
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call] # the library has no types here
    properties.MessageExpiryInterval = max(1, math.ceil(expires_s))
    return properties


def _is_refused(codes: object) -> bool:
    """Return whether the only reason code of an answer is a refusal; it is a number in MQTT 3.1.1."""
    first = codes[0] if isinstance(codes, list | tuple) and codes else 0
    return int(getattr(first, "value", first)) >= _REFUSED


def _unreachable(spec: BrokerSpec, error: aiomqtt.MqttError) -> DeviceUnreachableError:
    return DeviceUnreachableError(f"no connection to {spec}: {error}", device=spec.id)
