"""The registers of an answer as the bytes that came: polling decodes those, and only who asks for numbers gets them."""

import struct
from collections.abc import Iterator, Sequence
from typing import Final, overload

_BYTES_PER_REGISTER: Final = 2


class Words(Sequence[int]):
    """Registers of 16 bits, the high byte of each first."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __len__(self) -> int:
        return len(self.data) // _BYTES_PER_REGISTER

    @overload
    def __getitem__(self, index: int) -> int: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[int, ...]: ...

    def __getitem__(self, index: int | slice) -> int | tuple[int, ...]:
        return self.numbers()[index]

    def __iter__(self) -> Iterator[int]:
        return iter(self.numbers())

    def __repr__(self) -> str:
        return f"Words({self.data.hex(' ', _BYTES_PER_REGISTER)})"

    def numbers(self) -> tuple[int, ...]:
        """Return the registers as numbers."""
        return struct.unpack(f">{len(self)}H", self.data)


def bytes_of(registers: Sequence[int]) -> bytes:
    """Return registers, or bits of 0 and 1, as bytes: two each, the high one first."""
    if isinstance(registers, Words):
        return registers.data
    return struct.pack(f">{len(registers)}H", *registers)


def bits_of(data: bytes, count: int) -> tuple[int, ...]:
    """Return the first bits of whole bytes as 0 and 1, the lowest of each byte first."""
    packed = int.from_bytes(data, "little")
    return tuple(packed >> number & 1 for number in range(count))
