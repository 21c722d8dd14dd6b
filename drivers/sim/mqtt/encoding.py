"""The twin's own way from values to payloads and from payloads to commands, by the description in a topic map.

Written without the drivers' codec and without its shortcuts, on purpose: two independent readings of a map.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final

from drivers.mqtt.topics import PayloadType, Place, Scaling, Stamp, Template, TimeFormat, TopicCommand, TopicPoint

Value = float | int | bool | str | tuple[str, ...] | None
# what json.dumps takes
Document = dict[str, "Document"] | list["Document"] | float | int | str | bool | None

# devices write so many places behind the point
_PLACES: Final = Decimal("0.000001")


def payload(points: Iterable[TopicPoint], values: Mapping[str, Value], stamp: Stamp | None, written: datetime) -> str:
    """Return the message that holds some points of one topic, with the device's own time if the map has one."""
    document: Document = {}
    for point in points:
        raw = _raw(point, values.get(point.name))
        if not point.source.at:
            return "" if raw is None else raw if isinstance(raw, str) else json.dumps(raw)
        document = _placed(document, point.source.at, raw)
    if stamp is not None:
        document = _placed(document, stamp.at, _instant(written, stamp.format))
    return json.dumps(document)


def command_value(command: TopicCommand, text: str, now: datetime) -> float | None:
    """Return the value that a message asks for, None where it is none, or is over."""
    asked = _said(command.payload, text)
    number = asked.get(Place.VALUE)
    if isinstance(number, str | bool) or number is None:
        return None
    if (until_s := _until_s(asked)) is not None and now.timestamp() > until_s:
        return None
    exact = (Decimal(str(number)) * _decimal(command.scaling.scale) + _decimal(command.scaling.offset)) * Decimal(
        command.scaling.sign
    )
    return float(exact)


def number_in(template: Template, text: str, place: Place) -> float | None:
    """Return the number that stands in one place of a message, None where it is of another form."""
    number = _said(template, text).get(place)
    return float(number) if isinstance(number, float | int) and not isinstance(number, bool) else None


def _raw(point: TopicPoint, value: Value) -> Document:
    if value is None:
        return None
    if point.labels is not None:
        wanted = str(value).lower() if isinstance(value, bool) else str(value)
        code = next((code for code, label in point.labels.items() if label == wanted), None)
        return int(code) if code is not None and code.isdecimal() else code
    match point.type:
        case PayloadType.FLAG:
            return bool(value)
        case PayloadType.TEXT:
            return str(value)
        case PayloadType.NAMES:
            return list(value) if isinstance(value, tuple) else []
        case PayloadType.NUMBER:
            return _number(point.scaling, value)
        case PayloadType.NUMBER_TEXT:
            return str(_number(point.scaling, value))


def _number(scaling: Scaling, value: Value) -> float | int:
    exact = (Decimal(str(value)) * scaling.sign - _decimal(scaling.offset)) / _decimal(scaling.scale)
    shown = exact.quantize(_PLACES)
    return int(shown) if shown == shown.to_integral_value() else float(shown)


def _decimal(number: float) -> Decimal:
    return Decimal(repr(number))


def _placed(document: Document, at: tuple[str, ...], leaf: Document) -> Document:
    """Return a document with something put in its place; what is missing on the way there is made."""
    if not at:
        return leaf
    here, rest = at[0], at[1:]
    if here.isdecimal() and not (isinstance(document, dict) and document):
        items = list(document) if isinstance(document, list) else []
        items += [None] * (int(here) + 1 - len(items))
        items[int(here)] = _placed(items[int(here)], rest, leaf)
        return items
    table = document if isinstance(document, dict) else {}
    return {**table, here: _placed(table.get(here), rest, leaf)}


def _instant(at: datetime, form: TimeFormat) -> Document:
    match form:
        case TimeFormat.ISO8601:
            return at.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
        case TimeFormat.UNIX_S:
            return round(at.timestamp(), 3)
        case TimeFormat.UNIX_MS:
            return int(at.timestamp() * 1000)


def _said(template: Template, text: str) -> Mapping[str, Document]:
    """Return what stands in a message in the places of a template; empty where the message is of another form."""
    if isinstance(template, str):
        try:
            return {template.strip("{}"): json.loads(text)} if template.startswith("{") else {}
        except ValueError:
            return {}
    try:
        return dict(_matched(template, json.loads(text)))
    except (ValueError, LookupError, TypeError):
        return {}


def _matched(template: Template, document: Document) -> Iterable[tuple[str, Document]]:
    """Yield what stands in the places of a template.

    Raises:
        LookupError: Something of the template is not in the document.
        TypeError: Something is of another kind.
    """
    match template:
        case str() if template.startswith("{"):
            yield template.strip("{}"), document
        case str() | int() | float():
            if document != template:
                raise LookupError(f"{template} expected")
        case tuple():
            if not isinstance(document, list):
                raise TypeError("an array expected")
            for inner, part in zip(template, document, strict=False):
                yield from _matched(inner, part)
        case _:
            if not isinstance(document, dict):
                raise TypeError("an object expected")
            for key, inner in template.items():
                yield from _matched(inner, document[key])


def _until_s(asked: Mapping[str, Document]) -> float | None:
    """Return until when a command counts, s since 1970, None where it does not say."""
    iso, seconds, milliseconds = (
        asked.get(place) for place in (Place.VALID_UNTIL_ISO8601, Place.VALID_UNTIL_S, Place.VALID_UNTIL_MS)
    )
    if isinstance(iso, str):
        return datetime.strptime(iso, "%Y-%m-%dT%H:%M:%S.%f%z").timestamp()
    if isinstance(seconds, float | int):
        return float(seconds)
    return milliseconds / 1000.0 if isinstance(milliseconds, float | int) else None
