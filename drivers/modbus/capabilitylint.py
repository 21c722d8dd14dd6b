"""Finds capabilities that a register map declares without the points and commands that they need."""

from collections.abc import Iterator, Mapping
from typing import Final

from drivers.device.capabilities import members
from drivers.device.racks import derived_fields
from drivers.modbus.layout import LifeSign, RegisterMap
from ems.model.capability import Capability
from ems.ports import READING_PROTOCOLS

# key, message, what is allowed
Finding = tuple[str, str, str | None]

# fields that a driver makes of another one (drivers.genset.state)
_FOLLOWS_FROM: Final[Mapping[str, str]] = {"phase": "engine_state"}
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
    fields = {point.field for point in register_map.points.values()} | derived_fields(register_map.racks)
    for protocol in READING_PROTOCOLS.get(capability, ()):
        for name in sorted(members(protocol)):
            if name not in fields and _FOLLOWS_FROM.get(name) not in fields:
                yield f"a point {name}"
    command = _COMMANDS.get(capability)
    if command is not None and command not in {*register_map.commands, *register_map.sequences}:
        yield f"a command {command}"
    if capability is Capability.HEARTBEAT and register_map.heartbeat is None:
        yield "[heartbeat]"
    rule = register_map.fallback
    if capability is Capability.REVERTS and (rule is None or rule.misses is LifeSign.NOTHING):
        yield "[fallback] of a device that misses something"
