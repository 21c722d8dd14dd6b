"""What the models of the SunSpec standard hold: points with their places, types and scale factors.

The definitions are the JSON files of the SunSpec Alliance (github.com/sunspec/models) that come with the package
pysunspec2. None of its code runs here: it looks for definitions in the working directory first.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

# registers of each type with a fixed length, by the SunSpec Device Information Model Specification
_N_REGISTERS: Final = {
    "int16": 1, "uint16": 1, "acc16": 1, "enum16": 1, "bitfield16": 1, "sunssf": 1, "count": 1, "pad": 1,
    "int32": 2, "uint32": 2, "acc32": 2, "enum32": 2, "bitfield32": 2, "float32": 2, "ipaddr": 2,
    "int64": 4, "uint64": 4, "acc64": 4, "bitfield64": 4, "float64": 4, "eui48": 4,
    "ipv6addr": 8,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPoint:
    """One point; `offset` counts registers from the model's id register, or from the beginning of its group.

    `factor` names the scale-factor point of the model, or is the power of ten itself.
    """

    name: str
    type: str
    offset: int
    n_registers: int
    factor: str | int | None
    writable: bool
    mandatory: bool
    symbols: Mapping[int, str]

    @property
    def end(self) -> int:
        """Return the first register behind the point, as an offset."""
        return self.offset + self.n_registers


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatedGroup:
    """Points that repeat to the end of the model; `n_registers` is the length of one repetition."""

    name: str
    offset: int
    n_registers: int
    points: Mapping[str, ModelPoint]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDefinition:
    """One model: its points by name, and the group behind them that repeats.

    Points of a group that stands once carry its name: `PFWInj.PF`.
    """

    id: int
    label: str
    points: Mapping[str, ModelPoint]
    repeated: RepeatedGroup | None

    @property
    def n_registers(self) -> int:
        """Return the length without repetitions, id and length registers included."""
        return max(point.end for point in self.points.values())


@cache
def model_definition(model_id: int) -> ModelDefinition | None:
    """Return the definition of a model, None for a model that the standard's files do not have."""
    file = files("sunspec2") / "models" / "json" / f"model_{model_id}.json"
    if not file.is_file():
        return None
    group: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["group"]
    points = list(_points(group["points"], start=0, prefix=""))
    end = points[-1].end
    repeated = None
    for inner in group.get("groups", ()):
        if inner.get("count", 1) == 1:
            points += _points(inner["points"], start=end, prefix=f"{inner['name']}.")
            end = points[-1].end
        else:
            repeated = _repeated(inner, offset=end)
            break
    return ModelDefinition(
        id=model_id,
        label=str(group.get("label", "")),
        points={point.name: point for point in points},
        repeated=repeated,
    )


def _repeated(group: dict[str, Any], *, offset: int) -> RepeatedGroup:
    points = tuple(_points(group["points"], start=0, prefix=""))
    return RepeatedGroup(
        name=group["name"],
        offset=offset,
        n_registers=points[-1].end,
        points={point.name: point for point in points},
    )


def _points(tables: Sequence[dict[str, Any]], *, start: int, prefix: str) -> Iterator[ModelPoint]:
    for table in tables:
        n_registers = int(table.get("size") or _N_REGISTERS[table["type"]])
        yield ModelPoint(
            name=prefix + table["name"],
            type=table["type"],
            offset=start,
            n_registers=n_registers,
            factor=_factor(table.get("sf")),
            writable=table.get("access") == "RW",
            mandatory=table.get("mandatory") == "M",
            symbols={int(symbol["value"]): symbol["name"] for symbol in table.get("symbols", ())},
        )
        start += n_registers


def _factor(text: str | int | None) -> str | int | None:
    try:
        return None if text is None else int(text)
    except ValueError:
        return str(text)
