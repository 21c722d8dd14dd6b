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
class LinkStatus(TrafficStatus):
    """A link: its address, whether it is connected, and the connections made.

    `units` are what is behind it: units by number, devices of a broker by name.
    """

    link_id: str
    endpoint: str
    framing: str
    connected: bool
    n_connections: int
    units: Mapping[str, TrafficStatus]
