"""twin.toml: the simulated site for `ems simulate` and `ems demo`; the daemon never reads it."""

from typing import Annotated, Literal

from pydantic import Field

from ems.config.schema.fields import (
    DifferenceK,
    DurationH,
    DurationS,
    Frac,
    Pct,
    PowerKw,
    PowerOrZeroKw,
    RelativePath,
    ShortOrZeroS,
    SmallPct,
    Table,
    TemperatureDegC,
    VolumeOrZeroL,
)


class TwinWeatherTable(Table):
    """The true weather: a yearly series, read by month, day and hour of its own year, and noise below it."""

    file: RelativePath = Field(description="Irradiance series.")
    irradiance: Literal["horizontal", "plane_of_array"] = Field(description="Which columns the series has.")
    temperature_file: RelativePath = Field(description="Ambient temperature series.")
    shift_min: Annotated[float, Field(ge=-720.0, le=720.0)] = Field(0.0, description="Moves the irradiance series.")
    cloud_noise_frac: Frac = Field(description="Standard deviation of cloud noise on a partly cloudy hour.")
    cloud_time_s: DurationS = Field(description="Correlation time of the cloud noise.")
    ambient_offset_k: DifferenceK = Field(0.0, description="Added to the temperature series.")
    hottest_degc: TemperatureDegC | None = Field(
        None, description="The temperature series is stretched so that its hottest hour reaches this."
    )


class TwinLoadTable(Table):
    """The GPU load: job steps and noise on the measured shapes that the twin carries; shares are of IT design."""

    inference_frac: Frac = Field(description="Share of the load that follows requests.")
    diurnal_frac: Frac = Field(description="Amplitude of the day in requests.")
    weekend_frac: Frac = Field(description="Fall of requests on weekends.")
    job_rate_per_h: Annotated[float, Field(ge=0.0, le=1000.0)] = Field(description="Job steps per hour.")
    job_step_frac: Frac = Field(description="Mean size of a job step.")
    swing_frac: Frac = Field(description="Swing of synchronous training within seconds.")


class TwinErrorsTable(Table):
    """Imperfect sensors and links."""

    gain_frac: Frac = Field(description="Standard deviation of each meter's gain error.")
    noise_frac: Frac = Field(description="Standard deviation of each sample, share of rating.")
    soc_error_pct: SmallPct = Field(description="Standard deviation of each BMS's SoC error.")
    command_latency_s: ShortOrZeroS = Field(description="Command to effect, wire twin and port twin alike.")


class TwinForecastsTable(Table):
    """The simulated weather service."""

    issue_every_h: DurationH = Field(description="A new issue this often.")
    horizon_h: DurationH = Field(description="Hours ahead.")
    clearness_error_1h_frac: Frac = Field(description="Standard deviation of the clearness error one hour ahead.")
    clearness_error_48h_frac: Frac = Field(description="The same two days ahead.")
    temperature_error_48h_k: Annotated[float, Field(ge=0.0, le=20.0)] = Field(description="Two days ahead.")
    correlation_h: DurationH = Field(description="Correlation time of the error.")


class TwinOutagesTable(Table):
    """Unplanned outages that the twin draws."""

    share_of_year_frac: Frac = Field(description="Share of the time without grid.")
    mean_h: DurationH = Field(description="Mean length.")
    shortest_h: DurationH = Field(description="Shortest.")
    longest_h: DurationH = Field(description="Longest.")
    reclose_s: DurationS = Field(description="Healthy grid for this long before the sync-check relay recloses.")


class TwinRacksTable(Table):
    """The racks of every container."""

    count: Annotated[int, Field(ge=1, le=64)] = Field(description="Racks of a container, in parallel.")
    capacity_tolerance_frac: Annotated[float, Field(ge=0.0, le=0.2)] = Field(
        0.01, description="Standard deviation of their capacities."
    )
    resistance_tolerance_frac: Annotated[float, Field(ge=0.0, le=0.2)] = Field(
        0.05, description="Standard deviation of their resistances."
    )


class TwinClusterTable(Table):
    """The cluster's own side of the cluster contract: kinds of load as shares of its power, and its batch jobs."""

    deferrable_frac: Frac = Field(0.1, description="Share of the mean power that is batch work with deadlines.")
    shapeable_frac: Frac = Field(0.2, description="Share of the load whose power may be capped.")
    curtailable_frac: Frac = Field(0.05, description="Share of the load that may be stopped at a loss.")
    batch_peak_frac: Frac = Field(0.2, description="Most batch work at once, as a share of design.")
    job_kw: PowerKw = Field(250.0, description="Power of a batch job.")
    job_h: DurationH = Field(4.0, description="Mean length of a batch job.")
    slack_h: DurationH = Field(20.0, description="How long a job may wait: its deadline is so much after its length.")
    min_run_min: Annotated[float, Field(ge=0.0, le=1440.0)] = Field(30.0, description="Least run of a started job.")
    min_pause_min: Annotated[float, Field(ge=0.0, le=1440.0)] = Field(15.0, description="Least pause of a job.")
    checkpoint_s: ShortOrZeroS = Field(60.0, description="A job that is paused draws power for this time.")
    restart_kwh: Annotated[float, Field(ge=0.0, le=1e5)] = Field(5.0, description="Energy to load a paused job again.")
    react_s: DurationS = Field(15.0, description="Time in which all of the power could be taken back.")
    offer_every_s: DurationS = Field(300.0, description="An offer this often.")
    telemetry_every_s: DurationS = Field(5.0, description="Telemetry this often.")
    batch_late_cost_per_kwh: Annotated[float, Field(ge=0.0, le=1e4)] = Field(
        5.0, description="Offered worth of batch energy that misses its deadline, in the site's currency."
    )
    training_cost_per_kwh: Annotated[float, Field(ge=0.0, le=1e4)] = Field(
        1.9, description="Offered worth of training at full power, in the site's currency."
    )
    curtailed_cost_per_kwh: Annotated[float, Field(ge=0.0, le=1e4)] = Field(
        1.0, description="Offered penalty of curtailed work, in the site's currency."
    )
    defers: bool = Field(True, description="Whether jobs wait for power; false: they start when they arrive.")
    offers: bool = Field(True, description="Whether load is offered by its kinds; false: all of it as firm.")


class TwinTable(Table):
    """Start values."""

    seed: Annotated[int, Field(ge=0, le=2**31)] = Field(description="Seed of every random draw; `--seed` overrides.")
    soc_start_pct: Pct = Field(description="SoC of every container at the start.")
    soc_spread_pct: SmallPct = Field(description="Standard deviation of the containers' SoC.")
    tank_start_l: VolumeOrZeroL = Field(0.0, description="Diesel at the start.")
    peak_so_far_kw: PowerOrZeroKw = Field(0.0, description="Import peak of the running month at the start.")
    start_failure_frac: Frac = Field(description="Starts that really fail.")


class TwinFile(Table):
    """twin.toml."""

    twin: TwinTable
    weather: TwinWeatherTable
    load: TwinLoadTable
    errors: TwinErrorsTable
    forecasts: TwinForecastsTable
    racks: TwinRacksTable | None = Field(None, description="Missing: a container is one piece.")
    cluster: TwinClusterTable | None = Field(
        None, description="Missing: nobody speaks for the cluster, its load is as the measured shapes have it."
    )
    outages: TwinOutagesTable | None = Field(None, description="Missing: the grid never fails unannounced.")
