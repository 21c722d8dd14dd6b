"""Nameplates against limits, and whether the site can be supplied at all."""

from collections.abc import Iterator

from ems.config.crosscheck.finding import Finding
from ems.config.files import ConfigFiles
from ems.config.naming import assets_with_kinds
from ems.config.schema.assets import AssetsFile, BatteryPoolTable, GensetClassTable
from ems.config.schema.limits import BatteryLimits, GensetLimits
from ems.model.fuel import FuelCurve, FuelPoint

TABLE_OF_KIND = {
    "block": "battery",
    "container": "battery",
    "genset": "genset",
    "pv": "pv",
    "cdu": "cooling",
    "chiller": "cooling",
    "dry_cooler": "cooling",
}


def contradictions(files: ConfigFiles) -> Iterator[Finding]:
    """Yield contradictions between nameplates and limits."""
    yield from _names(files)
    yield from _pairs_of_assets_and_limits(files)
    for name in sorted(files.assets.battery.keys() & files.limits.battery.keys()):
        pool = files.assets.battery[name]
        yield from _battery_limits(name, pool, files.limits.battery[name])
        yield from _forming(name, pool)
    for name in sorted(files.assets.genset.keys() & files.limits.genset.keys()):
        genset, limits = files.assets.genset[name], files.limits.genset[name]
        yield from _genset(name, genset, limits)
        yield from _fuel_table(name, genset, limits)
    yield from _pv(files.assets)
    yield from _forming_source(files)
    yield from _survived_losses(files)
    yield from _common_losses(files)
    yield from _load(files.assets)
    yield from _tank(files)


def _names(files: ConfigFiles) -> Iterator[Finding]:
    seen: set[str] = set()
    for name, kind in assets_with_kinds(files.assets, has_grid=files.limits.grid is not None):
        if name in seen:
            yield Finding(
                file="assets.toml",
                path=(TABLE_OF_KIND[kind],),
                message=f"two assets would be called '{name}'",
                allowed="names of pools, classes and plants that stay different with a number behind them",
            )
            return
        seen.add(name)


def _pairs_of_assets_and_limits(files: ConfigFiles) -> Iterator[Finding]:
    pairs = (
        ("battery", files.assets.battery.keys(), files.limits.battery.keys(), BatteryLimits),
        ("genset", files.assets.genset.keys(), files.limits.genset.keys(), GensetLimits),
    )
    for kind, assets, limits, table in pairs:
        for name in sorted(assets - limits):
            yield Finding(
                file="limits.toml",
                path=(kind, name),
                message=f"assets.toml has {kind}.{name} but its limits are missing",
                allowed=f"a table [{kind}.{name}] with {', '.join(table.model_fields)}",
            )
        for name in sorted(limits - assets):
            yield Finding(
                file="limits.toml",
                path=(kind, name),
                message=f"limits for a {kind} that assets.toml does not have",
                allowed=", ".join(sorted(assets)) or f"no [{kind}.{name}]",
            )


def _battery_limits(name: str, pool: BatteryPoolTable, limits: BatteryLimits) -> Iterator[Finding]:
    for key, value in (
        ("max_charge_kw", limits.max_charge_kw),
        ("max_discharge_kw", limits.max_discharge_kw),
    ):
        if value > pool.pcs_kw:
            yield Finding(
                file="limits.toml",
                path=("battery", name, key),
                message=f"{value:g} kW is above the nameplate of the PCS",
                allowed=f"at most {pool.pcs_kw:g} kW (assets.toml battery.{name}.pcs_kw)",
            )
    floor_pct = limits.soc_tech_min_pct + limits.soc_error_pct
    if floor_pct >= limits.soc_max_pct:
        yield Finding(
            file="limits.toml",
            path=("battery", name, "soc_max_pct"),
            message=f"the SoC floor of {floor_pct:g} % (soc_tech_min_pct + soc_error_pct) is not below soc_max_pct",
            allowed=f"above {floor_pct:g} %",
        )
    if limits.warn_degc >= limits.max_degc:
        yield Finding(
            file="limits.toml",
            path=("battery", name, "warn_degc"),
            message="the derating must begin below max_degc",
            allowed=f"below {limits.max_degc:g} °C",
        )
    if limits.cell_min_v >= limits.cell_max_v:
        yield Finding(
            file="limits.toml",
            path=("battery", name, "cell_min_v"),
            message="the lowest cell voltage is not below the highest",
            allowed=f"below {limits.cell_max_v:g} V (cell_max_v)",
        )


def _forming(name: str, pool: BatteryPoolTable) -> Iterator[Finding]:
    if pool.min_forming_blocks > pool.n_blocks:
        yield Finding(
            file="assets.toml",
            path=("battery", name, "min_forming_blocks"),
            message=f"the pool has only {pool.n_blocks} blocks",
            allowed=f"0 to {pool.n_blocks}",
        )
    if pool.min_forming_blocks > 0 and not pool.grid_forming:
        yield Finding(
            file="assets.toml",
            path=("battery", name, "min_forming_blocks"),
            message="forming blocks are required of a pool with grid_forming = false",
            allowed="0, or grid_forming = true",
        )


def _genset(name: str, genset: GensetClassTable, limits: GensetLimits) -> Iterator[Finding]:
    band_low_kw = genset.band_low_frac * genset.rated_kw
    # the product of two decimal figures may lie a rounding error below the third
    if limits.min_stable_kw > band_low_kw + 1e-9:
        yield Finding(
            file="limits.toml",
            path=("genset", name, "min_stable_kw"),
            message=f"{limits.min_stable_kw:g} kW lies above the lower edge of the economic band",
            allowed=f"at most {band_low_kw:g} kW (assets.toml genset.{name}: band_low_frac x rated_kw)",
        )
    if genset.band_low_frac >= genset.band_high_frac:
        yield Finding(
            file="assets.toml",
            path=("genset", name, "band_low_frac"),
            message="the economic band is empty",
            allowed=f"below band_high_frac ({genset.band_high_frac:g})",
        )
    if (base := genset.base_load_frac) is not None and genset.takes_power:
        yield Finding(
            file="assets.toml",
            path=("genset", name, "base_load_frac"),
            message="a set that follows a power setpoint has no base load of its own",
            allowed="takes_power = false, or no base_load_frac",
        )
    elif base is not None and base < genset.band_low_frac:
        yield Finding(
            file="assets.toml",
            path=("genset", name, "base_load_frac"),
            message="the base load lies below the economic band",
            allowed=f"band_low_frac ({genset.band_low_frac:g}) to 1",
        )
    if genset.start_timeout_s < genset.start_s + genset.sync_s:
        yield Finding(
            file="assets.toml",
            path=("genset", name, "start_timeout_s"),
            message="a good start takes longer than the time-out",
            allowed=f"at least {genset.start_s + genset.sync_s:g} seconds (start_s + sync_s)",
        )


def _fuel_table(name: str, genset: GensetClassTable, limits: GensetLimits) -> Iterator[Finding]:
    points = [FuelPoint(power_kw=p.power_kw, fuel_l_per_h=p.fuel_l_per_h) for p in genset.fuel]
    try:
        FuelCurve(points=tuple(points))
    except ValueError as error:
        yield Finding(
            file="assets.toml",
            path=("genset", name, "fuel"),
            message=str(error),
            allowed="points in order of power, each with more litres per further kWh than the one before",
        )
        return
    if points[0].power_kw > limits.min_stable_kw or points[-1].power_kw < genset.rated_kw:
        yield Finding(
            file="assets.toml",
            path=("genset", name, "fuel"),
            message="the fuel table does not cover the range of output",
            allowed=f"points from {limits.min_stable_kw:g} kW or less to {genset.rated_kw:g} kW or more",
        )


def _pv(assets: AssetsFile) -> Iterator[Finding]:
    for name, plant in assets.pv.items():
        if plant.ac_kw > 1.5 * plant.dc_kwp or plant.dc_kwp > 3.0 * plant.ac_kw:
            yield Finding(
                file="assets.toml",
                path=("pv", name, "ac_kw"),
                message=f"{plant.ac_kw:g} kW of inverters do not fit {plant.dc_kwp:g} kWp of modules",
                allowed=f"{plant.dc_kwp / 3.0:g} to {1.5 * plant.dc_kwp:g} kW",
            )


def _forming_source(files: ConfigFiles) -> Iterator[Finding]:
    pools = files.assets.battery.values()
    forming = any(pool.grid_forming and pool.min_forming_blocks > 0 for pool in pools)
    if files.limits.grid is None and not forming:
        yield Finding(
            file="assets.toml",
            path=("battery",),
            message="a site without a grid needs a pool that forms one",
            allowed="a pool with grid_forming = true and min_forming_blocks of at least 1",
        )


def _survived_losses(files: ConfigFiles) -> Iterator[Finding]:
    present = {
        "grid": files.limits.grid,
        "genset": files.assets.genset,
        "block": files.assets.battery,
        "pv_block": files.assets.pv,
    }
    survive = files.limits.reserve.survive
    for index, loss in enumerate(survive):
        if not present[loss]:
            yield Finding(
                file="limits.toml",
                path=("reserve", "survive", index),
                message=f"the site has no {loss} to lose",
                allowed=", ".join(kind for kind, what in present.items() if what),
            )
        if loss in survive[:index]:
            yield Finding(
                file="limits.toml",
                path=("reserve", "survive", index),
                message=f"'{loss}' is listed twice",
                allowed="every loss once",
            )


def _common_losses(files: ConfigFiles) -> Iterator[Finding]:
    """Yield members of a contingency that the site does not have, or not so many of."""
    present = {
        "gensets": {name: table.n_units for name, table in files.assets.genset.items()},
        "blocks": {name: table.n_blocks for name, table in files.assets.battery.items()},
        "pv_blocks": {name: table.n_blocks for name, table in files.assets.pv.items()},
    }
    for name, table in files.limits.contingency.items():
        for key, counts in present.items():
            yield from _lost_members(("contingency", name, key), getattr(table, key), counts)
        if table.grid and files.limits.grid is None:
            yield Finding(
                file="limits.toml",
                path=("contingency", name, "grid"),
                message="the site has no grid to lose",
                allowed="false",
            )
        if not (table.grid or table.gensets or table.blocks or table.pv_blocks or table.load_kw):
            yield Finding(
                file="limits.toml",
                path=("contingency", name),
                message="nothing is lost",
                allowed="at least one of gensets, blocks, pv_blocks, grid = true and load_kw",
            )


def _lost_members(path: tuple[str, ...], lost: dict[str, int], present: dict[str, int]) -> Iterator[Finding]:
    for member, n_lost in lost.items():
        if member not in present:
            yield Finding(
                file="limits.toml",
                path=(*path, member),
                message=f"assets.toml has no {member}",
                allowed=", ".join(present) or "nothing: the site has none of this kind",
            )
        elif n_lost > present[member]:
            yield Finding(
                file="limits.toml",
                path=(*path, member),
                message=f"{n_lost} are lost of {present[member]}",
                allowed=f"1 to {present[member]}",
            )


def _load(assets: AssetsFile) -> Iterator[Finding]:
    if assets.it.idle_frac > assets.it.mean_frac:
        yield Finding(
            file="assets.toml",
            path=("it", "idle_frac"),
            message="the idle cluster draws more than the mean",
            allowed=f"at most mean_frac ({assets.it.mean_frac:g})",
        )


def _tank(files: ConfigFiles) -> Iterator[Finding]:
    tank, limits = files.assets.fuel_tank, files.limits.fuel_tank
    if tank is None or limits is None:
        if tank is not None or limits is not None:
            yield Finding(
                file="limits.toml",
                path=("fuel_tank",),
                message="a tank needs both its nameplate (assets.toml) and its limits (limits.toml)",
                allowed="[fuel_tank] in both files or in none",
            )
        return
    if not files.assets.genset:
        yield Finding(
            file="assets.toml",
            path=("fuel_tank",),
            message="a fuel tank without any genset",
            allowed="a table [genset.<name>], or no [fuel_tank]",
        )
    if tank.order_below_l + tank.delivery_l > tank.capacity_l:
        yield Finding(
            file="assets.toml",
            path=("fuel_tank", "order_below_l"),
            message="a delivery ordered at this level does not fit into the tank",
            allowed=f"at most {tank.capacity_l - tank.delivery_l:g} litres (capacity_l - delivery_l)",
        )
    if limits.reserve_l >= tank.order_below_l:
        yield Finding(
            file="limits.toml",
            path=("fuel_tank", "reserve_l"),
            message="fuel would be ordered only when the reserve is already touched",
            allowed=f"below {tank.order_below_l:g} litres (assets.toml fuel_tank.order_below_l)",
        )
