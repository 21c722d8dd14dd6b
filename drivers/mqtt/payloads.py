"""From one raw JSON value or plain text to the value of a point: scale, sign, sentinels, valid ranges, codes.

What cannot be understood gives no number: the result is a value, None (not available, and allowed to be) or `Bad`
with the reason. Nothing is clamped. Signs are turned here, and in `publications`.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from drivers.device.maptables import MOST
from drivers.device.values import Bad, Number, Value, parts_of
from drivers.mqtt.topics import JsonPath, PayloadType, Scaling, TimeFormat, TopicPoint

# what json.loads makes of a text
Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
RawDecoder = Callable[[Json], Value | Bad | None]

_DECIMAL: Final = re.compile(r"[+-]?(\d{1,40}(\.\d{0,40})?|\.\d{1,40})([eE][+-]?\d{1,3})?", re.ASCII)
_WHOLE: Final = re.compile(r"[+-]?\d{1,40}", re.ASCII)
_MOST_CHARACTERS: Final = 200
_FLAGS: Final[Mapping[str, Value]] = {"true": True, "false": False}
# no device of ours existed before, none will after
_PLAUSIBLE_UNIX_S: Final = (946_684_800.0, 4_102_444_800.0)


def parse_json(payload: bytes) -> Json | Bad:
    """Return what a payload holds, or why it is no JSON; NaN and infinity are none."""
    try:
        document: Json = json.loads(payload.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        return Bad(f"malformed JSON: {str(error)[:_MOST_CHARACTERS]}")
    return document


def plain_text(payload: bytes) -> str | Bad:
    """Return a payload as text without blanks around it."""
    try:
        text = payload.decode("utf-8").strip()
    except UnicodeDecodeError:
        return Bad("not a text")
    return text if text.isprintable() and len(text) <= _MOST_CHARACTERS else Bad("not a text")


def found_at(document: Json, path: JsonPath) -> Json | Bad:
    """Return what stands at a place of a document; `Bad` where there is no such place."""
    for depth, part in enumerate(path):
        if isinstance(document, dict) and part in document:
            document = document[part]
        elif isinstance(document, list) and part.isdecimal() and int(part) < len(document):
            document = document[int(part)]
        else:
            return Bad(f"the message has no '{'.'.join(path[: depth + 1])}'")
    return document


def unix_s(raw: Json, form: TimeFormat) -> float | Bad:
    """Return an instant that a device has written, as seconds since 1970."""
    if form is TimeFormat.ISO8601:
        try:
            at = datetime.fromisoformat(raw) if isinstance(raw, str) else None
        except ValueError:
            at = None
        if at is None or at.tzinfo is None:
            return Bad(f"{_shown(raw)} is no time with its zone (ISO 8601)")
        seconds = at.timestamp()
    elif isinstance(raw, bool) or not isinstance(raw, int | float) or abs(raw) > MOST:
        return Bad(f"{_shown(raw)} is no time ({form})")
    else:
        seconds = raw / 1000.0 if form is TimeFormat.UNIX_MS else float(raw)
    first_s, last_s = _PLAUSIBLE_UNIX_S
    return seconds if first_s <= seconds <= last_s else Bad(f"{_shown(raw)} is no time ({form})")


def raw_decoder(point: TopicPoint, *, integral: bool) -> RawDecoder:
    """Return the function that turns the raw value of a point into its value.

    `integral` rounds to a whole number, as counters are kept; otherwise numbers come out as float.
    """
    if point.labels is not None:
        decode = _label_decoder(point.labels)
    elif point.type in {PayloadType.NUMBER, PayloadType.NUMBER_TEXT}:
        decode = _number_decoder(point, integral=integral)
    else:
        decode = {PayloadType.FLAG: _flag, PayloadType.TEXT: _text, PayloadType.NAMES: _names}[point.type]

    def checked(raw: Json) -> Value | Bad | None:
        absent = raw is None or (not isinstance(raw, bool | list | dict) and raw in point.invalid)
        if not absent:
            return decode(raw)
        return None if point.optional else Bad(f"not available ({_shown(raw)})")

    return checked


def conversion(scaling: Scaling) -> Callable[[Number], Number]:
    """Return the function from raw numbers to values; whole numbers stay whole where scale and offset are."""
    factor, offset = scaling.scale * scaling.sign, scaling.offset * scaling.sign
    if (parts := parts_of(factor)) is not None:
        return lambda raw: raw / parts + offset
    return lambda raw: raw * factor + offset


def _no_constant(name: str) -> Json:
    raise ValueError(f"{name} is no number")


def _shown(raw: Json) -> str:
    """Return a raw value for a reason, cut where it is long."""
    if isinstance(raw, list | dict):
        # it may be as deep as the parser allows
        return "an array" if isinstance(raw, list) else "an object"
    text = "null" if raw is None else str(raw).lower() if isinstance(raw, bool) else repr(raw)
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}..."


def _number(raw: Json, *, from_text: bool) -> Number | Bad:
    if isinstance(raw, str) and from_text and _DECIMAL.fullmatch(raw):
        raw = int(raw) if _WHOLE.fullmatch(raw) else float(raw)
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        return Bad(f"{_shown(raw)} is no number")
    # an int may have thousands of digits, which no float holds
    return raw if abs(raw) <= MOST else Bad("the number is beyond every range")


def _number_decoder(point: TopicPoint, *, integral: bool) -> RawDecoder:
    value_of = conversion(point.scaling)
    low, high = point.valid or (-math.inf, math.inf)
    from_text = point.type is PayloadType.NUMBER_TEXT or not point.source.at

    def decode(raw: Json) -> Value | Bad | None:
        number = _number(raw, from_text=from_text)
        if isinstance(number, Bad):
            return number
        if from_text and number in point.invalid:
            return None if point.optional else Bad(f"not available ({number:g})")
        value = value_of(number)
        if not low <= value <= high:
            return Bad(f"{value:g} is outside {low:g}..{high:g}")
        return round(value) if integral else float(value)

    return decode


def _label_decoder(labels: Mapping[str, str]) -> RawDecoder:
    values = {code: _FLAGS.get(label, label) for code, label in labels.items()}

    def decode(raw: Json) -> Value | Bad | None:
        value = values.get(_code(raw)) if isinstance(raw, str | int | float) else None
        return Bad(f"unknown code {_shown(raw)}") if value is None else value

    return decode


def _code(raw: str | float) -> str:
    """Return a code as maps write it: 2 and 2.0 are alike, true is `true`."""
    if isinstance(raw, bool):
        return str(raw).lower()
    if isinstance(raw, float) and raw.is_integer() and abs(raw) <= MOST:
        return str(int(raw))
    return str(raw)[:_MOST_CHARACTERS]


def _flag(raw: Json) -> Value | Bad | None:
    flag = _FLAGS.get(raw) if isinstance(raw, str) else raw
    return flag if isinstance(flag, bool) else Bad(f"{_shown(raw)} is neither true nor false")


def _text(raw: Json) -> Value | Bad | None:
    if not isinstance(raw, str) or not raw.isprintable() or not raw.strip():
        return Bad(f"{_shown(raw)} is no text")
    return raw.strip()[:_MOST_CHARACTERS]


def _names(raw: Json) -> Value | Bad | None:
    if not isinstance(raw, list) or not all(isinstance(name, str) and name.isprintable() for name in raw):
        return Bad(f"{_shown(raw)} is no list of names")
    return tuple(str(name)[:_MOST_CHARACTERS] for name in raw)
