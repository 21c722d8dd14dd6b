"""The dialogue with the GPU cluster: the power envelope of the site, and the flexibility that the cluster offers."""

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from ems.contract.message import Message, Payload
from ems.contract.quantities import Count, Duration, Instant, Intensity, Power, Price

EnvelopeState = Literal["normal", "surplus", "constrained", "emergency", "islanded-survival"]
ShedCause = Literal["genset-trip", "grid-loss", "bess-low", "cooling-degraded", "cooling-lost", "operator"]


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


class ShedMessage(Message):
    """An emergency: be at or below a power within a time. Renewed while its cause lasts, never retained."""

    schema_name: Literal["power-shed/1"] = Field(
        "power-shed/1", alias="schema", description="Name and version of this form."
    )
    seq: Count = Field(description="Rises with every envelope and shed.")
    cluster: str = Field(description="Cluster.")
    id: str = Field(description="Name of the shed; the same in each renewal and release.")
    target_kw: Power | None = Field(
        description="Be at or below this at the boundary; kW; null: it is over, the envelope alone counts again."
    )
    within_s: Duration = Field(description="Time from `ts` in which the power must be reached; s.")
    until: Instant = Field(description="The shed ends then, unless it is renewed.")
    reason: ShedCause = Field(description="Why.")
    text: str = Field(description="Why, in one sentence.")


# what comes from outside is bounded: no cluster is larger than this
_MAX_KW = 1e6
OfferedPower = Annotated[float, Field(ge=0.0, le=_MAX_KW)]
OfferedPrice = Annotated[float, Field(ge=0.0, le=1e4)]
Seconds = Annotated[float, Field(ge=0.0, le=86_400.0)]
Minutes = Annotated[float, Field(ge=0.0, le=2880.0)]
OfferName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]


class OfferForecastPart(Payload):
    """Expected IT power of the whole cluster."""

    start: AwareDatetime = Field(description="Beginning.")
    duration_min: Annotated[float, Field(gt=0.0, le=2880.0)] = Field(description="Length; min.")
    kw: OfferedPower = Field(description="Mean power; kW.")


class OfferClassPart(Payload):
    """A class of load: what it draws now, and between which powers the site may move it."""

    id: OfferName = Field(description="Name of the class.")
    kind: Literal["firm", "shapeable", "deferrable", "curtailable"] = Field(description="What the site may do with it.")
    now_kw: OfferedPower = Field(description="Present power; kW.")
    min_kw: OfferedPower = Field(description="Least power; kW.")
    max_kw: OfferedPower = Field(description="Greatest power; kW.")
    notice_s: Seconds = Field(0.0, description="Time that a change must be announced ahead; s.")
    ramp_kw_per_min: Annotated[float, Field(gt=0.0, le=_MAX_KW)] | None = Field(
        None, description="Fastest change; kW per minute; null: any."
    )
    value_per_kwh: OfferedPrice = Field(0.0, description="Worth of a kWh at full power, or of a kWh short; per kWh.")
    penalty_per_kwh: OfferedPrice = Field(0.0, description="Curtailable: cost of a kWh that is curtailed; per kWh.")
    power_to_progress: tuple[tuple[Fraction, Fraction], ...] = Field(
        (), max_length=20, description="Shapeable: shares of power and of progress; rising and concave."
    )
    max_slowdown_share: Fraction | None = Field(None, description="Shapeable: progress that may be lost.")
    energy_kwh: Annotated[float, Field(ge=0.0, le=1e9)] = Field(0.0, description="Deferrable: energy to be had; kWh.")
    deadline: AwareDatetime | None = Field(None, description="Deferrable: when it must be had.")
    min_run_min: Minutes = Field(0.0, description="Deferrable: how long work runs at least once it starts; min.")
    min_pause_min: Minutes = Field(0.0, description="Deferrable: how long work rests at least once it pauses; min.")
    max_pauses: Annotated[int, Field(ge=0, le=1000)] | None = Field(
        None, description="Deferrable: how often it may still be paused before the deadline; null: any number of times."
    )
    restart_kwh: Annotated[float, Field(ge=0.0, le=1e6)] = Field(
        0.0, description="Deferrable: what a start of all of it takes on top of `energy_kwh`; kWh."
    )
    whole: bool = Field(False, description="Deferrable: all of it runs or none; else any share of its jobs may.")
    max_hours_per_day: Annotated[float, Field(ge=0.0, le=24.0)] | None = Field(
        None, description="Curtailable: hours of curtailment per day; null: any."
    )

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.min_kw > self.max_kw:
            raise ValueError(f"class {self.id}: min_kw is above max_kw")
        if self.kind == "deferrable" and self.deadline is None:
            raise ValueError(f"class {self.id}: a deferrable class needs a deadline")
        if len(self.power_to_progress) == 1:
            raise ValueError(f"class {self.id}: power_to_progress needs two points or none")
        slopes = []
        for (power, progress), (more_power, more_progress) in pairwise(self.power_to_progress):
            if more_power <= power or more_progress <= progress:
                raise ValueError(f"class {self.id}: power_to_progress must rise")
            slopes.append((more_progress - progress) / (more_power - power))
        if any(later > earlier + 1e-9 for earlier, later in pairwise(slopes)):
            raise ValueError(f"class {self.id}: power_to_progress must be concave")
        return self


class FastShedPart(Payload):
    """Power that the cluster gives up within a time; cumulative."""

    within_s: Seconds = Field(description="Time; s.")
    kw: OfferedPower = Field(description="Power; kW.")


class FlexOfferMessage(Payload):
    """What the cluster lets the site do with its load. Comes from the cluster; unknown fields are refused."""

    schema_name: Literal["flex-offer/1"] = Field(alias="schema", description="Name and version of this form.")
    seq: Count = Field(description="Rises with every offer.")
    cluster: str = Field(max_length=80, description="Cluster.")
    issued: AwareDatetime = Field(description="When it was made.")
    valid_until: AwareDatetime = Field(description="From then on all load is firm.")
    forecast_kw: tuple[OfferForecastPart, ...] = Field((), max_length=1000, description="Expected power; may be empty.")
    classes: tuple[OfferClassPart, ...] = Field((), max_length=20, description="Classes of load.")
    fast_shed: tuple[FastShedPart, ...] = Field((), max_length=20, description="What can be shed at once.")
    idle_kw: OfferedPower = Field(0.0, description="Power of the idle cluster, part of the classes; kW.")

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [each.id for each in self.classes]
        if len(set(names)) < len(names):
            raise ValueError("two classes have the same id")
        if self.valid_until <= self.issued:
            raise ValueError("valid_until is not after issued")
        for sooner, later in pairwise(self.fast_shed):
            if later.within_s <= sooner.within_s or later.kw < sooner.kw:
                raise ValueError("fast_shed is cumulative: later steps hold the sooner ones")
        return self


class AckShedPart(Payload):
    """What the cluster says to a shed."""

    id: Annotated[str, Field(max_length=80)] = Field(description="Name of the shed.")
    eta_s: Seconds = Field(description="Time until its power is reached; s.")
    kw: OfferedPower = Field(description="Power that is given up; kW.")


class AckMessage(Payload):
    """What the cluster says to an envelope or a shed. Comes from the cluster, not retained."""

    seq: Count = Field(description="Sequence number of the envelope or shed that is answered.")
    accepted: bool = Field(description="Whether the limits are kept.")
    expected_kw: Annotated[tuple[OfferedPower, ...], Field(max_length=1000)] = Field(
        (), description="Expected power in the intervals of the envelope; kW; may be empty."
    )
    shed: AckShedPart | None = Field(None, description="Only in answer to a shed.")
    reason: Annotated[str, Field(max_length=200)] | None = Field(None, description="Why it is not accepted.")


class TelemetryMessage(Payload):
    """What the cluster says of itself every 1 to 10 s; it explains, the meter is the truth. Not retained."""

    ts: AwareDatetime = Field(description="When the values were true.")
    it_kw: OfferedPower = Field(description="Power of the cluster; kW.")
    enforced_limit_kw: OfferedPower | None = Field(None, description="Limit that is enforced; kW; null: none.")
    held_jobs: Annotated[int, Field(ge=0, le=10_000_000)] = Field(0, description="Jobs that wait for power.")
