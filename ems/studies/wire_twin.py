"""The wire twin as a process: the plant behind Modbus and MQTT, in (accelerated) real time, steered over its pipes.

Standard input takes one JSON command per line, standard output answers; when the input ends the process ends, so
that it never outlives the demo that started it.
"""

import asyncio
import json
import sys
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict
from datetime import datetime
from typing import NamedTuple

from drivers.sim.devices import SimulatedDevice, rated_kw, shown_values, simulated_devices
from drivers.sim.mqtt.twin import MqttTwin
from drivers.sim.plant import Plant
from drivers.sim.scheduler.cluster import TwinScheduler
from drivers.sim.scheduler.station import ClusterStation
from drivers.sim.scheduler.voice import ClusterVoice
from drivers.sim.weather_service import WeatherService, issue_text
from drivers.sim.wire.endpoints import WireTwin
from drivers.sim.wire.faults import Faults
from drivers.sim.wire.steering import FaultSteering, Steerable, read_order
from ems.config.build import build_simulation, build_site, build_wiring
from ems.config.files import ConfigFiles
from ems.ports import Clock
from ems.runtime.inputs import load_climate, price_file_source
from ems.runtime.prices import SitePrices
from ems.runtime.timescale import stretch_factor, stretched_broker, stretched_device, stretched_link
from ems.studies.books import GridBook, true_energies

# the plant moves this often in real time
_TICK_WALL_S = 0.05
# the newest commands that are told of; a large site takes some hundred a second
_KEPT_COMMANDS = 20_000


class Taken(NamedTuple):
    """A command that arrived at a device of the twin; `value` has the unit of the command."""

    at_s: float
    device: str
    name: str
    value: float


class WireDevice:
    """A device of the twin as the register bank sees it."""

    def __init__(
        self, device_id: str, simulated: SimulatedDevice, *, note: Callable[[str, str, float], None] | None = None
    ) -> None:
        """Take the device behind it; `note` is told of each command: device, name, value."""
        self._id = device_id
        self._simulated = simulated
        self._note = note

    def values(self) -> Mapping[str, float | int | bool | str | tuple[str, ...] | None]:
        """Return the points of the device's map."""
        return shown_values(self._simulated.reading(self._id), serial=self._id)

    def asked(self) -> None:
        """Keep its watchdog quiet: it is a device that waits for any request."""
        self._simulated.command("heartbeat", 0.0)

    def command(self, name: str, value: float) -> bool:
        """Take a command."""
        if self._note is not None:
            self._note(self._id, name, value)
        return self._simulated.command(name, value)


class TwinProcess:
    """The plant, its endpoints, the weather provider and the steering; `faults_port` None serves no HTTP."""

    def __init__(
        self,
        files: ConfigFiles,
        clock: Clock,
        *,
        start: datetime,
        speed: float,
        seed: int | None,
        faults_port: int | None = None,
    ) -> None:
        spec = build_simulation(files)
        site = build_site(files)
        self.seed = spec.seed if seed is None else seed
        self._clock = clock
        self._faults_port = faults_port
        self._factor = stretch_factor(speed)
        self._wiring = build_wiring(files)
        self._maps = tuple(home / "maps" for home in files.search)
        self._plant = Plant(site, spec, start=start, search=files.search, seed=self.seed)
        self._broker = files.mqtt.mqtt.host, files.mqtt.mqtt.port
        self._root = f"{files.mqtt.mqtt.prefix}/{site.id}"
        self._stored_start_kwh = self._plant.stored_kwh
        market = files.forecasts.price
        prices = SitePrices(site, None if market is None else price_file_source(files.resolve(market.file)))
        prices.newest()
        self._book = GridBook(site, load_climate(files).carbon, prices=prices, peak_so_far_kw=spec.peak_so_far_kw)
        self._weather = WeatherService(spec, site.place, search=files.search, seed=self.seed)
        issued = files.forecasts.weather.issued_file
        self._issue_file = None if issued is None else files.directory / issued
        self._issued: datetime | None = None
        self._taken: deque[Taken] = deque(maxlen=_KEPT_COMMANDS)

    async def run(self) -> None:
        """Serve until the input ends."""
        simulated = simulated_devices(self._plant)
        devices = {
            device.id: WireDevice(device.id, simulated[device.asset], note=self._take)
            for device in self._wiring.devices
        }
        links = [stretched_link(link, self._factor) for link in self._wiring.links]
        brokers = [stretched_broker(broker, self._factor) for broker in self._wiring.brokers]
        behind_brokers = {broker.id for broker in brokers}
        specs = [stretched_device(device, self._factor) for device in self._wiring.devices]
        self._issue_weather()
        # the first second gives every meter something to show before anybody asks
        self._plant.advance(1.0)
        async with AsyncExitStack() as stack:
            on_wires = [spec for spec in specs if spec.link not in behind_brokers]
            wire = WireTwin(
                links,
                on_wires,
                devices,
                clock=self._clock,
                map_directories=self._maps,
                rated_kw=rated_kw(self._plant),
                leases=self._wiring.leases,
            )
            twin = await stack.enter_async_context(wire)
            behind = MqttTwin(brokers, specs, devices, clock=self._clock, map_directories=self._maps)
            published = await stack.enter_async_context(behind)
            endpoints: dict[str, Steerable] = {**twin.servers, **published.stations}
            if self._plant.scheduler is not None:
                endpoints[self._plant.site.it.id] = self._cluster(self._plant.scheduler, stack)
            ready: dict[str, object] = {"ready": True}
            if self._faults_port is not None:
                steering = FaultSteering(endpoints, port=self._faults_port)
                ready["faults"] = (await stack.enter_async_context(steering)).address
            _say(ready)
            moving = asyncio.create_task(self._move(twin), name="plant")
            try:
                await self._steer(endpoints)
            finally:
                moving.cancel()

    def _take(self, device: str, name: str, value: float) -> None:
        self._taken.append(Taken(at_s=self._clock.monotonic_s(), device=device, name=name, value=value))

    def _cluster(self, scheduler: TwinScheduler, stack: AsyncExitStack) -> ClusterVoice:
        """Let the cluster speak over the site's broker until the stack ends."""
        voice = ClusterVoice(scheduler, clock=self._clock, stretch=self._factor)
        host, port = self._broker
        station = ClusterStation(
            voice,
            host=host,
            port=port,
            root=self._root,
            cluster_id=scheduler.it.id,
            clock=self._clock,
            stretch=self._factor,
        )
        speaking = asyncio.create_task(station.run(), name="cluster")
        stack.callback(speaking.cancel)
        return voice

    async def _move(self, twin: WireTwin) -> None:
        """Let the plant follow the clock."""
        while True:
            behind_s = self._clock.monotonic_s() - self._plant.elapsed_s
            if behind_s > 0.0:
                before, utc = self._plant.totals.grid_import, self._plant.utc
                twin.elapse()
                self._plant.advance(behind_s)
                self._book.add(utc, self._plant.totals.grid_import - before, dt_s=behind_s)
                self._issue_weather()
            await asyncio.sleep(_TICK_WALL_S)

    def _issue_weather(self) -> None:
        """Write the provider's file whenever there is a new issue, as a whole."""
        if self._issue_file is None:
            return
        issue = self._weather.issue(self._plant.utc)
        if issue.issued_utc == self._issued:
            return
        self._issued = issue.issued_utc
        self._issue_file.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._issue_file.with_suffix(".new")
        fresh.write_text(issue_text(issue), encoding="utf-8")
        fresh.replace(self._issue_file)

    async def _steer(self, endpoints: Mapping[str, Steerable]) -> None:
        """Answer commands until the input ends."""
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            try:
                answer = await self._answer(endpoints, json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                answer = {"error": str(error)}
            _say(answer)

    async def _answer(self, endpoints: Mapping[str, Steerable], command: dict[str, object]) -> dict[str, object]:
        match command.get("do"):
            case "totals":
                return {
                    "elapsed_s": self._plant.elapsed_s,
                    "seed": self.seed,
                    "energies": asdict(true_energies(self._plant, stored_start_kwh=self._stored_start_kwh)),
                    "grid": asdict(self._book.account()),
                    "n_writes": sum(getattr(each, "n_writes", 0) for each in endpoints.values()) + len(self._taken),
                }
            case "commands":
                since_s = float(str(command["since_s"]))
                return {"commands": [list(taken) for taken in self._taken if taken.at_s >= since_s]}
            case "refuse":
                await endpoints[str(command["link"])].set_faults(Faults(refuse=True))
            case "mute":
                await endpoints[str(command["link"])].set_faults(Faults(mute=True))
            case "faults":
                await endpoints[str(command["link"])].set_faults(*read_order(json.dumps(command["faults"])))
            case "heal":
                await endpoints[str(command["link"])].set_faults()
            case "grid":
                if self._plant.grid is None:
                    return {"error": "the site has no grid"}
                self._plant.grid.forced = {"lost": True, "present": False}.get(str(command["state"]))
            case "trip":
                self._plant.gensets[str(command["genset"])].trip()
            case "cdu":
                unit = {cdu.id: cdu for cdu in self._plant.cooling_units.cdus}[str(command["unit"])]
                unit.leak, unit.pump_failed = command["state"] == "leak", command["state"] == "low_flow"
            case "rack":
                container = self._plant.container(str(command["container"]))
                if not container.switch_rack(int(str(command["number"])), closed=command["state"] != "out"):
                    return {
                        "error": "the container has no such rack, or its voltage is too far from that of the others"
                    }
            case other:
                return {
                    "error": f"'{other}' is no command; totals, commands, faults, refuse, mute, heal, grid, trip, cdu, "
                    "rack"
                }
        return {"done": True}


def _say(answer: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def run_wire_twin(
    files: ConfigFiles, clock: Clock, *, start: datetime, speed: float, seed: int | None, faults_port: int | None
) -> None:
    """Run the twin of a site until its standard input ends."""
    asyncio.run(TwinProcess(files, clock, start=start, speed=speed, seed=seed, faults_port=faults_port).run())
