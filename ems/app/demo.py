"""`ems demo`: wire twin, broker and the unmodified daemon as processes, watched through MQTT like any SCADA would."""

import asyncio
import json
import signal
import sys
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog

from ems.app.addresses import broker_address
from ems.app.clocks import SharedTime
from ems.app.demo_site import copy_site, free_ports
from ems.app.demo_summary import demo_summary
from ems.app.durations import parse_duration_s
from ems.app.processes import Child, ems_command
from ems.config.build import build_simulation, build_site, build_wiring
from ems.config.files import ConfigFiles
from ems.config.loader import load_files
from ems.config.shipped import site_directory
from ems.errors import EmsError
from ems.hmi.client import BrokerAddress, follow_site
from ems.hmi.mirror import SiteMirror
from ems.hmi.terminal import watch
from ems.runtime.clock import wall_origin
from ems.studies.closed_loop import local_midnight

_READY_WAIT_S = 60.0
# simulated time starts when the processes have been given this long to come up
_HEAD_START_S = 6.0
# at the end the daemon publishes what it has counted before it is stopped
_LAST_WORDS_S = 2.5
_WATCHED_S = 0.5
# how long the first message of the daemon is waited for after the end, s
_LATE_S = 30.0
# a broker that was named gets this long to accept a connection: it may just have been started
_BROKER_WAIT_S = 3.0
_BROKER_RETRY_S = 0.25
_LOG_LINES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoRequest:
    """What to show; `duration_s` in simulated seconds, None until interrupted; `broker` None starts one.

    With `faults` the simulated devices take faults over HTTP.
    """

    site: str
    start: str
    start_h: float
    speed: float
    duration_s: float | None
    broker: BrokerAddress | None
    faults: bool
    quiet: bool


def demo_request(
    site: str,
    *,
    start: str,
    start_h: float,
    speed: float,
    duration: str,
    broker: str | None,
    faults: bool = False,
    quiet: bool,
) -> DemoRequest:
    """Return a request from the texts of a command line.

    Raises:
        ConfigError: One of them cannot be read.
    """
    return DemoRequest(
        site=site,
        start=start,
        start_h=start_h,
        speed=speed,
        duration_s=None if duration == "0" else parse_duration_s(duration, option="--for"),
        broker=None if broker is None else broker_address(broker),
        faults=faults,
        quiet=quiet,
    )


async def run_demo(request: DemoRequest) -> dict[str, object]:
    """Run a demo to its end or until interrupted; return the summary of what happened.

    Raises:
        ConfigError: The site or the request is refused.
        EmsError: A part did not come up, or the plant itself died.
    """
    files = load_files(site_directory(request.site))
    # the twin's process would find out as well, but only after a broker has been started
    build_simulation(files)
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ems-demo-")))
        return await _Demo(request, files, home).run(stack)


class _Demo:
    """The processes of one demo."""

    def __init__(self, request: DemoRequest, files: ConfigFiles, home: Path) -> None:
        self._request = request
        self._files = files
        self._home = home
        self._site = build_site(files)
        self._mirror = SiteMirror()
        self._stop = asyncio.Event()
        self._log = structlog.get_logger("demo")

    async def run(self, stack: AsyncExitStack) -> dict[str, object]:
        """Start everything, watch, end everything."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._stop.set)
        address = await self._broker(stack)
        directory = self._home / "site"
        protocol = "3.1.1" if self._request.broker is None else self._files.mqtt.mqtt.protocol
        copy_site(self._files, directory, broker_host=address.host, broker_port=address.port, protocol=protocol)
        shared = self._time()
        twin = await self._twin(stack, directory, shared)
        daemon = Child(
            "daemon",
            ems_command("run", str(directory), "--clock", shared.text()),
            log=self._log_file("daemon"),
            restarts=True,
        )
        await daemon.start()
        stack.push_async_callback(daemon.stop)
        prefix = f"{self._files.mqtt.mqtt.prefix}/{self._site.id}"
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(follow_site(address, prefix, self._mirror)),
                group.create_task(daemon.watch(self._mirror.note)),
                group.create_task(
                    watch(
                        self._mirror,
                        title=self._site.name,
                        timezone=self._site.place.timezone,
                        quiet=self._request.quiet,
                    )
                ),
            ]
            await self._until_over(shared, twin)
            await asyncio.sleep(_LAST_WORDS_S)
            totals: dict[str, Any] = json.loads(await twin.ask(b'{"do": "totals"}'))
            for task in tasks:
                task.cancel()
        runs = self._mirror.runs()
        if not runs:
            where = f"{address.host}:{address.port}"
            raise EmsError(f"the daemon published nothing on {where}; the end of its log:\n{self._log_end('daemon')}")
        return demo_summary(
            self._site, runs, totals, began=shared.start, speed=self._request.speed, n_starts=daemon.n_starts
        )

    async def _twin(self, stack: AsyncExitStack, directory: Path, shared: SharedTime) -> Child:
        """Start the simulated plant; say how its faults are set, if they are to be."""
        command = ems_command("twin", str(directory), "--clock", shared.text())
        if self._request.faults:
            command += ["--faults-port", "0"]
        child = Child("twin", command, log=self._log_file("twin"), restarts=False)
        ready: dict[str, Any] = json.loads(await self._started(stack, child))
        if self._request.faults:
            self._tell_how_to_steer(str(ready["faults"]))
        return child

    def _tell_how_to_steer(self, address: str) -> None:
        wiring = build_wiring(self._files)
        endpoint = (wiring.links or wiring.devices)[0].id
        example = f'curl -X PUT {address}/{endpoint} -d \'{{"mute": true, "lasts_s": 60}}\''
        sys.stderr.write(f"faults: {example}\n        curl {address}; docs/faults.md has them all\n")
        sys.stderr.flush()
        self._mirror.note(f"faults are set at {address}")

    async def _broker(self, stack: AsyncExitStack) -> BrokerAddress:
        """Return the broker that was named and accepts connections, else start one."""
        if self._request.broker is not None:
            await _check_reachable(self._request.broker)
            return self._request.broker
        (port,) = free_ports(1)
        broker = Child(
            "broker", ems_command("broker", "--port", str(port)), log=self._log_file("broker"), restarts=True
        )
        await self._started(stack, broker)
        watching = asyncio.create_task(broker.watch(self._mirror.note))
        stack.callback(watching.cancel)
        return BrokerAddress(host="127.0.0.1", port=port)

    async def _started(self, stack: AsyncExitStack, child: Child) -> bytes:
        """Start a process and return its first line."""
        await child.start()
        stack.push_async_callback(child.stop)
        try:
            async with asyncio.timeout(_READY_WAIT_S):
                line = await child.first_line()
        except TimeoutError:
            line = b""
        if not line:
            raise EmsError(f"the {child.name} did not start: {self._log_end(child.name)}")
        return line

    async def _until_over(self, shared: SharedTime, twin: Child) -> None:
        """Wait for the end of the duration, an interrupt, or the end of the plant."""
        clock, duration_s = shared.clock(), self._request.duration_s
        while not self._stop.is_set():
            if twin.pid is None:
                raise EmsError(f"the simulated plant has ended: {self._log_end('twin')}")
            left_s = float("inf") if duration_s is None else (duration_s - clock.monotonic_s()) / shared.speed
            if left_s <= 0.0:
                # on a busy machine a short demo may be over before its daemon has begun
                if self._mirror.runs() or -left_s > _LATE_S:
                    return
                left_s = _WATCHED_S
            try:
                async with asyncio.timeout(min(_WATCHED_S, left_s)):
                    await self._stop.wait()
            except TimeoutError:
                continue

    def _time(self) -> SharedTime:
        begin = local_midnight(self._site, self._request.start)
        return SharedTime(
            start=begin + timedelta(hours=self._request.start_h),
            origin=wall_origin() + _HEAD_START_S,
            speed=self._request.speed,
        )

    def _log_file(self, name: str) -> Path:
        return self._home / f"{name}.log"

    def _log_end(self, name: str) -> str:
        """Return the last lines of a process's log, which is gone when the demo has ended."""
        lines = self._log_file(name).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return "\n".join(lines[-_LOG_LINES:]) or "no message"


async def _check_reachable(address: BrokerAddress) -> None:
    """Wait until a connection is accepted.

    Raises:
        EmsError: None is within some seconds.
    """
    why = "no answer"
    try:
        async with asyncio.timeout(_BROKER_WAIT_S):
            while True:
                try:
                    _, writer = await asyncio.open_connection(address.host, address.port)
                except (OSError, UnicodeError) as error:
                    why = str(error)
                else:
                    writer.close()
                    return
                await asyncio.sleep(_BROKER_RETRY_S)
    except TimeoutError as error:
        raise EmsError(f"the broker {address.host}:{address.port} accepts no connection: {why}") from error
