"""The dialogue with the GPU cluster: the power envelope that the site offers."""

from typing import Literal

from pydantic import Field

from ems.contract.message import Message, Payload
from ems.contract.quantities import Count, Duration, Instant, Intensity, Power, Price

EnvelopeState = Literal["normal", "surplus", "constrained", "emergency", "islanded-survival"]


class RampPart(Payload):
    """How fast the cluster may change its power; kW per minute, both positive."""

    up: Power = Field(description="Rising; kW per minute.")
    down: Power = Field(description="Falling; kW per minute.")


class EnvelopeInterval(Payload):
    """One stretch of time; powers are IT power at the boundary."""

    start: Instant = Field(description="Beginning.")
    duration_min: Duration = Field(description="Length; min.")
    limit_kw: Power = Field(description="Never exceed this; kW.")
    firm: bool = Field(description="Whether the EMS will not lower the limit, except by a shed.")
    expected_kw: Power = Field(description="What the plan serves; kW.")
    floor_kw: Power | None = Field(description="A wish to stay above; kW; null: none.")
    limit_p10_kw: Power | None = Field(description="0.1 quantile of a limit that is not firm; kW; null: not known.")
    price_per_kwh: Price | None = Field(description="Price of import; site currency per kWh; null: there is no grid.")
    gco2e_per_kwh: Intensity | None = Field(
        description="Intensity of what PV, gensets and grid deliver; g CO2e per kWh; null: not known."
    )


class EnvelopeMessage(Message):
    """The IT power that the site can supply. Cooling is not inside: the EMS adds it."""

    schema_name: Literal["power-envelope/1"] = Field(
        "power-envelope/1", alias="schema", description="Name and version of this form."
    )
    seq: Count = Field(description="Rises with every envelope and shed.")
    cluster: str = Field(description="Cluster.")
    boundary: Literal["it-busbar"] = Field("it-busbar", description="The meter that judges both sides.")
    issued: Instant = Field(description="When it was made.")
    valid_until: Instant = Field(description="From then on `after_expiry_limit_kw` counts.")
    after_expiry_limit_kw: Power = Field(description="Limit while no valid envelope is at hand; kW.")
    state: EnvelopeState = Field(description="The site in one word.")
    reason: str = Field(description="Why it is in that state; one sentence.")
    ramp_kw_per_min: RampPart = Field(description="How fast the cluster may change its power.")
    intervals: tuple[EnvelopeInterval, ...] = Field(description="In order and without gaps.")
