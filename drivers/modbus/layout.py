"""What a register map says, as frozen values: where each point lies and how its registers are to be read.

`mapfile` builds these from a file; `blocks`, `registers` and the devices use them. No I/O, no decoding.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from drivers.device.alarms import AlarmList
from drivers.device.fallback import FallbackRule
from drivers.device.fields import DeviceClass
from drivers.modbus.coding import N_REGISTERS, Address, Coding, TextEncoding
from drivers.modbus.keys import Action, SequenceCommand
from ems.model.capability import Capability


class Speed(StrEnum):
    """Which poll period a block follows: one of the device's two, or one of its own."""

    FAST = "fast"
    SLOW = "slow"
    OWN = "own"


class Gaps(StrEnum):
    """Whether the registers of a block that no point needs may be read along with the others."""

    READ = "read"
    NEVER = "never"


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
    """One value that is written, with the function code that the device takes.

    `writes_per_day` is the budget of a register in non-volatile memory, None for one in RAM.
    """

    name: str
    at: Address
    coding: Coding
    function: int
    writes_per_day: int | None = None

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

    `ramp_frac_per_s` is how fast the device itself follows a power; None: at once. `hold_s` is the least time between
    two changes.
    """

    limits: tuple[float, float] | None = None
    readback: str
    ramp_frac_per_s: float | None = None
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
    # why there is none
    unidentified: str | None = None
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
