"""One simulated device behind a broker: publishes its values by its topic map and takes commands."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Final

from drivers.mqtt.topics import Place, Template, TopicMap, TopicPoint
from drivers.sim.mqtt.connection import Connection, Dial, Line, Said
from drivers.sim.mqtt.corruption import on_the_wire, shown, strangers
from drivers.sim.mqtt.encoding import Value, command_value, number_in, payload
from drivers.sim.mqtt.owntopics import OwnTopics
from drivers.sim.wire.bank import TwinDevice
from drivers.sim.wire.faultlayer import FaultLayer
from drivers.sim.wire.faults import Faults
from drivers.sim.wire.steering import OrderError
from ems.model.device import BrokerSpec, DeviceSpec
from ems.ports import Clock

_RETRY_S: Final = 1.0
_COUNTER_RANGE: Final = 0x10000
# what the communication board says of itself where the plant does not
_BOARD: Final[Mapping[str, Value]] = {"firmware": "1.0"}
# a device that wants to be kept alive goes silent after this (Victron Energy dbus-flashmq, README, Keep-alive), s
_AWAKE_S: Final = 60.0
# the unit that faults of devices with units would name
_ANY_UNIT: Final = 0


class MqttStation:
    """A device and its own connection to the broker, kept up while `run` runs.

    Values without an age of their own are published every fast period, the others every slow one. The life counter
    and the echo of a command are kept here where the plant does not show them.
    """

    def __init__(
        self,
        spec: DeviceSpec,
        broker: BrokerSpec,
        topic_map: TopicMap,
        device: TwinDevice,
        *,
        clock: Clock,
        dial: Dial = Connection,
    ) -> None:
        self._spec = spec
        self._broker = broker
        self._map = topic_map
        self._device = device
        self._clock = clock
        self._dial = dial
        self._topics = OwnTopics(topic_map, spec.name or spec.id)
        self._layer = FaultLayer(clock=clock, seed=spec.id)
        self._connection: Line | None = None
        self._changed = asyncio.Event()
        self._awake_until_s = 0.0 if topic_map.keepalive is not None else float("inf")
        self._taken: dict[str, float] = {}
        self._pretended: dict[str, float] = {}
        # what was published last on a topic, for a device that is frozen
        self._last: dict[str, str] = {}
        self._late: set[asyncio.Task[None]] = set()

    @property
    def is_connected(self) -> bool:
        """Return whether the broker has let the device in."""
        return self._connection is not None

    @property
    def faults(self) -> tuple[Faults, ...]:
        """Return the faults that are set and not over."""
        return self._layer.present

    async def set_faults(self, *faults: Faults) -> None:
        """Replace all faults.

        Raises:
            OrderError: One of them means nothing for a device behind a broker.
        """
        if wrong := sorted({kind for one in faults for kind in strangers(one)}):
            raise OrderError([f"{kind}: no fault of a device behind a broker" for kind in wrong])
        self._layer.set(faults)
        self._changed.set()

    async def run(self) -> None:
        """Stay connected, publish and obey until cancelled."""
        try:
            while True:
                if (closed_s := self._layer.refusal_s) is not None:
                    await self._pause(closed_s)
                else:
                    await self._session()
                    await self._clock.sleep(_RETRY_S)
        finally:
            for task in self._late:
                task.cancel()

    async def _session(self) -> None:
        connection = self._dial(
            self._broker.host, self._broker.port, f"twin-{self._spec.id}", self._topics.will, self._told
        )
        if not await connection.open(list(self._topics.ears)):
            return
        self._connection = connection
        try:
            self._introduce(connection)
            await self._publish_until_lost(connection)
        except asyncio.CancelledError:
            self._say_goodbye(connection)
            await connection.close()
            raise
        finally:
            self._connection = None
        await connection.vanish()

    async def _publish_until_lost(self, connection: Line) -> None:
        """Publish periodically; return when the connection is lost, or faults end it."""
        slow_due_s = self._clock.monotonic_s()
        while not connection.is_lost and self._layer.refusal_s is None:
            now_s = self._clock.monotonic_s()
            is_slow = now_s >= slow_due_s
            if is_slow:
                slow_due_s = now_s + self._spec.slow_s
            faults = self._layer.of_request(_ANY_UNIT)
            if faults.disconnect:
                return
            if not faults.mute and now_s < self._awake_until_s:
                self._publish(connection, faults, with_slow=is_slow)
            await self._pause(self._spec.fast_s)

    async def _pause(self, pause_s: float) -> None:
        """Wait, but not beyond the next change of the faults."""
        self._changed.clear()
        with suppress(TimeoutError):
            async with self._clock.timeout(pause_s):
                await self._changed.wait()

    def _publish(self, connection: Line, faults: Faults, *, with_slow: bool) -> None:
        values = shown(self._values(faults), faults)
        written = self._clock.utc() - timedelta(seconds=faults.old_s)
        for topic, points in self._topics.points.items():
            if not with_slow and all(point.max_age_s is not None for point in points):
                continue
            if not faults.frozen or topic not in self._last:
                stamp = self._map.stamp if any(point.source.at for point in points) else None
                known = [point for point in points if point.name in values]
                self._last[topic] = payload(known, values, stamp, written)
            for data in on_the_wire(self._last[topic], faults, self._layer.dice):
                self._send(connection, topic, data, faults)

    def _send(self, connection: Line, topic: str, data: bytes, faults: Faults) -> None:
        late_s = max(faults.late_s, faults.delay_s)
        if faults.retained:
            connection.publish(topic, data, qos=self._map.qos, retain=True)
        elif late_s > 0.0:
            task = asyncio.create_task(self._send_late(connection, topic, data, late_s))
            self._late.add(task)
            task.add_done_callback(self._late.discard)
        else:
            connection.publish(topic, data, qos=self._map.qos)

    async def _send_late(self, connection: Line, topic: str, data: bytes, late_s: float) -> None:
        await self._clock.sleep(late_s)
        connection.publish(topic, data, qos=self._map.qos)

    def _values(self, faults: Faults) -> Mapping[str, Value]:
        """Return the values of this moment, with what the communication board adds."""
        values: dict[str, Value] = {}
        for point in self._map.points.values():
            if point.stale_after_s is not None:
                values[point.name] = int(self._clock.monotonic_s()) % _COUNTER_RANGE
        for name, command in self._map.commands.items():
            values[command.readback] = self._taken.get(name)
        values |= {name: value for name, value in self._device.values().items() if name not in self._map.identity}
        for point in self._map.points.values():
            if point.fills is not None:
                values[point.name] = values.get(point.fills)
        for name, value in self._pretended.items() if faults.deaf else ():
            values[self._map.commands[name].readback] = value
        return values

    def _introduce(self, connection: Line) -> None:
        """Say that the device is there, and what it is."""
        if (greeting := self._topics.greeting) is not None:
            connection.publish(greeting.topic, greeting.payload, qos=1, retain=True)
        texts: dict[str, list[TopicPoint]] = {}
        for text in self._map.identity.values():
            texts.setdefault(self._topics.of(text.source.topic), []).append(text)
        says = {**_BOARD, **self._device.values()}
        for topic, points in texts.items():
            # what answers a request is not retained
            kept = self._map.keepalive is None
            connection.publish(topic, payload(points, says, None, self._clock.utc()), qos=1, retain=kept)

    def _say_goodbye(self, connection: Line) -> None:
        if (will := self._topics.will) is not None:
            connection.publish(will.topic, will.payload, qos=1, retain=True)

    def _told(self, said: Said) -> None:
        """Take a message; one that the broker has kept is from another time."""
        name = self._topics.ears.get(said.topic)
        if said.retained or name is None:
            return
        text = said.payload.decode("utf-8", errors="replace")
        if name == "keepalive":
            self._stay_awake()
        elif name == "heartbeat" and self._map.heartbeat is not None:
            self._take_setting(name, text, self._map.heartbeat.payload, Place.COUNT)
        elif name == "watchdog" and self._map.watchdog is not None:
            self._take_setting("watchdog_s", text, self._map.watchdog.payload, Place.WATCHDOG_S)
        else:
            self._take(name, text)

    def _stay_awake(self) -> None:
        """Publish everything once, and go on publishing for a while."""
        self._awake_until_s = self._clock.monotonic_s() + _AWAKE_S
        faults = self._layer.of_request(_ANY_UNIT)
        if self._connection is not None and not faults.mute:
            self._introduce(self._connection)
            self._publish(self._connection, faults, with_slow=True)

    def _take_setting(self, name: str, text: str, template: Template, place: Place) -> None:
        """Take a heartbeat or the watchdog time."""
        number = number_in(template, text, place)
        if number is not None and not self._layer.of_request(_ANY_UNIT).ignore_writes:
            self._device.command(name, number)

    def _take(self, name: str, text: str) -> None:
        faults = self._layer.of_request(_ANY_UNIT)
        value = command_value(self._map.commands[name], text, self._clock.utc())
        if value is None or faults.ignore_writes or faults.local:
            return
        self._pretended[name] = value
        if not faults.deaf and self._device.command(name, value):
            self._taken[name] = value
