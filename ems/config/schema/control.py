"""control.toml: constants of the fast loop and of planning. Every key has a tested default."""

from typing import Annotated, Literal

from pydantic import Field

from ems.config.schema.fields import (
    DurationH,
    DurationMin,
    DurationS,
    Frac,
    Instant,
    PositiveFrac,
    PositivePct,
    PowerOrZeroKw,
    ShortOrZeroS,
    ShortS,
    SignedFrac,
    SmallPct,
    Table,
)


class ControlTable(Table):
    """The 1 s loop. Times are real seconds; accelerated runs stretch them together."""

    period_s: Annotated[float, Field(ge=0.2, le=10.0)] = Field(1.0, description="Control cycle.")
    load_filter_s: ShortS = Field(15.0, description="Low-pass of the net load (10 to 30 s).")
    trim_gain_frac: PositiveFrac | None = Field(
        None,
        description="Integral gain per `trim_period_s`, as far as the loop's delay allows; missing: by that delay "
        "(0.10 for 3 s).",
    )
    trim_period_s: ShortS = Field(1.0, description="Time for which the gain is stated.")
    loop_delay_s: ShortS | None = Field(
        None, description="Time from a setpoint to its power; missing: as measured, 3 cycles until it has been."
    )
    handover_s: ShortOrZeroS = Field(
        60.0,
        description="A change of who leads storage (plan, rules, a return to the grid, a start) moves its setpoints so "
        "fast that its whole rating takes this long; 0: at once.",
    )
    fewest_units_frac: Frac = Field(
        0.05,
        description="At low power so few blocks share it that each has up to this share of its rating, the fullest "
        "(charging: the emptiest) first; 0: all blocks share.",
    )
    fewest_units_s: DurationS = Field(900.0, description="Which blocks these are changes after this at the earliest.")
    meter_sigma_kw: PowerOrZeroKw = Field(
        0.0,
        description="Standard deviation of the PCC's meter: three times this is no error, and changes of all "
        "setpoints together below it are not written.",
    )
    deadband_frac: Frac = Field(0.005, description="Setpoint changes below this share of rating are not written.")
    stale_fast_s: ShortS = Field(3.0, description="Age at which a fast value is no longer known.")
    stale_slow_s: ShortS = Field(15.0, description="Age at which a slow value is no longer known.")
    setpoint_valid_s: ShortS = Field(15.0, description="A setpoint that is not renewed for this long has expired.")
    heartbeat_s: ShortS = Field(1.0, description="Heartbeats and unchanged setpoints are renewed this often.")
    adopt_wait_s: ShortOrZeroS = Field(
        5.0,
        description="After a start nothing is started, stopped or switched for this long; powers are held.",
    )
    degraded_clear_s: ShortS = Field(10.0, description="Causes of DEGRADED must be gone this long.")
    soc_band_pct: SmallPct = Field(2.0, description="Forming units absorb errors within this SoC band of the plan.")
    balance_exponent: Annotated[float, Field(ge=0.0, le=3.0)] = Field(
        1.0, description="Weight of SoC when power is split among blocks."
    )
    headroom_hold_s: ShortS = Field(60.0, description="Energy must sustain an allocated power this long.")
    soc_start_above_floor_pct: SmallPct = Field(2.0, description="Without a plan gensets start at floor plus this.")
    soc_stop_above_start_pct: SmallPct = Field(10.0, description="... and stop at start plus this, or when PV carries.")
    reserve_start_delay_s: ShortOrZeroS = Field(3.0, description="R1 short for this long starts gensets (rule 4).")
    contingency_s: DurationS = Field(
        900.0,
        description="After the loss of grid, set, AC block or PV block storage may go below its floor for this long.",
    )
    balance_frac: PositiveFrac = Field(
        0.03,
        description="Share of the import limit by which the PCC's meter may differ from the sum of all other meters.",
    )
    balance_min_kw: PowerOrZeroKw = Field(100.0, description="... and this much at least.")
    balance_s: ShortS = Field(10.0, description="A larger difference for this long: the PCC's meter is not believed.")
    soc_jump_pct: PositivePct = Field(
        2.0,
        description="A reported SoC that moves by more than this and by more than three times the metered energy has "
        "jumped: it is taken over gradually. Above the step of the BMS's own resolution.",
    )
    resilience_h: DurationH = Field(
        24.0, description="Time that the site ought to live after its worst single loss: 1.0 of the index's endurance."
    )
    soc_blend_s: DurationS = Field(1800.0, description="Time in which a SoC that has jumped is taken over.")


BandFrac = Annotated[float, Field(gt=0.0, lt=1.0)]
BandHz = Annotated[float, Field(gt=0.0, le=5.0)]


class ModesTable(Table):
    """When the operating modes change. Every value is an assumption of the design that the site's protection sets."""

    grid_lost_frac: BandFrac = Field(
        0.8, description="Grid voltage below this share of nominal, with the PCC closed, is a lost grid."
    )
    dip_s: ShortOrZeroS = Field(
        1.0, description="... once it has lasted this long: a dip that every unit rides through changes nothing."
    )
    voltage_band_frac: BandFrac = Field(0.1, description="Normal deviation of voltage from nominal.")
    frequency_band_hz: BandHz = Field(1.0, description="Normal deviation of frequency from nominal.")
    dead_bus_frac: BandFrac = Field(0.1, description="Bus voltage below this share of nominal is a dead bus.")
    dead_bus_s: ShortOrZeroS = Field(2.0, description="... once it has lasted this long.")
    island_stable_s: ShortOrZeroS = Field(10.0, description="In band for this long, an island counts as formed.")
    islanding_timeout_s: ShortS = Field(30.0, description="Unplanned islanding that lasts longer ends in DEGRADED.")
    planned_lead_min: Annotated[int, Field(ge=0, le=1440)] = Field(
        0, description="The PCC is opened this long before an announced outage; 0: it is left to the relays."
    )
    planned_timeout_s: ShortS = Field(120.0, description="Planned islanding that lasts longer is given up.")
    planned_soc_margin_pct: SmallPct = Field(5.0, description="... and is begun only with this much SoC above floor.")
    exchange_frac: BandFrac = Field(
        0.02, description="The PCC is opened below this share of the import limit, in either direction."
    )
    exchange_s: ShortOrZeroS = Field(5.0, description="... held for this long.")
    black_start_step_s: ShortS = Field(180.0, description="A step of a black start must be confirmed in this time.")
    n_black_start_tries: Annotated[int, Field(ge=1, le=5)] = Field(
        2, description="Tries of a step before an operator has to look."
    )
    black_start_timeout_s: DurationS = Field(1800.0, description="A black start as a whole is given up after this.")


class TieTable(Table):
    """A PCC breaker that a sync-check device closes with our permit; leave the table out where relays do it alone.

    The windows are those set in the device: assumed values after the table of IEEE 1547 for above 1.5 MVA.
    """

    window_hz: BandHz = Field(0.1, description="Difference of frequency at which the device closes.")
    window_voltage_frac: BandFrac = Field(0.03, description="Difference of voltage, share of nominal.")
    window_deg: Annotated[float, Field(gt=0.0, le=60.0)] = Field(10.0, description="Difference of angle.")
    healthy_s: DurationS = Field(300.0, description="The grid must have been healthy this long.")
    confirm_s: ShortOrZeroS = Field(5.0, description="The breaker counts as closed after this.")
    timeout_s: ShortS = Field(300.0, description="An attempt that lasts longer is given up; the pause then doubles.")
    max_per_h: Annotated[int, Field(ge=1, le=20)] = Field(3, description="Attempts in an hour.")
    slip_hz: Annotated[float, Field(gt=0.0, le=0.5)] = Field(
        0.03, description="The island runs this much faster than the grid while it is matched; inside `window_hz`."
    )
    droop_hz: BandHz = Field(
        description="Frequency deviation of the forming PCS when they are their whole rating off their setpoints."
    )
    island_group: Annotated[int, Field(ge=0, le=255)] | None = Field(
        None, description="Group of protection settings that must be ready before the PCC is opened; missing: any."
    )


class HandWindowTable(Table):
    """Planned work on a device, or on the site: until its end the device is not in AUTO."""

    asset: str = Field(description="AC block, genset, PV block, cooling unit, `pcc`, or `site` for everything.")
    mode: Literal["semi", "manual", "off"] = Field(
        description="`semi`: starts, stops and switching wait for a confirmation; `manual`: the setpoint given here, "
        "or as found; `off`: nothing is written to the device."
    )
    start: Instant = Field(description="Beginning of the work.")
    end: Instant = Field(description="End of the work, after its start.")
    power_kw: Annotated[float, Field(ge=-1e6, le=1e6)] | None = Field(
        None, description="In `manual`: power of an AC block or a genset into the bus; missing: as found."
    )
    limit_kw: PowerOrZeroKw | None = Field(
        None, description="In `manual`: power limit of a PV block; missing: as found."
    )
    run: bool | None = Field(None, description="In `manual`: whether a genset runs; missing: as found.")
    supply_degc: Annotated[float, Field(ge=-40.0, le=80.0)] | None = Field(
        None, description="In `manual`: supply temperature of a cooling unit; missing: as found."
    )


class HandTable(Table):
    """Devices in hands: planned work, and when a device that was left in somebody's hands is an alarm."""

    long_h: DurationH = Field(8.0, description="A device that is not in AUTO for this long raises an alarm.")
    window: list[HandWindowTable] = Field(default_factory=list, description="Planned work on devices.")


class PlanningTable(Table):
    """The rolling plan."""

    period_s: Annotated[float, Field(ge=60.0, le=3600.0)] = Field(300.0, description="A plan this often.")
    time_limit_s: Annotated[float, Field(ge=1.0, le=600.0)] = Field(
        30.0, description="Wall-clock limit of one solve; the worker is killed 5 s later."
    )
    gap_frac: Annotated[float, Field(ge=0.0, le=0.05)] = Field(0.005, description="Relative gap at which to stop.")
    fine_min: DurationMin = Field(15, description="Length of the fine steps.")
    fine_until_h: DurationH = Field(12.0, description="Fine steps reach this far.")
    coarse_min: DurationMin = Field(60, description="Length of the coarse steps.")
    horizon_h: DurationH = Field(48.0, description="Length of the plan.")
    integer_h: DurationH = Field(
        24.0, description="Sets are planned in whole units this far; beyond, fractions only show the direction."
    )
    optimism_frac: SignedFrac = Field(
        0.0,
        description="Share of the way from the median to the favourable 0.9 quantile on which energy is planned; "
        "what turns out worse starts sets later, by the rules of control. Negative: towards the unfavourable "
        "quantile, a plan that holds on a bad day.",
    )
    max_age_periods: Annotated[float, Field(ge=1.0, le=12.0)] = Field(
        3.0, description="A plan older than this many periods is not followed."
    )
    floor_margin_pct: SmallPct = Field(0.5, description="The plan keeps this far above the SoC floor of control.")
    terminal_value_frac: Frac = Field(
        0.9, description="Share of the avoided cost that stored energy is worth at the end."
    )
    threads: Annotated[int, Field(ge=1, le=64)] = Field(1, description="Threads of the solver.")
    warm_start: bool = Field(
        False, description="Whether the solver begins with the previous plan's commitment, repaired for new forecasts."
    )
    worker_memory_mb: Annotated[int, Field(ge=1024, le=262144)] = Field(
        4096,
        description="Address space that the solver's process may take, in MiB; past it the process ends, a fallback "
        "plan is followed, and the process is started again.",
    )


class ProcessTable(Table):
    """What the daemon may take of its machine before it raises an alarm; the solver's process has its own."""

    max_resident_mib: Annotated[int, Field(ge=64, le=1048576)] = Field(2048, description="Resident memory, MiB.")
    max_files: Annotated[int, Field(ge=32, le=1000000)] = Field(
        900, description="Open files and sockets; most systems allow a process 1024."
    )
    max_tasks: Annotated[int, Field(ge=50, le=1000000)] = Field(4000, description="Tasks of the event loop.")
    max_queue_frac: PositiveFrac = Field(0.8, description="Share of its length to which a queue may be full.")


class AlarmsTable(Table):
    """How alarms are told of; what each kind means is in docs/alarms.md."""

    flood_n: Annotated[int, Field(ge=2, le=1000)] = Field(
        10,
        description="More new alarms than this within `flood_min` are a flood (EEMUA 191): all are listed, single ones "
        "are told of in summaries, critical ones aside.",
    )
    flood_min: Annotated[float, Field(ge=1.0, le=120.0)] = Field(10.0, description="Time in which they are counted.")
    max_shelve_h: Annotated[float, Field(ge=0.1, le=72.0)] = Field(
        8.0, description="Longest time for which an alarm can be shelved: a shift."
    )


class OwnershipTable(Table):
    """The lease of a site with a standby controller; without places in devices.toml it means nothing."""

    term_s: Annotated[float, Field(ge=2.0, le=120.0)] = Field(
        8.0, description="A controller that could not renew the lease for this long writes nothing any more."
    )
    settle_s: Annotated[float, Field(ge=1.0, le=60.0)] = Field(
        5.0, description="A claim must stand unchallenged for this long before its controller writes."
    )


class ControlFile(Table):
    """control.toml."""

    control: ControlTable = Field(default_factory=ControlTable)
    modes: ModesTable = Field(default_factory=ModesTable)
    tie: TieTable | None = None
    hand: HandTable = Field(default_factory=HandTable)
    planning: PlanningTable = Field(default_factory=PlanningTable)
    process: ProcessTable = Field(default_factory=ProcessTable)
    alarms: AlarmsTable = Field(default_factory=AlarmsTable)
    ownership: OwnershipTable = Field(default_factory=OwnershipTable)
