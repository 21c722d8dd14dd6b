"""What the messages of a device have told so far: the newest of every point, and the sample that they make. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from drivers.device.sample import Sample
from drivers.device.values import Value
from drivers.mqtt.topics import TopicMap, TopicPoint

_NOT_HEARD: Final = "no message has told it yet"


@dataclass(frozen=True, slots=True)
class _Kept:
    value: Value | None
    reason: str | None
    at_s: float


class NewestValues:
    """Keeps the newest value of every point since a connection began.

    A reading is made of the points without `max_age_s`, as old as the oldest of them; the others enter it while they
    are young enough. An optional one of them that has never come holds up nothing.
    """

    def __init__(self, topic_map: TopicMap, *, topic_of: Mapping[str, str]) -> None:
        """Take the topic of each point by its name."""
        self._points = topic_map.points
        self._base = tuple(point for point in topic_map.points.values() if point.max_age_s is None)
        self._partial = topic_map.partial
        self._topic_of = topic_of
        self._kept: dict[str, _Kept] = {}
        self._told: set[str] = set()

    def clear(self) -> None:
        """Forget everything: what was told before says nothing any more."""
        self._kept.clear()
        self._told.clear()

    def take(self, sample: Sample, topic: str) -> None:
        """Take the values of a message; one that is older than what is known is left out."""
        self._told.update(name for name, value in sample.values.items() if value is not None)
        for name, value in sample.values.items():
            self._keep(name, _Kept(value, sample.bad.get(name), sample.at_s))
        if self._partial:
            for name, kept in self._kept.items():
                if name not in sample.values and self._topic_of[name] == topic:
                    # what a message leaves out is as it was
                    self._keep(name, _Kept(kept.value, kept.reason, sample.at_s))

    def base(self, names: Iterable[str]) -> Sample | None:
        """Return the sample of a reading after a message that told of these points.

        None: they make no reading, or one that it needs is still missing.
        """
        if not any(self._points[name].max_age_s is None for name in names):
            return None
        if any(point.name not in self._kept and not point.optional for point in self._base):
            return None
        heard = [point for point in self._base if point.name in self._kept]
        at_s = min(self._kept[point.name].at_s for point in heard)
        values: dict[str, Value | None] = {point.name: None for point in self._base}
        return self._sample(values, heard, at_s)

    def missing(self) -> tuple[str, ...]:
        """Return the points that a reading still waits for."""
        return tuple(point.name for point in self._base if point.name not in self._kept and not point.optional)

    def tells(self, field: str) -> bool:
        """Return whether the device shows a field: an optional one only once it has told it."""
        points = [point for point in self._points.values() if point.field == field]
        return any(not point.optional or point.name in self._told for point in points)

    def seldom(self) -> list[tuple[Sample, float]]:
        """Return the other points, each with the age that it may have, s."""
        others = [(point, point.max_age_s) for point in self._points.values() if point.max_age_s is not None]
        return [(self._single(point), max_age_s) for point, max_age_s in others]

    def _keep(self, name: str, kept: _Kept) -> None:
        before = self._kept.get(name)
        if before is None or before.at_s <= kept.at_s:
            self._kept[name] = kept

    def _single(self, point: TopicPoint) -> Sample:
        kept = self._kept.get(point.name)
        if kept is not None:
            return self._sample({}, (point,), kept.at_s)
        bad = {} if point.optional else {point.name: _NOT_HEARD}
        # young enough in any case: the reason is not its age
        return Sample(values={point.name: None}, bad=bad, at_s=float("inf"))

    def _sample(self, values: dict[str, Value | None], points: Iterable[TopicPoint], at_s: float) -> Sample:
        bad: dict[str, str] = {}
        for point in points:
            kept = self._kept[point.name]
            values[point.name] = kept.value
            if kept.reason is not None:
                bad[point.name] = kept.reason
        return Sample(values=values, bad=bad, at_s=at_s)
