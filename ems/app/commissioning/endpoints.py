"""Addresses on the command line: HOST:PORT, lists of units, and the link that reaches them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from drivers.modbus.link import ModbusLink
from ems.errors import ConfigError, ConfigProblem
from ems.model.device import Framing, LinkSpec, TcpEndpoint

FRAMINGS: Final = (Framing.TCP.value, Framing.RTU_OVER_TCP.value)
_HIGHEST_UNIT: Final = 255
_HIGHEST_PORT: Final = 65535
# a person waits: the pause between attempts does not grow
_RECONNECT_S: Final = 1.0


def endpoint_link(endpoint: str, *, framing: str, timeout_s: float) -> LinkSpec:
    """Return the link to HOST:PORT; an IPv6 address stands in brackets.

    Raises:
        ConfigError: The text names no endpoint, or the framing does not exist.
    """
    host, colon, port = endpoint.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    if not colon or not host or not port.isdecimal() or not 1 <= int(port) <= _HIGHEST_PORT:
        raise _refused("HOST:PORT", f"'{endpoint}' is no endpoint", "a host, a colon and a port: 192.0.2.17:502")
    if framing not in FRAMINGS:
        raise _refused("--framing", f"'{framing}' is no framing", ", ".join(FRAMINGS))
    return LinkSpec(
        id=endpoint,
        endpoint=TcpEndpoint(host=host, port=int(port), framing=Framing(framing)),
        timeout_s=timeout_s,
        connect_delay_s=0.0,
        gap_s=0.0,
        reconnect_min_s=_RECONNECT_S,
        reconnect_max_s=_RECONNECT_S,
    )


def parse_units(text: str) -> tuple[int, ...]:
    """Return the units of a list such as `1,10-12`, each once, in its order.

    Raises:
        ConfigError: It is no such list.
    """
    units: dict[int, None] = {}
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise _no_units(text)
        low, high = int(first), int(last or first)
        if low > high or high > _HIGHEST_UNIT:
            raise _no_units(text)
        units |= dict.fromkeys(range(low, high + 1))
    return tuple(units)


@asynccontextmanager
async def running(*links: ModbusLink) -> AsyncIterator[None]:
    """Serve links while the body runs."""
    group = asyncio.TaskGroup()
    await group.__aenter__()
    tasks = [group.create_task(link.run(), name=f"link-{link.link_id}") for link in links]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        # an error of the body is not the group's: it goes on as it is instead of being wrapped
        await group.__aexit__(None, None, None)


def _no_units(text: str) -> ConfigError:
    return _refused("--units", f"'{text}' is no list of units", "numbers 0 to 255 and ranges of them: 1,10-12")


def _refused(where: str, message: str, allowed: str) -> ConfigError:
    return ConfigError(ConfigProblem(file=where, message=message, allowed=allowed))
