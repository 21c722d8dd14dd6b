"""The plan that is followed, and the forecasts behind it."""

from typing import Literal

from pydantic import Field

from ems.contract.message import Message, Payload
from ems.contract.quantities import (
    Count,
    Duration,
    Energy,
    Figure,
    FuelRate,
    Hours,
    Instant,
    Intensity,
    Money,
    Power,
    Price,
    Share,
    Temperature,
    Volume,
)
from ems.model.forecast import ForecastQuality
from ems.model.plan import PlanSource, PlanStatus
from ems.model.reason import ReasonCode


class PoolStepPart(Payload):
    """One battery pool in one step."""

    id: str = Field(description="Pool.")
    charge_kw: Power = Field(description="kW, never negative.")
    discharge_kw: Power = Field(description="kW, never negative.")
    stored_end_kwh: Energy = Field(description="Energy in the cells at the end of the step; kWh.")


class PlantStepPart(Payload):
    """One PV plant in one step."""

    id: str = Field(description="Plant.")
    power_kw: Power = Field(description="PV taken; kW.")


class GensetStepPart(Payload):
    """One genset class in one step."""

    id: str = Field(description="Genset class.")
    n_on: Count = Field(description="Sets that run.")
    n_started: Count = Field(description="Sets started at the beginning of the step.")
    n_stopped: Count = Field(description="Sets stopped at the beginning of the step.")
    power_kw: Power = Field(description="Power of all of them; kW.")
    fuel_l_per_h: FuelRate = Field(description="Fuel of all of them; L/h.")
    units_on: tuple[str, ...] = Field(description="The sets that run; empty where the plan does not choose yet.")
    pollutants_g_per_h: dict[str, FuelRate] = Field(description="Local pollutants of all of them, by name; g/h.")


class ReserveStepPart(Payload):
    """One reserve requirement in one step."""

    id: str = Field(description="Reserve class.")
    contingency: str = Field(description="The loss that leaves the least margin.")
    required_kw: Power = Field(description="kW.")
    held_kw: Power = Field(description="kW.")
    shortfall_kw: Power = Field(description="kW, never negative.")


class PlanReasonPart(Payload):
    """A limit that a step touches, or why an asset does what it does."""

    code: ReasonCode = Field(description="Which; the table of codes is in planning-files.md.")
    asset: str = Field(description="Pool, genset class, offer or group, or `grid`, `pv`, `fuel`, `chillers`, `site`.")
    text: str = Field(description="One sentence for people.")
    about: str = Field(description="What the code speaks of beside the asset; may be empty.")
    figures: dict[str, Figure] = Field(description="The figures behind it; each name ends in its unit.")


class OfferStepPart(Payload):
    """One class of the cluster's offer in one step."""

    id: str = Field(description="Class of load.")
    power_kw: Power = Field(description="IT power; kW.")
    cut_kw: Power = Field(description="Taken back within what the class lets the site do; kW, never negative.")
    unserved_kw: Power = Field(description="Not served beyond that; kW, never negative.")
    running_frac: Share | None = Field(description="Share of its work that runs; null where no rule binds its runs.")
    started_frac: Share = Field(description="Share that starts with the step.")


class ChillerStepPart(Payload):
    """Chillers and cold tank in one step."""

    n_on: Count = Field(description="Chillers that run.")
    n_started: Count = Field(description="Chillers started at the beginning of the step.")
    heat_kw_th: Power = Field(description="Heat that they remove; kW of heat flow.")
    power_kw: Power = Field(description="Electric power; kW.")
    tank_charge_kw_th: Power = Field(description="Into the cold tank; kW of heat flow, never negative.")
    tank_discharge_kw_th: Power = Field(description="Out of the cold tank; kW of heat flow, never negative.")
    tank_end_kwh_th: Energy = Field(description="Cold in the tank at the end of the step; kWh of heat.")


class RelaxedPart(Payload):
    """A requirement that the plan cannot keep, and what to do about it."""

    name: str = Field(description="The requirement.")
    meaning: str = Field(description="What it means that it is not kept.")
    cause: str = Field(description="The likely cause.")
    action: str = Field(description="What to do about it.")
    cost: Money = Field(description="The term of the objective that holds its price; site currency.")
    figures: dict[str, Figure] = Field(description="How much and how long; each name ends in its unit.")


class PlanStepPart(Payload):
    """One step of the plan; means over [start, start + duration)."""

    start_utc: Instant = Field(description="Beginning of the step.")
    duration_h: Hours = Field(description="Length; h.")
    it_kw: Power = Field(description="IT load served; kW.")
    cooling_kw: Power = Field(description="Cooling load served; kW.")
    aux_kw: Power = Field(description="Auxiliaries served; kW.")
    loss_kw: Power = Field(description="Site losses; kW.")
    pv_kw: Power = Field(description="PV taken; kW.")
    pv_available_kw: Power = Field(description="PV forecast, median; kW.")
    pv_q10_kw: Power = Field(description="PV forecast, 0.1 quantile; kW.")
    load_q90_kw: Power = Field(description="Load forecast at the bus, 0.9 quantile; kW.")
    net_q90_kw: Power = Field(description="Load minus PV, 0.9 quantile; kW.")
    import_kw: Power = Field(description="kW, never negative.")
    export_kw: Power = Field(description="kW, never negative.")
    unserved_kw: Power = Field(description="Load that the plan cannot supply; kW.")
    surplus_kw: Power = Field(description="Supply that nothing takes; kW.")
    pools: tuple[PoolStepPart, ...] = Field(description="Battery pools.")
    plants: tuple[PlantStepPart, ...] = Field(description="PV plants; empty where the plan does not divide PV.")
    gensets: tuple[GensetStepPart, ...] = Field(description="Genset classes.")
    reserve: tuple[ReserveStepPart, ...] = Field(description="Reserve requirements.")
    offers: tuple[OfferStepPart, ...] = Field(description="Classes of load that the cluster offers.")
    chillers: ChillerStepPart | None = Field(description="Chillers and cold tank; null: not planned.")
    fuel_stock_end_l: Volume | None = Field(description="Fuel in the tank at the end; L; null: not limited.")
    marginal_price_per_kwh: Price | None = Field(
        description="What one more kWh costs with the commitment as it is; site currency per kWh; null: not known."
    )
    marginal_gco2e_per_kwh: Intensity | None = Field(
        description="What one more kWh emits with the commitment as it is; g CO2e per kWh; null: not known."
    )
    binding: tuple[PlanReasonPart, ...] = Field(description="Limits that the step touches.")
    reasons: tuple[PlanReasonPart, ...] = Field(description="Why each asset does what it does.")


class PlanChangePart(Payload):
    """How far a plan differs from the one before, over the first hours that both cover."""

    compared_h: Hours = Field(description="Length of the comparison; h.")
    n_units_changed: Count = Field(description="Most sets by which the commitment differs in any step.")
    unit_change_h: Hours = Field(description="Sets that differ, times the hours for which they do; h.")
    mean_change_kw: Power = Field(description="Mean absolute change of storage, genset and grid power; kW.")


class PlanMessage(Message):
    """The newest plan; all fields from `problem_id` to `total_cost` are null until there is one."""

    problem_id: str | None = Field(description="Identifier of the planning problem; names the file for `ems plan`.")
    created_utc: Instant | None = Field(description="Instant of the measured state from which the plan was made.")
    source: PlanSource | None = Field(description="Which link of the fallback chain made it.")
    status: PlanStatus | None = Field(description="Optimal within the gap, feasible, or a fallback.")
    gap_frac: Share | None = Field(description="Relative gap that the solver proved; null: it proved none.")
    total_cost: Money | None = Field(description="Objective; site currency.")
    objective_cost: dict[str, Money] = Field(description="Objective term by term; site currency.")
    currency: str = Field(description="The site's currency.")
    build_s: Duration | None = Field(description="Real time to build the model; s.")
    handover_s: Duration | None = Field(description="Real time to hand it to the solver; s.")
    solve_s: Duration | None = Field(description="Real time to solve it; s.")
    extract_s: Duration | None = Field(description="Real time to read the solution; s.")
    build_cpu_s: Duration | None = Field(description="Processor time to build the model; s.")
    handover_cpu_s: Duration | None = Field(description="Processor time to hand it over; s.")
    solve_cpu_s: Duration | None = Field(description="Processor time to solve it; s.")
    extract_cpu_s: Duration | None = Field(description="Processor time to read the solution; s.")
    carbon_shadow_price_per_kg: Price | None = Field(
        description="Price of the last kilogram under the carbon budget; site currency per kg; null: there is none."
    )
    change: PlanChangePart | None = Field(
        description="How far it differs from the plan before; null: there is nothing to compare."
    )
    relaxed: tuple[RelaxedPart, ...] = Field(description="Requirements that the plan cannot keep.")
    note: str = Field(description="What else there is to say; may be empty.")
    steps: tuple[PlanStepPart, ...] = Field(description="The steps, in order and without gaps.")


class Forecast(Message):
    """The head of every forecast; value i covers [start + i x step, start + (i + 1) x step)."""

    name: str = Field(description="Name of the forecast, as in the topic.")
    issued_utc: Instant = Field(description="When its source issued it.")
    issued_age_s: Duration = Field(description="Age of the issue at `ts`, in whole minutes; s.")
    trust: ForecastQuality = Field(description="How far it can be trusted.")
    start_utc: Instant = Field(description="Beginning of the first step.")
    step_s: Duration = Field(description="Length of every step; s.")


class PowerForecastMessage(Forecast):
    """A forecast of power with quantiles: IT load, or the PV of a plant at the bus."""

    kind: Literal["power"] = Field("power", description="Which form of forecast this is.")
    p50_kw: tuple[Power, ...] = Field(description="Median; kW.")
    q10_kw: tuple[Power, ...] | None = Field(description="0.1 quantile; kW.")
    q90_kw: tuple[Power, ...] | None = Field(description="0.9 quantile; kW.")


class TemperatureForecastMessage(Forecast):
    """A forecast of outdoor temperature."""

    kind: Literal["temperature"] = Field("temperature", description="Which form of forecast this is.")
    p50_degc: tuple[Temperature, ...] = Field(description="Median; °C.")


class CarbonForecastMessage(Forecast):
    """A forecast of the grid's carbon intensity."""

    kind: Literal["carbon"] = Field("carbon", description="Which form of forecast this is.")
    p50_kgco2e_per_kwh: tuple[Intensity, ...] = Field(description="Median; kg CO2e per kWh.")
