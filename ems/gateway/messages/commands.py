"""What is said of commands: the answer to one, and what is in force."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ems.contract.command import (
    Answer,
    CommandAckMessage,
    CommandInForcePart,
    CommandsMessage,
    LimitsPart,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandCounts:
    """What became of the commands since the daemon's start, and what is wrong with keys or audit log."""

    n_accepted: int
    n_rejected: int
    n_dropped: int
    keys_trouble: str | None
    audit_trouble: str | None


def ack_message(
    utc: datetime,
    *,
    command_id: str,
    name: str | None,
    answer: Answer,
    reason: str,
    until: datetime | None = None,
    limits: LimitsPart | None = None,
) -> CommandAckMessage:
    """Return the answer to a command."""
    return CommandAckMessage(ts=utc, id=command_id, name=name, answer=answer, reason=reason, until=until, limits=limits)


def commands_message(utc: datetime, in_force: Sequence[CommandInForcePart], counts: CommandCounts) -> CommandsMessage:
    """Return what is in force."""
    return CommandsMessage(
        ts=utc,
        in_force=tuple(sorted(in_force, key=lambda part: part.until)),
        n_accepted=counts.n_accepted,
        n_rejected=counts.n_rejected,
        n_dropped=counts.n_dropped,
        keys_trouble=counts.keys_trouble,
        audit_trouble=counts.audit_trouble,
    )
