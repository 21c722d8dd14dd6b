"""The message of a controller that does not command."""

from dataclasses import dataclass
from datetime import datetime

from ems.contract.standby import StandbyMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class StandbyStatus:
    """Why a controller is passive; `holder` is the number of the one that commands, None where it is not known."""

    host: str
    pid: int
    version: str
    since_utc: datetime
    reason: str
    holder: int | None
    epoch: int


def standby_message(utc: datetime, status: StandbyStatus) -> StandbyMessage:
    """Return the message."""
    return StandbyMessage(
        ts=utc,
        host=status.host,
        pid=status.pid,
        version=status.version,
        since_utc=status.since_utc,
        reason=status.reason,
        holder=None if status.holder is None else f"{status.holder:08x}",
        epoch=status.epoch,
    )
