"""What all devices behind a broker do alike: take messages, make readings of them, notice when they stay away.

A device sends by itself and is not asked. So a reading is as old as the oldest message that it needs; a message that
the broker had retained, or that is old by its own stamp, gives no value, and a device whose will says that it is gone
is lost until it says that it is back.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from drivers.device.assembly import Family, R
from drivers.device.capabilities import implemented_by
from drivers.device.fallback import LifeSign
from drivers.device.jobs import NEVER_S, Result, Urgency
from drivers.device.reading import ReadDevice, spec_error
from drivers.device.sample import Sample
from drivers.mqtt.link import MqttLink
from drivers.mqtt.listeners import Job
from drivers.mqtt.messages import Heard, Message, MessageDecoder, Refused, name_fault, name_of
from drivers.mqtt.publications import Publication, keepalive
from drivers.mqtt.samples import NewestValues
from drivers.mqtt.topicmapfile import device_topic_map
from drivers.mqtt.topics import TopicMap
from ems.model.capability import Capability
from ems.model.device import DeviceSpec
from ems.ports import DriverEnvironment

# what is sent and not asked for has no time-out: so many periods of silence are one
_SILENT_PERIODS: Final = 3.0
_OFFLINE: Final = "it is offline, as it or its will says"
_SILENT: Final = "no message since the connection to the broker was made"


class Keepalive:
    """The job that asks a device to go on publishing, commanded or not."""

    urgency = Urgency.FAST
    patience_s = 0.0

    def __init__(self, publication: Publication, *, every_s: float) -> None:
        self.due_s = NEVER_S
        self._publication = publication
        self._every_s = every_s

    def start(self, now_s: float) -> None:
        """Begin at once: the device may be silent until it is asked."""
        self.due_s = now_s

    def stop(self) -> None:
        """Give up; there is no connection."""
        self.due_s = NEVER_S

    def request(self, now_s: float) -> Publication:
        """Return the request."""
        self.due_s = now_s + self._every_s
        return self._publication

    def done(self, answer: Result) -> None:
        """Go on as before: what counts is whether the device publishes."""


class MqttDevice(ReadDevice[R]):
    """A device that is heard by a topic map; it attaches itself to its link.

    Raises:
        ConfigError: The broker or the map does not exist, the map is for another kind of device, or the name of the
            device does not fit it.
    """

    def __init__(self, spec: DeviceSpec, environment: DriverEnvironment, family: Family[R]) -> None:
        self._map, self._name = _map_for(spec, environment, family)
        super().__init__(
            spec,
            environment,
            family,
            fills={point.name: point.fills for point in self._map.points.values() if point.fills is not None},
        )
        self._link = _link_for(spec, environment)
        self._derives = family.derives
        self._decoder = MessageDecoder(self._map, self._name)
        parts = name_of(self._map, self._name)
        topic_of = {point.name: point.source.topic.format_map(parts) for point in self._map.points.values()}
        self._newest = NewestValues(self._map, topic_of=topic_of)
        self._life_counter = _life_counter(self._map)
        self._step_limits = {
            point.name: point.max_step_per_s for point in self._map.points.values() if point.max_step_per_s is not None
        }
        self._keepalive = _keepalive(self._map, self._name)
        self._jobs: tuple[Job, ...] = () if self._keepalive is None else (self._keepalive,)
        # the texts that the device has named itself with on this connection
        self._texts: dict[str, str] = {}
        self._is_offline = False
        self._link.attach(self)

    @property
    def topics(self) -> Sequence[str]:
        """Return the topics that the device publishes to."""
        return self._decoder.topics

    @property
    def qos(self) -> int:
        """Return the quality of service with which they are subscribed."""
        return self._map.qos

    @property
    def jobs(self) -> Sequence[Job]:
        """Return what is published for the device."""
        return self._jobs

    @property
    def topic_map(self) -> TopicMap:
        """Return the map by which the device is heard."""
        return self._map

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Return what the device and its map can be relied on for."""
        rule = self._map.fallback
        implemented = implemented_by(
            self,
            shown={point.field for point in self._map.points.values()} | self._derives,
            has_heartbeat=self._map.heartbeat is not None,
            has_fallback=rule is not None and rule.misses is not LifeSign.NOTHING,
        )
        return implemented if self._map.capabilities is None else implemented & self._map.capabilities

    def connected(self, now_s: float) -> None:
        """Start afresh on a new connection: nothing that was heard before says anything."""
        self._is_offline = False
        self._texts = {}
        self._listen_anew(_SILENT)
        if self._keepalive is not None:
            self._keepalive.start(now_s)

    def lost(self, reason: str, now_s: float) -> None:
        """Give up everything under way: there is no connection."""
        super().lost(reason, now_s)
        if self._keepalive is not None:
            self._keepalive.stop()

    def unheard(self, topic: str) -> None:
        """Take note that the broker does not hand over the messages of a topic."""
        self._failure = f"the broker refuses the subscription to {topic}"

    def heard(self, message: Message) -> Refused | None:
        """Take a message; return the kind of fault if it gives no values."""
        heard = self._decoder.decode(message)
        if heard.online is not None:
            self._be_present(online=heard.online, now_s=message.at_s)
        if heard.identity:
            self._texts |= heard.identity
        if heard.refusal is not None:
            self._failure = f"{message.topic}: {heard.refusal.reason}"
            return heard.refusal.kind
        if heard.values and not self._is_offline:
            self._take(heard, message)
        return None

    def trouble(self) -> str | None:
        """Return why no newer reading has arrived, or why the device is only read; None while all works."""
        if self._is_offline:
            return self._failure
        known = super().trouble()
        if known is None and self._reading is not None and self._is_late(_SILENT_PERIODS):
            return self._late_reason()
        return known

    def _late_reason(self) -> str:
        age_s = 0.0 if self._reading is None else self._clock.monotonic_s() - self._reading.at_s
        return f"it has sent nothing new for {age_s:.1f} s"

    def _distrust(self) -> str | None:
        if missing := [name for name in self._map.identity if name not in self._texts]:
            return f"it has not named itself yet: no {' and no '.join(missing)}"
        return super()._distrust()

    def _take(self, heard: Heard, message: Message) -> None:
        sample = self._steps.passed(Sample(values=heard.values, bad=heard.bad, at_s=heard.at_s))
        self._newest.take(sample, message.topic)
        base = self._newest.base(heard.values)
        if base is None:
            if missing := self._newest.missing():
                self._failure = f"not heard yet: {', '.join(missing)}"
            return
        if fault := "; ".join(_identity_faults(self._map, self._texts)):
            self._failure = self._blind = fault
            return
        self._fingerprint.see(dict(self._texts))
        self._publish(base, seldom=self._newest.seldom())

    def _be_present(self, *, online: bool, now_s: float) -> None:
        if online is not self._is_offline:
            return
        if online:
            self._is_offline = False
            self._listen_anew("it is online again, no message yet")
        else:
            self.lost(_OFFLINE, now_s)
            self._is_offline = True
            self._newest.clear()
        if self._keepalive is not None:
            self._keepalive.start(now_s)

    def _listen_anew(self, reason: str) -> None:
        self._failure, self._blind = reason, None
        self._newest.clear()
        self._forget_samples()
        self._watch_samples()


def _keepalive(topic_map: TopicMap, name: str) -> Keepalive | None:
    publication = keepalive(topic_map, name)
    if publication is None or topic_map.keepalive is None:
        return None
    return Keepalive(publication, every_s=topic_map.keepalive.every_s)


def _life_counter(topic_map: TopicMap) -> tuple[str, float] | None:
    """Return the name of the map's life counter and how long it may stand still, s."""
    for point in topic_map.points.values():
        if point.stale_after_s is not None:
            return point.name, point.stale_after_s
    return None


def _identity_faults(topic_map: TopicMap, texts: Mapping[str, str]) -> Iterator[str]:
    """Yield why a device with these texts is none of the map's."""
    for name, expected in topic_map.expected.items():
        text = texts.get(name)
        if text is not None and text != expected and re.fullmatch(expected, text) is None:
            yield f"its {name} is '{text}', the map is for '{expected}'"


def _map_for(spec: DeviceSpec, environment: DriverEnvironment, family: Family[R]) -> tuple[TopicMap, str]:
    topic_map = device_topic_map(spec, environment.map_directories)
    if topic_map is None:
        raise spec_error(
            spec, "map", f"driver {spec.driver} needs a topic map", allowed=f"a map of class {family.device_class}"
        )
    if topic_map.device_class is not family.device_class:
        raise spec_error(
            spec,
            "map",
            f"map '{topic_map.id}' describes a {topic_map.device_class}",
            allowed=f"a map of class {family.device_class} for driver {spec.driver}",
        )
    if missing := [name for name in family.commands if name not in topic_map.commands]:
        raise spec_error(
            spec,
            "map",
            f"map '{topic_map.id}' has no command {' and no '.join(missing)}",
            allowed=f"a map with {', '.join(family.commands)}",
        )
    wanted = "/".join(topic_map.name_parts)
    if spec.name is None:
        raise spec_error(spec, "name", "nothing says what the device is called in its topics", allowed=wanted)
    if (fault := name_fault(topic_map, spec.name)) is not None:
        raise spec_error(spec, "name", fault, allowed=wanted)
    return topic_map, spec.name


def _link_for(spec: DeviceSpec, environment: DriverEnvironment) -> MqttLink:
    link = environment.links.get(spec.link)
    if isinstance(link, MqttLink):
        return link
    known = sorted(name for name, other in environment.links.items() if isinstance(other, MqttLink))
    raise spec_error(spec, "link", f"there is no broker '{spec.link}'", allowed=", ".join(known))
