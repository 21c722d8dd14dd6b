"""How a link and its units have done since the start: requests, errors by kind, latencies, age of the last answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from drivers.device.traffic import Latency, UnitStatistics, traffic_status
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
class LinkStatistics(UnitStatistics):
    """The traffic of a link, of all units together and of each; `n_connections` counts those that were made.

    `command_wait` counts the times from when a setpoint or heartbeat was due to when it went out; `n_attempts` and
    `overdue_s` are those of `LinkStatus`.
    """

    connected: bool
    n_connections: int
    n_attempts: int
    overdue_s: float
    command_wait: Latency
    units: Mapping[int, UnitStatistics]


def link_status(statistics: LinkStatistics, *, spec: LinkSpec, now_s: float) -> LinkStatus:
    """Return the statistics of a link as they are published."""
    total = traffic_status(statistics, now_s=now_s)
    return LinkStatus(
        link_id=spec.id,
        endpoint=str(spec.endpoint),
        framing=spec.endpoint.framing.value,
        connected=statistics.connected,
        n_connections=statistics.n_connections,
        n_attempts=statistics.n_attempts,
        overdue_s=statistics.overdue_s,
        n_requests=total.n_requests,
        n_errors=total.n_errors,
        latency_p50_s=total.latency_p50_s,
        latency_p99_s=total.latency_p99_s,
        answer_age_s=total.answer_age_s,
        units={str(number): traffic_status(unit, now_s=now_s) for number, unit in sorted(statistics.units.items())},
    )
