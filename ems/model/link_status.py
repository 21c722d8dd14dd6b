"""How a connection to devices does, as it is published."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficStatus:
    """Requests since the start, of a link or of one unit behind it.

    `n_errors` by kind of error; latencies are None before the first answer, as is `answer_age_s`, the time since the
    last one. All times are seconds of the clock.
    """

    n_requests: int
    n_errors: Mapping[str, int]
    latency_p50_s: float | None
    latency_p99_s: float | None
    answer_age_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptStatus:
    """What the task of a connection is at: attempts that have ended, and how long the present one is over its time."""

    link_id: str
    n_ended: int
    overdue_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkStatus(TrafficStatus):
    """A link: its address, whether it is connected, and the connections made.

    `units` are what is behind it: units by number, devices of a broker by name. `n_attempts` counts connections,
    requests and waits for them that have ended, however they ended; `overdue_s` is how long ago the present one should
    have: more than a moment says that the connection's task hangs.
    """

    link_id: str
    endpoint: str
    framing: str
    connected: bool
    n_connections: int
    n_attempts: int
    overdue_s: float
    units: Mapping[str, TrafficStatus]
