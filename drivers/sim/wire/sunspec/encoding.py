"""From values to the words of a model and back, with scale factors that may change at any moment."""

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from drivers.sim.wire.sunspec.layouts import ABSENT, Layout, Place

Shown = float | str | None
_WORD: Final = 0x10000
_SIGNED: Final = frozenset({"i16", "i32", "sf"})


def model_words(model_id: int, layout: Layout, values: Mapping[str, Shown], factors: Mapping[str, int]) -> list[int]:
    """Return all registers of a model; points without a value stay as the layout's filling has them."""
    words = [model_id, len(layout.filling), *layout.filling]
    for name, place in layout.places.items():
        value = factors.get(name) if place.kind == "sf" else values.get(name)
        if value is not None:
            power = 0 if place.factor is None else factors[place.factor]
            words[place.offset : place.offset + place.n_registers] = _encoded(place, value, power)
    return words


def _encoded(place: Place, value: float | str, power: int) -> Sequence[int]:
    if isinstance(value, str):
        raw = value.encode("ascii", errors="replace")[: 2 * place.n_registers].ljust(2 * place.n_registers, b"\0")
        return [high * 256 + low for high, low in zip(raw[::2], raw[1::2], strict=True)]
    count = int((Decimal(str(value)) / Decimal(10) ** power).to_integral_value(ROUND_HALF_EVEN))
    low, high = bounds(place)
    return _split(min(max(count, low), high), place.n_registers)


def bounds(place: Place) -> tuple[int, int]:
    """Return the lowest and highest count of a point; the code for "not implemented" is not among them."""
    n_values = _WORD**place.n_registers
    if place.kind in _SIGNED:
        return -n_values // 2 + 1, n_values // 2 - 1
    return 0, n_values - 2 if ABSENT[place.kind][0] else n_values - 1


def _split(count: int, n_registers: int) -> list[int]:
    number = count % _WORD**n_registers
    return [number // _WORD**index % _WORD for index in reversed(range(n_registers))]


def decoded(place: Place, words: Sequence[int], power: int) -> float | None:
    """Return the value of a point, None for "not implemented"."""
    if tuple(words) == ABSENT[place.kind]:
        return None
    number = 0
    for word in words:
        number = number * _WORD + word
    if place.kind in _SIGNED and words[0] >= _WORD // 2:
        number -= _WORD ** len(words)
    return float(Decimal(number) * Decimal(10) ** power)


def fitting_factor(largest: float, highest_count: int) -> int:
    """Return the smallest power of ten with which a number of this size has room in a point."""
    power = -3
    while largest > highest_count * Decimal(10) ** power:
        power += 1
    return power
