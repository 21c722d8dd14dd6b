"""Whether a site's daemon is online, as the broker remembers it: the retained topic `status` with its last will."""

import asyncio
from typing import Final

import aiomqtt

from ems.contract.status import Presence
from ems.contract.topics import STATUS, Topics
from ems.gateway.broker import BrokerSettings

# a retained message follows the subscription at once
_WAIT_S: Final = 2.0
_VERSIONS: Final = {"3.1.1": aiomqtt.ProtocolVersion.V311, "5": aiomqtt.ProtocolVersion.V5}


async def daemon_is_online(settings: BrokerSettings, topics: Topics) -> bool | None:
    """Return what the broker says; None where it cannot be asked or has never heard of the site."""
    try:
        async with asyncio.timeout(settings.timeout_s + _WAIT_S), _client(settings) as client:
            await client.subscribe(topics.full(STATUS))
            async for message in client.messages:
                return bytes(message.payload) == Presence.ONLINE.value.encode()
    except (aiomqtt.MqttError, OSError, TimeoutError):
        return None
    return None


def _client(settings: BrokerSettings) -> aiomqtt.Client:
    return aiomqtt.Client(
        settings.host,
        settings.port,
        identifier=f"{settings.identifier}-commissioning",
        protocol=_VERSIONS[settings.protocol],
        username=settings.username,
        password=settings.password,
        tls_context=settings.tls,
        keepalive=settings.keepalive_s,
        timeout=settings.timeout_s,
    )
