"""From the points that show alarms to the lists of names in a reading. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from drivers.device.values import Value


class Severity(StrEnum):
    """What an active alarm does: nothing, stop the engine at once, or open the breaker and let it cool down."""

    WARNING = "warning"
    SHUTDOWN = "shutdown"
    TRIP = "trip"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmList:
    """Points that show alarms: `points` by the name of the alarm, each with its severity or `none`.

    With `prefixes` the points are texts instead, and the first word of a text says the severity of what follows.
    """

    points: Mapping[str, str]
    prefixes: Mapping[str, Severity] | None = None


# the field of the reading that takes the names of a severity
FIELDS: Final[Mapping[Severity, str]] = {
    Severity.WARNING: "warnings",
    Severity.SHUTDOWN: "shutdowns",
    Severity.TRIP: "trips",
}
_SEVERITIES: Final = {severity.value: severity for severity in Severity}
# what ComAp's controllers set before a text: active, not confirmed (InteliLite NT AMF26-P Reference Guide, p. 147)
_MARKS: Final = "!* "


def fill_alarms(lists: tuple[AlarmList, ...], values: dict[str, Value | None], bad: dict[str, str]) -> None:
    """Put the names of the active alarms into the lists of their severity.

    As long as an alarm is not known, a list shows those that are, if any, and is bad.
    """
    if not lists:
        return
    active: dict[Severity, list[str]] = {severity: [] for severity in Severity}
    for alarms in lists:
        for severity, name in _active(alarms, values):
            active[severity].append(name)
    unknown = sorted({bad[point] for alarms in lists for point in alarms.points.values() if point in bad})
    for severity, field in FIELDS.items():
        names = tuple(dict.fromkeys(active[severity]))
        values[field] = names or (None if unknown else ())
        if unknown:
            bad[field] = "; ".join(unknown)


def _active(alarms: AlarmList, values: Mapping[str, Value | None]) -> Iterator[tuple[Severity, str]]:
    for name, point in alarms.points.items():
        value = values.get(point)
        if not isinstance(value, str):
            continue
        if alarms.prefixes is not None:
            yield _said(value, alarms.prefixes)
        elif (severity := _SEVERITIES.get(value)) is not None:
            yield severity, name


def _said(text: str, prefixes: Mapping[str, Severity]) -> tuple[Severity, str]:
    """Return severity and name of an alarm that is a text."""
    plain = text.strip(_MARKS)
    first, _, rest = plain.partition(" ")
    severity = prefixes.get(first)
    return (Severity.WARNING, plain) if severity is None else (severity, rest or first)
