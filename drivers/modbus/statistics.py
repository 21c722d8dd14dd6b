"""How a link and its units have done since the start: requests, errors by kind, latencies, age of the last answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from drivers.device.traffic import ConnectionStatistics, Latency, UnitStatistics, connection_status
from ems.model.device import LinkSpec
from ems.model.link_status import LinkStatus


class ErrorKind(StrEnum):
    """Why a request or a connection failed.

    `late` counts what answers no request under way: answers after their time, doubled ones, foreign numbers. They
    are dropped and fail nothing by themselves.
    """

    NO_CONNECTION = "no_connection"
    DISCONNECTED = "disconnected"
    TIMEOUT = "timeout"
    MALFORMED = "malformed"
    CHECKSUM = "checksum"
    WRONG_UNIT = "wrong_unit"
    WRONG_FUNCTION = "wrong_function"
    SHORT = "short"
    LATE = "late"
    EXCEPTION = "exception"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkStatistics(ConnectionStatistics):
    """The traffic of a link, of all units together and of each.

    `command_wait` counts the times from when a setpoint or heartbeat was due to when it went out.
    """

    command_wait: Latency
    units: Mapping[int, UnitStatistics]


def link_status(statistics: LinkStatistics, *, spec: LinkSpec, now_s: float) -> LinkStatus:
    """Return the statistics of a link as they are published."""
    return connection_status(
        statistics,
        link_id=spec.id,
        endpoint=str(spec.endpoint),
        framing=spec.endpoint.framing.value,
        units={str(number): unit for number, unit in sorted(statistics.units.items())},
        now_s=now_s,
    )
