"""The messages of the contract as metrics: every number, text, switch and instant of a message is one."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from ems.contract.message import Message, Payload
from ems.contract.outgoing import Outgoing
from ems.contract.topics import CARBON, ENERGY, HEALTH, READINESS, RESERVE, STATE
from ems.gateway.sparkplug.encoding import DataType, Value

# OPC qualities as the specification counts them (6.4.10, `Quality`)
GOOD: Final = 192
BAD: Final = 0
STALE: Final = 500
_OF_THE_NODE: Final = frozenset({STATE, ENERGY, CARBON, RESERVE, READINESS, HEALTH})
_OF_DEVICES: Final = frozenset({"device", "setpoint"})
_NOT_VALUES: Final = frozenset({"v", "ts", "quality", "age_s", "device", "asset"})
# units by the end of a name, as engineers write them; the rest of the suffixes say nothing more than the name
_UNITS: Final = {
    "kgco2e": "kg", "gco2e_per_kwh": "g/kWh", "l_per_h": "L/h", "m3_per_h": "m3/h", "price_per_kwh": "1/kWh",
    "kw_th": "kW", "kwh": "kWh", "kvar": "kvar", "kw": "kW", "wh": "Wh", "pct": "%", "degc": "°C", "hz": "Hz",
    "kpa": "kPa", "kohm": "kOhm", "rpm": "1/min", "min": "min", "h": "h", "s": "s", "v": "V", "a": "A", "l": "L",
    "deg": "°",
}  # fmt: skip
_PYTHON: Final[dict[Any, DataType]] = {
    bool: DataType.BOOLEAN,
    int: DataType.INT64,
    float: DataType.DOUBLE,
    str: DataType.STRING,
    datetime: DataType.DATE_TIME,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricValue:
    """A metric's value now; `quality` is an OPC quality."""

    kind: DataType
    value: Value
    quality: int
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    """A value of a message: where it is found, and as what it is told."""

    path: tuple[str, ...]
    kind: DataType


def device_of(topic: str) -> str | None:
    """Return the device that a topic is about; None for one of the whole site."""
    parts = topic.split("/")
    return parts[1] if parts[0] in _OF_DEVICES and len(parts) > 1 else None


def readings(outgoing: Outgoing) -> Iterator[tuple[str, MetricValue]]:
    """Yield the metrics of a message by name, such as `state/soc_pct` or, below its device, `pcs/power_kw`."""
    topic, message = outgoing.topic, outgoing.message
    device = device_of(topic)
    if device is None and topic not in _OF_THE_NODE:
        return
    head = "setpoint" if topic.startswith("setpoint/") else topic.rpartition("/")[2]
    at_ms = _ms(message.ts)
    for each in _fields_of(type(message)):
        value = _value(message, each.path)
        quality = GOOD if value is not None else _quality(message, each.path[0])
        yield "/".join((head, *each.path)), MetricValue(kind=each.kind, value=value, quality=quality, at_ms=at_ms)


def unit_of(name: str) -> str | None:
    """Return the unit of a metric by the end of its name, None where it has none."""
    parts = name.rpartition("/")[2].split("_")
    ends = ("_".join(parts[first:]) for first in range(1, len(parts)))
    return next((_UNITS[end] for end in ends if end in _UNITS), None)


@cache
def _fields_of(model: type[BaseModel]) -> tuple[_Field, ...]:
    return tuple(_walk(model, ()))


def _walk(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[_Field]:
    for name, info in model.model_fields.items():
        if name in _NOT_VALUES:
            continue
        kind = _plain(info.annotation)
        if isinstance(kind, type) and issubclass(kind, Payload):
            yield from _walk(kind, (*path, name))
        elif (found := _data_type(kind)) is not None:
            yield _Field(path=(*path, name), kind=found)


def _plain(annotation: Any) -> Any:  # annotations have no common type
    """Return what an annotation allows beside None; of several things nothing."""
    if get_origin(annotation) is Annotated:
        return _plain(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        rest = [each for each in get_args(annotation) if each is not NoneType]
        return _plain(rest[0]) if len(rest) == 1 else None
    return annotation


def _data_type(kind: Any) -> DataType | None:  # annotations have no common type
    if get_origin(kind) is Literal:
        return DataType.STRING
    if isinstance(kind, type) and issubclass(kind, Enum):
        return DataType.STRING
    return _PYTHON.get(kind)


def _value(message: BaseModel, path: tuple[str, ...]) -> Value:
    value: Any = message  # walks down to a value of any type
    for name in path:
        value = None if value is None else getattr(value, name)
    if isinstance(value, datetime):
        return _ms(value)
    if isinstance(value, Enum):
        return str(value.value)
    return value  # type: ignore[no-any-return] # the types of `_PYTHON` are those of `Value`


def _quality(message: Message, name: str) -> int:
    """Return the quality of a null: one that is not named is a value of its own, and good."""
    word = message.quality.get(name)
    if word is None:
        return GOOD
    return STALE if word.startswith("stale") else BAD


def _ms(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)
