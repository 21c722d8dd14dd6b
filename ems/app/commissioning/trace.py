"""`ems devices trace record`: what devices answer, and what those behind a broker send."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from drivers.modbus.inquiry import Inquiry
from drivers.modbus.layout import RegisterMap
from drivers.modbus.link import ModbusLink
from drivers.modbus.readout import read_out
from drivers.modbus.requests import Read
from drivers.modbus.sunspec.readout import ChainReadout
from drivers.modbus.trace import Recorder, Trace
from drivers.mqtt.device import MqttDevice
from drivers.mqtt.link import MqttLink
from drivers.mqtt.trace import MessageRecorder, MessageTrace, RecordedDevice
from ems.app.commissioning.endpoints import running
from ems.app.commissioning.read import first_reading
from ems.app.commissioning.targets import Target
from ems.errors import ConfigError, ConfigProblem, DeviceUnreachableError
from ems.model.device import BrokerSpec
from ems.ports import Clock

# asks a device for everything, once
Questions = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordResult:
    """Which files were written and how many exchanges each holds."""

    document: dict[str, object]
    text: str
    answered: bool


async def record(targets: Sequence[Target], *, out: Path, every_s: float, n_rounds: int, clock: Clock) -> RecordResult:
    """Record devices, one file per link in `out` (or `out` itself if it is a file's name and there is one link).

    Raises:
        ConfigError: A driver or map cannot be used, or the place cannot be written.
    """
    by_link: dict[str, list[Target]] = {}
    for target in targets:
        by_link.setdefault(target.link.id, []).append(target)
    if len(by_link) > 1 and out.suffix:
        raise _unwritable(out, "several links need a directory", "a directory")
    rows: list[dict[str, object]] = []
    for members in by_link.values():
        file = out if out.suffix else out / f"{_file_name(members[0].link.id)}.jsonl"
        if isinstance(link := members[0].link, BrokerSpec):
            heard = await record_broker(members, link, every_s=every_s, n_rounds=n_rounds, clock=clock)
            _write(file, heard.text())
            rows.append({"file": str(file), "messages": len(heard.messages)})
            continue
        trace = await record_link(members, every_s=every_s, n_rounds=n_rounds, clock=clock)
        _write(file, trace.text())
        n_silent = sum(each.silent is not None for each in trace.exchanges)
        rows.append({"file": str(file), "exchanges": len(trace.exchanges), "silent": n_silent})
    return RecordResult(
        document={"traces": rows}, text="\n".join(map(_told, rows)), answered=all(map(_has_answers, rows))
    )


def _told(row: Mapping[str, object]) -> str:
    if "messages" in row:
        return f"{row['file']}: {row['messages']} messages"
    return f"{row['file']}: {row['exchanges']} exchanges, {row['silent']} without answer"


def _has_answers(row: Mapping[str, object]) -> bool:
    return bool(row["messages"]) if "messages" in row else row["silent"] != row["exchanges"]


async def record_broker(
    members: Sequence[Target], spec: BrokerSpec, *, every_s: float, n_rounds: int, clock: Clock
) -> MessageTrace:
    """Return what the devices behind a broker send until all have been heard, and then for some rounds more.

    Raises:
        ConfigError: A driver or map cannot be used, or the password or certificates cannot.
    """
    link = members[0].new_link(clock)
    if not isinstance(link, MqttLink):
        raise TypeError("what is no broker is asked and not listened to")
    devices = [member.build(link, clock) for member in members]
    began, began_s = clock.utc(), clock.monotonic_s()
    topics = [topic for device in devices if isinstance(device, MqttDevice) for topic in device.topics]
    recorder = MessageRecorder(topics, began_s=began_s)
    link.attach(recorder)
    async with running(link):
        for member, device in zip(members, devices, strict=True):
            with suppress(DeviceUnreachableError):
                await first_reading(device, member, clock)
        await clock.sleep((n_rounds - 1) * every_s)
    return MessageTrace(
        recorded=began,
        endpoint=str(spec),
        devices={
            member.spec.id: RecordedDevice(map=member.spec.map or "", name=member.spec.name or "") for member in members
        },
        messages=recorder.messages,
    )


async def record_link(members: Sequence[Target], *, every_s: float, n_rounds: int, clock: Clock) -> Trace:
    """Return what the devices of one link answer to the questions of their maps, a number of times."""
    spec = members[0].link
    if isinstance(spec, BrokerSpec):
        raise TypeError("a broker is listened to and not asked")
    register_maps = [member.register_map() for member in members]
    link = ModbusLink(spec, clock=clock, searching=None in register_maps)
    began, recorder = clock.utc(), Recorder(clock.monotonic_s())
    asked = [
        _questions(member, register_map, Inquiry(member.spec.unit, link, witness=recorder), clock)
        for member, register_map in zip(members, register_maps, strict=True)
    ]
    async with running(link):
        for number in range(n_rounds):
            next_s = clock.monotonic_s() + every_s
            for questions in asked:
                await questions()
            if number + 1 < n_rounds:
                await clock.sleep(max(0.0, next_s - clock.monotonic_s()))
    return Trace(
        recorded=began.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        endpoint=str(spec.endpoint),
        framing=spec.endpoint.framing.value,
        maps={member.spec.unit: name for member in members if (name := _map_name(member)) is not None},
        devices={member.spec.unit: member.spec.id for member in members},
        exchanges=recorder.exchanges,
    )


def _map_name(member: Target) -> str | None:
    """Return the map of a device, or the driver that finds the registers out by itself."""
    return member.spec.driver if member.spec.registers is None and member.spec.map is None else member.spec.map


def _questions(member: Target, register_map: RegisterMap | None, inquiry: Inquiry, clock: Clock) -> Questions:
    """Return what asks a device for all that its driver asks."""
    if register_map is None:
        return ChainReadout(inquiry, member.spec.sunspec, clock=clock).ask
    return partial(_ask_map, inquiry, register_map)


async def _ask_map(inquiry: Inquiry, register_map: RegisterMap) -> None:
    """Ask for all points of a map and the watchdog time."""
    await read_out(inquiry, register_map)
    if (watchdog := register_map.watchdog) is not None:
        await inquiry.ask(Read(at=watchdog.at, count=watchdog.n_registers))


def _file_name(link_id: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in link_id)


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise _unwritable(file, f"cannot be written: {error.strerror}", "a place that can be written") from error


def _unwritable(path: Path, message: str, allowed: str) -> ConfigError:
    return ConfigError(ConfigProblem(file=str(path), message=message, allowed=allowed))
