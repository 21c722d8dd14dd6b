"""What it most likely means that a device answers the same for every register. Pure."""

from collections.abc import Iterable
from typing import Final

_EMPTY: Final = (0x0000, 0xFFFF)
# so few registers may well read alike
_FEWEST: Final = 8


def same_registers(words: Iterable[int]) -> str | None:
    """Return what registers mean that all read zero or all ones, None where they differ or are too few."""
    read = list(words)
    if len(read) < _FEWEST or read[0] not in _EMPTY or len(set(read)) > 1:
        return None
    return (
        f"all {len(read)} registers read {read[0]:#06x}: the device still starts, a gateway answers for a unit that is "
        "not there, or the addresses are off (documents often count registers from 1)"
    )
