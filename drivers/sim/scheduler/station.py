"""The simulated cluster's own connection to the site's broker."""

import asyncio
from typing import Final

from drivers.sim.mqtt.connection import Connection, Dial, Line, Said
from drivers.sim.scheduler.voice import ClusterVoice
from ems.ports import Clock

_RETRY_S: Final = 1.0
_TICK_S: Final = 0.2
_QOS: Final = 1


class ClusterStation:
    """Carries a cluster's words to the broker and the other side's to the cluster, while `run` runs.

    `root` is the site's root topic. Periods last `stretch` times as long.
    """

    def __init__(
        self,
        voice: ClusterVoice,
        *,
        host: str,
        port: int,
        root: str,
        cluster_id: str,
        clock: Clock,
        stretch: float = 1.0,
        dial: Dial = Connection,
    ) -> None:
        self._voice = voice
        self._host = host
        self._port = port
        self._place = f"{root}/cluster/{cluster_id}"
        self._name = f"twin-cluster-{cluster_id}"
        self._clock = clock
        self._stretch = stretch
        self._dial = dial

    async def run(self) -> None:
        """Stay connected until cancelled."""
        while True:
            await self._session()
            await self._clock.sleep(_RETRY_S * self._stretch)

    async def _session(self) -> None:
        line = self._dial(self._host, self._port, self._name, None, self._told)
        if not await line.open([f"{self._place}/envelope", f"{self._place}/shed"]):
            return
        try:
            await self._speak(line)
        except asyncio.CancelledError:
            await line.close()
            raise
        await line.vanish()

    async def _speak(self, line: Line) -> None:
        while not line.is_lost:
            for word in self._voice.words():
                line.publish(f"{self._place}/{word.leaf}", word.payload, qos=_QOS, retain=word.retain)
            await self._clock.sleep(_TICK_S * self._stretch)

    def _told(self, said: Said) -> None:
        # a shed that a broker had kept is an old one
        if said.retained and said.topic.endswith("/shed"):
            return
        self._voice.take(said.payload)
