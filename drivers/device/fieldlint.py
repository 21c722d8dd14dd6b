"""Compares what a point gives with the field of the reading that it fills, and with the fields that there are."""

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from drivers.device.fields import FieldKind, ReadingField
from drivers.device.needs import Finding

FLAG_LABELS: Final = frozenset({"true", "false"})


def kind_of_labels(labels: Collection[str]) -> FieldKind:
    """Return what a point with these names of its codes gives."""
    return FieldKind.FLAG if frozenset(labels) <= FLAG_LABELS else FieldKind.LABEL


def fit_findings(
    kind: FieldKind, labels: Collection[str] | None, field: ReadingField, key: str, written: Mapping[FieldKind, str]
) -> Iterator[Finding]:
    """Yield why a point of that kind cannot fill a field; `written` tells how a map writes each kind."""
    fits = kind is field.kind
    match field.kind:
        case FieldKind.LABEL:
            known = frozenset(field.labels or ())
            if labels is None or not frozenset(labels) <= known:
                yield f"{key}.enum", "this value is one of a list of names", ", ".join(sorted(known))
            return
        case FieldKind.INTEGER | FieldKind.NUMBER:
            fits = kind in {FieldKind.INTEGER, FieldKind.NUMBER}
        case FieldKind.TEXT:
            fits = kind is FieldKind.TEXT or labels is not None
        case _:
            pass
    if not fits:
        yield key, f"this value is {field.kind.value}", written[field.kind]


def unknown_field(
    device_class: str, fields: Collection[str], key: str, *, fills: str | None, has_purpose: bool
) -> Iterator[Finding]:
    """Yield that a point fills no field of its class; `has_purpose` for read-backs, life counters and their like."""
    known = ", ".join(sorted(fields))
    message = f"a {device_class} has no such value"
    if fills is not None:
        yield f"{key}.fills", message, known
    elif not has_purpose:
        yield key, message, f"{known}, the read-back of a command, or a life counter with stale_after_s"
