"""`ems devices trace replay`: answers any Modbus client, or publishes to a broker, as the recorded devices did."""

import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from drivers.device.certificates import client_context
from drivers.device.tracefile import format_of
from drivers.modbus.trace import load_trace
from drivers.mqtt.topicmapfile import load_topic_map
from drivers.mqtt.topics import TopicMap
from drivers.mqtt.trace import FORMAT as OF_MESSAGES
from drivers.mqtt.trace import MessageTrace, load_message_trace
from drivers.sim.mqtt.connection import Connection, Login
from drivers.sim.mqtt.replay import ReplayedDevice
from drivers.sim.wire.replay import replayed_units
from drivers.sim.wire.server import WireServer
from ems.app.commissioning.endpoints import beside, parse_place
from ems.errors import ConfigError, ConfigProblem
from ems.model.device import Framing, TlsFiles
from ems.ports import Clock

_A_DAY_S: Final = 86_400.0
# so long a broker may take to let a device in
_CONNECT_WAIT_S: Final = 10.0
_CONNECT_STEP_S: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerReach:
    """Which broker a recording of messages is played to, as HOST:PORT, and how it lets us in."""

    broker: str = ""
    username: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    def login(self) -> Login:
        """Return what the broker asks for.

        Raises:
            ConfigError: The password or the certificates cannot be used.
        """
        return Login(username=self.username, password=self._password(), tls=self._tls())

    def _password(self) -> str | None:
        if self.password_file is None:
            return None
        try:
            return self.password_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise _refused("--password-file", f"cannot be read: {error}", "a file with the password alone") from error

    def _tls(self) -> ssl.SSLContext | None:
        if self.ca_file is None:
            return None
        files = TlsFiles(ca_file=self.ca_file, cert_file=self.cert_file, key_file=self.key_file, server_name=None)
        try:
            return client_context(files, of="broker")
        except ConfigError as error:
            # there is no configuration whose file could be wrong
            (problem,) = error.problems
            raise _refused("--ca-file, --cert-file, --key-file", problem.message, problem.allowed or "") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where a recording is played: the address that Modbus clients connect to, or a broker; maps beside the shipped."""

    host: str = "127.0.0.1"
    port: int = 1502
    broker: BrokerReach = BrokerReach()
    maps: Sequence[Path] = ()


async def replay(
    file: Path, stage: Stage, *, clock: Clock, told: Callable[[str], None], for_s: float | None = None
) -> None:
    """Do as the recorded devices did, until cancelled or for a time; `told` hears where, and of commands.

    Raises:
        ConfigError: The file is no trace, its map cannot be used, or the port or broker cannot.
    """
    is_of_messages = format_of(file) == OF_MESSAGES.name
    if is_of_messages is not bool(stage.broker.broker):
        wanted = "--broker HOST:PORT" if is_of_messages else "no --broker, but --port"
        message = f"{file.name} holds {'messages' if is_of_messages else 'no messages'}"
        raise _refused("--broker", message, wanted)
    playing = _publish(file, stage, clock, told) if is_of_messages else _answer(file, stage, clock, told)
    if for_s is None:
        await playing
        return
    with suppress(TimeoutError):
        async with clock.timeout(for_s):
            await playing


async def _answer(file: Path, stage: Stage, clock: Clock, told: Callable[[str], None]) -> None:
    trace = load_trace(file)
    units = replayed_units(trace, clock=clock)
    framing = Framing(trace.framing) if trace.framing in set(Framing) else Framing.TCP
    if framing is Framing.RTU:
        # a serial line is replayed over the network
        framing = Framing.RTU_OVER_TCP
    server = WireServer(stage.host, stage.port, units=units, clock=clock, framing=framing)
    try:
        async with server:
            place = f"{stage.host}:{server.port} ({framing})"
            told(f"{place}, units {', '.join(map(str, units))}, recorded {trace.recorded}")
            await _for_ever(clock)
    except OSError as error:
        raise _refused("--port", f"{stage.host}:{stage.port}: {error.strerror}", "a free port") from error


async def _publish(file: Path, stage: Stage, clock: Clock, told: Callable[[str], None]) -> None:
    trace = load_message_trace(file)
    place, login = parse_place(stage.broker.broker, where="--broker"), stage.broker.login()
    devices = [
        ReplayedDevice(
            device_id,
            trace,
            _map_of(device_id, trace, stage.maps),
            place=place,
            clock=clock,
            dial=partial(Connection, login=login),
            told=told,
        )
        for device_id in trace.devices
    ]
    async with beside({f"replay-{device.device_id}": device.run() for device in devices}):
        await _let_in(devices, stage.broker.broker, clock)
        names = ", ".join(f"{name} as '{each.name}'" for name, each in trace.devices.items())
        told(f"{stage.broker.broker} (mqtt), {names}, recorded {trace.recorded.isoformat(timespec='milliseconds')}")
        await _for_ever(clock)


def _map_of(device_id: str, trace: MessageTrace, maps: Sequence[Path]) -> TopicMap:
    name = trace.devices[device_id].map
    if not name:
        message = f"the map of '{device_id}' was written beside it, and is not in the recording"
        raise _refused("FILE", message, "a recording of a device whose map is a file")
    return load_topic_map(name, maps)


async def _let_in(devices: Sequence[ReplayedDevice], broker: str, clock: Clock) -> None:
    end_s = clock.monotonic_s() + _CONNECT_WAIT_S
    while not all(device.is_connected for device in devices):
        if clock.monotonic_s() >= end_s:
            allowed = "a broker that takes connections, with --username, --password-file and --ca-file if it asks"
            raise _refused("--broker", f"{broker} lets nobody in", allowed)
        await clock.sleep(_CONNECT_STEP_S)


async def _for_ever(clock: Clock) -> None:
    while True:
        await clock.sleep(_A_DAY_S)


def _refused(where: str, message: str, allowed: str) -> ConfigError:
    return ConfigError(ConfigProblem(file=where, message=message, allowed=allowed))
