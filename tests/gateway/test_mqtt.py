import asyncio
import gc
import shutil
import signal
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from ems.config.loader import load_files
from ems.errors import ConfigError
from ems.gateway.broker import BrokerSettings, broker_settings
from ems.gateway.mqtt import MqttPublisher, Receiver
from tests.conventions.sources import ROOT
from tests.gateway.brokers import TOPICS, Mosquitto, free_port, needs_mosquitto, settings, subscriber, until
from tests.gateway.operation import SITES

pytestmark = [pytest.mark.wire]
mosquitto = pytest.mark.mosquitto


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path) as process:
        yield process


@asynccontextmanager
async def running(
    to: BrokerSettings, *, connects: bool = True, receivers: Mapping[str, Receiver] | None = None
) -> AsyncIterator[MqttPublisher]:
    """Run a publisher for the time of a block; it is cancelled at the end, and must not have ended by itself."""
    publisher = MqttPublisher(to, TOPICS, receivers=receivers)
    task = asyncio.create_task(publisher.run())
    try:
        if connects:
            await until(lambda: publisher.statistics().connected)
        yield publisher
        assert not task.done()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def message(value: float, *, second: int = 0) -> bytes:
    return f'{{"v":1,"ts":"2026-07-03T12:00:{second:02d}.000Z","power_kw":{value}}}'.encode()


@mosquitto
@needs_mosquitto
async def test_only_named_topics_are_read_and_what_is_retained_arrives_after_a_reconnect(broker: Mosquitto) -> None:
    received: list[bytes] = []
    kept: list[bool] = []

    def take(payload: bytes, retained: bool) -> None:  # noqa: FBT001 - as the gateway calls it
        received.append(payload)
        kept.append(retained)

    with subscriber(broker.port) as cluster:
        cluster.publish("other", b"no", retain=True)
        cluster.publish("cluster/hall/offer", b"kept", retain=True)

        for _ in range(2):
            received.clear()
            async with running(settings(broker.port), receivers={"cluster/hall/offer": take}):
                await until(lambda: bool(received))
                cluster.publish("cluster/hall/offer", b"newer")
                await until(lambda: len(received) > 1)
            assert received == [b"kept", b"newer"]
        assert kept == [True, False, True, False]


@mosquitto
@needs_mosquitto
@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
async def test_a_late_subscriber_gets_the_newest_of_every_retained_topic(broker: Mosquitto, protocol: str) -> None:
    async with running(settings(broker.port, protocol=protocol)) as publisher:
        for value in range(50):
            publisher.publish("state", message(value), retain=True)
            publisher.publish(f"device/d{value}/pcs", message(value), retain=True)
        await until(lambda: publisher.statistics().n_waiting == 0)

        with subscriber(broker.port) as late:
            await until(lambda: len({topic for topic, _, _ in late.messages}) == 52)

    assert late.newest("state") == message(49)
    assert late.newest("device/d7/pcs") == message(7)
    assert late.newest("status") == b"online"
    assert all(retained for _, _, retained in late.messages)


@mosquitto
@needs_mosquitto
async def test_a_message_that_is_withdrawn_is_gone_for_a_late_subscriber_and_may_come_again(broker: Mosquitto) -> None:
    async with running(settings(broker.port)) as publisher:
        for name in ("alarm/a", "alarm/b"):
            publisher.publish(name, message(1.0), retain=True)
        await until(lambda: publisher.statistics().n_waiting == 0)
        for name in ("alarm/a", "alarm/b", "alarm/never"):
            publisher.withdraw(name)
        publisher.publish("alarm/b", message(2.0), retain=True)
        await until(lambda: publisher.statistics().n_waiting == 0)

        with subscriber(broker.port) as late:
            await until(lambda: late.newest("alarm/b") == message(2.0))
            assert late.newest("alarm/a") is None
        assert publisher.statistics().n_topics == 2


@mosquitto
@needs_mosquitto
async def test_events_arrive_in_order_and_are_not_retained(broker: Mosquitto) -> None:
    with subscriber(broker.port) as early:
        async with running(settings(broker.port)) as publisher:
            await until(lambda: early.newest("status") == b"online")
            for number in range(60):
                publisher.publish("event", f"{number}", retain=False)
            await until(lambda: len(early.payloads("event")) == 60)
            with subscriber(broker.port) as late:
                await until(lambda: late.newest("status") == b"online")

    assert early.payloads("event") == [str(number).encode() for number in range(60)]
    assert late.payloads("event") == []


@mosquitto
@needs_mosquitto
async def test_leaving_in_good_order_sends_what_waits_and_then_offline(broker: Mosquitto) -> None:
    async with running(settings(broker.port)) as publisher:
        for number in range(40):
            publisher.publish(f"device/d{number}/pcs", message(1.0), retain=True)
        publisher.publish("event", "last words", retain=False)
        with subscriber(broker.port) as client:
            await until(lambda: client.newest("status") == b"online")

            await publisher.finish(deadline_s=5.0)

            await until(lambda: client.newest("status") == b"offline")
    assert client.newest("device/d39/pcs") == message(1.0)
    assert publisher.statistics().n_waiting == 0


@mosquitto
@needs_mosquitto
async def test_the_broker_says_offline_when_the_daemon_dies(broker: Mosquitto) -> None:
    program = (
        "import asyncio, sys\n"
        "from ems.gateway.mqtt import MqttPublisher\n"
        "from tests.gateway.brokers import TOPICS, settings\n"
        "async def main():\n"
        "    await MqttPublisher(settings(int(sys.argv[1])), TOPICS).run()\n"
        "asyncio.run(main())\n"
    )
    with subscriber(broker.port) as client:
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", program, str(broker.port), cwd=ROOT)
        try:
            await until(lambda: client.newest("status") == b"online")
        finally:
            child.kill()
            await child.wait()

        await until(lambda: client.newest("status") == b"offline")


@mosquitto
@needs_mosquitto
async def test_a_broker_that_lost_everything_gets_everything_again(broker: Mosquitto) -> None:
    async with running(settings(broker.port)) as publisher:
        for number in range(30):
            publisher.publish(f"device/d{number}/pcs", message(number), retain=True)
        await until(lambda: publisher.statistics().n_waiting == 0)

        broker.kill()
        await until(lambda: not publisher.statistics().connected)
        publisher.publish("event", "while it was away", retain=False)
        publisher.publish("device/d3/pcs", message(333.0), retain=True)
        broker.start()
        await until(lambda: publisher.statistics().connected and publisher.statistics().n_waiting == 0)

        with subscriber(broker.port) as late:
            await until(lambda: len(late.messages) == 31)

    assert late.newest("device/d3/pcs") == message(333.0)
    assert late.newest("device/d4/pcs") == message(4)
    assert late.newest("status") == b"online"
    assert publisher.statistics().n_connects == 2


@mosquitto
@needs_mosquitto
async def test_an_event_of_the_time_without_a_broker_is_sent_later(tmp_path: Path) -> None:
    port = free_port()
    async with running(settings(port), connects=False) as publisher:
        await until(lambda: publisher.statistics().trouble is not None)
        publisher.publish("event", "early", retain=False)

        with Mosquitto(tmp_path, port=port), subscriber(port) as client:
            await until(lambda: client.payloads("event") != [] or publisher.statistics().n_waiting == 0)

    assert publisher.statistics().n_events_dropped == 0
    assert publisher.statistics().n_sent >= 2


@mosquitto
@needs_mosquitto
async def test_a_broker_that_hangs_blocks_nobody_and_gets_the_newest_afterwards(broker: Mosquitto) -> None:
    async with running(settings(broker.port)) as publisher:
        publisher.publish("state", message(1.0), retain=True)
        await until(lambda: publisher.statistics().n_waiting == 0)

        broker.send(signal.SIGSTOP)
        for value in range(2000):
            publisher.publish("state", message(value), retain=True)
            await asyncio.sleep(0)
        await until(lambda: publisher.statistics().trouble is not None)
        broker.send(signal.SIGCONT)
        await until(lambda: publisher.statistics().connected and publisher.statistics().n_waiting == 0)

        with subscriber(broker.port) as late:
            await until(lambda: late.newest("state") == message(1999))


@mosquitto
@needs_mosquitto
async def test_what_says_nothing_new_is_not_sent_again(broker: Mosquitto) -> None:
    with subscriber(broker.port) as client:
        async with running(settings(broker.port)) as publisher:
            for second in range(5):
                publisher.publish("state", message(1.0, second=second), retain=True)
                await until(lambda: publisher.statistics().n_waiting == 0)
            publisher.publish("state", message(2.0, second=6), retain=True)
            await until(lambda: client.newest("state") == message(2.0, second=6))

    assert client.payloads("state") == [message(1.0, second=0), message(2.0, second=6)]
    assert publisher.statistics().n_unchanged == 4


@mosquitto
@needs_mosquitto
async def test_what_says_nothing_new_is_sent_again_after_the_refresh_time(broker: Mosquitto) -> None:
    with subscriber(broker.port) as client:
        async with running(settings(broker.port, refresh_s=0.0)) as publisher:
            for second in range(3):
                publisher.publish("state", message(1.0, second=second), retain=True)
                await until(lambda: publisher.statistics().n_waiting == 0)
            await until(lambda: len(client.payloads("state")) == 3)

    assert publisher.statistics().n_unchanged == 0


@mosquitto
@needs_mosquitto
async def test_a_broker_that_refuses_is_reported_and_tried_again(tmp_path: Path) -> None:
    with Mosquitto(tmp_path, "allow_anonymous false") as strict:
        async with running(settings(strict.port), connects=False) as publisher:
            publisher.publish("state", message(1.0), retain=True)
            await until(lambda: "uthori" in (publisher.statistics().trouble or ""))

    assert publisher.statistics().n_connects == 0


@pytest.fixture
def users(tmp_path: Path) -> Path:
    """Return a file of users with one in it."""
    tool = shutil.which("mosquitto_passwd")
    if tool is None:
        pytest.skip("mosquitto_passwd is not installed (apt install mosquitto)")
    file = tmp_path / "users"
    file.touch()
    subprocess.run((tool, "-b", str(file), "site", "secret"), check=True, capture_output=True, timeout=30)
    return file


@mosquitto
@needs_mosquitto
async def test_a_user_with_a_password_is_let_in(tmp_path: Path, users: Path) -> None:
    with Mosquitto(tmp_path, "allow_anonymous false", f"password_file {users}") as strict:
        async with running(settings(strict.port, username="site", password="secret")) as publisher:  # noqa: S106 - a test's
            publisher.publish("state", message(1.0), retain=True)
            await until(lambda: publisher.statistics().n_waiting == 0)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Return a certificate for this host that vouches for itself; its key is `key.pem` beside it."""
    tool = shutil.which("openssl")
    if tool is None:
        pytest.skip("openssl is not installed")
    file = tmp_path / "cert.pem"
    make = (tool, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost")
    names = ("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    out = ("-keyout", str(file.with_name("key.pem")), "-out", str(file))
    subprocess.run((*make, *names, *out), check=True, capture_output=True, timeout=60)
    return file


@pytest.fixture
def secure_broker(tmp_path: Path, certificate: Path) -> Iterator[Mosquitto]:
    key = certificate.with_name("key.pem")
    with Mosquitto(tmp_path, "allow_anonymous true", f"certfile {certificate}", f"keyfile {key}") as process:
        yield process


@mosquitto
@needs_mosquitto
async def test_tls_carries_messages_to_a_broker_that_is_trusted(secure_broker: Mosquitto, certificate: Path) -> None:
    trusting = ssl.create_default_context(cafile=certificate)

    async with running(settings(secure_broker.port, tls=trusting)) as publisher:
        publisher.publish("state", message(1.0), retain=True)
        await until(lambda: publisher.statistics().n_waiting == 0)


# the MQTT library leaves the socket of a failed handshake to the garbage collector
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@mosquitto
@needs_mosquitto
async def test_tls_refuses_a_broker_that_is_not_trusted(secure_broker: Mosquitto) -> None:
    wary = ssl.create_default_context()

    async with running(settings(secure_broker.port, tls=wary), connects=False) as publisher:
        await until(lambda: "certificate" in (publisher.statistics().trouble or "").lower())
        gc.collect()

    assert publisher.statistics().n_connects == 0


@mosquitto
@needs_mosquitto
async def test_a_cancellation_that_the_client_forgets_ends_the_publisher_all_the_same(
    broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def publish(*_: object, **__: object) -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    monkeypatch.setattr(aiomqtt.Client, "publish", publish)

    publisher = MqttPublisher(settings(broker.port), TOPICS)
    task = asyncio.create_task(publisher.run())
    await until(lambda: publisher.statistics().n_waiting == 1)
    task.cancel()

    ended, _ = await asyncio.wait((task,), timeout=10.0)

    assert ended == {task}


async def test_without_a_broker_memory_is_bounded_and_the_newest_is_kept() -> None:
    async with running(settings(free_port(), queue_events=100), connects=False) as publisher:
        await until(lambda: publisher.statistics().trouble is not None)
        for number in range(20_000):
            publisher.publish(f"device/d{number % 80}/pcs", message(number), retain=True)
            publisher.publish("event", f"{number}", retain=False)

        statistics = publisher.statistics()

    assert statistics.n_waiting == 80 + 100
    assert statistics.n_topics == 80 + 1
    assert statistics.n_events_dropped == 20_000 - 100
    assert not statistics.connected


async def test_leaving_without_a_broker_does_not_wait() -> None:
    async with running(settings(free_port()), connects=False) as publisher:
        publisher.publish("state", message(1.0), retain=True)

        async with asyncio.timeout(1.0):
            await publisher.finish(deadline_s=60.0)


@pytest.mark.parametrize(
    "answer", [b"", b"\xff" * 64, b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x20\x02\x00\x05", b"\x20\x7f"]
)
async def test_something_that_is_no_broker_ends_nothing(answer: bytes) -> None:
    n_calls = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal n_calls
        n_calls += 1
        await reader.read(1)
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with running(settings(port), connects=False) as publisher:
            publisher.publish("state", message(1.0), retain=True)
            await until(lambda: n_calls >= 2)

    assert publisher.statistics().n_sent == 0
    assert publisher.statistics().trouble


def configured(tmp_path: Path, **keys: Any) -> BrokerSettings:  # any key of the table
    files = load_files(SITES / "desert-offgrid")
    table = files.mqtt.mqtt.model_copy(update=keys)
    mqtt = files.mqtt.model_copy(update={"mqtt": table})
    replaced = {name: getattr(files, name) for name in files.__slots__}
    return broker_settings(
        type(files)(**{**replaced, "mqtt": mqtt, "directory": tmp_path, "search": (tmp_path,)}), refresh_s=60.0
    )


def test_settings_come_from_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret\n", encoding="utf-8")

    given = configured(tmp_path, username="site", password_file="password")  # noqa: S106 - a file's name

    assert given.identifier == "ems-desert-offgrid"
    assert (given.username, given.password, given.tls) == ("site", "secret", None)
    assert "secret" not in repr(given)


@pytest.mark.parametrize("key", ["password_file", "ca_file"])
def test_a_file_that_is_missing_is_refused_with_its_key(tmp_path: Path, key: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        configured(tmp_path, **{key: "missing"})

    assert refusal.value.problems[0].key == f"mqtt.{key}"


def test_a_certificate_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate", encoding="utf-8")

    with pytest.raises(ConfigError, match="certificates cannot be used"):
        configured(tmp_path, ca_file="ca.pem")
