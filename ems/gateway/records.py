"""What must not be lost while the broker is away: counters and changes of alarms, kept until it confirms them."""

from collections import deque
from typing import Final

_BYTES: Final = "utf-8"


class RecordQueue:
    """Messages in their order, at most `length` of each topic; the oldest of a topic goes when there are more."""

    def __init__(self, length: int) -> None:
        self._length = length
        # a topic with its messages; flooding one of them takes nothing from the others
        self._queues: dict[str, deque[bytes]] = {}
        self.n_dropped = 0
        self.n_changes = 0

    def __len__(self) -> int:
        """Return how many wait."""
        return sum(len(queue) for queue in self._queues.values())

    @property
    def length(self) -> int:
        """Return how many may wait of each topic."""
        return self._length

    def put(self, topic: str, payload: bytes) -> None:
        """Add a message."""
        queue = self._queues.setdefault(topic, deque(maxlen=self._length))
        self.n_dropped += len(queue) == queue.maxlen
        queue.append(payload)
        self.n_changes += 1

    def first(self) -> tuple[str, bytes] | None:
        """Return the message to send next, None where nothing waits."""
        return next(((topic, queue[0]) for topic, queue in self._queues.items() if queue), None)

    def confirmed(self, topic: str, payload: bytes) -> None:
        """Forget a message that the broker has; one that was dropped meanwhile is gone already."""
        queue = self._queues[topic]
        if queue and queue[0] is payload:
            queue.popleft()
            self.n_changes += 1

    def document(self) -> dict[str, object]:
        """Return what waits, for the next run."""
        return {topic: [payload.decode(_BYTES) for payload in queue] for topic, queue in self._queues.items() if queue}

    def restore(self, document: dict[str, object]) -> None:
        """Take what the run before has left; what is no text is left out."""
        for topic, payloads in document.items():
            for payload in payloads if isinstance(payloads, list) else ():
                if isinstance(payload, str):
                    self.put(topic, payload.encode(_BYTES))
