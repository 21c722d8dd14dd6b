"""How one value lies in registers: tables, types, orders, addresses, scales. The protocol's function codes."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


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
