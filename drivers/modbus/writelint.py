"""What the commands of a register map contradict: their registers, their read-back, their memory, the fall-back."""

from collections.abc import Iterator
from itertools import combinations
from typing import Final

from drivers.device import fallbacklint
from drivers.device.fallback import LifeSign
from drivers.device.needs import Finding
from drivers.device.numberlint import order_findings, scale_findings
from drivers.modbus.coding import FLOATS, WRITE_COIL, WRITE_COILS, WRITE_MULTIPLE, WRITE_SINGLE, PointType, Table
from drivers.modbus.layout import Command, RegisterMap
from drivers.modbus.pointlint import N_ADDRESSES, OUT_OF_SPACE
from drivers.modbus.rangelint import limit_findings
from drivers.modbus.readbacklint import readback_findings

_WRITABLE: Final = frozenset({PointType.UINT16, PointType.INT16, PointType.UINT32, PointType.INT32, PointType.FLOAT32})
_FUNCTIONS: Final = {Table.HOLDING: {WRITE_SINGLE, WRITE_MULTIPLE}, Table.COIL: {WRITE_COIL, WRITE_COILS}}


def command_findings(register_map: RegisterMap) -> Iterator[Finding]:
    """Yield setpoints that could not be verified or limited, and that the fall-back is not stated."""
    for name, command in register_map.commands.items():
        key = f"commands.{name}"
        yield from readback_findings(register_map, command, key)
        if command.limits is None and command.coding.type is not PointType.BIT:
            yield f"{key}.limits", "a number that is written needs its range", "limits = [lowest, highest]"
        yield from order_findings(command.limits, f"{key}.limits")
        if _is_writable(command):
            yield from limit_findings(command, key)
    yield from fallbacklint.commanded_findings(register_map.fallback, is_commanded=bool(register_map.commands))


def fallback_findings(register_map: RegisterMap) -> Iterator[Finding]:
    """Yield what the stated fall-back contradicts."""
    rule = register_map.fallback
    if rule is None:
        return
    yield from fallbacklint.fallback_findings(
        rule, has_heartbeat=register_map.heartbeat is not None, has_watchdog=register_map.watchdog is not None
    )
    for name, command in register_map.commands.items():
        if rule.misses is LifeSign.SETPOINTS and command.writes_per_day is not None:
            yield (
                f"commands.{name}.volatile",
                "a setpoint that is renewed against the fall-back wears this register out",
                "a volatile register, or a fall-back that waits for a heartbeat or for requests",
            )


def write_findings(register_map: RegisterMap) -> Iterator[Finding]:
    """Check what every write has: setpoints, heartbeat and watchdog."""
    written = dict(written_places(register_map))
    for key, command in written.items():
        yield from _write(key, command)
    for (one, first), (other, second) in combinations(written.items(), 2):
        if not (_is_writable(first) and _is_writable(second)) or first.at.table is not second.at.table:
            continue
        if first.at.register < second.end and second.at.register < first.end:
            yield f"{other}.at", f"it is written to the registers of {one}", None


def _is_writable(command: Command) -> bool:
    if command.at.table is Table.COIL:
        return command.coding.type is PointType.BIT
    return command.coding.type in _WRITABLE


def _write(key: str, command: Command) -> Iterator[Finding]:
    functions = _FUNCTIONS[command.at.table]
    if not _is_writable(command):
        allowed = "bit" if command.at.table is Table.COIL else ", ".join(sorted(_WRITABLE))
        yield f"{key}.type", f"a {command.coding.type} cannot be written to {command.at}", allowed
    elif command.function not in functions:
        allowed = " or ".join(str(code) for code in sorted(functions))
        yield f"{key}.write_fc", f"function {command.function} does not write to {command.at}", allowed
    elif command.function == WRITE_SINGLE and command.n_registers > 1:
        yield f"{key}.write_fc", f"function 6 writes one register, {command.coding.type} needs more", "16"
    elif command.end > N_ADDRESSES:
        yield f"{key}.at", *OUT_OF_SPACE
    elif scale := tuple(scale_findings(command.coding.scale, key)):
        yield from scale
    elif command.coding.factor is not None and command.coding.type in FLOATS:
        yield f"{key}.scale_register", "only whole numbers have a scale factor", "an integer type"


def written_places(register_map: RegisterMap) -> Iterator[tuple[str, Command]]:
    """Yield everything that is written as a number, with its key."""
    yield from ((f"commands.{name}", command) for name, command in register_map.commands.items())
    if register_map.heartbeat is not None:
        yield "heartbeat", register_map.heartbeat
    if register_map.watchdog is not None:
        yield "watchdog", register_map.watchdog
