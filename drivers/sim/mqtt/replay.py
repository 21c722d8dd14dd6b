"""A device behind a broker that publishes what another one has published before: a recorded trace of messages."""

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

from drivers.device.values import Bad
from drivers.mqtt.messages import MessageDecoder
from drivers.mqtt.payloads import Json, found_at, parse_json, unix_s
from drivers.mqtt.topics import Stamp, TimeFormat, TopicMap
from drivers.mqtt.trace import MessageTrace, RecordedMessage
from drivers.sim.mqtt.connection import Dial, Line, Said
from drivers.sim.mqtt.owntopics import OwnTopics
from ems.ports import Clock

_RETRY_S: Final = 1.0
# a pause between the last recorded message and the first one played again
_BETWEEN_RUNS_S: Final = 1.0
_KEEPALIVE: Final = "keepalive"
# what a controller sends again and again, and nobody needs to be told
_USUAL: Final = frozenset({_KEEPALIVE, "heartbeat", "watchdog"})


class ReplayedDevice:
    """One recorded device: its messages at the times at which they came, and again from the beginning at the end.

    Its own time stamps are moved to the present. Who it is and that it is there is retained, as devices do, and its
    will says that it has gone. Asked to go on publishing it sends everything once more; commands change nothing.
    """

    def __init__(
        self,
        device_id: str,
        trace: MessageTrace,
        topic_map: TopicMap,
        *,
        place: tuple[str, int],
        clock: Clock,
        dial: Dial,
        told: Callable[[str], None],
    ) -> None:
        """Take a device of a trace; `place` is the broker's host and port, `told` hears of commands."""
        name = trace.devices[device_id].name
        own = frozenset(MessageDecoder(topic_map, name).topics)
        self._id = device_id
        self._map = topic_map
        self._topics = OwnTopics(topic_map, name)
        self._messages = tuple(each for each in trace.messages if each.topic in own)
        self._recorded = trace.recorded
        self._place = place
        self._clock = clock
        self._dial = dial
        self._tell = told
        self._line: Line | None = None
        # the newest of each topic: what it has to say once more
        self._newest: dict[str, RecordedMessage] = {}

    @property
    def device_id(self) -> str:
        """Return the name that it had in its configuration."""
        return self._id

    @property
    def is_connected(self) -> bool:
        """Return whether the broker has let it in."""
        return self._line is not None

    async def run(self) -> None:
        """Stay connected and publish until cancelled."""
        while True:
            await self._session()
            await self._clock.sleep(_RETRY_S)

    async def _session(self) -> None:
        host, port = self._place
        line = self._dial(host, port, f"replay-{self._id}", self._topics.will, self._heard)
        if not await line.open(list(self._topics.ears)):
            return
        self._line = line
        try:
            for message in self._lasting():
                self._publish(line, message)
            while not line.is_lost:
                await self._play(line, self._messages)
                await self._clock.sleep(_BETWEEN_RUNS_S)
        except asyncio.CancelledError:
            if (will := self._topics.will) is not None:
                line.publish(will.topic, will.payload, qos=1, retain=True)
            await line.close()
            raise
        finally:
            self._line = None
        await line.vanish()

    async def _play(self, line: Line, messages: Sequence[RecordedMessage]) -> None:
        began_s = self._clock.monotonic_s()
        for message in messages:
            await self._clock.sleep(max(0.0, began_s + message.t_s - self._clock.monotonic_s()))
            if line.is_lost:
                return
            self._publish(line, message)

    def _lasting(self) -> Sequence[RecordedMessage]:
        """Return the first message of each topic that says who the device is: known from the beginning."""
        first = {each.topic: each for each in reversed(self._messages) if each.topic in self._topics.lasting}
        return tuple(first.values())

    def _publish(self, line: Line, message: RecordedMessage) -> None:
        self._newest[message.topic] = message
        passed = self._clock.utc() - (self._recorded + timedelta(seconds=message.t_s))
        payload = message.payload if self._map.stamp is None else restamped(message.payload, self._map.stamp, passed)
        # what answers a request is not retained
        is_lasting = message.topic in self._topics.lasting and self._map.keepalive is None
        line.publish(message.topic, payload, qos=1 if is_lasting else 0, retain=is_lasting or message.retained)

    def _heard(self, said: Said) -> None:
        name = self._topics.ears.get(said.topic)
        if said.retained or name is None:
            return
        if name == _KEEPALIVE and self._line is not None:
            for message in tuple(self._newest.values()) or self._messages:
                self._publish(self._line, message)
        elif name not in _USUAL:
            text = said.payload.decode("utf-8", errors="replace")
            self._tell(f"{self._id}: {name} not carried out, a recording takes no commands: {text}")


def restamped(payload: bytes, stamp: Stamp, passed: timedelta) -> bytes:
    """Return a payload whose own time is later by `passed`; as it is where it holds none."""
    document = parse_json(payload)
    raw = Bad("no JSON") if isinstance(document, Bad) else found_at(document, stamp.at)
    written_s = raw if isinstance(raw, Bad) else unix_s(raw, stamp.format)
    if isinstance(document, Bad) or isinstance(written_s, Bad):
        return payload
    _put(document, stamp.at, _written(datetime.fromtimestamp(written_s, UTC) + passed, stamp.format))
    return json.dumps(document).encode()


def _written(at: datetime, form: TimeFormat) -> Json:
    match form:
        case TimeFormat.ISO8601:
            return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case TimeFormat.UNIX_S:
            return round(at.timestamp(), 3)
        case TimeFormat.UNIX_MS:
            return round(at.timestamp() * 1000.0)


def _put(document: Json, path: Sequence[str], value: Json) -> None:
    """Set what stands at a place that a document has."""
    *way, last = path
    inner = found_at(document, tuple(way))
    if isinstance(inner, dict):
        inner[last] = value
    elif isinstance(inner, list):
        with suppress(ValueError, IndexError):
            inner[int(last)] = value
