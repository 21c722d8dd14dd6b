"""Which role may ask for what, and what needs two people."""

from collections.abc import Sequence
from typing import Final

from ems.commands.keys import KeyEntry
from ems.commands.refusal import Refusal, RefusalKind
from ems.contract.command import CommandMessage, CommandName, Role
from ems.model.annunciation import ActionKind
from ems.model.hand import HandMode

_NEEDED: Final = dict.fromkeys(CommandName, Role.OPERATOR) | {CommandName.MAINTENANCE: Role.ENGINEER}
# after control-and-safety section 11: what changes who carries the site, and what ends an emergency stop
TWO_PERSON: Final = frozenset({CommandName.ISLAND, CommandName.BLACK_START, CommandName.LEAVE_E_STOP})
# one of the two is an engineer (control-and-safety section 7, S9)
_ENGINEER_TOO: Final = frozenset({CommandName.LEAVE_E_STOP})


# what silences an alarm for longer than a shelving
_ENGINEERS_ACTIONS: Final = frozenset({ActionKind.REMOVE_FROM_SERVICE.value, ActionKind.RETURN_TO_SERVICE.value})


def role_refusal(command: CommandMessage, signers: Sequence[KeyEntry], *, two_person: bool) -> Refusal | None:
    """Return why the signers may not ask for this, None where they may; signatures are taken as checked."""
    first, needed = signers[0], _needed(command)
    if command.role.rank > first.role.rank:
        return _role(f"the envelope says {command.role.value}, but key {first.name} is of a {first.role.value}")
    if command.role.rank < needed.rank:
        return _role(f"{command.name.value} is for {needed.value}s, not for a {command.role.value}")
    for other in signers[1:]:
        if other.role.rank < Role.OPERATOR.rank:
            return _role(f"key {other.name} is of a {other.role.value}, who may not sign commands")
    if not two_person or command.name not in TWO_PERSON:
        return None
    if len(signers) < 2:
        reason = f"{command.name.value} needs the signatures of two different keys (ems cmd cosign)"
        return Refusal(kind=RefusalKind.TWO_PERSON, reason=reason)
    if command.name in _ENGINEER_TOO and all(signer.role is not Role.ENGINEER for signer in signers):
        reason = f"one of the two keys for {command.name.value} must be an engineer's"
        return Refusal(kind=RefusalKind.TWO_PERSON, reason=reason)
    return None


def may_withdraw(role: Role, *, asked_as: Role) -> bool:
    """Return whether a role may end what was asked for as another."""
    return role.rank >= asked_as.rank


def _needed(command: CommandMessage) -> Role:
    is_engineers = (command.name is CommandName.ALARM and command.value in _ENGINEERS_ACTIONS) or (
        command.name is CommandName.MODE and command.value == HandMode.OFF.value
    )
    return Role.ENGINEER if is_engineers else _NEEDED[command.name]


def _role(reason: str) -> Refusal:
    return Refusal(kind=RefusalKind.ROLE, reason=reason)
