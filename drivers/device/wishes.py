"""Commands that are more than one value."""

from typing import Protocol

from ems.model.readings import Reading


class Wish(Protocol):
    """A command that is more than one value: a sequence of keys, seen to be done by later readings."""

    valid_until_s: float

    def offer(self, value: float, *, valid_until_s: float, now_s: float) -> None:
        """Take a command, or its renewal; it counts until `valid_until_s`."""

    def open(self, now_s: float) -> None:
        """Allow writes: the device has been read on this connection."""

    def close(self, reason: str, now_s: float) -> None:
        """Forbid writes: the connection is gone."""

    def expire(self, now_s: float) -> None:
        """Stop what was not renewed in time."""

    def seen(self, reading: Reading, at_s: float) -> None:
        """Take a new reading."""
