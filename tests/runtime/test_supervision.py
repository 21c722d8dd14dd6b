"""Tasks that fail are started again; systemd is told the truth over its socket."""

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ems.runtime import supervisor as supervision
from ems.runtime.notify import SystemdNotifier
from ems.runtime.supervisor import Supervisor


@pytest.fixture
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "_FIRST_PAUSE_S", 0.001)


@pytest.mark.usefixtures("_short_pauses")
def test_a_failing_task_is_started_again_until_it_ends_by_itself() -> None:
    supervisor = Supervisor()
    runs = []

    async def work() -> None:
        runs.append("run")
        if len(runs) < 4:
            raise OSError("gone")

    asyncio.run(supervisor.keep("link", work))

    assert len(runs) == 4
    assert supervisor.failures == {"link": 3}


@pytest.mark.usefixtures("_short_pauses")
def test_one_failing_task_does_not_end_its_neighbours() -> None:
    supervisor = Supervisor()
    finished = []
    enough = asyncio.Event()

    async def failing() -> None:
        if supervisor.failures["bad"] == 3:
            enough.set()
        raise ValueError("for ever")

    async def steady() -> None:
        await enough.wait()
        finished.append("good")

    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            bad = group.create_task(supervisor.keep("bad", failing), name="bad")
            await group.create_task(supervisor.keep("good", steady), name="good")
            bad.cancel()

    asyncio.run(run())

    assert finished == ["good"]
    assert supervisor.failures["good"] == 0


def test_a_cancelled_task_is_not_started_again() -> None:
    supervisor = Supervisor()
    runs = []

    async def work() -> None:
        runs.append("run")
        await asyncio.sleep(3600.0)

    async def run() -> None:
        task = asyncio.create_task(supervisor.keep("link", work), name="link")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())

    assert runs == ["run"]
    assert not supervisor.failures


def test_pauses_grow_up_to_their_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    supervisor = Supervisor()
    pauses: list[float] = []
    n_runs = 0

    async def work() -> None:
        nonlocal n_runs
        n_runs += 1
        if n_runs < 9:
            raise OSError("gone")

    async def slept(duration_s: float) -> None:
        pauses.append(duration_s)

    monkeypatch.setattr("ems.runtime.supervisor.asyncio.sleep", slept)
    asyncio.run(supervisor.keep("link", work))

    expected = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0)
    assert len(pauses) == len(expected)
    assert all(0.8 * mean <= pause <= 1.2 * mean for pause, mean in zip(pauses, expected, strict=True))


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Return systemd's end of the notification socket."""
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(address))
        channel.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(address))
        yield channel


def test_the_protocol_is_one_datagram_per_state(systemd: socket.socket) -> None:
    notifier = SystemdNotifier()

    notifier.ready()
    notifier.alive("island, tick 7")
    notifier.reloading()
    notifier.ready()
    notifier.stopping()

    assert _received(systemd) == [
        "READY=1",
        "WATCHDOG=1\nSTATUS=island, tick 7",
        "RELOADING=1",
        "READY=1",
        "STOPPING=1",
    ]


def test_readiness_is_said_once(systemd: socket.socket) -> None:
    notifier = SystemdNotifier()

    notifier.ready()
    notifier.ready()

    assert _received(systemd) == ["READY=1"]


def test_an_abstract_socket_works_too(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"ems-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(f"\0{name}")
        channel.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")

        SystemdNotifier().ready()

        assert _received(channel) == ["READY=1"]


@pytest.mark.parametrize("address", ["", "/nowhere/at/all"])
def test_without_systemd_nothing_happens(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    notifier = SystemdNotifier()

    notifier.ready()
    notifier.alive("init")
    notifier.stopping()


def test_a_socket_that_nobody_reads_does_not_block(systemd: socket.socket) -> None:
    notifier = SystemdNotifier()

    # far beyond what the kernel queues
    for number in range(2000):
        notifier.alive(f"tick {number}")

    assert _received(systemd)[0].endswith("tick 0")


def _received(channel: socket.socket) -> list[str]:
    texts = []
    while True:
        try:
            texts.append(channel.recv(4096).decode())
        except BlockingIOError:
            return texts
