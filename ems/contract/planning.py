"""The plan that is followed, and the forecasts behind it."""

from typing import Literal

from pydantic import Field

from ems.contract.message import Message, Payload
from ems.contract.quantities import (
    Count,
    Duration,
    Energy,
    FuelRate,
    Hours,
    Instant,
    Intensity,
    Money,
    Power,
    Share,
    Temperature,
)
from ems.model.forecast import ForecastQuality
from ems.model.plan import PlanSource, PlanStatus


class PoolStepPart(Payload):
    """One battery pool in one step."""

    id: str = Field(description="Pool.")
    charge_kw: Power = Field(description="kW, never negative.")
    discharge_kw: Power = Field(description="kW, never negative.")
    stored_end_kwh: Energy = Field(description="Energy in the cells at the end of the step; kWh.")


class GensetStepPart(Payload):
    """One genset class in one step."""

    id: str = Field(description="Genset class.")
    n_on: Count = Field(description="Sets that run.")
    n_started: Count = Field(description="Sets started at the beginning of the step.")
    n_stopped: Count = Field(description="Sets stopped at the beginning of the step.")
    power_kw: Power = Field(description="Power of all of them; kW.")
    fuel_l_per_h: FuelRate = Field(description="Fuel of all of them; L/h.")


class ReserveStepPart(Payload):
    """One reserve requirement in one step."""

    id: str = Field(description="Reserve class.")
    contingency: str = Field(description="The loss that leaves the least margin.")
    required_kw: Power = Field(description="kW.")
    held_kw: Power = Field(description="kW.")
    shortfall_kw: Power = Field(description="kW, never negative.")


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
    gensets: tuple[GensetStepPart, ...] = Field(description="Genset classes.")
    reserve: tuple[ReserveStepPart, ...] = Field(description="Reserve requirements.")
    binding: tuple[str, ...] = Field(description="Constraints that bind in the step.")
    reasons: tuple[str, ...] = Field(description="Why the step is as it is.")


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
    relaxed: tuple[str, ...] = Field(description="Constraints that were given slack, by name.")
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
