"""What a register map says, as frozen values: where each point lies and how its registers are to be read.

`mapfile` builds these from a file; `blocks`, `registers` and the devices use them. No I/O, no decoding.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from drivers.device.alarms import AlarmList
from drivers.device.fallback import FallbackRule
from drivers.device.fields import DeviceClass
from ems.model.capability import Capability


class Table(StrEnum):
    """The address spaces: two of registers, two of single bits. In some devices they overlap, in others not."""

    HOLDING = "holding"
    INPUT = "input"
    COIL = "coil"
    DISCRETE = "discrete"

    @property
    def holds_bits(self) -> bool:
        """Return whether an address holds one bit instead of a register of 16."""
        return self in {Table.COIL, Table.DISCRETE}


class PointType(StrEnum):
    """How the registers of a point form a raw value."""

    UINT16 = "uint16"
    INT16 = "int16"
    UINT32 = "uint32"
    INT32 = "int32"
    UINT64 = "uint64"
    INT64 = "int64"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    BIT = "bit"
    STRING = "string"


class WordOrder(StrEnum):
    """Which register of a longer value comes first."""

    BIG = "big"
    LITTLE = "little"


class ByteOrder(StrEnum):
    """Which byte of a register comes first; almost always the high one."""

    BIG = "big"
    LITTLE = "little"


class TextEncoding(StrEnum):
    """How a text lies in its registers: two ASCII characters in each, or one of UTF-16."""

    ASCII = "ascii"
    UTF16 = "utf16"


class Speed(StrEnum):
    """Which poll period a block follows: one of the device's two, or one of its own."""

    FAST = "fast"
    SLOW = "slow"
    OWN = "own"


class Gaps(StrEnum):
    """Whether the registers of a block that no point needs may be read along with the others."""

    READ = "read"
    NEVER = "never"


N_REGISTERS: Final[Mapping[PointType, int]] = {
    PointType.UINT16: 1,
    PointType.INT16: 1,
    PointType.BIT: 1,
    PointType.UINT32: 2,
    PointType.INT32: 2,
    PointType.FLOAT32: 2,
    PointType.UINT64: 4,
    PointType.INT64: 4,
    PointType.FLOAT64: 4,
}
FLOATS: Final = frozenset({PointType.FLOAT32, PointType.FLOAT64})
UNSIGNED: Final = frozenset({PointType.UINT16, PointType.UINT32, PointType.UINT64})

# function codes of the protocol
READ_COILS: Final = 1
READ_DISCRETE: Final = 2
READ_HOLDING: Final = 3
READ_INPUT: Final = 4
WRITE_COIL: Final = 5
WRITE_SINGLE: Final = 6
WRITE_COILS: Final = 15
WRITE_MULTIPLE: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A register or bit by its number in the frame (0..65535), never by the number in a maker's document."""

    table: Table
    register: int

    def __str__(self) -> str:
        return f"{self.table.value}:{self.register}"


def factor_name(at: Address) -> str:
    """Return the name of the point that shows a scale factor; no point of a file can have it."""
    return f"factor {at}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Coding:
    """How a raw number and a value belong together: value = (raw x 10^factor x scale + offset) x sign.

    `scale` and `offset` may be int: then an integer register gives an exact int, as counters need.
    `sign` is -1 for a device that counts power out of the site bus as positive. `factor` is the register (int16)
    that holds the power of ten, for devices that change it while they run; without it the power is 0.
    """

    type: PointType
    scale: float = 1
    offset: float = 0
    sign: int = 1
    word_order: WordOrder = WordOrder.BIG
    byte_order: ByteOrder = ByteOrder.BIG
    factor: Address | None = None

    @property
    def raw_type(self) -> PointType:
        """Return how the registers are unpacked; a flag is a bit of an unsigned register."""
        return PointType.UINT16 if self.type is PointType.BIT else self.type


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One value that is read. `invalid` holds raw sentinels, `valid` the closed range of true values.

    `labels` names the codes of an enumeration, `flags` the bits of a bit field, whose value is the names of those
    that are set. `bit` counts from the least significant one; with `width` the value is only so many bits from
    there. An `optional` point that the device marks as not available is unknown without being a fault. With
    `stale_after_s` the point is the device's own life counter, which must keep moving; a single sample that changes
    faster than `max_step_per_s` (in units of the value) is not believed. `fills` is the field of
    the reading, if the point is not called like it; several bit fields may fill one list of names.
    """

    name: str
    at: Address
    coding: Coding
    n_registers: int
    invalid: frozenset[float] = frozenset()
    valid: tuple[float, float] | None = None
    labels: Mapping[int, str] | None = None
    flags: Mapping[int, str] | None = None
    bit: int | None = None
    width: int | None = None
    encoding: TextEncoding = TextEncoding.ASCII
    optional: bool = False
    stale_after_s: float | None = None
    max_step_per_s: float | None = None
    fills: str | None = None

    @property
    def end(self) -> int:
        """Return the first register behind the point."""
        return self.at.register + self.n_registers

    @property
    def field(self) -> str:
        """Return the field of the reading that the point fills."""
        return self.fills or self.name

    @property
    def first_needed(self) -> int:
        """Return the first register that has to come in the same answer: the point's own or its factor's."""
        factor = self.coding.factor
        return self.at.register if factor is None else min(self.at.register, factor.register)

    @property
    def end_needed(self) -> int:
        """Return the first register behind those that have to come in the same answer."""
        factor = self.coding.factor
        return self.end if factor is None else max(self.end, factor.register + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One value that is written, with the function code that the device takes."""

    name: str
    at: Address
    coding: Coding
    function: int

    @property
    def n_registers(self) -> int:
        """Return how many registers the command fills."""
        return N_REGISTERS.get(self.coding.type, 1)

    @property
    def end(self) -> int:
        """Return the first register behind the command."""
        return self.at.register + self.n_registers


@dataclass(frozen=True, slots=True, kw_only=True)
class SetpointCommand(Command):
    """A setpoint: `limits` is the closed range of values allowed, `readback` the point that shows what was taken.

    `writes_per_day` is the budget of a register in non-volatile memory, None for one in RAM.
    `ramp_frac_per_s` is how fast the device itself follows a power; None: at once. `hold_s` is the least time between
    two changes.
    """

    limits: tuple[float, float] | None = None
    readback: str
    ramp_frac_per_s: float | None = None
    writes_per_day: int | None = None
    hold_s: float = 0.0


def alarm_name(name: str) -> str:
    """Return the name of the point that shows an alarm; no point of a file can have it."""
    return f"alarm {name}"


def rack_name(number: int, name: str) -> str:
    """Return the name of a point of a rack, which counts from 1; no point of a file can have it."""
    return f"rack {number} {name}"


def rack_place(name: str) -> tuple[int, str] | None:
    """Return number of the rack and name in the file of a point, None where it belongs to no rack."""
    parts = name.split(" ", 2)
    return (int(parts[1]), parts[2]) if parts[0] == "rack" and len(parts) == 3 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RawWrite:
    """Registers that are written as they stand, in one request."""

    at: Address
    words: tuple[int, ...]
    function: int

    @property
    def end(self) -> int:
        """Return the first register behind the write."""
        return self.at.register + len(self.words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A field of the reading that shows one of some names; flags are named `true` and `false`."""

    field: str
    labels: frozenset[str]

    def __str__(self) -> str:
        return f"{self.field} {' or '.join(sorted(self.labels))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """A condition that must come true within a time, s."""

    condition: Condition
    within_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnValue:
    """What a device shows after an action that it has done, and what its other answers mean."""

    at: Address
    words: tuple[int, ...]
    errors: Mapping[int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A control key of a device: writes in their order, and the answer that proves them.

    It is sent once `after` holds and left out while `unless` holds.
    """

    name: str
    writes: tuple[RawWrite, ...]
    returns: ReturnValue | None = None
    after: Wait | None = None
    unless: Condition | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Precondition:
    """What must hold before a sequence; `ask` may be sent to bring it about from one of the states `ask_from`."""

    wait: Wait
    ask: Action | None
    ask_from: Condition | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceCommand:
    """A command that is a sequence of actions for true and one for false.

    `shows` tells by the reading which value has come about, which must be seen within `settle_s` after the last
    action. A value in `once` is an edge: it is not sent again until the command changes or, after `latched` has
    shown a failure, until that is reset at the device.
    """

    name: str
    actions: Mapping[bool, tuple[Action, ...]]
    once: frozenset[bool]
    shows: Mapping[bool, Condition]
    settle_s: float
    needs: Precondition | None
    latched: Condition | None

    @property
    def longest_s(self) -> float:
        """Return the longest time that a value may take to come about, s."""
        needs_s = 0.0 if self.needs is None or self.needs.ask is None else self.needs.wait.within_s
        waits_s = [
            sum(action.after.within_s for action in actions if action.after is not None)
            for actions in self.actions.values()
        ]
        return needs_s + max(waits_s, default=0.0) + self.settle_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Registers that are polled together; `every_s` is the period of speed OWN, in seconds."""

    at: Address
    count: int
    speed: Speed
    every_s: float | None = None
    gaps: Gaps = Gaps.READ

    @property
    def end(self) -> int:
        """Return the first register behind the block."""
        return self.at.register + self.count

    def covers(self, point: Point) -> bool:
        """Return whether the whole point lies inside, with its scale factor."""
        factor = point.coding.factor
        return (
            point.at.table is self.at.table
            and (factor is None or factor.table is self.at.table)
            and self.at.register <= point.first_needed
            and point.end_needed <= self.end
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Neighbouring addresses of one table."""

    at: Address
    count: int

    @property
    def end(self) -> int:
        """Return the first address behind the span."""
        return self.at.register + self.count

    def __str__(self) -> str:
        return str(self.at) if self.count == 1 else f"{self.at}..{self.end - 1}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterMap:
    """Everything the drivers know about the registers of one kind of device.

    `points` holds the fields of the class's reading, the read-backs and the life counter; `identity` the texts
    that name the device; `alarms` lists those points that show alarms; `actions` are its control keys, which
    `sequences` use; `heartbeat` counts up while we command; `watchdog` takes the silence (in s) after which the
    device falls back by itself, as `fallback` describes. `expected` says of some identity texts what they are (a
    text or a regular expression).
    """

    id: str
    source: str
    device_class: DeviceClass
    max_registers: int
    max_bits: int = 2000
    # registers that the device does not bear to be read
    forbidden: tuple[Span, ...] = ()
    blocks: tuple[Block, ...]
    points: Mapping[str, Point]
    commands: Mapping[str, SetpointCommand]
    identity: Mapping[str, Point]
    expected: Mapping[str, str] = field(default_factory=dict)
    heartbeat: Command | None
    watchdog: Command | None
    fallback: FallbackRule | None
    # None where the map leaves them to what its points and commands allow
    capabilities: frozenset[Capability] | None = None
    actions: Mapping[str, Action] = field(default_factory=dict)
    sequences: Mapping[str, SequenceCommand] = field(default_factory=dict)
    alarms: tuple[AlarmList, ...] = ()
    # what each rack shows by the field of its reading, the first rack first: a point, or what several points fill
    racks: tuple[Mapping[str, str], ...] = ()

    def rack_points(self, number: int) -> Mapping[str, Point]:
        """Return the points of a rack, which counts from 1, by their names in the file."""
        first = rack_name(number, "")
        return {name.removeprefix(first): point for name, point in self.points.items() if name.startswith(first)}
