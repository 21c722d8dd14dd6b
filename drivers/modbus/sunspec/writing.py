"""Points that are written: from numbers to registers, and from points to requests.

Points that belong together go out in one request where the device implements every point in between; a point that
it does not implement is never written, not even with its own "not implemented" code.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from drivers.device.values import Bad
from drivers.modbus.coding import WRITE_MULTIPLE, Address, Table
from drivers.modbus.requests import Write
from drivers.modbus.sunspec.chain import FoundModel
from drivers.modbus.sunspec.definitions import ModelPoint, model_definition
from drivers.modbus.sunspec.spancode import ABSENT, scaled
from drivers.modbus.sunspec.values import PointValues

_WORD: Final = 0x10000
_SIGNED: Final = frozenset({"int16", "int32"})
# a value that misses a whole count by less than this is that count
_COUNT_TOLERANCE: Final = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A point with the count that is written into it."""

    point: ModelPoint
    count: int

    @property
    def words(self) -> tuple[int, ...]:
        """Return the registers, high word first."""
        n_registers = self.point.n_registers
        count = self.count % _WORD**n_registers
        return tuple(count // _WORD**index % _WORD for index in reversed(range(n_registers)))


def setting(model_id: int, name: str, count: int) -> Setting:
    """Return a point of a model with a count."""
    definition = model_definition(model_id)
    if definition is None:
        raise ValueError(f"the standard has no model {model_id}")
    return Setting(point=definition.points[name], count=count)


def counts(value: float, factor: int | None, rounding: Callable[[float], int] = math.trunc) -> int | Bad:
    """Return a value in counts of a scale factor, rounded as the caller finds safe."""
    if factor is None:
        return Bad("its scale factor is not known")
    exact = scaled(value, -factor)
    nearest = round(exact)
    return nearest if abs(exact - nearest) <= _COUNT_TOLERANCE else rounding(exact)


def fault_of(part: Setting) -> str | None:
    """Return why a count does not fit into its point; the code for "not implemented" is no value."""
    n_values = _WORD**part.point.n_registers
    lowest, highest = (-n_values // 2, n_values // 2 - 1) if part.point.type in _SIGNED else (0, n_values - 1)
    if lowest <= part.count <= highest and part.count != ABSENT[part.point.type]:
        return None
    return f"{part.count} counts do not fit into {part.point.name}"


def shows(points: PointValues, model_id: int, part: Setting) -> bool:
    """Return whether a device shows the count that was written into a point."""
    factor = points.code(f"{model_id}.{part.point.factor}") if isinstance(part.point.factor, str) else 0
    number = points.number(f"{model_id}.{part.point.name}")
    return number is not None and counts(number, factor) == part.count


def write_requests(
    model: FoundModel, parts: Sequence[Setting], *, last: str, stepwise: bool, filler: Mapping[str, int]
) -> tuple[Write, ...]:
    """Return the requests for the points, each run of neighbours in one, the one with the point `last` at the end.

    `filler` has the counts of points in between that keep their value; `stepwise` gives each point a request of its
    own, in the order of `parts`.
    """
    if stepwise:
        return tuple(_write(model, (part,)) for part in parts)
    runs = list(_runs(model, parts, filler))
    runs.sort(key=lambda run: any(part.point.name == last for part in run))
    return tuple(_write(model, run) for run in runs)


def _runs(model: FoundModel, parts: Sequence[Setting], filler: Mapping[str, int]) -> Iterator[tuple[Setting, ...]]:
    wanted = {part.point.name for part in parts}
    kept = [setting(model.id, name, count) for name, count in filler.items() if name not in wanted]
    ordered = sorted([*parts, *kept], key=lambda part: part.point.offset)
    run: list[Setting] = []
    for part in ordered:
        if run and run[-1].point.end != part.point.offset:
            yield from _trimmed(run, wanted)
            run = []
        run.append(part)
    yield from _trimmed(run, wanted)


def _trimmed(run: Sequence[Setting], wanted: set[str]) -> Iterator[tuple[Setting, ...]]:
    """Yield the run without kept points at its ends; nothing if only kept points are left."""
    places = [index for index, part in enumerate(run) if part.point.name in wanted]
    if places:
        yield tuple(run[places[0] : places[-1] + 1])


def _write(model: FoundModel, run: Sequence[Setting]) -> Write:
    at = Address(table=Table.HOLDING, register=model.at + run[0].point.offset)
    return Write(at=at, registers=tuple(word for part in run for word in part.words), function=WRITE_MULTIPLE)
