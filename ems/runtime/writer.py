"""A thread that writes what is handed to it, so that nobody who hands over waits for a disk."""

import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

from ems.model.status import QueueStatus

_T = TypeVar("_T")
# how long an end waits for a disk that does not answer; the thread dies with the process
_CLOSE_WAIT_S = 10.0


class WriterThread(Generic[_T]):
    """A bounded queue in front of a writing function, which handles its own errors."""

    def __init__(self, write: Callable[[_T], None], *, name: str, length: int) -> None:
        self._write = write
        self._name = name
        self._length = length
        self._n_dropped = 0
        self._queue: queue.Queue[_T | None] = queue.Queue(length)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def offer(self, item: _T) -> bool:
        """Hand an item over; False where the queue is full, and the item is not taken."""
        try:
            self._queue.put_nowait(item)
        except queue.Full:
            self._n_dropped += 1
            return False
        return True

    def status(self) -> QueueStatus:
        """Return how full the queue is."""
        return QueueStatus(
            name=self._name, n_waiting=self._queue.qsize(), length=self._length, n_dropped=self._n_dropped
        )

    def replace_oldest(self, item: _T) -> bool:
        """Hand an item over, in the place of the oldest where the queue is full; False where one was lost."""
        if self.offer(item):
            return True
        with suppress(queue.Empty):
            self._queue.get_nowait()
        self.offer(item)
        return False

    def close(self, wait_s: float = _CLOSE_WAIT_S) -> None:
        """Write what is queued and stop; give up on a disk that stands still for this long."""
        with suppress(queue.Full):
            self._queue.put(None, timeout=wait_s)
        self._thread.join(timeout=wait_s)

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            self._write(item)
