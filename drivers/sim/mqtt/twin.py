"""All devices of a simulated site that are behind brokers, each with a connection of its own."""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from drivers.mqtt.topicmapfile import device_topic_map
from drivers.sim.mqtt.connection import Connection, Dial
from drivers.sim.mqtt.station import MqttStation
from drivers.sim.standing import StandingTwin, placed
from drivers.sim.wire.bank import TwinDevice
from ems.model.device import BrokerSpec, DeviceSpec
from ems.ports import Clock


class MqttTwin(StandingTwin):
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
        super().__init__()
        known = {broker.id: broker for broker in brokers}
        self._stations: dict[str, MqttStation] = {}
        for spec, device in placed(devices, plant):
            if (broker := known.get(spec.link)) is None:
                continue
            topic_map = device_topic_map(spec, map_directories)
            if topic_map is None:
                continue
            self._stations[spec.id] = MqttStation(spec, broker, topic_map, device, clock=clock, dial=dial)

    async def _stand_up(self, stack: AsyncExitStack) -> None:
        for name, station in self._stations.items():
            task = asyncio.create_task(station.run(), name=f"twin-{name}")
            stack.push_async_callback(_ended, task)

    @property
    def stations(self) -> Mapping[str, MqttStation]:
        """Return the devices by their names in the configuration."""
        return self._stations


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait((task,))
    if not task.cancelled() and (error := task.exception()) is not None:
        raise error
