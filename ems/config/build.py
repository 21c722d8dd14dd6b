"""Turns validated files into the values that the rest of the product works with."""

from dataclasses import dataclass
from datetime import UTC

from ems.config.files import ConfigFiles
from ems.config.naming import (
    block_ids,
    container_ids,
    cooling_units,
    expand_brokers,
    expand_devices,
    expand_links,
    pv_block_ids,
    unit_ids,
)
from ems.config.schema.assets import (
    BatteryPoolTable,
    CoolingTable,
    ExerciseTable,
    GensetClassTable,
    PollutantTable,
    PvPlantTable,
)
from ems.config.schema.control import HandTable
from ems.config.schema.forecasts import ForecastsFile
from ems.config.schema.limits import BatteryLimits, ContingencyTable, GensetLimits
from ems.config.schema.tariffs import SeasonTable, TariffTable
from ems.config.schema.twin import TwinFile
from ems.errors import ConfigError, ConfigProblem
from ems.model.battery import (
    AcBlock,
    BatteryPool,
    DepthWear,
    DeratingPoint,
    DwellWear,
    FullCharges,
    TaperPoint,
    Warranty,
)
from ems.model.carbon_budget import BudgetPeriod, CarbonAllowance
from ems.model.device import BrokerSpec, DeviceSpec, LinkSpec
from ems.model.fuel import FuelCurve, FuelPoint
from ems.model.genset import FuelTank, GensetClass
from ems.model.genset_rules import (
    DailyHours,
    Derating,
    Exercise,
    FuelDelivery,
    Maintenance,
    Pollutant,
    PollutantPoint,
    QuietHours,
)
from ems.model.grid import AnnouncedOutage, FlowGroup, GridConnection, OutageStatistics
from ems.model.hand import HandMode, HandRules, HandWindow
from ems.model.lease import LeaseSpec
from ems.model.load import Auxiliaries, ChillerUnits, CoolingKind, CoolingPlant, CoolingUnits, ItCluster
from ems.model.modes import ModeSettings, TieRules
from ems.model.problem import Contingency, ContingencyKind, Loss
from ems.model.pv import PvArray, PvMount, PvPlant
from ems.model.rotation import Rotation
from ems.model.site import (
    ControlSettings,
    Economics,
    Penalties,
    Place,
    PlanningSettings,
    ReservePolicy,
    Site,
    SlowReserve,
)
from ems.model.tariff import DemandCharge, Tariff, TariffSeason, TouWindow
from ems.model.timegrid import GridShape
from ems.model.twin import (
    TwinCluster,
    TwinErrors,
    TwinForecasts,
    TwinLoad,
    TwinOutages,
    TwinRacks,
    TwinSpec,
    TwinWeather,
)
from ems.model.units import SECONDS_PER_HOUR, SECONDS_PER_MINUTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """How the site's devices are reached."""

    links: tuple[LinkSpec, ...]
    devices: tuple[DeviceSpec, ...]
    brokers: tuple[BrokerSpec, ...] = ()
    leases: tuple[LeaseSpec, ...] = ()


def build_site(files: ConfigFiles) -> Site:
    """Return the site that the files describe."""
    assets, limits, tariffs = files.assets, files.limits, files.tariffs
    place = files.site.site
    return Site(
        id=place.id,
        name=place.name,
        place=Place(
            latitude_deg=place.latitude_deg,
            longitude_deg=place.longitude_deg,
            altitude_m=place.altitude_m,
            timezone=place.timezone,
        ),
        it=ItCluster(**assets.it.model_dump()),
        cooling=_cooling(assets.cooling),
        auxiliaries=Auxiliaries(**assets.auxiliaries.model_dump()),
        batteries=tuple(_pool(name, table, limits.battery[name]) for name, table in assets.battery.items()),
        gensets=tuple(
            _genset(name, table, limits.genset[name], files.forecasts) for name, table in assets.genset.items()
        ),
        pv=tuple(_pv(name, table) for name, table in assets.pv.items()),
        grid=_grid(files),
        tank=_tank(files),
        reserve=_reserve(files),
        economics=_economics(files),
        penalties=Penalties(**tariffs.penalties.model_dump()),
        planning=_planning(files),
        control=_control(files),
        groups=tuple(
            FlowGroup(id=name, members=tuple(group.members), limit_kw=group.limit_kw)
            for name, group in limits.group.items()
        ),
    )


def _cooling(table: CoolingTable) -> CoolingPlant:
    units = cooling_units(table)
    cdu, chiller, dry_cooler = table.cdu, table.chiller, table.dry_cooler
    return CoolingPlant(
        **table.model_dump(exclude={"kind", "cdu", "chiller", "dry_cooler"}),
        kind=CoolingKind(table.kind),
        cdus=None if cdu is None else CoolingUnits(unit_ids=units["cdu"], **cdu.model_dump(exclude={"n_units"})),
        chillers=None
        if chiller is None
        else ChillerUnits(unit_ids=units["chiller"], **chiller.model_dump(exclude={"n_units"})),
        dry_coolers=None
        if dry_cooler is None
        else CoolingUnits(unit_ids=units["dry_cooler"], **dry_cooler.model_dump(exclude={"n_units"})),
    )


def _reserve(files: ConfigFiles) -> ReservePolicy:
    table = files.limits.reserve
    return ReservePolicy(
        **table.model_dump(exclude={"survive", "r2"}),
        survive=tuple(ContingencyKind(kind) for kind in table.survive),
        r2=None if table.r2 is None else SlowReserve(**table.r2.model_dump()),
        contingencies=tuple(_contingency(name, each) for name, each in files.limits.contingency.items()),
    )


def _contingency(name: str, table: ContingencyTable) -> Contingency:
    counted = (
        (ContingencyKind.GENSET, table.gensets),
        (ContingencyKind.BLOCK, table.blocks),
        (ContingencyKind.PV_BLOCK, table.pv_blocks),
    )
    losses = [Loss(kind=kind, member=member, count=n) for kind, counts in counted for member, n in counts.items()]
    if table.grid:
        losses.append(Loss(kind=ContingencyKind.GRID))
    if table.load_kw:
        losses.append(Loss(kind=ContingencyKind.LOAD, load_kw=table.load_kw))
    return Contingency(id=name, losses=tuple(losses))


def _economics(files: ConfigFiles) -> Economics:
    table = files.tariffs.economics
    budget = table.carbon_budget
    return Economics(
        **table.model_dump(exclude={"carbon_budget"}),
        site_loss_frac=files.assets.distribution.loss_frac,
        carbon_budget=None
        if budget is None
        else CarbonAllowance(
            kgco2e=budget.kgco2e,
            period=BudgetPeriod(budget.period),
            excess_price_per_t=budget.excess_price_per_t,
            timezone=files.site.site.timezone,
            month_shares_frac=tuple(budget.month_shares_frac),
        ),
    )


def build_wiring(files: ConfigFiles) -> Wiring:
    """Return links and devices with their numbers filled in."""
    return Wiring(
        links=tuple(link for _, link in expand_links(files.devices, resolve=files.resolve)),
        devices=tuple(device for _, device in expand_devices(files.devices)),
        brokers=tuple(broker for _, broker in expand_brokers(files.devices, resolve=files.resolve)),
        leases=tuple(
            LeaseSpec(id=table.id, link=table.link, unit=table.unit, register=table.first_register)
            for table in files.devices.lease
        ),
    )


def build_simulation(files: ConfigFiles) -> TwinSpec:
    """Return the simulation settings of a site.

    Raises:
        ConfigError: It has none.
    """
    if files.twin is None:
        raise ConfigError(
            ConfigProblem(
                file=str(files.directory / "twin.toml"),
                message="this site has no simulation settings",
                allowed="a twin.toml beside site.toml",
            )
        )
    return build_twin(files.twin)


def build_twin(twin: TwinFile) -> TwinSpec:
    """Return the simulation settings."""
    return TwinSpec(
        **twin.twin.model_dump(),
        weather=TwinWeather(**twin.weather.model_dump()),
        load=TwinLoad(**twin.load.model_dump()),
        errors=TwinErrors(**twin.errors.model_dump()),
        forecasts=TwinForecasts(**twin.forecasts.model_dump()),
        racks=None if twin.racks is None else TwinRacks(**twin.racks.model_dump()),
        cluster=None if twin.cluster is None else TwinCluster(**twin.cluster.model_dump()),
        outages=None if twin.outages is None else TwinOutages(**twin.outages.model_dump()),
    )


def _pool(name: str, table: BatteryPoolTable, limits: BatteryLimits) -> BatteryPool:
    blocks = tuple(
        AcBlock(id=block, container_ids=container_ids(name, block=number, per_block=table.containers_per_block))
        for number, block in enumerate(block_ids(name, table.n_blocks), start=1)
    )
    tables = {"depth_wear", "dwell", "warranty", "full_charges"}
    fields = table.model_dump(exclude={"n_blocks", "containers_per_block", "grid_forming", *tables})
    lists = {"derating", "charge_taper", "discharge_taper"}
    return BatteryPool(
        id=name,
        blocks=blocks,
        can_form=table.grid_forming,
        **fields,
        **limits.model_dump(exclude=lists),
        derating=tuple(DeratingPoint(**point.model_dump()) for point in limits.derating),
        charge_taper=tuple(TaperPoint(**point.model_dump()) for point in limits.charge_taper),
        discharge_taper=tuple(TaperPoint(**point.model_dump()) for point in limits.discharge_taper),
        depth_wear=tuple(DepthWear(**piece.model_dump()) for piece in table.depth_wear),
        dwell=None if table.dwell is None else DwellWear(**table.dwell.model_dump()),
        warranty=None if table.warranty is None else Warranty(**table.warranty.model_dump()),
        full_charges=None if table.full_charges is None else FullCharges(**table.full_charges.model_dump()),
    )


def _genset(name: str, table: GensetClassTable, limits: GensetLimits, forecasts: ForecastsFile) -> GensetClass:
    points = tuple(FuelPoint(power_kw=p.power_kw, fuel_l_per_h=p.fuel_l_per_h) for p in table.fuel)
    apart = {"n_units", "fuel", "derating", "pollutant", "exercise", "quiet", "rotation"}
    units = unit_ids(name, table.n_units)
    return GensetClass(
        id=name,
        unit_ids=units,
        fuel=FuelCurve(points=points),
        derating=None if table.derating is None else Derating(**table.derating.model_dump()),
        pollutants=tuple(_pollutant(key, pollutant) for key, pollutant in table.pollutant.items()),
        exercise=None if table.exercise is None else _exercise(table.exercise),
        quiet=tuple(
            QuietHours(hours=DailyHours(start_h=quiet.start_h, end_h=quiet.end_h), n_units=quiet.n_units)
            for quiet in table.quiet
        ),
        rotation=Rotation(table.rotation),
        maintenance=tuple(
            Maintenance(unit_id=work.unit, start_utc=work.start.astimezone(UTC), end_utc=work.end.astimezone(UTC))
            for work in forecasts.maintenance
            if work.unit in units
        ),
        **table.model_dump(exclude=apart),
        **limits.model_dump(),
    )


def _pollutant(name: str, table: PollutantTable) -> Pollutant:
    points = tuple(PollutantPoint(power_kw=point.power_kw, g_per_h=point.g_per_h) for point in table.points)
    return Pollutant(id=name, points=points, price_per_kg=table.price_per_kg)


def _exercise(table: ExerciseTable) -> Exercise:
    hours = DailyHours(start_h=table.start_h, end_h=table.end_h)
    return Exercise(hours=hours, **table.model_dump(exclude={"start_h", "end_h"}))


def _pv(name: str, table: PvPlantTable) -> PvPlant:
    return PvPlant(
        id=name,
        block_ids=pv_block_ids(name, table.n_blocks),
        dc_kwp=table.dc_kwp,
        ac_kw=table.ac_kw,
        frequency_watt_credit_frac=table.frequency_watt_credit_frac,
        ramp_frac_per_s=table.ramp_frac_per_s,
        array=PvArray(**{**table.array.model_dump(), "mount": PvMount(table.array.mount)}),
    )


def _grid(files: ConfigFiles) -> GridConnection | None:
    limits, tariff, outages = files.limits.grid, files.tariffs.tariff, files.forecasts.outages
    if limits is None or tariff is None or outages is None:
        return None
    announced = (
        AnnouncedOutage(start_utc=outage.start.astimezone(UTC), end_utc=outage.end.astimezone(UTC))
        for outage in outages.announced
    )
    return GridConnection(
        **limits.model_dump(),
        tariff=_tariff(tariff),
        outages=OutageStatistics(**outages.model_dump(exclude={"announced"})),
        announced=tuple(sorted(announced, key=lambda outage: outage.start_utc)),
    )


def _tariff(table: TariffTable) -> Tariff:
    return Tariff(
        timezone=table.timezone,
        seasons=tuple(_season(season) for season in table.season),
        weekend_period=table.weekend_period,
        holidays=frozenset(table.holidays),
        export_price_per_kwh=table.export_price_per_kwh,
        demand=None if table.demand is None else DemandCharge(**table.demand.model_dump()),
    )


def _season(table: SeasonTable) -> TariffSeason:
    return TariffSeason(
        months=tuple(table.months),
        rest_period=table.rest_period,
        windows=tuple(TouWindow(**window.model_dump()) for window in table.windows),
        prices_per_kwh=tuple(sorted(table.prices_per_kwh.items())),
    )


def _tank(files: ConfigFiles) -> FuelTank | None:
    tank, limits = files.assets.fuel_tank, files.limits.fuel_tank
    if tank is None or limits is None:
        return None
    deliveries = (
        FuelDelivery(at_utc=delivery.at.astimezone(UTC), volume_l=delivery.volume_l)
        for delivery in files.forecasts.delivery
    )
    return FuelTank(
        **tank.model_dump(),
        reserve_l=limits.reserve_l,
        deliveries=tuple(sorted(deliveries, key=lambda delivery: delivery.at_utc)),
    )


def _control(files: ConfigFiles) -> ControlSettings:
    modes, tie = files.control.modes, files.control.tie
    return ControlSettings(
        **files.control.control.model_dump(),
        modes=ModeSettings(
            **modes.model_dump(exclude={"planned_lead_min"}), planned_lead_s=SECONDS_PER_MINUTE * modes.planned_lead_min
        ),
        tie=None if tie is None else TieRules(**tie.model_dump()),
        hand=_hand(files.control.hand),
    )


def _hand(table: HandTable) -> HandRules:
    return HandRules(
        long_s=SECONDS_PER_HOUR * table.long_h,
        windows=tuple(
            HandWindow(
                asset_id=window.asset,
                mode=HandMode(window.mode),
                start_utc=window.start.astimezone(UTC),
                end_utc=window.end.astimezone(UTC),
                **window.model_dump(exclude={"asset", "mode", "start", "end"}),
            )
            for window in table.window
        ),
    )


def _planning(files: ConfigFiles) -> PlanningSettings:
    table = files.control.planning
    shape = GridShape(
        fine_min=table.fine_min,
        fine_until_h=table.fine_until_h,
        coarse_min=table.coarse_min,
        horizon_h=table.horizon_h,
    )
    fields = table.model_dump(exclude={"fine_min", "fine_until_h", "coarse_min", "horizon_h"})
    return PlanningSettings(**fields, shape=shape)
