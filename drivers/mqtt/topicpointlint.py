"""What the points of a topic map contradict: their form, their range, and the field that they fill."""

from collections.abc import Iterator
from typing import Final

from drivers.device.fieldlint import fit_findings, kind_of_labels, unknown_field
from drivers.device.fields import FieldKind, reading_fields
from drivers.device.keylint import step_findings
from drivers.device.maptables import MOST
from drivers.device.needs import Finding
from drivers.device.numberlint import Range, held_by, is_sound, order_findings, scale_findings, values_within
from drivers.mqtt.topics import PayloadType, Scaling, TopicMap, TopicPoint

_KINDS: Final = {
    PayloadType.NUMBER: FieldKind.NUMBER,
    PayloadType.NUMBER_TEXT: FieldKind.NUMBER,
    PayloadType.FLAG: FieldKind.FLAG,
    PayloadType.TEXT: FieldKind.TEXT,
    PayloadType.NAMES: FieldKind.NAMES,
}
_WRITTEN: Final = {
    FieldKind.FLAG: 'type = "flag", or enum with "true" and "false"',
    FieldKind.INTEGER: "type number or number_text without enum",
    FieldKind.NUMBER: "type number or number_text without enum",
    FieldKind.TEXT: 'type = "text", or enum',
    FieldKind.NAMES: 'type = "names"',
}
_COUNTERS: Final = frozenset({PayloadType.NUMBER, PayloadType.NUMBER_TEXT, PayloadType.TEXT})


def point_findings(topic_map: TopicMap) -> Iterator[Finding]:
    """Yield what is wrong with the points that control and the driver rely on."""
    fields = reading_fields(topic_map.device_class)
    readbacks = {command.readback for command in topic_map.commands.values()}
    for name, point in topic_map.points.items():
        key = f"points.{name}"
        yield from _form(point, key)
        if (point.stale_after_s is not None or name in {"remote", *readbacks}) and point.max_age_s is not None:
            yield f"{key}.max_age_s", "this value must not be older than the others", "no max_age_s"
        if point.field in fields:
            labels = None if point.labels is None else point.labels.values()
            yield from fit_findings(kind_of(point), labels, fields[point.field], key, _WRITTEN)
        else:
            has_purpose = name in readbacks or point.stale_after_s is not None
            yield from unknown_field(topic_map.device_class, fields, key, fills=point.fills, has_purpose=has_purpose)
    if topic_map.points and all(point.max_age_s is not None for point in topic_map.points.values()):
        yield "points", "no value makes a reading", "at least one point without max_age_s"


def kind_of(point: TopicPoint) -> FieldKind:
    """Return what a point gives."""
    if point.labels is not None and point.type is not PayloadType.NAMES:
        return kind_of_labels(point.labels.values())
    return _KINDS[point.type]


def range_of_numbers(scaling: Scaling) -> Range:
    """Return the lowest and the highest value that a payload can tell: no number in it is beyond `MOST`."""
    return held_by((-MOST, MOST), scale=scaling.scale, offset=scaling.offset, sign=scaling.sign)


def _form(point: TopicPoint, key: str) -> Iterator[Finding]:
    yield from scale_findings(point.scaling.scale, key)
    yield from order_findings(point.valid, f"{key}.valid")
    yield from _range(point, key)
    is_measured = kind_of(point) is FieldKind.NUMBER and point.stale_after_s is None
    yield from step_findings(point.max_step_per_s, key, is_measured=is_measured)
    if point.stale_after_s is not None and (point.type not in _COUNTERS or point.labels is not None):
        yield f"{key}.type", "a life counter counts up", ", ".join(sorted(_COUNTERS)) + " without enum"
    if point.labels is not None and point.type is PayloadType.NAMES:
        yield f"{key}.enum", "names stand for themselves", "no enum"
    if point.type is PayloadType.NAMES and not point.source.at:
        yield f"{key}.at", "names come in a JSON array", "the place of the array"
    if point.type is PayloadType.NUMBER_TEXT and not point.source.at:
        yield f"{key}.type", "a plain payload is a text in any case", "number"


def _range(point: TopicPoint, key: str) -> Iterator[Finding]:
    if point.valid is None or kind_of(point) is not FieldKind.NUMBER or not is_sound(point.scaling.scale, point.valid):
        return
    held = range_of_numbers(point.scaling)
    if point.valid[1] < held[0] or point.valid[0] > held[1]:
        yield f"{key}.valid", "no number of a payload gives such a value", values_within(held)
