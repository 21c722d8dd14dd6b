"""limits.toml: what must never be exceeded. Every limit is stated; a missing one is an error, never "unlimited"."""

from typing import Annotated, Literal

from pydantic import Field

from ems.config.schema.fields import (
    DurationH,
    DurationS,
    EnergyOrZeroKwh,
    FewHoursOrZeroH,
    Frac,
    Name,
    Pct,
    PowerKw,
    PowerOrZeroKw,
    SmallPct,
    Table,
    TemperatureDegC,
    VolumeOrZeroL,
)


class DeratingTable(Table):
    """What the supplier allows at a cell temperature; linear between points, two at one temperature are a jump."""

    cell_degc: TemperatureDegC = Field(description="Cell temperature.")
    charge_frac: Frac = Field(description="Share of the charge limit.")
    discharge_frac: Frac = Field(description="Share of the discharge limit.")


class TaperTable(Table):
    """What the BMS allows at a SoC; linear between points."""

    soc_pct: Annotated[float, Field(ge=0.0, le=100.0)] = Field(description="SoC of the pool.")
    power_frac: Frac = Field(description="Share of the limit; 1 at one of the points.")


UnitCount = Annotated[int, Field(ge=1, le=1000)]
QuantileFrac = Annotated[float, Field(ge=0.5, lt=1.0)]


class BatteryLimits(Table):
    """Limits of one block of a pool, and the SoC window of its containers."""

    max_charge_kw: PowerKw = Field(description="Charge limit of one block, not above the PCS rating.")
    max_discharge_kw: PowerKw = Field(description="Discharge limit of one block, not above the PCS rating.")
    soc_tech_min_pct: SmallPct = Field(description="SoC at which discharge ends.")
    soc_max_pct: Pct = Field(description="SoC at which charge ends.")
    soc_error_pct: SmallPct = Field(description="Uncertainty of the SoC that the BMS reports.")
    rack_spread_max_pct: SmallPct | None = Field(
        None,
        description="Racks of a container further apart in SoC than this are told as a warning, and make a full charge "
        "due where there is `full_charges`; missing: never.",
    )
    warn_degc: TemperatureDegC = Field(description="Cell temperature from which power is derated.")
    max_degc: TemperatureDegC = Field(description="Cell temperature at which power is zero.")
    cell_min_v: Annotated[float, Field(ge=1.0, le=5.0)] = Field(description="Lowest cell voltage; discharge ends.")
    cell_max_v: Annotated[float, Field(ge=1.0, le=5.0)] = Field(description="Highest cell voltage; charge ends.")
    derating: list[DeratingTable] = Field(
        default_factory=list,
        description="Supplier's derating by cell temperature, in its order, for planning; empty: from `warn_degc` to "
        "`max_degc`.",
    )
    charge_taper: list[TaperTable] = Field(
        default_factory=list, description="Charge power by SoC for planning, in order of SoC; empty: no taper."
    )
    discharge_taper: list[TaperTable] = Field(
        default_factory=list, description="Discharge power by SoC for planning, in order of SoC; empty: no taper."
    )


class GensetLimits(Table):
    """Limits of one unit of a class."""

    min_stable_kw: PowerKw = Field(description="Lowest lasting output.")
    min_up_h: FewHoursOrZeroH = Field(description="Minimum run.")
    min_down_h: FewHoursOrZeroH = Field(description="Minimum rest.")
    max_starts_per_h: Annotated[float, Field(gt=0.0, le=60.0)] = Field(description="Starts per unit and hour.")


class GridLimits(Table):
    """The connection contract; leave the table out for a site without a grid."""

    import_limit_kw: PowerKw = Field(description="Highest import.")
    export_limit_kw: PowerOrZeroKw = Field(description="Highest export; 0 forbids it.")
    nominal_hz: Annotated[float, Field(ge=45.0, le=65.0)] = Field(description="Nominal frequency.")
    ramp_kw_per_min: Annotated[float, Field(gt=0.0, le=1_000_000.0)] | None = Field(
        None,
        description="Change of the exchange that the contract allows, both ways; plans keep it, storage second "
        "by second; missing: no limit.",
    )
    ride_h: DurationH = Field(description="Outage without announced end: ride this long on storage (start rule 5).")


class GroupTable(Table):
    """A transformer, collector or feeder that assets share."""

    members: list[Name] = Field(
        min_length=1, description="Battery pools, genset classes and PV plants of assets.toml, and `grid`."
    )
    limit_kw: PowerKw = Field(description="Highest power of the members together, in either direction.")


class FuelTankLimits(Table):
    """What must stay in the tank; leave the table out where assets.toml has no tank."""

    reserve_l: VolumeOrZeroL = Field(description="Kept for emergencies; an alarm below it.")


class ContingencyTable(Table):
    """What is lost at one stroke beside single units: a bus section, a transformer, a collector, a coolant unit."""

    grid: bool = Field(False, description="Whether the connection is lost with it.")
    gensets: dict[Name, UnitCount] = Field(default_factory=dict, description="Units that are lost, per genset class.")
    blocks: dict[Name, UnitCount] = Field(default_factory=dict, description="Blocks that are lost, per battery pool.")
    pv_blocks: dict[Name, UnitCount] = Field(default_factory=dict, description="Blocks that are lost, per PV plant.")
    load_kw: PowerOrZeroKw = Field(0.0, description="Load that vanishes with it: room downwards is kept for it.")


class SlowReserveLimits(Table):
    """Response class R2, within 120 s: forecast errors and clouds, covered by sets that start too."""

    sustain_s: DurationS = Field(description="How long storage must sustain what it holds in this class.")
    pv_drop_frac: Frac = Field(description="Drop of available PV within 120 s.")
    error_quantile_frac: QuantileFrac = Field(
        0.99, description="Quantile of the net forecast error at the lead of a set's start that is covered."
    )
    start_quantile_frac: QuantileFrac = Field(
        0.999, description="Share of all cases in which no more sets fail to start than are left out of account."
    )


class ReserveLimits(Table):
    """What the site must survive, and how the reserve for it is sized."""

    survive: list[Literal["grid", "genset", "block", "pv_block"]] = Field(
        min_length=1, description="Single losses that must not interrupt the load; at least one."
    )
    swing_kw: PowerOrZeroKw = Field(description="Load swing within a second: peak minus mean.")
    pv_drop_r0_frac: Frac = Field(description="Drop of available PV within 100 ms.")
    pv_drop_r1_frac: Frac = Field(description="Drop of available PV within 10 s.")
    sustain_s: DurationS = Field(description="How long storage must sustain its headroom, until gensets carry.")
    gap_margin_frac: Frac = Field(description="Margin on the energy until gensets carry (E_gap).")
    checkpoint_s: DurationS = Field(description="Orderly shutdown of the cluster (E_ckpt).")
    checkpoint_load_frac: Frac = Field(description="Mean load during it, as a share of the critical load.")
    black_start_kwh: EnergyOrZeroKwh = Field(description="Energy of a black start, two tries (E_bs).")
    lead_s: DurationS = Field(description="Added to t_carry for the early start of gensets (t_lead).")
    forecast_error_pv_frac: Frac = Field(description="Cold start of the net forecast error: share of PV rating.")
    forecast_error_load_frac: Frac = Field(description="Cold start of the net forecast error: share of load.")
    curtailed_counts: bool = Field(
        False, description="Whether curtailed PV counts within 10 s, up to the 0.1 quantile of what is available."
    )
    down_slow: bool = Field(
        False, description="Whether room for lost load is planned within 10 s too, where sets and all PV count."
    )
    r2: SlowReserveLimits | None = Field(None, description="Reserve within 120 s; missing: none is planned.")


class LimitsFile(Table):
    """limits.toml."""

    battery: dict[Name, BatteryLimits] = Field(default_factory=dict, description="Per battery pool.")
    genset: dict[Name, GensetLimits] = Field(default_factory=dict, description="Per genset class.")
    grid: GridLimits | None = None
    fuel_tank: FuelTankLimits | None = None
    group: dict[Name, GroupTable] = Field(
        default_factory=dict, description="Transformers, collectors and feeders by name."
    )
    contingency: dict[Name, ContingencyTable] = Field(
        default_factory=dict, description="Common losses by name, survived beside those in `survive`."
    )
    reserve: ReserveLimits
