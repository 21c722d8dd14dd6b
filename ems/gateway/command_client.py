"""Sends one command to a site and waits for its answer, as any client of the broker may; it is signed elsewhere."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

import aiomqtt
from pydantic import ValidationError

from ems.contract.command import CommandAckMessage
from ems.contract.daemon import HealthMessage
from ems.contract.topics import HEALTH, Topics, command_ack_topic, command_topic
from ems.errors import StateError
from ems.gateway.broker import BrokerSettings

_VERSIONS: Final = {"3.1.1": aiomqtt.ProtocolVersion.V311, "5": aiomqtt.ProtocolVersion.V5}
# the daemon waits up to five seconds for its disk
_ANSWER_WAIT_S: Final = 10.0
# `health` is published once a second
_TIME_WAIT_S: Final = 5.0
_QOS: Final = 1


async def site_time(settings: BrokerSettings, topics: Topics) -> datetime:
    """Return the site's own time, of the next message about its health.

    Raises:
        StateError: The broker cannot be reached, or the daemon says nothing.
    """
    async with _connected(settings) as client:
        await client.subscribe(topics.full(HEALTH), qos=_QOS)
        try:
            async with asyncio.timeout(_TIME_WAIT_S):
                async for message in client.messages:
                    if message.retain or not isinstance(message.payload, bytes):
                        continue
                    return HealthMessage.model_validate_json(message.payload).ts
        except TimeoutError as error:
            raise StateError(
                f"{topics.full(HEALTH)}: no message in {_TIME_WAIT_S:.0f} s; is the daemon there?"
            ) from error
    raise StateError("the broker has closed the connection")


async def send_command(
    settings: BrokerSettings, topics: Topics, payload: bytes, *, command_id: str, name: str
) -> CommandAckMessage:
    """Publish a command and return the answer.

    Raises:
        StateError: The broker cannot be reached, or nobody has answered.
    """
    async with _connected(settings) as client:
        await client.subscribe(topics.full(command_ack_topic(command_id)), qos=_QOS)
        await client.publish(topics.full(command_topic(name)), payload, qos=_QOS, retain=False)
        try:
            async with asyncio.timeout(_ANSWER_WAIT_S):
                async for message in client.messages:
                    if isinstance(message.payload, bytes):
                        return _answer(message.payload)
        except TimeoutError as error:
            raise StateError(
                f"{topics.full(command_topic(name))}: no answer in {_ANSWER_WAIT_S:.0f} s; look at the topics status "
                "and commands, and at the broker's access list"
            ) from error
    raise StateError("the broker has closed the connection")


def _answer(payload: bytes) -> CommandAckMessage:
    try:
        return CommandAckMessage.model_validate_json(payload)
    except ValidationError as error:
        raise StateError("the answer is none of this version of the software") from error


@asynccontextmanager
async def _connected(settings: BrokerSettings) -> AsyncIterator[aiomqtt.Client]:
    client = aiomqtt.Client(
        settings.host,
        settings.port,
        identifier=f"ems-cmd-{secrets.token_hex(4)}",
        protocol=_VERSIONS[settings.protocol],
        username=settings.username,
        password=settings.password,
        tls_context=settings.tls,
        keepalive=settings.keepalive_s,
        timeout=settings.timeout_s,
    )
    try:
        async with client:
            yield client
    except aiomqtt.MqttError as error:
        raise StateError(f"{settings.host}:{settings.port}: {error}; check the broker's address and access") from error
