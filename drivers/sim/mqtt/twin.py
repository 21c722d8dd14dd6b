"""All devices of a simulated site that are behind brokers, each with a connection of its own."""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from drivers.mqtt.topicmapfile import device_topic_map
from drivers.sim.mqtt.connection import Connection, Dial
from drivers.sim.mqtt.station import MqttStation
from drivers.sim.wire.bank import TwinDevice
from ems.model.device import BrokerSpec, DeviceSpec
from ems.ports import Clock


class MqttTwin:
    """Publishes a plant's devices to the brokers that the configuration names, while it is entered.

    Raises:
        ConfigError: A topic map does not exist or is wrong.
    """

    def __init__(
        self,
        brokers: Iterable[BrokerSpec],
        devices: Iterable[DeviceSpec],
        plant: Mapping[str, TwinDevice],
        *,
        clock: Clock,
        map_directories: tuple[Path, ...] = (),
        dial: Dial = Connection,
    ) -> None:
        """Take the specifications of the site and its devices by id; devices that `plant` lacks are not served."""
        known = {broker.id: broker for broker in brokers}
        self._stations: dict[str, MqttStation] = {}
        for spec in devices:
            broker, device = known.get(spec.link), plant.get(spec.id)
            if broker is None or device is None:
                continue
            topic_map = device_topic_map(spec, map_directories)
            if topic_map is None:
                continue
            self._stations[spec.id] = MqttStation(spec, broker, topic_map, device, clock=clock, dial=dial)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            for name, station in self._stations.items():
                task = asyncio.create_task(station.run(), name=f"twin-{name}")
                stack.push_async_callback(_ended, task)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    @property
    def stations(self) -> Mapping[str, MqttStation]:
        """Return the devices by their names in the configuration."""
        return self._stations


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait((task,))
    if not task.cancelled() and (error := task.exception()) is not None:
        raise error
