"""Finds keys of a topic map that would do nothing: scales of what is no number, codes that never come, lone times."""

from collections.abc import Iterator
from typing import Final

from drivers.device.keylint import nameless_findings, unscaled_findings
from drivers.device.needs import Finding
from drivers.mqtt.topicmapschema import MessagesTable, PointTable, TopicMapFile
from drivers.mqtt.topics import PayloadType

_NUMBERS: Final = frozenset({PayloadType.NUMBER, PayloadType.NUMBER_TEXT})
_OF_STAMPS: Final = ("stamp_format", "most_off_s")


def key_findings(tables: TopicMapFile) -> Iterator[Finding]:
    """Yield what a map says without effect."""
    yield from _of_messages(tables.messages, has_json=any(table.at for table in tables.points.values()))
    for name, table in tables.points.items():
        key = f"points.{name}"
        yield from unscaled_findings(table, key, _no_number(table))
        yield from nameless_findings(table.enum, f"{key}.enum")
        yield from _codes(table, key)


def _of_messages(table: MessagesTable, *, has_json: bool) -> Iterator[Finding]:
    if table.stamp is None:
        for name in _OF_STAMPS:
            if name in table.model_fields_set:
                yield f"messages.{name}", "no stamp is read", f"stamp, or no {name}"
    elif not has_json:
        yield "messages.stamp", "no point comes in a JSON payload that could hold it", "no stamp"
    if table.partial and not has_json:
        yield "messages.partial", "no point comes in a JSON payload that could leave it out", "no partial"


def _no_number(table: PointTable) -> str | None:
    """Return what a value is that no scale or range applies to."""
    if table.type is PayloadType.NAMES:
        return "a list of names"
    if table.enum is not None:
        return "an enumeration"
    return {PayloadType.FLAG: "a flag", PayloadType.TEXT: "a text"}.get(table.type)


def _codes(table: PointTable, key: str) -> Iterator[Finding]:
    if table.type is PayloadType.NAMES:
        if table.invalid:
            yield f"{key}.invalid", "a list of names has no codes", "no invalid; an empty list has no names"
        return
    # a plain payload is a text, which is compared as a number only where it is one
    is_compared_as_text = table.at is None and (table.enum is not None or table.type not in _NUMBERS)
    numbers = [code for code in table.invalid if not isinstance(code, str)]
    if is_compared_as_text and numbers:
        yield f"{key}.invalid", f"a plain payload is a text, never the number {numbers[0]}", f'"{numbers[0]}"'
