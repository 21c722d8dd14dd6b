"""`ems devices write`: one command to one device, as control would give it, asked for and noted."""

import asyncio
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from drivers.device.values import Bad
from drivers.modbus.keys import SequenceCommand
from drivers.modbus.registers import encode
from drivers.mqtt.publications import CommandEncoder, Sending
from ems.app.commissioning.audit import FILE_NAME, AuditLog, HandCommand, own_audit_file
from ems.app.commissioning.endpoints import running
from ems.app.commissioning.hand import VALID_S, Hand
from ems.app.commissioning.targets import Target
from ems.app.daemon import state_home
from ems.errors import ConfigError, ConfigProblem, DriverError
from ems.model.setpoints import Outcome
from ems.ports import Clock, Reverts

REFUSED = "refused"
_DECLINED = "declined"
_WORDS: Final = {"true": 1.0, "false": 0.0, "start": 1.0, "stop": 0.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteResult:
    """What became of the command; `done` says whether the device shows the value."""

    document: dict[str, object]
    text: str
    done: bool


async def write(
    target: Target,
    name: str,
    value: float,
    *,
    for_s: float,
    audit: AuditLog,
    forced: str,
    ask: Callable[[str], bool],
    clock: Clock,
) -> WriteResult:
    """Command a device and hold that for a time; `ask` is shown what will happen and says whether it may.

    Raises:
        ConfigError: The device has no such command, or does not take the value.
        DeviceUnreachableError: It does not answer.
        StateError: The audit file cannot be written; nothing was commanded.
    """
    link = target.new_link(clock)
    device = target.build(link, clock)
    hand = Hand(device, target, clock)
    command = HandCommand(
        tool="ems devices write",
        site=None if target.files is None else target.files.site.site.id,
        device=target.spec.id,
        endpoint=target.link.id,
        unit=target.spec.unit,
        command=name,
        value=value,
        forced=forced,
    )
    async with running(link):
        await hand.ready()
        hand.check(name, value)
        if (reason := hand.withheld()) is not None:
            audit.end(audit.begin(command), command, outcome=REFUSED, detail=reason)
            return _result(command, outcome=REFUSED, detail=reason, audit=audit)
        fallback = device.fallback() if isinstance(device, Reverts) else None
        after = None if fallback is None else fallback.after_s
        lines = [
            f"{target.title}: {name} = {value:g}, {for_s:g} s",
            *_registers(target, name, value),
            *_message(target, name, value, valid_for_s=VALID_S, clock=clock),
            *([] if fallback is None or after is None else [f"  then, {after:g} s later: {fallback.text}"]),
        ]
        # the person may take a while; the link goes on meanwhile
        if not await asyncio.to_thread(ask, "\n".join(lines)):
            return _result(command, outcome=_DECLINED, detail="nothing was written", audit=audit)
        number = audit.begin(command)
        try:
            outcome = await hand.hold(name, value, for_s=for_s)
        except (DriverError, asyncio.CancelledError) as error:
            audit.end(number, command, outcome=Outcome.LOST.value, detail=str(error) or "interrupted")
            if isinstance(error, asyncio.CancelledError):
                raise
            return _result(command, outcome=Outcome.LOST.value, detail=str(error), audit=audit)
        audit.end(number, command, outcome=outcome.outcome.value, detail=outcome.detail)
    return _result(command, outcome=outcome.outcome.value, detail=outcome.detail, audit=audit)


def _registers(target: Target, name: str, value: float) -> list[str]:
    """Return what would be written to the registers, for a command that is one number of a map."""
    register_map = target.register_map()
    if register_map is not None and name in register_map.sequences:
        return list(_keys(register_map.sequences[name], value))
    command = None if register_map is None else register_map.commands.get(name)
    if command is None or command.coding.factor is not None:
        return []
    encoded = encode(value, command.coding, limits=command.limits)
    if isinstance(encoded, Bad):
        return [f"  {encoded.reason}"]
    words = " ".join(f"{word:04X}" for word in encoded.registers)
    return [f"  registers {command.at}: {words} (function {command.function}), which means {encoded.value:g}"]


def _message(target: Target, name: str, value: float, *, valid_for_s: float, clock: Clock) -> list[str]:
    """Return what would be published, for a device behind a broker."""
    topic_map = target.topic_map()
    command = None if topic_map is None else topic_map.commands.get(name)
    if topic_map is None or command is None:
        return []
    encoder = CommandEncoder(topic_map, command, target.spec.name or "")
    encoded = encoder.encode(value)
    if isinstance(encoded, Bad):
        return [f"  {encoded.reason}"]
    sending = Sending(utc=clock.utc(), valid_for_s=valid_for_s, request_id=1, watchdog_s=target.spec.watchdog_s)
    publication = encoder.publication(encoded, sending)
    return [f"  {publication.topic}: {publication.payload.decode()}, which means {encoded.value:g}"]


def _keys(sequence: SequenceCommand, value: float) -> Iterator[str]:
    """Yield the keys that would be pressed, in their order."""
    for action in sequence.actions[value > 0.0]:
        wait = "" if action.after is None else f", once it shows {action.after.condition}"
        for write in action.writes:
            words = " ".join(f"{word:04X}" for word in write.words)
            yield f"  {action.name}: registers {write.at}: {words} (function {write.function}){wait}"


def _result(command: HandCommand, *, outcome: str, detail: str, audit: AuditLog) -> WriteResult:
    document: dict[str, object] = {
        "device": command.device,
        "command": command.command,
        "value": command.value,
        "outcome": outcome,
        "detail": detail,
        "audit": str(audit.file),
    }
    text = f"{command.device}: {command.command} = {command.value:g}: {outcome} ({detail})"
    return WriteResult(document=document, text=text, done=outcome == Outcome.ACCEPTED.value)


def parse_command(words: list[str], *, named: bool) -> tuple[str, str, float]:
    """Return device, command and value of a command line; `named`: it begins with the device.

    Raises:
        ConfigError: There are too many words or too few, or the value is no number.
    """
    if len(words) != (3 if named else 2):
        raise _refused("COMMAND", f"{len(words)} words", "DEVICE COMMAND VALUE, for HOST:PORT without DEVICE")
    device, name, text = words if named else ["", *words]
    if text in _WORDS:
        return device, name, _WORDS[text]
    try:
        value = float(text)
    except ValueError as error:
        raise _refused("VALUE", f"'{text}' is no number", f"a number, or {', '.join(_WORDS)}") from error
    if not math.isfinite(value):
        raise _refused("VALUE", f"'{text}' is no number", "a finite number")
    return device, name, value


def audit_file(target: Target) -> Path:
    """Return where commands to the device are noted: with the site's state, else with the user's."""
    return own_audit_file() if target.files is None else state_home(target.files) / FILE_NAME


def _refused(where: str, message: str, allowed: str) -> ConfigError:
    return ConfigError(ConfigProblem(file=where, message=message, allowed=allowed))
