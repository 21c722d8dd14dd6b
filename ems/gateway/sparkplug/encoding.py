"""Sparkplug B payloads as bytes: the part of the protocol buffer schema that an edge node needs.

Field numbers and data types are those of `sparkplug_b.proto` of the Sparkplug 3.0 specification (6.4). Signed integers
travel as two's complement in unsigned fields, as the specification asks.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_INT32_MASK: Final = (1 << 32) - 1
_INT64_MASK: Final = (1 << 64) - 1
_FIXED_LENGTHS: Final = {_FIXED64: 8, _FIXED32: 4}

Value = float | int | bool | str | None


class DataType(IntEnum):
    """Data types of metrics and properties that we use."""

    INT32 = 3
    INT64 = 4
    UINT64 = 8
    DOUBLE = 10
    BOOLEAN = 11
    STRING = 12
    DATE_TIME = 13


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """A property of a metric."""

    kind: DataType
    value: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric; without `name` it is known by its alias. `at_ms` is when the value was true, ms since 1970."""

    kind: DataType
    value: Value
    at_ms: int
    name: str | None = None
    alias: int | None = None
    properties: Mapping[str, Property] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A metric of a command, as far as it is looked at."""

    name: str | None
    alias: int | None
    is_true: bool


def encoded(metrics: tuple[Metric, ...], *, at_ms: int, seq: int | None) -> bytes:
    """Return a payload; `seq` None leaves it out, as a death does."""
    parts = [_number(1, at_ms)]
    parts += [_block(2, _metric(metric)) for metric in metrics]
    if seq is not None:
        parts.append(_number(3, seq))
    return b"".join(parts)


def orders(payload: bytes) -> tuple[Order, ...]:
    """Return the metrics of a command.

    Raises:
        ValueError: The bytes are no payload.
    """
    return tuple(_order(content) for number, content in _fields(payload) if number == 2 and isinstance(content, bytes))


def _metric(metric: Metric) -> bytes:
    parts = []
    if metric.name is not None:
        parts.append(_text(1, metric.name))
    if metric.alias is not None:
        parts.append(_number(2, metric.alias))
    parts += [_number(3, metric.at_ms), _number(4, metric.kind)]
    if metric.value is None:
        parts.append(_number(7, 1))
    if metric.properties:
        parts.append(_block(9, _properties(metric.properties)))
    if metric.value is not None:
        parts.append(_value(metric.kind, metric.value, first=10))
    return b"".join(parts)


def _properties(properties: Mapping[str, Property]) -> bytes:
    names = [_text(1, name) for name in properties]
    values = [_block(2, _property(each)) for each in properties.values()]
    return b"".join((*names, *values))


def _property(each: Property) -> bytes:
    if each.value is None:
        return _number(1, each.kind) + _number(2, 1)
    return _number(1, each.kind) + _value(each.kind, each.value, first=3)


def _value(kind: DataType, value: Value, *, first: int) -> bytes:
    """Return a value in the field of its kind; `first` is the number of the first of them, that of 32-bit integers."""
    match kind:
        case DataType.INT32:
            return _number(first, int(value or 0) & _INT32_MASK)
        case DataType.INT64 | DataType.UINT64 | DataType.DATE_TIME:
            return _number(first + 1, int(value or 0) & _INT64_MASK)
        case DataType.DOUBLE:
            return _tag(first + 3, _FIXED64) + struct.pack("<d", float(value or 0.0))
        case DataType.BOOLEAN:
            return _number(first + 4, int(bool(value)))
        case DataType.STRING:
            return _text(first + 5, str(value))


def _number(number: int, value: int) -> bytes:
    return _tag(number, _VARINT) + _varint(value)


def _text(number: int, text: str) -> bytes:
    return _block(number, text.encode())


def _block(number: int, content: bytes) -> bytes:
    return _tag(number, _BYTES) + _varint(len(content)) + content


def _tag(number: int, wire: int) -> bytes:
    return _varint(number << 3 | wire)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _order(content: bytes) -> Order:
    found = dict(_fields(content))
    name, alias = found.get(1), found.get(2)
    return Order(
        name=name.decode(errors="replace") if isinstance(name, bytes) else None,
        alias=alias if isinstance(alias, int) else None,
        is_true=found.get(14) == 1,
    )


def _fields(content: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield the fields of a message: numbers of varints, bytes of everything else."""
    at = 0
    while at < len(content):
        key, at = _read_varint(content, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _read_varint(content, at)
            yield number, value
            continue
        if wire == _BYTES:
            length, at = _read_varint(content, at)
        elif wire in _FIXED_LENGTHS:
            length = _FIXED_LENGTHS[wire]
        else:
            raise ValueError(f"no payload: wire type {wire}")
        if at + length > len(content):
            raise ValueError("no payload: it ends in the middle of a field")
        yield number, content[at : at + length]
        at += length


def _read_varint(content: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(content) and shift < 70:
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("no payload: a number does not end")
