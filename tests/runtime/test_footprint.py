"""What the process takes is looked at, and what is above its limit is named until it is well below."""

import asyncio
import threading

from ems.model.status import FootprintStatus, QueueStatus
from ems.runtime import footprint
from ems.runtime.footprint import Footprint, ProcessLimits
from ems.runtime.writer import WriterThread


class _Queue:
    def __init__(self) -> None:
        self.n_waiting = 0

    def status(self) -> QueueStatus:
        return QueueStatus(name="rows", n_waiting=self.n_waiting, length=100, n_dropped=0)


def _looks(watched: Footprint, queue: _Queue, fillings: list[int]) -> list[FootprintStatus]:
    async def run() -> list[FootprintStatus]:
        seen = []
        for queue.n_waiting in fillings:
            watched._looked_s = None
            seen.append(watched.status())
        return seen

    return asyncio.run(run())


def test_a_process_knows_its_memory_files_and_tasks() -> None:
    (status,) = _looks(Footprint(ProcessLimits()), _Queue(), [0])

    assert status.resident_mib is None or status.resident_mib > 10
    assert status.n_files is None or status.n_files > 2
    assert status.n_tasks == 1
    assert status.n_threads >= 1
    assert status.over == ()


def test_a_queue_is_named_from_its_limit_until_it_is_a_tenth_below() -> None:
    queue = _Queue()
    watched = Footprint(ProcessLimits(max_queue_frac=0.8))
    watched.watch((queue.status,))

    seen = _looks(watched, queue, [79, 80, 73, 71, 79])

    assert [status.over for status in seen] == [(), ("queue rows",), ("queue rows",), (), ()]


def test_memory_files_and_tasks_have_limits() -> None:
    (status,) = _looks(Footprint(ProcessLimits(max_resident_mib=1, max_files=1, max_tasks=1)), _Queue(), [0])

    known = {"tasks"}
    known |= set() if status.resident_mib is None else {"resident memory"}
    known |= set() if status.n_files is None else {"open files"}
    assert set(status.over) == known


def test_it_looks_every_ten_seconds_only() -> None:
    queue = _Queue()
    watched = Footprint(ProcessLimits())
    watched.watch((queue.status,))

    async def run() -> tuple[FootprintStatus, FootprintStatus]:
        first = watched.status()
        queue.n_waiting = 100
        return first, watched.status()

    first, second = asyncio.run(run())

    assert first is second
    assert footprint._LOOK_EVERY_S == 10.0


def test_a_full_queue_of_a_writer_counts_what_it_drops() -> None:
    gate, begun = threading.Event(), threading.Event()

    def write(_item: int) -> None:
        begun.set()
        gate.wait(10.0)

    writer = WriterThread(write, name="test-writer", length=2)
    assert writer.offer(0)
    assert begun.wait(10.0)
    for number in range(1, 5):
        writer.replace_oldest(number)

    status = writer.status()
    gate.set()
    writer.close()

    assert status == QueueStatus(name="test-writer", n_waiting=2, length=2, n_dropped=2)
