"""forecasts.toml: where forecasts come from, how old they may be, and what is known about outages."""

from typing import Annotated, Literal

from pydantic import Field

from ems.config.schema.fields import DurationH, Frac, Instant, Name, RelativePath, Table, VolumeL


class WeatherTable(Table):
    """Weather: issues of a provider, and a typical year behind them."""

    issued_file: RelativePath | None = Field(
        None,
        description="CSV that the provider's client rewrites; missing or old: the typical year's mean is used.",
    )
    max_age_h: DurationH = Field(12.0, description="An issue older than this counts as missing.")
    typical_year_file: RelativePath = Field(description="Hourly or finer CSV of one year, for climatology.")
    irradiance: Literal["horizontal", "plane_of_array"] = Field(
        description="`horizontal`: ghi, dni, dhi; `plane_of_array`: one column in the plane of the modules."
    )
    temperature_file: RelativePath | None = Field(
        None, description="Ambient temperature, where the typical year's file has none of this place."
    )
    shift_min: Annotated[float, Field(ge=-720.0, le=720.0)] = Field(
        0.0, description="Moves the irradiance series in time, for a site on another longitude."
    )


class LoadTable(Table):
    """Load: seasonal persistence of the site's own record."""

    season_h: DurationH = Field(24.0, description="Period of the pattern that is repeated.")
    history_h: DurationH = Field(672.0, description="Record from which errors are judged.")


class CarbonTable(Table):
    """Carbon intensity of the grid."""

    file: RelativePath = Field(description="CSV with time_utc and a column in kgCO2e per kWh.")
    boundary: Literal["combustion", "lifecycle"] = Field(description="What the factor counts; never mixed in a report.")


class PriceTable(Table):
    """Prices of a real-time tariff; hours that they do not cover have the prices of tariffs.toml."""

    file: RelativePath = Field(
        description="CSV that the market's client rewrites: time_utc, import_price_per_kwh and, if there is one, "
        "export_price_per_kwh, in even steps of an hour at most."
    )


class AnnouncedTable(Table):
    """A planned interruption of the grid."""

    start: Instant = Field(description="Beginning of the interruption.")
    end: Instant = Field(description="End of the interruption, after its start.")


class OutagesTable(Table):
    """What is known about interruptions of the grid."""

    share_of_year_frac: Frac = Field(description="Share of the year without grid.")
    mean_h: DurationH = Field(description="Mean length.")
    longest_h: DurationH = Field(description="Longest to be expected.")
    announced: list[AnnouncedTable] = Field(default_factory=list, description="Planned interruptions.")


class MaintenanceTable(Table):
    """Hours in which a genset cannot run."""

    unit: Name = Field(description="Name of the unit, such as gen03.")
    start: Instant = Field(description="Beginning of the work.")
    end: Instant = Field(description="End of the work, after its start.")


class DeliveryTable(Table):
    """Diesel that has been announced."""

    at: Instant = Field(description="Time from which it can be burnt.")
    volume_l: VolumeL = Field(description="Volume that is delivered.")


class ForecastsFile(Table):
    """forecasts.toml."""

    weather: WeatherTable
    load: LoadTable = Field(default_factory=LoadTable)
    carbon: CarbonTable | None = Field(None, description="Required where limits.toml has a grid.")
    price: PriceTable | None = Field(None, description="Missing: the contract has no real-time prices.")
    outages: OutagesTable | None = Field(None, description="Required where limits.toml has a grid.")
    maintenance: list[MaintenanceTable] = Field(default_factory=list, description="Planned work on gensets.")
    delivery: list[DeliveryTable] = Field(default_factory=list, description="Deliveries of diesel that are announced.")
