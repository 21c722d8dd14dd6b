"""The edge node's connection: its own client with its own will, births after the primary host, data once a second."""

import asyncio
import json
import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import aiomqtt
import structlog

from ems.contract.outgoing import Outgoing
from ems.gateway.broker import BrokerSettings
from ems.gateway.connecting import end_if_cancelled, ended, innermost
from ems.gateway.sparkplug.node import NAMESPACE, EdgeNode, Sending

_FIRST_PAUSE_S: Final = 0.5
_WILL_QOS: Final = 1
_VERSIONS: Final = {"3.1.1": aiomqtt.ProtocolVersion.V311, "5": aiomqtt.ProtocolVersion.V5}


@dataclass(frozen=True, slots=True, kw_only=True)
class SparkplugSettings:
    """Names of the edge node; `primary_host` None: it is born whoever listens."""

    group: str
    node: str
    primary_host: str | None


class _HostAway(Exception):  # noqa: N818 - an end of a session, not a fault
    """The primary host has gone: leave the broker and wait for its return."""


class SparkplugPublisher:
    """Takes messages with `see` and `flush` in the event loop's thread; `run` carries them to the broker."""

    def __init__(self, broker: BrokerSettings, settings: SparkplugSettings) -> None:
        self._broker = broker
        self._settings = settings
        self._node = EdgeNode(group=settings.group, node=settings.node)
        self._news = asyncio.Event()
        self._host = asyncio.Event()
        self._host_at_ms = 0
        self._is_born = False
        self._trouble: str | None = None
        self._random = random.Random()  # noqa: S311 - jitter, not a secret
        self._log = structlog.get_logger("sparkplug")

    @property
    def is_born(self) -> bool:
        """Return whether the node has told its births on this connection."""
        return self._is_born

    @property
    def trouble(self) -> str | None:
        """Return why there is no connection, None while there is one."""
        return self._trouble

    def see(self, outgoing: Outgoing) -> None:
        """Take the values of a message."""
        self._node.see(outgoing)

    def flush(self) -> None:
        """Say that a round of messages is complete."""
        self._news.set()

    async def run(self) -> None:
        """Stay connected until cancelled."""
        pause_s = _FIRST_PAUSE_S
        while True:
            was_trouble = self._trouble
            session = asyncio.create_task(self._session(), name="sparkplug-session")
            try:
                await asyncio.wait((session,))
            finally:
                await ended(session)
                self._is_born = False
            error = None if session.cancelled() else session.exception()
            if error is not None:
                self._lost(innermost(error))
            pause_s = _FIRST_PAUSE_S if was_trouble is None else min(self._broker.reconnect_max_s, 2.0 * pause_s)
            await asyncio.sleep(pause_s * self._random.uniform(0.8, 1.2))

    async def _session(self) -> None:
        async with self._client() as client:
            self._host.clear()
            await client.subscribe(self._node.topic("NCMD"), qos=1)
            await client.subscribe(f"{self._node.topic('DCMD')}/#", qos=1)
            if self._settings.primary_host is not None:
                await client.subscribe(self._state_topic(), qos=1)
            else:
                self._host.set()
            try:
                await self._converse(client)
            except asyncio.CancelledError:
                # whoever leaves on purpose says so: the broker sends no will then
                await self._die(client)
                raise

    async def _converse(self, client: aiomqtt.Client) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._listen(client), name="sparkplug-listen")
                group.create_task(self._talk(client), name="sparkplug-talk")
        except* _HostAway:
            self._log.info("sparkplug_host_away", host=self._settings.primary_host)
            await self._die(client)

    async def _die(self, client: aiomqtt.Client) -> None:
        self._is_born = False
        await client.publish(self._node.topic("NDEATH"), self._node.death(), qos=0, retain=False)

    async def _talk(self, client: aiomqtt.Client) -> None:
        await self._host.wait()
        while not self._node.is_ready:
            await self._more()
        await self._send(client, self._node.born())
        self._is_born, self._trouble = True, None
        self._log.info("sparkplug_born", group=self._settings.group, node=self._settings.node)
        while True:
            await self._more()
            await self._send(client, self._node.news())

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            payload = message.payload if isinstance(message.payload, bytes) else b""
            topic = str(message.topic)
            if topic == self._state_topic():
                self._hear_host(payload)
            elif topic == self._node.topic("NCMD"):
                self._hear_command(payload, topic)
            else:
                self._log.warning("sparkplug_command_refused", topic=topic, reason="nothing is written this way")

    def _hear_host(self, payload: bytes) -> None:
        """Follow the primary host; what is older than what was heard is not taken."""
        try:
            document = json.loads(payload)
            is_online, at_ms = bool(document["online"]), int(document["timestamp"])
        except (ValueError, TypeError, KeyError):
            self._log.warning("sparkplug_command_refused", topic=self._state_topic(), reason="no state of a host")
            return
        if at_ms < self._host_at_ms:
            return
        self._host_at_ms = at_ms
        if is_online:
            self._host.set()
        elif self._host.is_set():
            raise _HostAway

    def _hear_command(self, payload: bytes, topic: str) -> None:
        try:
            refusal = self._node.command(payload)
        except ValueError as error:
            refusal = str(error)
        if refusal is not None:
            self._log.warning("sparkplug_command_refused", topic=topic, reason=refusal)
        self._news.set()

    async def _send(self, client: aiomqtt.Client, sendings: Iterable[Sending]) -> None:
        for sending in sendings:
            await client.publish(sending.topic, sending.payload, qos=0, retain=False)
            end_if_cancelled()

    async def _more(self) -> None:
        self._news.clear()
        await self._news.wait()

    def _state_topic(self) -> str:
        return f"{NAMESPACE}/STATE/{self._settings.primary_host}"

    def _client(self) -> aiomqtt.Client:
        broker = self._broker
        return aiomqtt.Client(
            broker.host,
            port=broker.port,
            identifier=f"{broker.identifier}-sparkplug",
            protocol=_VERSIONS[broker.protocol],
            username=broker.username,
            password=broker.password,
            tls_context=broker.tls,
            keepalive=broker.keepalive_s,
            timeout=broker.timeout_s,
            will=aiomqtt.Will(self._node.topic("NDEATH"), self._node.will(), qos=_WILL_QOS, retain=False),
            max_queued_incoming_messages=100,
        )

    def _lost(self, error: BaseException) -> None:
        text = str(error) or type(error).__name__
        if self._trouble is None:
            self._log.warning("sparkplug_lost", host=self._broker.host, port=self._broker.port, error=text)
        self._trouble = text
