"""Finds capabilities that a map declares without the points and commands that they need."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from drivers.device.capabilities import members
from drivers.device.fallback import FallbackRule, LifeSign
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
    Capability.SETS_SUPPLY: "supply_degc",
    Capability.CONTROLS_TIE: "permit_close",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a map declares, and what it has for it: fields of the reading, commands, heartbeat and fall-back."""

    capabilities: frozenset[Capability] | None
    fields: frozenset[str]
    commands: frozenset[str]
    has_heartbeat: bool
    fallback: FallbackRule | None


def capability_findings(offer: Offer) -> Iterator[Finding]:
    """Yield one finding for each declared capability that lacks points, a command or a table."""
    for capability in sorted(offer.capabilities or ()):
        if missing := list(_missing(capability, offer)):
            yield "device.capabilities", f"{capability} needs {' and '.join(missing)}", None


def _missing(capability: Capability, offer: Offer) -> Iterator[str]:
    for protocol in READING_PROTOCOLS.get(capability, ()):
        for name in sorted(members(protocol)):
            if name not in offer.fields and _FOLLOWS_FROM.get(name) not in offer.fields:
                yield f"a point {name}"
    command = _COMMANDS.get(capability)
    if command is not None and command not in offer.commands:
        yield f"a command {command}"
    if capability is Capability.HEARTBEAT and not offer.has_heartbeat:
        yield "[heartbeat]"
    rule = offer.fallback
    if capability is Capability.REVERTS and (rule is None or rule.misses is LifeSign.NOTHING):
        yield "[fallback] of a device that misses something"
