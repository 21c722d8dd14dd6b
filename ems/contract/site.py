"""The site as it is operated now: mode, powers, reserve, readiness and what the guard has changed."""

from typing import Literal

from pydantic import Field

from ems.contract.message import Message, Payload
from ems.contract.quantities import (
    Count,
    Duration,
    Energy,
    Frequency,
    Hours,
    Instant,
    Minutes,
    Percentage,
    Power,
    Price,
    Share,
    Temperature,
    Volume,
)
from ems.model.readings import GensetPhase
from ems.model.setpoints import Cause

ModeName = Literal[
    "init",
    "grid",
    "planned_islanding",
    "unplanned_islanding",
    "island",
    "resync",
    "dead_bus",
    "black_start",
    "degraded",
    "e_stop",
]
FormingName = Literal["grid", "pcs", "genset", "none"]
HandName = Literal["auto", "semi", "manual", "off"]
IslandName = Literal["battery", "hybrid", "gensets"]
ReserveName = Literal["r0", "r1", "down"]


class ReasonPart(Payload):
    """Why something was decided."""

    cause: Cause = Field(description="Stable code; the glossary explains each.")
    text: str = Field(description="One sentence with figures.")


class ProblemPart(Payload):
    """A value that is missing from the picture that control has."""

    device: str = Field(description="Device that should have given it.")
    value: str = Field(description="Name of the value; `all` where the whole device is missing.")
    reason: str = Field(description="Why it is missing.")


class HandPart(Payload):
    """A device, or the site, that is not in AUTO."""

    asset: str = Field(description="Asset of the device; `site`: everything.")
    mode: HandName = Field(description="What counts for it.")
    until: Instant = Field(description="When it is in AUTO again at the latest.")


class StateMessage(Message):
    """Mode and powers of the whole site. Powers are positive into the site bus; loads are never negative."""

    site: str = Field(description="Name of the site.")
    mode: ModeName = Field(description="Operating mode.")
    mode_reason: str = Field(description="The measured condition behind the mode.")
    mode_for_s: Duration = Field(description="How long the mode has lasted; s.")
    forming: FormingName | None = Field(
        description="What holds voltage and frequency of the bus, as measured; `none`: nothing does."
    )
    island: IslandName | None = Field(
        description="Who works in an island: storage, storage with sets, or sets that form it; null: no island."
    )
    islanding_refusal: str | None = Field(
        description="Why a planned islanding would not be begun now; null: nothing speaks against it."
    )
    black_start_step: str | None = Field(description="Step of a black start; null: none is under way.")
    black_start_hold: str | None = Field(description="Why a black start waits for an operator; null: none does.")
    hands: tuple[HandPart, ...] = Field(description="What is in people's hands: devices and the site as a whole.")
    waiting: tuple[str, ...] = Field(description="What is proposed and waits for a confirmation (`ems mode`).")
    pv_kw: Power | None = Field(description="Power of all PV blocks; kW.")
    pv_available_kw: Power | None = Field(description="What all PV blocks could deliver without a limit; kW.")
    curtailed_kw: Power | None = Field(description="Available PV that is not taken; kW, never negative.")
    genset_kw: Power | None = Field(description="Power of all gensets; kW.")
    storage_kw: Power | None = Field(description="Power of all AC blocks; kW, positive: discharging.")
    grid_kw: Power | None = Field(description="Power at the PCC; kW, positive: import.")
    load_kw: Power | None = Field(description="Load at the bus, site losses included; kW, never negative.")
    it_load_kw: Power | None = Field(description="IT load at its busbar meter; kW.")
    cooling_load_kw: Power | None = Field(description="Electricity of the cooling plant; kW.")
    aux_load_kw: Power | None = Field(description="Auxiliaries; kW.")
    soc_pct: Percentage | None = Field(description="State of charge of all pools together; % of the present capacity.")
    soc_floor_pct: Percentage | None = Field(description="SoC that steady operation keeps; %.")
    stored_kwh: Energy | None = Field(description="Energy in the cells; kWh.")
    full_kwh: Energy | None = Field(description="Present full capacity of the cells; kWh.")
    max_charge_kw: Power | None = Field(description="What all pools may charge now; kW, never negative.")
    max_discharge_kw: Power | None = Field(description="What all pools may discharge now; kW, never negative.")
    n_blocks: Count = Field(description="Number of AC blocks.")
    n_blocks_ready: Count = Field(description="AC blocks whose PCS is known to be ready.")
    n_blocks_forming: Count = Field(description="AC blocks known to form the grid.")
    genset_phases: dict[str, GensetPhase | None] = Field(
        description="Phase of each genset as its controller reports it."
    )
    n_gensets_carrying: Count = Field(description="Gensets known to run with their breaker closed.")
    pcc_closed: bool | None = Field(description="Whether the PCC breaker is closed.")
    frequency_hz: Frequency | None = Field(description="Frequency of the bus; Hz.")
    ambient_degc: Temperature | None = Field(description="Outdoor temperature; °C.")
    tank_l: Volume | None = Field(description="Diesel in the tank; L.")
    import_price_per_kwh: Price | None = Field(description="Price of import now; site currency per kWh.")
    currency: str = Field(description="The site's currency, a code of three capitals.")
    import_target_kw: Power | None = Field(description="Import that control holds; kW; null: none is held.")
    plan_id: str | None = Field(description="Identifier of the newest plan.")
    reasons: tuple[ReasonPart, ...] = Field(description="Why control decided as it did in this cycle.")
    problems: tuple[ProblemPart, ...] = Field(description="Values missing from this cycle's picture; at most 50.")
    n_problems: Count = Field(description="Number of missing values.")


class ReserveClassPart(Payload):
    """One requirement: the loss that leaves the least margin, and what is held against it."""

    id: ReserveName = Field(description="r0: within 100 ms; r1: within 10 s; down: within 100 ms, downwards.")
    contingency: str = Field(description="The loss that leaves the least margin.")
    required_kw: Power = Field(description="What that loss and the variation take; kW.")
    held_kw: Power = Field(description="What is held against it by everything else; kW.")
    margin_kw: Power = Field(description="Held minus required; kW; negative: short.")


class ReserveMessage(Message):
    """Reserve required and held per class, energy reserve, and their counts since the daemon's start."""

    classes: tuple[ReserveClassPart, ...] | None = Field(description="One entry for each class.")
    held_on_by_reserve: bool = Field(
        description="Whether gensets run because storage alone would be short of reserve, not for energy."
    )
    stored_kwh: Energy | None = Field(description="Energy in the cells; kWh.")
    floor_kwh: Energy | None = Field(description="Energy that steady operation keeps; kWh.")
    floor_violation_h: Hours = Field(description="Time with SoC below its floor; h.")
    reserve_shortfall_h: Hours = Field(description="Time with any class short; h.")
    reserve_binding_h: Hours = Field(description="Time in which gensets ran because of reserve, not for energy; h.")
    shortfalls: dict[str, Count] = Field(description="Cycles with a class short, by class and contingency.")
    margin_min_kw: dict[str, Power] = Field(description="Least margin so far, by class; kW.")
    soc_start_pct: Percentage | None = Field(description="SoC when counting began; %.")
    soc_min_pct: Percentage | None = Field(description="Lowest SoC so far; %.")
    soc_end_pct: Percentage | None = Field(description="Newest SoC; %.")
    n_starts_above_threshold: Count = Field(description="Genset starts by the plan above the start threshold.")
    genset_band_share_frac: Share | None = Field(description="Share of loaded genset hours inside the economic band.")
    mode_h: dict[str, Hours] = Field(description="Time in each mode; h.")


class LossPart(Payload):
    """One thing that could fail now, and what would follow; PV counts for nothing after the first moment."""

    kind: Literal["grid", "genset", "container", "pv_block", "cdu"] = Field(description="What kind of thing.")
    asset: str = Field(description="The one of its kind whose loss is the largest.")
    lost_kw: Power = Field(description="What it delivers now; kW; of a CDU the heat that it takes; kW thermal.")
    short_kw: Power = Field(description="Load that nothing carries in the first moment; kW.")
    it_carried_kw: Power | None = Field(description="IT load that is left; kW; cooling is kept before the racks.")
    lives_h: Hours | None = Field(description="How long the rest lives; h; null: no end is in sight.")
    ends_by: Literal["nothing", "energy", "fuel", "cooling"] = Field(description="What ends it.")


class ReadinessMessage(Message):
    """What the site would survive now, from measured values only; what is not known stays null."""

    sentence: str = Field(description="The answer in words.")
    ready: bool | None = Field(
        description="Whether every assessed reserve class is held and storage is above its floor."
    )
    r0_held_kw: Power | None = Field(description="Reserve within 100 ms; kW.")
    r0_required_kw: Power | None = Field(description="What the worst loss takes within 100 ms; kW.")
    r1_held_kw: Power | None = Field(description="Reserve within 10 s; kW.")
    r1_required_kw: Power | None = Field(description="What the worst loss takes within 10 s; kW.")
    worst_contingency: str | None = Field(description="The loss that leaves the least margin of r0 and r1.")
    n_blocks: Count = Field(description="Number of AC blocks.")
    n_blocks_forming: Count | None = Field(description="AC blocks measured as forming the grid.")
    n_blocks_armed: Count | None = Field(description="AC blocks that report their fall-back as armed.")
    n_gensets: Count = Field(description="Number of gensets.")
    n_gensets_available: Count | None = Field(description="Gensets that answer, take commands and report no fault.")
    n_gensets_armed: Count | None = Field(description="Gensets whose fall-back is armed.")
    n_pv_armed: Count | None = Field(description="PV blocks whose fall-back is armed.")
    above_floor_kwh: Energy | None = Field(description="Stored energy minus the floor; kWh; negative: below.")
    above_technical_kwh: Energy | None = Field(
        description="Stored energy above the technical minimum and the uncertainty of SoC; kWh."
    )
    n_cdus: Count = Field(description="CDUs that are read.")
    n_cdus_available: Count | None = Field(
        description="CDUs known to take heat: no leak, no low flow, no alarm, not stopped."
    )
    n_chillers: Count = Field(description="Chillers that are read.")
    n_chillers_available: Count | None = Field(description="Chillers known to be enabled and without alarm.")
    n_dry_coolers: Count = Field(description="Dry coolers that are read.")
    n_dry_coolers_available: Count | None = Field(description="Dry coolers known to work without alarm.")
    cooling_capacity_kw_th: Power | None = Field(
        description="Heat that the plant, or those of its units that are known to work, can take; kW thermal."
    )
    cooling_ready: bool | None = Field(description="Whether that covers the heat of the present IT load.")
    cooling_faults: tuple[str, ...] = Field(description="Units out of use with the reason, as `cdu02: leak`.")
    ride_through_h: Hours | None = Field(
        description="How long that energy alone would carry the present load at the bus; h."
    )
    index_pct: Percentage | None = Field(
        None, description="Energy-resilience index: 100 times the weakest of its components (docs/formulation.md); %."
    )
    index_sentence: str = Field("", description="The index, and what holds it back, in words.")
    index_weakest: str | None = Field(None, description="The component that is the index.")
    index_components_frac: dict[str, Share] = Field({}, description="Components that are known, between 0 and 1.")
    index_texts: dict[str, str] = Field({}, description="What every component means now, or why it is not known.")
    losses: tuple[LossPart, ...] | None = Field(None, description="What would happen if one thing failed now.")
    r2_held_kw: Power | None = Field(None, description="Reserve within 120 s, starts of sets counted; kW.")
    r2_required_kw: Power | None = Field(None, description="What the worst loss takes within 120 s; kW.")
    thermal_min: Minutes | None = Field(
        None, description="How long the coolant in the loops alone takes the present heat; min."
    )


class ClipPart(Payload):
    """A setpoint that the guard changed or dropped."""

    rule: str = Field(description="Guard rule, such as G6; the table is in docs/architecture.md.")
    asset: str = Field(description="Asset whose setpoint it was; `storage`: all blocks together.")
    requested_kw: Power | None = Field(description="What was asked for; kW; null: not a number.")
    allowed_kw: Power | None = Field(description="What was written instead; kW; null: nothing.")
    reason: str = Field(description="Why.")


class GuardMessage(Message):
    """What the guard changed in this cycle, and its counters since the daemon's start."""

    clips: tuple[ClipPart, ...] = Field(description="Changes of this cycle.")
    n_ticks: Count = Field(description="Control cycles so far.")
    n_clipped_ticks: Count = Field(description="Cycles in which the guard changed something.")
    clip_tick_frac: Share = Field(description="Their share.")
    clip_counts: dict[str, Count] = Field(description="Changes so far, by rule.")
    clip_counts_by_asset: dict[str, Count] = Field(
        {}, description="Changes so far, by rule and asset, as `G6 storage`."
    )
    recent_clips_frac: dict[str, Share] = Field(
        {},
        description="Share of the cycles of the last ten minutes in which a rule changed something; above 0.01 is an "
        "alarm. Empty in the first ten minutes.",
    )
    isolate: dict[str, str] = Field(
        {}, description="Units that ought to be disconnected from the bus, by people or protection, and why."
    )
    alarms: dict[str, str] = Field(
        {}, description="What control itself finds wrong now, by name; each is an event of kind `alarm`, too."
    )
