"""What devices ask of their link and what they get back. No type of a foreign library appears here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from drivers.device.jobs import Acknowledged, NoAnswer, Refused, Urgency
from drivers.modbus.coding import READ_COILS, READ_DISCRETE, READ_HOLDING, READ_INPUT, Address, Table

# exception codes of the protocol
_EXCEPTIONS: Final = {
    1: "function not supported",
    2: "no such register",
    3: "value not allowed",
    4: "device failure",
    5: "acknowledged, still working",
    6: "busy",
    10: "no path in the gateway",
    11: "unit behind the gateway is silent",
}
_BUSY: Final = frozenset({5, 6})
_READS: Final = {
    Table.COIL: READ_COILS,
    Table.DISCRETE: READ_DISCRETE,
    Table.HOLDING: READ_HOLDING,
    Table.INPUT: READ_INPUT,
}
_GATEWAY: Final = frozenset({10, 11})


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """Read `count` registers, or bits of a table that holds bits."""

    at: Address
    count: int

    @property
    def function(self) -> int:
        """Return the function code."""
        return _READS[self.at.table]

    def __str__(self) -> str:
        return f"reading {self.count} {'bits' if self.at.table.holds_bits else 'registers'} at {self.at}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """Write registers with function 6 (one register) or 16, or coils (0 or 1 each) with 5 (one coil) or 15."""

    at: Address
    registers: tuple[int, ...]
    function: int

    def __str__(self) -> str:
        return f"writing {len(self.registers)} {'bits' if self.at.table.holds_bits else 'registers'} at {self.at}"


Request = Read | Write


@dataclass(frozen=True, slots=True)
class Answered(Acknowledged):
    """The device did what was asked: exactly the registers (or bits, 0 and 1) asked for, none after a write."""

    registers: Sequence[int]
    at_s: float


@dataclass(frozen=True, slots=True)
class ExceptionAnswer(Refused):
    """The device answered that it does not do what was asked."""

    code: int
    at_s: float

    @property
    def is_busy(self) -> bool:
        """Return whether the same request may succeed a moment later."""
        return self.code in _BUSY

    @property
    def is_silence(self) -> bool:
        """Return whether a gateway says that the unit behind it does not answer."""
        return self.code in _GATEWAY

    def __str__(self) -> str:
        return f"exception {self.code} ({_EXCEPTIONS.get(self.code, 'not in the protocol')})"


Answer = Answered | ExceptionAnswer | NoAnswer


class Job(Protocol):
    """Something that a device wants done on its link again and again.

    `due_s` is when it next wants a turn, NEVER_S for not at all. Among jobs that are due the link takes the most
    urgent, and of those the one whose `due_s + patience_s` comes first. A slow job for which that time has passed
    counts as fast, so that a line which fast polls fill still reads everything.
    """

    urgency: Urgency
    due_s: float
    patience_s: float

    def request(self, now_s: float) -> Request | None:
        """Return what to send now; None, with `due_s` moved on, if it is no longer wanted."""

    def done(self, answer: Answer) -> None:
        """Take the answer and move `due_s` on."""


class Station(Protocol):
    """One unit behind a link."""

    @property
    def unit(self) -> int:
        """Return the unit number."""

    @property
    def jobs(self) -> Sequence[Job]:
        """Return all jobs of the unit."""

    def connected(self, now_s: float) -> None:
        """Start afresh on a new connection: read first, then command."""

    def lost(self, reason: str, now_s: float) -> None:
        """Give up everything under way: there is no connection, or the unit has not answered."""
