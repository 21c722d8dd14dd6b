"""tariffs.toml: what energy, fuel, carbon, wear and broken wishes cost, in one currency."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from ems.config.schema.fields import (
    Cost,
    Currency,
    DurationMin,
    Frac,
    Name,
    PowerOrZeroKw,
    Price,
    Table,
    TimeZoneName,
)


class CarbonBudgetTable(Table):
    """What the site may emit, fuel and import together."""

    kgco2e: Annotated[float, Field(ge=0.0, le=1e12)] = Field(description="Per period.")
    period: Literal["day", "month", "year"] = Field(
        description=(
            "How long the budget runs, by the site's calendar. It accrues with time; a plan may emit what has "
            "accrued at the end of its horizon less what the ledger counts in the period so far."
        ),
    )
    month_shares_frac: list[Frac] = Field(
        [],
        description=(
            "Share of each month, January first, in a year's budget, together 1; empty: evenly. A site that lives on "
            "the sun needs more in winter."
        ),
        max_length=12,
    )
    excess_price_per_t: Cost = Field(description="Price of each tonne beyond it, beside `co2_price_per_t`.")


class EconomicsTable(Table):
    """Prices and emission factors."""

    currency: Currency = Field(description="Of every price and cost of the site.")
    diesel_price_per_l: Cost = Field(description="Delivered to the tank.")
    diesel_kgco2e_per_l: Annotated[float, Field(ge=0.0, le=5.0)] = Field(description="Scope 1 factor of the fuel.")
    co2_price_per_t: Cost = Field(description="Shadow or real price of a tonne CO2e.")
    curtailment_price_per_kwh: Cost = Field(0.0, description="Price of PV energy that is available and not used.")
    carbon_budget: CarbonBudgetTable | None = Field(None, description="Missing: emissions have only their price.")


class PenaltiesTable(Table):
    """Prices of broken wishes. Order: unserved and surplus > reserve > floor > contract limits > preferences."""

    unserved_price_per_kwh: Cost = Field(description="Load that is not supplied, or power with nowhere to go.")
    reserve_price_per_kwh: Cost = Field(description="Reserve that is missing, per kW and hour.")
    floor_price_per_kwh: Cost = Field(description="Stored energy below the floor, per kWh and hour.")
    limit_price_per_kwh: Cost = Field(description="Genset minimum times that cannot be kept.")
    low_load_price_per_kwh: Cost = Field(description="Genset output below the economic band (wet stacking).")
    commitment_change_cost: Cost = Field(description="Each unit by which the first hours differ from the last plan.")


class WindowTable(Table):
    """Hours of a working day with one price period."""

    start_h: Annotated[float, Field(ge=0.0, le=24.0)] = Field(description="Local start, in hours since midnight.")
    end_h: Annotated[float, Field(ge=0.0, le=24.0)] = Field(description="Local end; after the start.")
    period: Name = Field(description="Name of the period.")


class SeasonTable(Table):
    """Months with the same prices and windows."""

    months: list[Annotated[int, Field(ge=1, le=12)]] = Field(min_length=1, description="Calendar months.")
    rest_period: Name = Field(description="Period of the hours outside every window.")
    prices_per_kwh: dict[Name, Price] = Field(min_length=1, description="Energy price by period.")
    windows: list[WindowTable] = Field(description="Hours of the other periods.")


class DemandTable(Table):
    """A charge on the highest mean import of a billing month."""

    price_per_kw_month: Cost = Field(description="Per kW of billed peak and month.")
    interval_min: DurationMin = Field(description="Billing interval over which the mean is taken.")
    ratchet_kw: PowerOrZeroKw = Field(description="Peak of earlier months that is billed at least.")
    expected_peak_kw: PowerOrZeroKw = Field(description="Peak that the month reaches anyway (E15).")


class TariffTable(Table):
    """The electricity contract."""

    timezone: TimeZoneName = Field(description="Time zone of the contract.")
    weekend_period: Name | None = Field(None, description="Period of whole weekends and holidays, if any.")
    holidays: list[date] = Field(default_factory=list, description="Days that count as weekend.")
    export_price_per_kwh: Price = Field(description="Earned per exported kWh.")
    season: list[SeasonTable] = Field(min_length=1, description="Seasons; together they cover every month once.")
    demand: DemandTable | None = Field(None, description="Missing: no demand charge.")


class TariffsFile(Table):
    """tariffs.toml."""

    economics: EconomicsTable
    penalties: PenaltiesTable
    tariff: TariffTable | None = Field(None, description="Required where limits.toml has a grid.")
