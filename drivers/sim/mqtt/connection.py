"""One device's connection to the broker, by the Paho client: another one than the drivers use.

Paho's thread does the network; whatever it tells is handed to the event loop.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Protocol

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

_CONNECT_WAIT_S: Final = 5.0
_KEEPALIVE_S: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One message to a device."""

    topic: str
    payload: bytes
    retained: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Testament:
    """What the broker publishes, retained, when the connection ends without a word."""

    topic: str
    payload: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What a broker asks for before it lets a device in."""

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None


class Line(Protocol):
    """A connection that is made once and used until it is lost."""

    @property
    def is_lost(self) -> bool:
        """Return whether it has ended."""

    async def open(self, topics: Sequence[str]) -> bool:
        """Connect and subscribe; return whether the broker has let us in."""

    def publish(self, topic: str, payload: str | bytes, *, qos: int = 0, retain: bool = False) -> None:
        """Publish without waiting."""

    async def close(self) -> None:
        """Say goodbye: the will is not published."""

    async def vanish(self) -> None:
        """End without a word, as a device that loses its power: the broker publishes the will."""


# a line to a broker (host, port), by client id and will; the messages to the device are told in the event loop
Dial = Callable[[str, int, str, Testament | None, Callable[[Said], None]], Line]


class Connection:
    """A `Line` over the network."""

    def __init__(
        self,
        host: str,
        port: int,
        client_id: str,
        will: Testament | None,
        told: Callable[[Said], None],
        *,
        login: Login | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._told = told
        self._loop = asyncio.get_running_loop()
        self._answered = asyncio.Event()
        self._lost = asyncio.Event()
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=True, reconnect_on_failure=False
        )
        if login is not None and login.username is not None:
            self._client.username_pw_set(login.username, login.password)
        if login is not None and login.tls is not None:
            self._client.tls_set_context(login.tls)
        if will is not None:
            self._client.will_set(will.topic, will.payload, qos=1, retain=True)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message

    @property
    def is_lost(self) -> bool:
        """Return whether it has ended."""
        return self._lost.is_set()

    async def open(self, topics: Sequence[str]) -> bool:
        """Connect and subscribe; return whether the broker has let us in."""
        try:
            await asyncio.to_thread(self._client.connect, self._host, self._port, _KEEPALIVE_S)
            self._client.loop_start()
            async with asyncio.timeout(_CONNECT_WAIT_S):
                await self._answered.wait()
        except (OSError, TimeoutError):
            await self.close()
            return False
        if topics and not self.is_lost:
            self._client.subscribe([(topic, 1) for topic in topics])
        return not self.is_lost

    def publish(self, topic: str, payload: str | bytes, *, qos: int = 0, retain: bool = False) -> None:
        """Publish without waiting."""
        self._client.publish(topic, payload, qos=qos, retain=retain)

    async def close(self) -> None:
        """Say goodbye: the will is not published."""
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)

    async def vanish(self) -> None:
        """End without a word, as a device that loses its power: the broker publishes the will."""
        if isinstance(line := self._client.socket(), socket.socket):
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
        await asyncio.to_thread(self._client.loop_stop)

    def _on_connect(
        self,
        _client: paho.Client,
        _data: object,
        _flags: paho.ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._hand_over(self._lost.set)
        self._hand_over(self._answered.set)

    def _on_disconnect(
        self,
        _client: paho.Client,
        _data: object,
        _flags: paho.DisconnectFlags,
        _reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self._hand_over(self._lost.set)
        self._hand_over(self._answered.set)

    def _on_message(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        said = Said(topic=message.topic, payload=bytes(message.payload), retained=message.retain)
        self._hand_over(lambda: self._told(said))

    def _hand_over(self, call: Callable[[], None]) -> None:
        # the loop may have ended before the client's thread
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call)
