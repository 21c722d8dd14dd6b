"""The topics of one device behind a broker by its own name: where it publishes, what it listens to, its will."""

import json
from collections.abc import Mapping

from drivers.mqtt.messages import name_of
from drivers.mqtt.topics import TopicMap, TopicPoint
from drivers.sim.mqtt.connection import Testament
from drivers.sim.mqtt.encoding import Document


class OwnTopics:
    """What a topic map says of the device called `name`."""

    def __init__(self, topic_map: TopicMap, name: str) -> None:
        self._map = topic_map
        self._parts = name_of(topic_map, name)
        self._points: dict[str, list[TopicPoint]] = {}
        for point in topic_map.points.values():
            self._points.setdefault(self.of(point.source.topic), []).append(point)
        self._ears = dict(self._heard())

    def of(self, topic: str) -> str:
        """Return a topic of the map with the device's name in it."""
        for part, text in self._parts.items():
            topic = topic.replace(f"{{{part}}}", text)
        return topic

    @property
    def points(self) -> Mapping[str, list[TopicPoint]]:
        """Return the points that are published together."""
        return self._points

    @property
    def ears(self) -> Mapping[str, str]:
        """Return the topics that the device listens to, and the name of what it takes there."""
        return self._ears

    @property
    def lasting(self) -> frozenset[str]:
        """Return the topics whose last message tells what the device is, and that it is there."""
        places = [text.source.topic for text in self._map.identity.values()]
        if self._map.availability is not None:
            places.append(self._map.availability.source.topic)
        return frozenset(map(self.of, places))

    @property
    def greeting(self) -> Testament | None:
        """Return what says that the device is there."""
        return None if self._map.availability is None else self._word(self._map.availability.online)

    @property
    def will(self) -> Testament | None:
        """Return what the broker says for it when it has gone."""
        return None if self._map.availability is None else self._word(self._map.availability.offline)

    def _word(self, word: str) -> Testament | None:
        availability = self._map.availability
        if availability is None:
            return None
        topic = self.of(availability.source.topic)
        if not availability.source.at:
            return Testament(topic=topic, payload=word)
        document: Document = word
        for part in reversed(availability.source.at):
            document = {part: document}
        return Testament(topic=topic, payload=json.dumps(document))

    def _heard(self) -> list[tuple[str, str]]:
        heard = [(self.of(command.topic), name) for name, command in self._map.commands.items()]
        for name, message in (
            ("heartbeat", self._map.heartbeat),
            ("watchdog", self._map.watchdog),
            ("keepalive", self._map.keepalive),
        ):
            if message is not None:
                heard.append((self.of(message.topic), name))
        return heard
