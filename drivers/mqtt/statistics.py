"""What is counted of the traffic with a broker, and how it is published."""

from dataclasses import dataclass
from enum import StrEnum

from drivers.device.traffic import UnitStatistics, traffic_status
from ems.model.device import BrokerSpec
from ems.model.link_status import LinkStatus


class BrokerError(StrEnum):
    """Why a connection or a publication failed; messages that are refused are counted by their own kinds."""

    NO_CONNECTION = "no_connection"
    DISCONNECTED = "disconnected"
    TIMEOUT = "timeout"
    NOT_SUBSCRIBED = "not_subscribed"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerStatistics(UnitStatistics):
    """The traffic with a broker: requests are publications, answers are messages; `units` by device."""

    connected: bool
    n_connections: int
    n_attempts: int
    overdue_s: float
    n_received: int
    units: dict[str, UnitStatistics]


def broker_status(statistics: BrokerStatistics, *, spec: BrokerSpec, now_s: float) -> LinkStatus:
    """Return the statistics of a broker as they are published."""
    total = traffic_status(statistics, now_s=now_s)
    return LinkStatus(
        link_id=spec.id,
        endpoint=str(spec),
        framing=spec.framing,
        connected=statistics.connected,
        n_connections=statistics.n_connections,
        n_attempts=statistics.n_attempts,
        overdue_s=statistics.overdue_s,
        n_requests=total.n_requests,
        n_errors=total.n_errors,
        latency_p50_s=total.latency_p50_s,
        latency_p99_s=total.latency_p99_s,
        answer_age_s=total.answer_age_s,
        units={name: traffic_status(unit, now_s=now_s) for name, unit in statistics.units.items()},
    )
