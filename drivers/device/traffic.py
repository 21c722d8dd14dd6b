"""How the traffic with a device has gone since the start: requests, errors, latencies, age of the last answer."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ems.model.link_status import LinkStatus, TrafficStatus

# upper ends of the buckets; from a loopback to the slowest data loggers of the field (15 s), the last one is open
LATENCY_BUCKETS_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)

# the quantiles that are published
_MEDIAN: Final = 0.5
_NEARLY_ALL: Final = 0.99


@dataclass(frozen=True, slots=True)
class Latency:
    """Times, as those from request to answer, counted in `LATENCY_BUCKETS_S` and one bucket for longer ones."""

    counts: tuple[int, ...]

    def quantile_s(self, quantile_frac: float) -> float | None:
        """Return the time within which this share of the answers came, interpolated; None without any answer.

        Of an answer in the open bucket only the lower end is known.
        """
        total = sum(self.counts)
        if total == 0:
            return None
        wanted, below = quantile_frac * total, 0
        for index, count in enumerate(self.counts):
            if count and below + count >= wanted:
                lower_s = LATENCY_BUCKETS_S[index - 1] if index else 0.0
                upper_s = LATENCY_BUCKETS_S[index] if index < len(LATENCY_BUCKETS_S) else lower_s
                return lower_s + (upper_s - lower_s) * (wanted - below) / count
            below += count
        return LATENCY_BUCKETS_S[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitStatistics:
    """The traffic with one unit; `answered_s` is the time of the clock at the last answer, None without any."""

    n_requests: int
    n_errors: Mapping[str, int]
    latency: Latency
    answered_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionStatistics(UnitStatistics):
    """The traffic of a connection; `n_connections` counts those that were made.

    `n_attempts` and `overdue_s` are those of `LinkStatus`.
    """

    connected: bool
    n_connections: int
    n_attempts: int
    overdue_s: float


class LatencyCount:
    """Counts times while it goes on."""

    def __init__(self) -> None:
        self._counts = [0] * (len(LATENCY_BUCKETS_S) + 1)

    def add(self, took_s: float) -> None:
        """Count one."""
        self._counts[bisect_left(LATENCY_BUCKETS_S, took_s)] += 1

    def latency(self) -> Latency:
        """Return the counts as they are now."""
        return Latency(tuple(self._counts))


class Tally:
    """Counts while it goes on."""

    def __init__(self) -> None:
        self.n_requests = 0
        self.answered_s: float | None = None
        self._errors: Counter[str] = Counter()
        self._latencies = LatencyCount()

    def failed(self, kind: str, n: int = 1) -> None:
        """Count errors."""
        self._errors[kind] += n

    def answered(self, *, sent_s: float, at_s: float) -> None:
        """Count an answer, which may be an exception."""
        self.answered_s = at_s
        self.confirmed(sent_s=sent_s, at_s=at_s)

    def confirmed(self, *, sent_s: float, at_s: float) -> None:
        """Count how long it took until what was sent was taken, where that is no answer of the device."""
        self._latencies.add(at_s - sent_s)

    def n_errors(self) -> dict[str, int]:
        """Return the errors by kind."""
        return dict(self._errors)

    def latency(self) -> Latency:
        """Return the latencies."""
        return self._latencies.latency()

    def unit_statistics(self) -> UnitStatistics:
        """Return the counts as they are now."""
        return UnitStatistics(
            n_requests=self.n_requests,
            n_errors=self.n_errors(),
            latency=self.latency(),
            answered_s=self.answered_s,
        )


def traffic_status(statistics: UnitStatistics, *, now_s: float) -> TrafficStatus:
    """Return the counts as they are published."""
    return TrafficStatus(
        n_requests=statistics.n_requests,
        n_errors={str(kind): count for kind, count in statistics.n_errors.items()},
        latency_p50_s=statistics.latency.quantile_s(_MEDIAN),
        latency_p99_s=statistics.latency.quantile_s(_NEARLY_ALL),
        answer_age_s=None if statistics.answered_s is None else now_s - statistics.answered_s,
    )


def connection_status(
    statistics: ConnectionStatistics,
    *,
    link_id: str,
    endpoint: str,
    framing: str,
    units: Mapping[str, UnitStatistics],
    now_s: float,
) -> LinkStatus:
    """Return the statistics of a connection as they are published, `units` in their order."""
    total = traffic_status(statistics, now_s=now_s)
    return LinkStatus(
        link_id=link_id,
        endpoint=endpoint,
        framing=framing,
        connected=statistics.connected,
        n_connections=statistics.n_connections,
        n_attempts=statistics.n_attempts,
        overdue_s=statistics.overdue_s,
        n_requests=total.n_requests,
        n_errors=total.n_errors,
        latency_p50_s=total.latency_p50_s,
        latency_p99_s=total.latency_p99_s,
        answer_age_s=total.answer_age_s,
        units={name: traffic_status(unit, now_s=now_s) for name, unit in units.items()},
    )
