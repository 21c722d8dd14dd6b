"""What a person sees of a device's points, as rows of a table or of JSON. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from types import MappingProxyType
from typing import Final

from drivers.modbus.coding import Address
from drivers.modbus.readout import PointReading, Quality
from drivers.modbus.sameness import same_registers
from drivers.mqtt.messages import name_of
from drivers.mqtt.topics import TopicMap
from ems.config.units import unit_of
from ems.model.readings import Reading

# how documents number the registers of a table, for a first register of 1
_DOCUMENT_DIGIT: Final = {"coil": "0", "discrete": "1", "input": "3", "holding": "4"}
_FIVE_DIGITS: Final = 9999
_UNITS: Final = {"wh": "Wh", "frac": "of 1", "v": "V"}
_COLUMNS: Final = ("point", "address", "document", "registers", "value", "unit", "quality", "age")
_NOT_SHOWN: Final = frozenset({"device_id", "at_s", "bad"})
_DIGITS: Final = 10

Plain = float | bool | str | list[str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PointRow:
    """One point; `at` is a register or a topic; it and `words` are None where nothing maps the point."""

    point: str
    at: str | None
    document: str | None
    words: tuple[int, ...] | None
    value: Plain
    unit: str | None
    quality: str
    reason: str
    age_s: float

    def cells(self, *, changed: bool = False) -> tuple[str, ...]:
        """Return the row as text; a value that has changed is marked."""
        words = "" if self.words is None else " ".join(f"{word:04X}" for word in self.words)
        return (
            self.point,
            self.at or "",
            self.document or "",
            words,
            f"{_value_text(self.value)}{' *' if changed else ''}",
            self.unit or "",
            f"{self.quality}: {self.reason}" if self.reason else self.quality,
            f"{self.age_s:.1f} s",
        )


def map_rows(readings: Iterable[PointReading], *, now_s: float) -> tuple[PointRow, ...]:
    """Return the rows of a device that was read by its register map."""
    return tuple(
        PointRow(
            point=each.point.name,
            at=str(each.point.at),
            document=document_number(each.point.at),
            words=each.words,
            value=_plain(each.value),
            unit=_unit(each.point.name),
            quality=each.quality.value,
            reason=each.reason,
            age_s=round(max(0.0, now_s - each.at_s), 3),
        )
        for each in readings
    )


def reading_rows(
    reading: Reading, *, now_s: float, places: Mapping[str, str] = MappingProxyType({})
) -> tuple[PointRow, ...]:
    """Return the rows of a device by what its driver makes of it; `places` says where a field comes from."""
    rows = []
    for field in fields(reading):
        if field.name in _NOT_SHOWN:
            continue
        value, reason = getattr(reading, field.name), reading.bad.get(field.name, "")
        known = Quality.ABSENT if value is None else Quality.GOOD
        rows.append(
            PointRow(
                point=field.name,
                at=places.get(field.name),
                document=None,
                words=None,
                value=_plain(value),
                unit=_unit(field.name),
                quality=(Quality.BAD if reason else known).value,
                reason=reason,
                age_s=round(max(0.0, now_s - reading.at_s), 3),
            )
        )
    return tuple(rows)


def topic_places(topic_map: TopicMap, name: str) -> Mapping[str, str]:
    """Return the topic of each field of a device behind a broker, and the place in its payload."""
    parts = name_of(topic_map, name)
    return {
        point.field: " ".join(
            text for text in (point.source.topic.format_map(parts), ".".join(point.source.at)) if text
        )
        for point in topic_map.points.values()
    }


def document_number(at: Address) -> str:
    """Return a register as documents number it: 30001 is the first input register, 400001 where five digits end."""
    number = at.register + 1
    digit = _DOCUMENT_DIGIT[at.table.value]
    return f"{digit}{number:04d}" if number <= _FIVE_DIGITS else f"{digit}{number:05d}"


def table_text(rows: Sequence[PointRow], *, changed: frozenset[str] = frozenset()) -> str:
    """Return a table with one line per point."""
    lines = [_COLUMNS, *(row.cells(changed=row.point in changed) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_COLUMNS))]
    return "\n".join(
        "  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def columns() -> tuple[str, ...]:
    """Return the headings of the table."""
    return _COLUMNS


def documents(rows: Iterable[PointRow]) -> list[dict[str, object]]:
    """Return the rows as JSON."""
    return [asdict(row) for row in rows]


def changes(before: Sequence[PointRow], after: Sequence[PointRow]) -> frozenset[str]:
    """Return the points whose value or quality is another one than before."""
    known = {row.point: (row.value, row.quality) for row in before}
    return frozenset(row.point for row in after if known.get(row.point) != (row.value, row.quality))


def sameness(rows: Iterable[PointRow]) -> str | None:
    """Return what registers that all read the same most likely mean, None where they differ or are too few."""
    return same_registers(word for row in rows for word in row.words or ())


def by_quality(rows: Iterable[PointRow]) -> Mapping[str, list[PointRow]]:
    """Return the rows by what they are worth."""
    found: dict[str, list[PointRow]] = {}
    for row in rows:
        found.setdefault(row.quality, []).append(row)
    return found


def _plain(value: object) -> Plain:
    """Return a value as JSON has it: names of enumerations as text, sets of names as a list."""
    if isinstance(value, float):
        # no measured value is minus nothing
        return value + 0.0
    if value is None or isinstance(value, bool | int):
        return value
    return [str(each) for each in value] if isinstance(value, tuple | list | frozenset) else str(value)


def _value_text(value: Plain) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "true" if value else "false"
        case int() | str():
            return str(value)
        case list():
            return ", ".join(value) or "none"
        case _:
            return f"{value:.{_DIGITS}g}"


def _unit(name: str) -> str | None:
    return unit_of(name) or next((unit for end, unit in _UNITS.items() if name.endswith(f"_{end}")), None)
