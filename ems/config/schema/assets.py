"""assets.toml: the nameplates of everything that makes, stores or consumes electricity."""

from typing import Annotated, Literal

from pydantic import Field

from ems.config.schema.fields import (
    Cost,
    Count,
    Degrees,
    DurationH,
    EfficiencyFrac,
    EnergyKwh,
    FewHoursOrZeroH,
    Frac,
    HourOfDay,
    Name,
    Pct,
    PositiveFrac,
    PositiveK,
    PowerKw,
    PowerOrZeroKw,
    ShortOrZeroS,
    ShortS,
    Table,
    TemperatureDegC,
    VolumeL,
    VolumeOrZeroL,
)


class ItTable(Table):
    """The GPU cluster behind one busbar meter."""

    id: Name = Field(description="Name of the cluster in MQTT topics.")
    design_kw: PowerKw = Field(description="IT power at design, network and storage included.")
    mean_frac: PositiveFrac = Field(description="Expected mean share of design; the load forecast's cold start.")
    idle_frac: Frac = Field(description="Share of design that the idle cluster draws.")
    largest_block_frac: Frac = Field(description="Largest block that can drop at once, as a share of design.")
    job_step_kw: PowerOrZeroKw = Field(description="Largest step of one job start or stop that is not announced.")
    takes_offers: bool = Field(
        False,
        description=(
            "Whether the cluster speaks the cluster contract: its offers, answers and telemetry are read; without a "
            "valid offer all load is then planned as firm at its 0.9 quantile."
        ),
    )
    ramp_up_kw_per_min: PowerOrZeroKw | None = Field(
        None, description="Agreed ramp of the cluster upwards, kW per minute; missing: `job_step_kw`."
    )
    ramp_down_kw_per_min: PowerOrZeroKw | None = Field(
        None, description="The same downwards; missing: the largest block."
    )
    link_timeout_s: Annotated[float, Field(ge=5.0, le=3600.0)] = Field(
        60.0, description="A cluster that has said nothing for so long is taken to be without a link."
    )


class CduTable(Table):
    """Coolant distribution units that are read, named `cdu01`, `cdu02`, ..."""

    n_units: Count = Field(description="Number of units.")
    capacity_kw_th: PowerKw = Field(description="Heat that one unit can take.")
    supply_degc: TemperatureDegC | None = Field(
        None, description="Supply temperature that they are commanded; missing: they keep their own setpoints."
    )


class ChillerTable(CduTable):
    """Chillers that are read, named `chiller01`, `chiller02`, ..."""

    min_load_frac: Frac = Field(0.0, description="Least load of a running unit, as a share of its capacity.")
    base_kw: PowerOrZeroKw = Field(0.0, description="Pumps and controls of a running unit.")
    start_cost: Cost = Field(0.0, description="Wear of one start.")


class DryCoolerTable(Table):
    """Dry coolers that are read, named `dry_cooler01`, `dry_cooler02`, ..."""

    n_units: Count = Field(description="Number of units.")
    capacity_kw_th: PowerKw = Field(description="Heat that one unit can give off at design.")


class CoolingTable(Table):
    """The cooling plant. Fractions of pumps and fans are electric kW per kW of heat at design.

    Limits of the racks' coolant are those of racks whose class allows 45 degC; assumptions until the maker's are known.
    """

    kind: Literal["liquid", "air"] = Field(
        description="`liquid`: direct liquid cooling with dry cooler and trim chiller; `air`: chilled water only."
    )
    design_heat_kw_th: PowerKw = Field(description="Heat that the plant is built for.")
    liquid_share_frac: Frac = Field(description="Share of the heat that leaves by cold plates.")
    facility_supply_degc: TemperatureDegC = Field(description="Facility water supply setpoint (W40: 36).")
    loop_delta_k: PositiveK = Field(description="Temperature rise of the facility water at design heat.")
    dry_cooler_approach_k: PositiveK = Field(description="Dry cooler: leaving water above ambient at design.")
    dry_cooler_fan_frac: Frac = Field(description="Dry cooler fans at full speed.")
    chilled_supply_degc: TemperatureDegC = Field(description="Chilled water for the room air.")
    trim_supply_max_degc: TemperatureDegC = Field(description="Warmest water that the trim chiller makes.")
    carnot_frac: PositiveFrac = Field(description="Chiller COP as a share of Carnot.")
    max_cop: Annotated[float, Field(ge=1.0, le=20.0)] = Field(description="Cap of the chiller COP.")
    cdu_pump_frac: Frac = Field(description="Pumps of the coolant distribution units.")
    facility_pump_frac: Frac = Field(description="Pumps of the facility water loop.")
    chilled_pump_frac: Frac = Field(description="Pumps of the chilled water loop.")
    room_fan_frac: Frac = Field(description="Fans of the room air units.")
    support_margin_frac: Frac = Field(
        description="How far the planning lines may lie below the plant's curve, as a share of IT power (E17)."
    )
    degraded_supply_degc: TemperatureDegC = Field(
        44.0, description="Racks' coolant warmer than this at a CDU: power has to go within a minute."
    )
    lost_supply_degc: TemperatureDegC = Field(
        46.0, description="Warmer than this: the cluster is asked to idle within ten seconds."
    )
    recovered_supply_degc: TemperatureDegC = Field(
        41.0, description="Cooler than this for ten minutes: power is given back in steps."
    )
    coolant_m3: Annotated[float, Field(gt=0.0, le=10_000.0)] | None = Field(
        None, description="Water in the loops; missing: how long it stores the heat is not known."
    )
    cdu: CduTable | None = Field(None, description="Missing: no CDU is read by itself.")
    chiller: ChillerTable | None = Field(None, description="Missing: no chiller is read by itself.")
    dry_cooler: DryCoolerTable | None = Field(None, description="Missing: no dry cooler is read by itself.")


class AuxiliariesTable(Table):
    """Lighting, controls, security."""

    frac_of_it: Frac = Field(description="Share of served IT power.")
    constant_kw: PowerOrZeroKw = Field(description="Constant part.")


class DistributionTable(Table):
    """Cables and transformers between the sources and the load feeders."""

    loss_frac: Annotated[float, Field(ge=0.0, le=0.2)] = Field(description="Losses as a share of the served load.")


class DepthWearTable(Table):
    """A stretch of the store, from the full end down, and its wear."""

    width_frac: PositiveFrac = Field(description="Width as a share of full; the last stretch holds the rest.")
    cost_per_kwh: Cost = Field(description="Wear of a kWh drawn from it, beside `wear_cost_per_kwh`.")


class DwellTable(Table):
    """Calendar wear of a store that stands nearly full."""

    above_pct: Pct = Field(description="SoC above which standing costs.")
    cost_per_kwh: Cost = Field(description="Per kWh above it and hour.")


class WarrantyTable(Table):
    """Energy that the supplier warrants."""

    throughput_kwh: EnergyKwh = Field(description="Energy that the pool may discharge in a year.")
    price_per_kwh: Cost = Field(description="Price of a kWh beyond the horizon's share of it.")


class FullChargesTable(Table):
    """Full charges that balance the cells and set the reported SoC right."""

    every_h: DurationH = Field(description="A full charge is due this long after the last one.")
    window_h: DurationH = Field(description="Time within which it is to be made.")
    missed_cost: Cost = Field(description="Price of leaving it out.")


class BatteryPoolTable(Table):
    """A pool of equal AC blocks; powers are per block at the terminals of its transformer."""

    n_blocks: Count = Field(description="AC blocks (PCS with its containers); named `<pool>01`, `<pool>02`, ...")
    containers_per_block: Count = Field(description="Battery containers behind one PCS.")
    pcs_kw: PowerKw = Field(description="Rating of one PCS.")
    container_kwh: EnergyKwh = Field(description="Rated energy of one container.")
    charge_eff_frac: EfficiencyFrac = Field(description="Terminals to cells, without the no-load part.")
    discharge_eff_frac: EfficiencyFrac = Field(description="Cells to terminals, without the no-load part.")
    no_load_kw: PowerOrZeroKw = Field(description="Constant losses of one PCS and transformer in operation.")
    self_discharge_frac_per_day: Annotated[float, Field(ge=0.0, le=0.05)] = Field(
        description="Share of the stored energy lost per day."
    )
    grid_forming: bool = Field(description="Whether the PCS can form the grid.")
    min_forming_blocks: Annotated[int, Field(ge=0, le=1000)] = Field(
        description="Blocks that stay closed and forming in island operation, whatever their power."
    )
    wear_cost_per_kwh: Cost = Field(description="Wear per kWh discharged.")
    aux_base_kw_per_container: PowerOrZeroKw = Field(description="Controls and idle cooling of one container.")
    aux_frac_of_power: Annotated[float, Field(ge=0.0, le=0.2)] = Field(
        0.0, description="Containers' cooling that follows the power, as a share of it."
    )
    cooling_power_frac: Annotated[float, Field(ge=0.0, le=2.0)] = Field(
        0.0,
        description=(
            "Electric power of a container's cooling per heat removed (1 / COP): with it auxiliaries follow the "
            "forecast ambient; 0: they do not."
        ),
    )
    pcs_kva: PowerKw | None = Field(None, description="Apparent power of one PCS; missing: as `pcs_kw`.")
    reactive_kvar: PowerOrZeroKw = Field(0.0, description="Reactive power that the site asks of one PCS.")
    ramp_frac_per_s: Annotated[float, Field(ge=0.001, le=10.0)] | None = Field(
        None,
        description="Share of `pcs_kw` by which a setpoint may move in a second; missing: at once, unless a grid code "
        "asks for a ramp.",
    )
    min_power_kw: PowerOrZeroKw = Field(
        0.0, description="Setpoints of one PCS between zero and this, either way, are not accepted by it; 0: all are."
    )
    depth_wear: list[DepthWearTable] = Field(
        default_factory=list, description="Wear that rises with depth, from the full end down; empty: none."
    )
    dwell: DwellTable | None = Field(None, description="Missing: standing full costs nothing.")
    warranty: WarrantyTable | None = Field(None, description="Missing: no throughput is warranted.")
    full_charges: FullChargesTable | None = Field(None, description="Missing: none are due.")


class FuelPointTable(Table):
    """One point of the maker's fuel table."""

    power_kw: PowerKw = Field(description="Electrical output of one unit.")
    fuel_l_per_h: Annotated[float, Field(gt=0.0, le=10_000.0)] = Field(description="Fuel rate at that output.")


class DeratingTable(Table):
    """Power that hot air takes; altitude and the usual temperature are in the rating already."""

    above_degc: TemperatureDegC = Field(description="Ambient temperature from which power falls.")
    frac_per_k: Annotated[float, Field(gt=0.0, le=0.1)] = Field(description="Share of the rating per kelvin above.")


class PollutantPointTable(Table):
    """Emission of one unit at one load."""

    power_kw: PowerKw = Field(description="Electrical output of one unit.")
    g_per_h: Annotated[float, Field(ge=0.0, le=1e6)] = Field(description="Emission rate at that output.")


class PollutantTable(Table):
    """A local pollutant, from the maker's table or a measurement."""

    price_per_kg: Cost = Field(0.0, description="Price of a kilogram; 0: reported only.")
    points: list[PollutantPointTable] = Field(min_length=2, description="Emission by load, in order of power.")


class ExerciseTable(Table):
    """A run that a unit needs when it has rested for long."""

    every_h: DurationH = Field(description="A unit that has rested this long is due.")
    start_h: HourOfDay = Field(description="Local time from which it may start, in hours since midnight.")
    end_h: HourOfDay = Field(description="Local time until which it is to start; before the start: the next day.")
    run_h: FewHoursOrZeroH = Field(description="Length of the run.")
    min_load_frac: Frac = Field(0.0, description="Load of the run, as a share of usable power; 0: any.")
    missed_cost: Cost = Field(description="Price of leaving it out.")


class QuietHoursTable(Table):
    """Hours of every day in which fewer units may run."""

    start_h: HourOfDay = Field(description="Local beginning, in hours since midnight.")
    end_h: HourOfDay = Field(description="Local end; before the beginning: the next day.")
    n_units: Annotated[int, Field(ge=0, le=1000)] = Field(description="Units of the class that may run.")


class GensetClassTable(Table):
    """Identical diesel gensets, named `<class>01`, `<class>02`, ..."""

    n_units: Count = Field(description="Number of units.")
    rated_kw: PowerKw = Field(description="Prime electrical rating of one unit at site conditions.")
    band_low_frac: PositiveFrac = Field(description="Lower edge of the economic band.")
    band_high_frac: PositiveFrac = Field(description="Upper edge of the economic band.")
    ramp_frac_per_s: Annotated[float, Field(ge=0.001, le=1.0)] = Field(description="Load ramp, share of rating per s.")
    step_frac: PositiveFrac = Field(description="Load step that a running unit accepts, share of rating.")
    detect_s: ShortOrZeroS = Field(description="Time to detect the need of a start.")
    crank_s: ShortS = Field(description="Length of one cranking attempt.")
    rest_s: ShortOrZeroS = Field(description="Rest between two attempts.")
    attempts: Annotated[int, Field(ge=1, le=10)] = Field(description="Attempts that the reserve must survive.")
    start_s: ShortS = Field(description="Crank to nominal speed and voltage, first attempt.")
    sync_s: ShortS = Field(description="Synchronising and closing the breaker.")
    start_timeout_s: ShortS = Field(description="No breaker closed by then: the set has failed to start.")
    cooldown_s: ShortS = Field(description="Unloaded run before the engine stops.")
    start_fuel_l: VolumeOrZeroL = Field(description="Fuel of one start and cool-down.")
    start_wear_cost: Cost = Field(description="Wear of one start.")
    run_wear_cost_per_h: Cost = Field(description="Wear of one running hour.")
    start_failure_frac: Annotated[float, Field(ge=0.0, le=0.5)] = Field(description="Failures per demand to start.")
    fuel: list[FuelPointTable] = Field(min_length=2, description="The fuel table, in order of power.")
    takes_power: bool = Field(
        True,
        description="Whether a running unit follows a power setpoint; false: it is only started and stopped, its "
        "governor, load sharing or own base load decide what it carries (driver `genset.start_stop`).",
    )
    base_load_frac: PositiveFrac | None = Field(
        None,
        description="With `takes_power = false`: what a running unit carries by its own base load setting, as a share "
        "of the rating; missing: what load sharing leaves to it.",
    )
    warm_up_s: Annotated[float, Field(ge=0.0, le=7200.0)] = Field(
        0.0, description="Run without load after a start, beside start and synchronising; 0: none is planned."
    )
    derating: DeratingTable | None = Field(None, description="Missing: the rating holds in any weather.")
    apparent_kva: PowerKw | None = Field(
        None, description="Apparent power of alternator and transformer; missing: no limit beside the rating."
    )
    reactive_kvar: PowerOrZeroKw = Field(0.0, description="Reactive power that the site asks of one unit.")
    pollutant: dict[Name, PollutantTable] = Field(default_factory=dict, description="Local pollutants by name.")
    exercise: ExerciseTable | None = Field(None, description="Missing: no exercise runs are planned.")
    quiet: list[QuietHoursTable] = Field(default_factory=list, description="Quiet hours; empty: none.")
    daily_run_h: Annotated[float, Field(ge=0.0, le=24_000.0)] | None = Field(
        None, description="Unit hours that the class may run in 24 h; missing: no limit."
    )
    rotation: Literal["rest", "run_hours", "service"] = Field(
        "rest",
        description="Which unit starts first: `rest` the longest stopped, `run_hours` the one with the fewest, "
        "`service` the one whose service is farthest. The other way round for stops.",
    )
    service_interval_h: DurationH | None = Field(
        None, description="Run hours from one service to the next; needed with rotation `service`."
    )
    n_spare_starts: Annotated[int, Field(ge=0, le=10)] = Field(
        1,
        description="Units that start beside those needed when the grid is lost, a failed start costs no time then.",
    )
    stale_rest_h: DurationH = Field(
        720.0, description="A unit among them that has rested for longer is less sure to start: one more is started."
    )
    unheard_s: ShortS = Field(
        30.0,
        description="A running unit that is not heard for longer counts no more: it is left as it is, and another one "
        "starts in its place where it is needed.",
    )
    max_run_h: DurationH | None = Field(
        None, description="A unit that runs for longer without a break is an alarm; missing: never."
    )


class FuelTankTable(Table):
    """Diesel in stock."""

    capacity_l: VolumeL = Field(description="Content when full.")
    order_below_l: VolumeL = Field(description="Level at which a delivery is ordered.")
    delivery_l: VolumeL = Field(description="One delivery.")
    max_deliveries_per_day: Count = Field(description="Deliveries that can arrive on one day.")
    lead_time_h: Annotated[float, Field(ge=0.0, le=1000.0)] = Field(description="Order to arrival.")


class PvArrayTable(Table):
    """What the PV forecast needs to know; losses are shares of DC power."""

    mount: Literal["single_axis", "fixed"] = Field(description="How the modules are held.")
    tilt_deg: Annotated[float, Field(ge=0.0, le=90.0)] = Field(description="Fixed mounts: tilt; trackers: axis tilt.")
    azimuth_deg: Degrees = Field(description="Fixed mounts: facing (180 south); trackers: axis azimuth.")
    max_rotation_deg: Annotated[float, Field(ge=0.0, le=90.0)] = Field(description="Trackers: greatest rotation.")
    ground_coverage_frac: PositiveFrac = Field(description="Trackers: module width over row distance.")
    temp_coeff_frac_per_k: Annotated[float, Field(ge=-0.01, le=0.0)] = Field(description="Power against cell warmth.")
    system_loss_frac: Frac = Field(description="Wiring, mismatch, availability and the like.")
    soiling_loss_frac: Frac = Field(description="Dust.")
    inverter_eff_frac: EfficiencyFrac = Field(description="Nominal efficiency of the inverters.")


class PvPlantTable(Table):
    """A PV plant of equal blocks, named `<plant>01`, `<plant>02`, ..."""

    n_blocks: Count = Field(description="Number of blocks.")
    dc_kwp: PowerKw = Field(description="Module power of one block.")
    ac_kw: PowerKw = Field(description="Inverter rating of one block.")
    frequency_watt_credit_frac: Frac = Field(
        description="Share of its power that a block sheds by itself on over-frequency, as R0 down reserve."
    )
    ramp_frac_per_s: Annotated[float, Field(ge=0.001, le=10.0)] | None = Field(
        None,
        description="Share of `ac_kw` by which a block's limit may be lifted in a second, 0.1 to 0.2 where PV is to "
        "come back gently; missing: at once. Cuts are never slowed.",
    )
    array: PvArrayTable


class AssetsFile(Table):
    """assets.toml."""

    it: ItTable
    cooling: CoolingTable
    auxiliaries: AuxiliariesTable
    distribution: DistributionTable
    battery: dict[Name, BatteryPoolTable] = Field(default_factory=dict, description="Battery pools by name.")
    genset: dict[Name, GensetClassTable] = Field(default_factory=dict, description="Genset classes by name.")
    pv: dict[Name, PvPlantTable] = Field(default_factory=dict, description="PV plants by name.")
    fuel_tank: FuelTankTable | None = Field(None, description="Missing: diesel is not metered by a tank.")
