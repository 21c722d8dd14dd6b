"""A subject with its plant: on the wire, or behind a broker in memory; on a clock that the test moves."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import pytest

from drivers.mqtt.link import MqttLink
from drivers.mqtt.topicmapfile import load_topic_map
from drivers.sim.mqtt.station import MqttStation
from drivers.sim.wire.faults import Faults
from ems.model.device import DeviceSpec
from ems.ports import Device
from tests.drivers import rig
from tests.drivers.clock import SteppedClock
from tests.drivers.conformance.subjects import Subject
from tests.drivers.mqtt_broker import MemoryBroker
from tests.drivers.mqtt_rig import BROKER, broker_spec
from tests.drivers.rig import PlantDevice

# what a fault is set to, where it is not a flag
_AMOUNTS: Final[Mapping[str, float]] = {"missing_registers": 1, "exception_code": 4, "old_s": 60.0}
_OF_REGISTERS: Final = frozenset({"zero", "ones", "missing_registers", "exception_code"})
_OF_MESSAGES: Final = frozenset({"truncate", "old_s"})


class Rig(Protocol):
    """What a test holds in its hands; the device is number 1."""

    @property
    def clock(self) -> SteppedClock:
        """Return the clock that the test moves."""

    @property
    def devices(self) -> Mapping[int, Device]:
        """Return the devices by their numbers."""

    async def first_reading(self) -> None:
        """Let time pass until the device has been read."""

    async def fail(self, **faults: Any) -> None:  # values of any field
        """Set faults of the device."""

    async def heal(self) -> None:
        """Take all faults away."""


@dataclass(frozen=True, slots=True)
class BrokerRig:
    """A device behind the broker."""

    clock: SteppedClock
    devices: Mapping[int, Device]
    broker: MemoryBroker
    station: MqttStation
    link: MqttLink

    async def first_reading(self) -> None:
        await self.clock.until(lambda: self.devices[1].reading() is not None)

    async def fail(self, **faults: Any) -> None:  # values of any field
        await self.station.set_faults(Faults(**faults))

    async def heal(self) -> None:
        await self.station.set_faults()


def fault_or_skip(subject: Subject, fault: str) -> float:
    """Return what a fault is set to; skip where such a device cannot have it, or nobody could notice it."""
    topic_map = subject.map
    if fault in (_OF_REGISTERS if subject.is_behind_broker else _OF_MESSAGES):
        pytest.skip("a fault of registers" if subject.is_behind_broker else "a fault of messages")
    if fault == "old_s" and getattr(topic_map, "stamp", None) is None:
        pytest.skip("the device does not tell the time of its values")
    return _AMOUNTS.get(fault, True)


@asynccontextmanager
async def running(
    placed: tuple[DeviceSpec, PlantDevice], *, maps: Sequence[Path] = (), known: Mapping[str, str] | None = None
) -> AsyncIterator[Rig]:
    """Run a driver against its device."""
    if placed[0].link == BROKER:
        async with behind_broker(placed, maps=maps, known=known) as rigged:
            yield rigged
    else:
        async with rig.running(placed, maps=maps, known=known) as wired:
            yield wired


@asynccontextmanager
async def behind_broker(
    placed: tuple[DeviceSpec, PlantDevice], *, maps: Sequence[Path] = (), known: Mapping[str, str] | None = None
) -> AsyncIterator[BrokerRig]:
    """Run a driver and its device, which meet at a broker in memory."""
    spec, plant = placed
    clock, broker = SteppedClock(), MemoryBroker()
    topic_map = load_topic_map(str(spec.map), maps)
    station = MqttStation(spec, broker_spec(), topic_map, plant, clock=clock, dial=broker.dial)
    link = MqttLink(broker_spec(), clock=clock, connect=broker.connect)
    device = rig.build(spec, clock=clock, links={BROKER: link}, maps=maps, known=known)
    async with rig.background(station.run()), rig.background(link.run()):
        yield BrokerRig(clock, {1: device}, broker, station, link)
