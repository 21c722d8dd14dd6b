"""Follows a site through its broker, read-only: what any SCADA client does with the published contract."""

import asyncio
import secrets
from dataclasses import dataclass
from typing import Protocol

import aiomqtt

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerAddress:
    """Where a broker listens."""

    host: str
    port: int


class Follower(Protocol):
    """Takes what arrives; topics are given below the site's root."""

    def feed(self, topic: str, payload: bytes) -> None:
        """Take one message."""

    def connected(self, *, is_connected: bool) -> None:
        """Learn whether the broker can be reached."""


async def follow_site(address: BrokerAddress, root: str, follower: Follower) -> None:
    """Subscribe to everything below `root` and hand it on, reconnecting for ever; ends by cancellation."""
    pause_s = _FIRST_PAUSE_S
    task = asyncio.current_task()
    while task is None or not task.cancelling():
        try:
            async with aiomqtt.Client(
                address.host, port=address.port, identifier=f"ems-view-{secrets.token_hex(4)}", timeout=5.0
            ) as client:
                await client.subscribe(f"{root}/#", qos=1)
                follower.connected(is_connected=True)
                pause_s = _FIRST_PAUSE_S
                async for message in client.messages:
                    # the library waits with `wait_for`, which on Python 3.11 can forget a cancellation
                    if task is not None and task.cancelling():
                        raise asyncio.CancelledError
                    if isinstance(message.payload, bytes):
                        follower.feed(str(message.topic).removeprefix(f"{root}/"), message.payload)
        except aiomqtt.MqttError:
            follower.connected(is_connected=False)
        await asyncio.sleep(pause_s)
        pause_s = min(_LONGEST_PAUSE_S, 2.0 * pause_s)
