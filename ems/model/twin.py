"""What the simulated site is beyond the configuration of the real one: weather, load, errors, seeds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinWeather:
    """The true weather of the twin: a yearly series, and noise below its resolution.

    `shift_min` moves the irradiance series in time (positive: later).
    """

    file: str
    irradiance: str
    temperature_file: str
    shift_min: float
    cloud_noise_frac: float
    cloud_time_s: float
    ambient_offset_k: float
    # the hottest hour of the year is stretched to this temperature; None leaves the series as it is
    hottest_degc: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinLoad:
    """The GPU load: measured shapes, job steps and noise; shares are of IT design power."""

    inference_frac: float
    diurnal_frac: float
    weekend_frac: float
    job_rate_per_h: float
    job_step_frac: float
    swing_frac: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinErrors:
    """Sensor and link imperfections: gain errors are drawn once per sensor, noise every sample."""

    gain_frac: float
    noise_frac: float
    soc_error_pct: float
    command_latency_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinForecasts:
    """The simulated weather service: how often it issues and how wrong it is (at 1 h and at 48 h lead)."""

    issue_every_h: float
    horizon_h: float
    clearness_error_1h_frac: float
    clearness_error_48h_frac: float
    temperature_error_48h_k: float
    correlation_h: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinOutages:
    """Unplanned grid outages of the twin; durations are drawn between the shortest and the longest."""

    share_of_year_frac: float
    mean_h: float
    shortest_h: float
    longest_h: float
    reclose_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinRacks:
    """The racks of every container; capacity and resistance differ with these standard deviations."""

    count: int
    capacity_tolerance_frac: float
    resistance_tolerance_frac: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinCluster:
    """The cluster's own side: kinds of load as shares of its power, and its batch jobs.

    `deferrable_frac` of the mean power is batch work in jobs of about `job_kw` for `job_h`, which may wait `slack_h`;
    the rest of the load that is neither shapeable nor curtailable is firm. With `defers` false jobs start when they
    arrive, whatever is expected. `offers` false: everything is offered as firm.
    """

    deferrable_frac: float
    shapeable_frac: float
    curtailable_frac: float
    batch_peak_frac: float
    job_kw: float
    job_h: float
    slack_h: float
    min_run_min: float
    min_pause_min: float
    checkpoint_s: float
    restart_kwh: float
    react_s: float
    offer_every_s: float
    telemetry_every_s: float
    batch_late_cost_per_kwh: float
    training_cost_per_kwh: float
    curtailed_cost_per_kwh: float
    defers: bool = True
    offers: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinSpec:
    """Everything the twin needs beside the site."""

    seed: int
    soc_start_pct: float
    soc_spread_pct: float
    tank_start_l: float
    peak_so_far_kw: float
    weather: TwinWeather
    load: TwinLoad
    errors: TwinErrors
    forecasts: TwinForecasts
    outages: TwinOutages | None
    racks: TwinRacks | None = None
    # None: the load is as the measured shapes have it, and nobody speaks for the cluster
    cluster: TwinCluster | None = None
    start_failure_frac: float
