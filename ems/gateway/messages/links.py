"""Messages about the connections to the devices."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from ems.contract.links import LinkMessage, LinksPart, UnitPart
from ems.model.link_status import LinkStatus, TrafficStatus


def link_message(utc: datetime, status: LinkStatus) -> LinkMessage:
    """Return one connection."""
    return LinkMessage(
        ts=utc,
        link=status.link_id,
        endpoint=status.endpoint,
        framing=status.framing,
        connected=status.connected,
        n_connections=status.n_connections,
        n_attempts=status.n_attempts,
        overdue_s=status.overdue_s,
        n_requests=status.n_requests,
        n_errors=dict(status.n_errors),
        latency_p50_s=status.latency_p50_s,
        latency_p99_s=status.latency_p99_s,
        answer_age_s=status.answer_age_s,
        units={name: _unit(unit) for name, unit in status.units.items()},
    )


def links_part(links: Sequence[LinkStatus]) -> LinksPart:
    """Return all connections together."""
    errors: Counter[str] = Counter()
    for link in links:
        errors.update(link.n_errors)
    return LinksPart(
        n_links=len(links),
        n_connected=sum(link.connected for link in links),
        n_requests=sum(link.n_requests for link in links),
        n_errors=dict(sorted(errors.items())),
    )


def _unit(status: TrafficStatus) -> UnitPart:
    return UnitPart(
        n_requests=status.n_requests,
        n_errors=dict(status.n_errors),
        latency_p50_s=status.latency_p50_s,
        latency_p99_s=status.latency_p99_s,
        answer_age_s=status.answer_age_s,
    )
