"""The writing thread: what is queued is written, a full queue is told, a disk that stands still ends nothing."""

import threading

from ems.runtime.writer import WriterThread


def test_everything_that_is_queued_is_written_before_the_end() -> None:
    written: list[int] = []
    writer = WriterThread(written.append, name="writer", length=8)

    taken = [writer.offer(number) for number in range(8)]
    writer.close()

    assert all(taken)
    assert written == list(range(8))


def test_a_disk_that_stands_still_refuses_the_newest_or_drops_the_oldest() -> None:
    go, begun, written = threading.Event(), threading.Event(), list[int]()

    def write(number: int) -> None:
        begun.set()
        go.wait(10.0)
        written.append(number)

    writer = WriterThread(write, name="writer", length=2)
    assert writer.offer(0)
    assert begun.wait(10.0)
    assert writer.offer(1)
    assert writer.offer(2)

    assert not writer.offer(3)
    assert not writer.replace_oldest(4)
    go.set()
    writer.close()

    assert written == [0, 2, 4]


def test_the_end_does_not_wait_for_ever_for_a_disk() -> None:
    go, begun = threading.Event(), threading.Event()

    def write(_: int) -> None:
        begun.set()
        go.wait(60.0)

    writer = WriterThread(write, name="writer", length=1)
    writer.offer(0)
    assert begun.wait(10.0)
    writer.offer(1)

    writer.close(wait_s=0.05)

    assert not go.is_set()
    go.set()
