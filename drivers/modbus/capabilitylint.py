"""Finds capabilities that a register map declares without the points and commands that they need."""

from collections.abc import Iterator, Mapping
from typing import Final

from drivers.modbus.capabilities import members
from drivers.modbus.layout import RegisterMap
from ems.model.capability import Capability
from ems.ports import READING_PROTOCOLS

# key, message, what is allowed
Finding = tuple[str, str, str | None]

_COMMANDS: Final[Mapping[Capability, str]] = {
    Capability.SETS_POWER: "power_kw",
    Capability.CURTAILS: "limit_kw",
    Capability.STARTS_AND_STOPS: "run",
}


def capability_findings(register_map: RegisterMap) -> Iterator[Finding]:
    """Yield one finding for each declared capability that lacks points, a command or a table."""
    for capability in sorted(register_map.capabilities or ()):
        if missing := list(_missing(capability, register_map)):
            yield "device.capabilities", f"{capability} needs {' and '.join(missing)}", None


def _missing(capability: Capability, register_map: RegisterMap) -> Iterator[str]:
    fields = {point.field for point in register_map.points.values()}
    for protocol in READING_PROTOCOLS.get(capability, ()):
        yield from (f"a point {name}" for name in sorted(members(protocol)) if name not in fields)
    command = _COMMANDS.get(capability)
    if command is not None and command not in {*register_map.commands, *register_map.sequences}:
        yield f"a command {command}"
    if capability is Capability.HEARTBEAT and register_map.heartbeat is None:
        yield "[heartbeat]"
    if capability is Capability.REVERTS and register_map.fallback is None:
        yield "[fallback]"
