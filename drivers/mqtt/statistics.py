"""What is counted of the traffic with a broker, and how it is published."""

from dataclasses import dataclass
from enum import StrEnum

from drivers.device.traffic import ConnectionStatistics, UnitStatistics, connection_status
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
class BrokerStatistics(ConnectionStatistics):
    """The traffic with a broker: requests are publications, answers are messages; `units` by device."""

    n_received: int
    units: dict[str, UnitStatistics]


def broker_status(statistics: BrokerStatistics, *, spec: BrokerSpec, now_s: float) -> LinkStatus:
    """Return the statistics of a broker as they are published."""
    return connection_status(
        statistics,
        link_id=spec.id,
        endpoint=str(spec),
        framing=spec.framing,
        units=statistics.units,
        now_s=now_s,
    )
