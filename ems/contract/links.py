"""The connections to the devices."""

from pydantic import Field

from ems.contract.message import Message, Payload
from ems.contract.quantities import Count, Duration

_REQUESTS = "Requests since the start; of a broker messages published."
_ERRORS = "Errors since the start, by kind; `late` counts dropped frames, `exception` answers of a device that refuses."
_P50 = "Median time to an answer, from a histogram; s; null: nothing was answered yet."
_P99 = "Time that 99 % of the answers stay below, from a histogram; s; null: nothing was answered yet."
_AGE = "Time since the last answer; s; null: nothing was answered yet."


class UnitPart(Payload):
    """One unit behind a link."""

    n_requests: Count = Field(description=_REQUESTS)
    n_errors: dict[str, Count] = Field(description=_ERRORS)
    latency_p50_s: Duration | None = Field(description=_P50)
    latency_p99_s: Duration | None = Field(description=_P99)
    answer_age_s: Duration | None = Field(description=_AGE)


class LinkMessage(Message):
    """One connection: a device, a gateway, a serial line or a broker."""

    link: str = Field(description="Name of the link or broker in devices.toml.")
    endpoint: str = Field(description="Address and port, or the serial device.")
    framing: str = Field(description="tcp, rtu-over-tcp, rtu, tls, mqtt or mqtts.")
    connected: bool = Field(description="Whether the connection is open.")
    n_connections: Count = Field(description="Connections made since the start.")
    n_requests: Count = Field(description=_REQUESTS)
    n_errors: dict[str, Count] = Field(description=_ERRORS)
    latency_p50_s: Duration | None = Field(description=_P50)
    latency_p99_s: Duration | None = Field(description=_P99)
    answer_age_s: Duration | None = Field(description=_AGE)
    n_attempts: Count = Field(
        description="Attempts that have ended, to connect included: answered, refused or timed out."
    )
    overdue_s: Duration = Field(
        description="How long ago the present attempt should have ended; s. Above 0 for long: the task hangs."
    )
    units: dict[str, UnitPart] = Field(description="The units behind it by number, devices of a broker by name.")


class LinksPart(Payload):
    """All connections together; the topics `link/...` have each of them."""

    n_links: Count = Field(description="Number of links.")
    n_connected: Count = Field(description="Links whose connection is open.")
    n_requests: Count = Field(description=_REQUESTS)
    n_errors: dict[str, Count] = Field(description=_ERRORS)
