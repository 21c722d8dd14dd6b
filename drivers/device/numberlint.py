"""What the numbers of every kind of map must be: scales that turn nothing, ranges with a lower and a higher end."""

from collections.abc import Iterator
from typing import Final

from drivers.device.needs import Finding

# a smaller scale is a slip: no count of 64 bits would come out as a value worth reading
LEAST_SCALE: Final = 1e-12

Range = tuple[float, float]


def scale_findings(scale: float, key: str) -> Iterator[Finding]:
    """Yield what no scale may be."""
    if abs(scale) < LEAST_SCALE:
        yield f"{key}.scale", "every value would be the same", "a number above 0, at least 1e-12"
    elif scale < 0:
        yield f"{key}.scale", "the key `sign` turns the sign, no scale does", 'a number above 0, with key "sign"'


def order_findings(range_: Range | None, key: str) -> Iterator[Finding]:
    """Yield a range whose ends are in the wrong order, or one and the same."""
    if range_ is not None and range_[0] >= range_[1]:
        yield key, "the first number is the lower one", None


def is_sound(scale: float, range_: Range) -> bool:
    """Return whether scale and range are right in themselves: what is not is named elsewhere."""
    return scale >= LEAST_SCALE and range_[0] < range_[1]


def held_by(raws: Range, *, scale: float, offset: float, sign: int) -> Range:
    """Return the lowest and the highest value that a range of raw numbers stands for."""
    low, high = sorted((raw * scale + offset) * sign for raw in raws)
    return low, high


def values_within(held: Range) -> str:
    """Return what is allowed where a value is none that can be held."""
    return f"values within {held[0] + 0.0:g} to {held[1] + 0.0:g}"
