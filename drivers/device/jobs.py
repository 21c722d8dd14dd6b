"""What a driver sends when its turn comes, and how that ends: acknowledged, refused, or without an answer.

A driver does not queue what it sends: it keeps jobs, and its link asks the most urgent one that is due at the moment
of sending. So a command is always the newest one, and nothing stale waits in a queue.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

NEVER_S: Final = float("inf")


class Urgency(IntEnum):
    """Commands and heartbeats go before fast polls, fast polls before slow ones."""

    COMMAND = 0
    FAST = 1
    SLOW = 2


class Acknowledged:
    """What was sent has arrived; a protocol's own answer may say more."""

    __slots__ = ()
    at_s: float


class Refused:
    """What was sent is refused; the text says why."""

    __slots__ = ()
    at_s: float


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Nothing usable came; the link sees to it that a late answer is never taken for another one.

    `hung_up`: there was a connection, and it ended with this request.
    """

    reason: str
    at_s: float
    hung_up: bool = False


Result = Acknowledged | Refused | NoAnswer
