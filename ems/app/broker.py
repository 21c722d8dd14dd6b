"""A small MQTT broker (amqtt) in a process of its own, for demos and tests; a site runs a real one."""

import asyncio
import contextlib
import logging
import sys

from ems.errors import ConfigError, ConfigProblem


def run_broker(port: int) -> None:
    """Serve MQTT 3.1.1 on loopback until standard input ends.

    Raises:
        ConfigError: The extra `demo` is not installed.
    """
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(port))


async def _serve(port: int) -> None:
    try:
        from amqtt.broker import Broker
    except ImportError as error:
        problem = ConfigProblem(
            file="--broker", message="the embedded broker is not installed", allowed="install the extra 'demo'"
        )
        raise ConfigError(problem) from error
    logging.getLogger("amqtt").setLevel(logging.ERROR)
    anonymous = "amqtt.plugins.authentication.AnonymousAuthPlugin"
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
            "plugins": {anonymous: {"allow_anonymous": True}},
        }
    )
    await broker.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()
    await broker.shutdown()
