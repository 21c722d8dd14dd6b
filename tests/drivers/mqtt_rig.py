"""Devices behind a broker that exists in the test only, on a clock that the test moves."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, TypeVar

from drivers.mqtt.link import MqttLink
from drivers.mqtt.publications import Publication
from drivers.mqtt.session import Access, Arrival, Session
from ems.errors import DeviceUnreachableError
from ems.model.device import BrokerSpec, DeviceSpec, MqttVersion
from ems.ports import Device, DriverEnvironment, DriverFactory
from tests.drivers.clock import SteppedClock
from tests.drivers.rig import RATED_KW, background

BROKER = "broker"
D = TypeVar("D")


@dataclass
class FakeBroker:
    """Hands over what a test publishes, remembers what the devices' link publishes, and fails as a test wants."""

    refuses: bool = False
    confirms: bool = True
    refused_topics: frozenset[str] = frozenset()
    published: list[Publication] = field(default_factory=list)
    subscribed: dict[str, int] = field(default_factory=dict)
    retained: dict[str, bytes] = field(default_factory=dict)
    n_sessions: int = 0
    n_dropped: int = 0
    _waiting: asyncio.Queue[Arrival | None] = field(default_factory=asyncio.Queue)

    @asynccontextmanager
    async def connect(self, spec: BrokerSpec, access: Access) -> AsyncIterator[Session]:  # noqa: ARG002 - the protocol's signature
        if self.refuses:
            raise DeviceUnreachableError(f"no connection to {spec}: refused", device=spec.id)
        self.n_sessions += 1
        self._waiting = asyncio.Queue()
        yield self

    async def subscribe(self, topics: Mapping[str, int]) -> tuple[str, ...]:
        self.subscribed = {topic: qos for topic, qos in topics.items() if topic not in self.refused_topics}
        for topic, payload in self.retained.items():
            if topic in self.subscribed:
                self._waiting.put_nowait(Arrival(topic, payload, retained=True))
        return tuple(topic for topic in topics if topic in self.refused_topics)

    async def publish(self, publication: Publication) -> None:
        self.published.append(publication)
        if not self.confirms:
            await asyncio.Event().wait()

    async def messages(self) -> AsyncIterator[Arrival]:
        while (arrival := await self._waiting.get()) is not None:
            yield arrival
        raise DeviceUnreachableError("the broker closed the connection", device=BROKER)

    def say(self, topic: str, payload: str | bytes | Mapping[str, object], *, retained: bool = False) -> None:
        """Hand a message over to whoever listens."""
        data = json.dumps(payload) if isinstance(payload, Mapping) else payload
        self._waiting.put_nowait(Arrival(topic, data if isinstance(data, bytes) else data.encode(), retained=retained))

    def drop(self) -> None:
        """Close the connection."""
        self._waiting.put_nowait(None)

    def payloads(self, topic: str) -> list[Any]:  # whatever JSON holds
        return [json.loads(each.payload) for each in self.published if each.topic == topic]


@dataclass(frozen=True, slots=True)
class MqttRig:
    """What a test holds in its hands."""

    clock: SteppedClock
    broker: FakeBroker
    link: MqttLink
    devices: Mapping[str, Device]

    def device(self, kind: type[D], name: str = "dev1") -> D:
        device = self.devices[name]
        assert isinstance(device, kind)
        return device

    def stamp(self, *, ago_s: float = 0.0) -> str:
        """Return the wall clock as a device of the project's own family writes it."""
        return (self.clock.utc() - timedelta(seconds=ago_s)).isoformat()

    async def connected(self) -> None:
        """Let time pass until the broker has let us in."""
        await self.clock.until(lambda: self.link.statistics().connected)


def mqtt_spec(map_: str, *, driver: str, **changes: Any) -> DeviceSpec:  # values of any field
    """Return the specification of a device behind the broker."""
    fields: dict[str, Any] = {
        "id": "dev1",
        "driver": driver,
        "asset": "asset1",
        "link": BROKER,
        "unit": 1,
        "map": map_,
        "name": "plant/one",
        "fast_s": 1.0,
        "slow_s": 5.0,
        "watchdog_s": 12.0,
        "rated_kw": None,
    }
    return DeviceSpec(**{**fields, **changes})


def broker_spec(**changes: Any) -> BrokerSpec:  # values of any field
    """Return the specification of the broker."""
    fields: dict[str, Any] = {
        "id": BROKER,
        "host": "127.0.0.1",
        "port": 1883,
        "version": MqttVersion.V5,
        "client_id": "ems-devices-broker",
        "username": None,
        "password_file": None,
        "tls": None,
        "keepalive_s": 10,
        "timeout_s": 2.0,
        "reconnect_min_s": 1.0,
        "reconnect_max_s": 30.0,
        "max_queued": 1000,
    }
    return BrokerSpec(**{**fields, **changes})


@asynccontextmanager
async def listening(
    *specs: DeviceSpec,
    broker: FakeBroker | None = None,
    maps: Sequence[Path] = (),
    known: Mapping[str, str] | None = None,
    **changes: Any,  # values of any field of the broker
) -> AsyncIterator[MqttRig]:
    """Run a link with its devices against a broker of the test."""
    clock = SteppedClock()
    broker = broker or FakeBroker()
    link = MqttLink(broker_spec(**changes), clock=clock, connect=broker.connect)
    devices: dict[str, Device] = {}
    for spec in specs:
        environment = DriverEnvironment(
            clock=clock, links={BROKER: link}, map_directories=tuple(maps), rated_kw=RATED_KW, confirmed_identity=known
        )
        (entry,) = entry_points(group="ems.drivers", name=spec.driver)
        factory: DriverFactory = entry.load()
        devices[spec.id] = factory(spec, environment)
    async with background(link.run()):
        yield MqttRig(clock=clock, broker=broker, link=link, devices=devices)
