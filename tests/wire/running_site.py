"""A whole site on loopback: wire twin, broker and daemon as processes, watched by an independent client."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import paho.mqtt.client as mqtt
import tomlkit
from paho.mqtt.enums import CallbackAPIVersion

from ems.app.clocks import SharedTime
from ems.app.demo_site import copy_site, free_ports
from ems.config.build import build_wiring
from ems.config.loader import load_files
from ems.config.shipped import site_directory
from ems.runtime.clock import wall_origin

MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
_HEAD_START_S = 5.0
_PATIENCE_S = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One message as it came from the broker."""

    topic: str
    value: Any
    retained: bool


class Commanded(NamedTuple):
    """A command that arrived at a device of the twin."""

    at_s: float
    device: str
    name: str
    value: float


class Listener:
    """A paho client that keeps every topic's newest message, and all events."""

    def __init__(self, port: int, root: str) -> None:
        self.newest: dict[str, Heard] = {}
        self.events: deque[dict[str, Any]] = deque(maxlen=1000)
        self.statuses: list[str] = []
        self._root = root
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = self._on_connect
        self._client.on_message = self._on_message
        self._client.reconnect_delay_set(1, 2)
        self._client.connect_async("127.0.0.1", port)
        self._client.loop_start()

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def value(self, topic: str) -> dict[str, Any] | None:
        """Return the newest message of a topic below the site's root."""
        heard = self.newest.get(topic)
        return heard.value if heard is not None and isinstance(heard.value, dict) else None

    def _on_connect(self, client: mqtt.Client, *_: object) -> None:
        client.subscribe(f"{self._root}/#", qos=1)

    def _on_message(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        topic = message.topic.removeprefix(f"{self._root}/")
        text = message.payload.decode()
        value = json.loads(text) if text.startswith("{") else text
        self.newest[topic] = Heard(topic=topic, value=value, retained=message.retain)
        if topic == "event" and isinstance(value, dict):
            self.events.append(value)
        if topic == "status":
            self.statuses.append(value if isinstance(value, str) else str(value.get("status")))


class RunningSite:
    """Starts, steers and ends the processes of one site."""

    def __init__(
        self,
        home: Path,
        *,
        site: str,
        speed: float,
        start: datetime,
        mosquitto: bool = False,
        lease: bool = False,
        options: Sequence[str] = (),
    ) -> None:
        """Copy a site; with `lease` it has a PLC in which its controllers keep who of them commands.

        `options` are the daemon's.
        """
        self.home = home
        self._options = tuple(options)
        self.speed = speed
        self.start = start.astimezone(UTC)
        files = load_files(site_directory(site))
        self.broker_port = free_ports(1)[0]
        self.directory = home / "site"
        self._mosquitto = mosquitto
        protocol = "5" if mosquitto else "3.1.1"
        copy_site(files, self.directory, broker_host="127.0.0.1", broker_port=self.broker_port, protocol=protocol)
        if lease:
            _add_lease(self.directory / "devices.toml")
        self.files = load_files(self.directory)
        wiring = build_wiring(self.files)
        brokers = {broker.id for broker in wiring.brokers}
        # a simulated device behind a broker is an endpoint of its own
        self.links = {device.id: device.id if device.link in brokers else device.link for device in wiring.devices}
        self.root = f"{files.mqtt.mqtt.prefix}/{files.site.site.id}"
        self._time = SharedTime(start=start.astimezone(UTC), origin=wall_origin() + _HEAD_START_S, speed=speed)
        self._clock = self._time.clock()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        try:
            self.start_broker()
            self.listener = Listener(self.broker_port, self.root)
            self._start("twin", _ems("twin", str(self.directory), "--clock", self._time.text()))
            self._answer()
            self.start_daemon()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def start_broker(self) -> None:
        """Start mosquitto or the embedded broker on the site's port."""
        if self._mosquitto:
            config = self.home / "mosquitto.conf"
            config.write_text(f"listener {self.broker_port} 127.0.0.1\nallow_anonymous true\n", encoding="utf-8")
            self._start("broker", [str(MOSQUITTO), "-c", str(config)])
        else:
            self._start("broker", _ems("broker", "--port", str(self.broker_port)))

    def start_daemon(self) -> None:
        """Start the daemon; a second start adopts what the first one left."""
        self._start("daemon", self.daemon_command())

    def start_second(self) -> None:
        """Start another daemon of the same site, with a configuration and a state directory of its own."""
        directory = self.home / "second"
        if not directory.exists():
            shutil.copytree(self.directory, directory, ignore=shutil.ignore_patterns("var"))
            (directory / "var").mkdir()
        self._start("second", _ems("run", str(directory), "--clock", self._time.text()))

    def kill(self, name: str) -> None:
        """SIGKILL a process and wait until it is gone."""
        process = self.processes[name]
        process.kill()
        process.wait(10)
        _close_pipes(process)

    def end(self, name: str, *, with_signal: int = signal.SIGTERM) -> int:
        """End a process in good order; return its exit code."""
        process = self.processes[name]
        process.send_signal(with_signal)
        return process.wait(30)

    def steer(self, **command: object) -> dict[str, Any]:
        """Send one command to the twin and return its answer."""
        twin = self.processes["twin"]
        assert twin.stdin is not None
        # a twin that has ended is told by its answer
        with suppress(BrokenPipeError):
            twin.stdin.write(json.dumps(command).encode() + b"\n")
            twin.stdin.flush()
        answer = self._answer()
        assert "error" not in answer, answer
        return answer

    def energies(self) -> dict[str, float]:
        """Return what physically happened so far, kWh."""
        energies: dict[str, float] = self.steer(do="totals")["energies"]
        return energies

    def now_s(self) -> float:
        """Return the site's clock, which daemon and twin share."""
        return self._clock.monotonic_s()

    def commands(self, since_s: float) -> list[Commanded]:
        """Return what arrived at the twin's devices since then."""
        return [Commanded(*taken) for taken in self.steer(do="commands", since_s=since_s)["commands"]]

    def daemon_command(self) -> list[str]:
        """Return how the daemon is started."""
        return _ems("run", str(self.directory), "--clock", self._time.text(), *self._options)

    def pass_time(self, simulated_s: float) -> None:
        """Let the site run."""
        time.sleep(simulated_s / self.speed)

    def until(self, condition: Callable[[], object], what: str, *, patience_s: float = _PATIENCE_S) -> None:
        """Wait until something holds, in real time; fail with what was awaited and the daemon's last words."""
        begin = wall_origin()
        while not condition():
            if wall_origin() - begin > patience_s:
                log = self.log("daemon").splitlines()[-15:]
                raise AssertionError(f"waited {patience_s:g} s for: {what}\n" + "\n".join(log))
            time.sleep(0.1)

    def until_controlling(self) -> None:
        """Wait until the daemon has left INIT, has a plan, and the plant has moved."""
        self.until(lambda: (self.listener.value("state") or {}).get("mode") in ("island", "grid"), "mode")
        self.until(lambda: (self.listener.value("plan") or {}).get("source") is not None, "a plan")
        self.until(lambda: self._clock.monotonic_s() > 0.0, "the start of simulated time")

    def log(self, name: str) -> str:
        """Return what a process wrote to standard error."""
        return (self.home / f"{name}.log").read_text(encoding="utf-8")

    def _start(self, name: str, command: list[str]) -> None:
        with (self.home / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True
            )

    def _answer(self) -> dict[str, Any]:
        twin = self.processes["twin"]
        assert twin.stdout is not None
        line = twin.stdout.readline()
        assert line, f"the twin has ended: {self.log('twin')}"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _end(self) -> None:
        if hasattr(self, "listener"):
            self.listener.close()
        for process in self.processes.values():
            if process.poll() is None:
                process.terminate()
        for process in self.processes.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)
            _close_pipes(process)


def _add_lease(file: Path) -> None:
    """Give the site a unit with free registers behind a link of its own."""
    tables = tomllib.loads(file.read_text(encoding="utf-8"))
    link = {"id": "plc", "host": "127.0.0.1", "port": free_ports(1)[0], "timeout_s": 1.0}
    tables["link"] = [*tables["link"], link]
    tables["lease"] = [{"id": "plc", "link": "plc", "unit": 9, "first_register": 100}]
    file.write_text(tomlkit.dumps(tables), encoding="utf-8")


def _close_pipes(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            # what a process that has ended did not read is still in the pipe
            with suppress(BrokenPipeError):
                pipe.close()


def _ems(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "ems.cli", *arguments]
