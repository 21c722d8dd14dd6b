"""A real mosquitto for tests, and an independent client (paho) that sees what any subscriber sees."""

import asyncio
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from ems.app.demo_site import free_ports
from ems.contract.topics import Topics
from ems.gateway.broker import BrokerSettings

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
needs_mosquitto = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed (apt install mosquitto)")
TOPICS = Topics(prefix="ems", site_id="test")
_WAIT_S = 20.0


def free_port() -> int:
    """Return a port on which nobody listens now."""
    return free_ports(1)[0]


def settings(port: int, **changes: Any) -> BrokerSettings:  # any setting
    """Return settings with short waits."""
    values: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": port,
        "identifier": "ems-test",
        "protocol": "5",
        "username": None,
        "password": None,
        "tls": None,
        "keepalive_s": 5,
        "timeout_s": 1.0,
        "reconnect_max_s": 0.5,
        "queue_events": 100,
        "queue_records": 1000,
        "refresh_s": 3600.0,
    }
    return BrokerSettings(**{**values, **changes})


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so, and fail after a while."""
    async with asyncio.timeout(_WAIT_S):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in other threads and processes
            await asyncio.sleep(0.01)


class Mosquitto:
    """One broker process that forgets everything when it ends."""

    def __init__(self, directory: Path, *lines: str, port: int | None = None) -> None:
        assert MOSQUITTO is not None
        self.port = free_port() if port is None else port
        listener = f"listener {self.port} 127.0.0.1"
        given = lines or ("allow_anonymous true",)
        self._config = directory / f"mosquitto-{self.port}.conf"
        self._config.write_text("\n".join((listener, "persistence false", "user root", *given, "")), encoding="utf-8")
        self._command = (MOSQUITTO, "-c", str(self._config))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.kill()

    def start(self) -> None:
        """Start the process and wait until it listens."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(1000):
            with socket.socket() as probe:
                probe.settimeout(1.0)
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            try:
                self._process.wait(timeout=0.02)
            except subprocess.TimeoutExpired:
                continue
            raise AssertionError("mosquitto has ended")
        raise AssertionError("mosquitto does not listen")

    def kill(self) -> None:
        """End the process at once."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self._process is not None
        self._process.send_signal(number)


class Subscriber:
    """An independent client of everything below a site's root."""

    def __init__(self, port: int, topics: Topics = TOPICS) -> None:
        self._topics = topics
        self.messages: list[tuple[str, bytes, bool]] = []
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)
        self._client.on_message = self._on_message
        self._client.on_connect = self._on_connect
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def close(self) -> None:
        """Leave."""
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, name: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish below the root, as a cluster does, and wait until the broker has it."""
        self._client.publish(self._topics.full(name), payload, qos=1, retain=retain).wait_for_publish(_WAIT_S)

    def newest(self, name: str) -> bytes | None:
        """Return the last payload of a topic below the root."""
        return next(
            (payload for topic, payload, _ in reversed(self.messages) if topic == self._topics.full(name)), None
        )

    def payloads(self, name: str) -> list[bytes]:
        """Return all payloads of a topic, oldest first."""
        return [payload for topic, payload, _ in self.messages if topic == self._topics.full(name)]

    def _on_connect(self, client: paho.Client, *_: object) -> None:
        client.subscribe(f"{self._topics.root}/#", qos=1)

    def _on_message(self, _client: paho.Client, _userdata: object, message: paho.MQTTMessage) -> None:
        self.messages.append((message.topic, bytes(message.payload), message.retain))


@contextmanager
def subscriber(port: int, topics: Topics = TOPICS) -> Iterator[Subscriber]:
    """Subscribe for the time of a block."""
    client = Subscriber(port, topics)
    try:
        yield client
    finally:
        client.close()
