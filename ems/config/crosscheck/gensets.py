"""Rules of gensets against each other: tables in order, hours that fit, work and deliveries that can be."""

from collections.abc import Iterator
from itertools import pairwise

from ems.config.crosscheck.finding import Finding
from ems.config.files import ConfigFiles
from ems.config.naming import unit_ids
from ems.config.schema.assets import GensetClassTable, PollutantTable
from ems.config.schema.limits import GensetLimits
from ems.model.units import G_PER_KG, KG_PER_T


def contradictions(files: ConfigFiles) -> Iterator[Finding]:
    """Yield contradictions in the rules of gensets, in planned work and in deliveries."""
    for name in sorted(files.assets.genset.keys() & files.limits.genset.keys()):
        genset = files.assets.genset[name]
        yield from _electrical(name, genset, files.limits.genset[name])
        yield from _rules(name, genset)
        for key, pollutant in genset.pollutant.items():
            yield from _pollutant(files, name, genset, files.limits.genset[name], key, pollutant)
    yield from _maintenance(files)
    yield from _deliveries(files)


def _electrical(name: str, genset: GensetClassTable, limits: GensetLimits) -> Iterator[Finding]:
    apparent_kva, least_kw = genset.apparent_kva, limits.min_stable_kw
    if apparent_kva is None:
        if genset.reactive_kvar > 0.0:
            yield Finding(
                file="assets.toml",
                path=("genset", name, "reactive_kvar"),
                message="reactive power without the apparent power that it shares",
                allowed="a key apparent_kva, or no reactive_kvar",
            )
    elif apparent_kva**2 - genset.reactive_kvar**2 < least_kw**2:
        yield Finding(
            file="assets.toml",
            path=("genset", name, "reactive_kvar"),
            message=f"{genset.reactive_kvar:g} kvar of {apparent_kva:g} kVA leave less than the lowest lasting output",
            allowed=f"reactive power that leaves {least_kw:g} kW (limits.toml genset.{name}.min_stable_kw)",
        )


def _rules(name: str, genset: GensetClassTable) -> Iterator[Finding]:
    if genset.rotation == "service" and genset.service_interval_h is None:
        yield Finding(
            file="assets.toml",
            path=("genset", name, "rotation"),
            message="services decide, but it is not said when one is due",
            allowed="a key service_interval_h, or rotation = 'rest' or 'run_hours'",
        )
    for index, quiet in enumerate(genset.quiet):
        if quiet.n_units > genset.n_units:
            yield Finding(
                file="assets.toml",
                path=("genset", name, "quiet", index, "n_units"),
                message="more units may run than there are",
                allowed=f"at most {genset.n_units}",
            )


def _pollutant(
    files: ConfigFiles, name: str, genset: GensetClassTable, limits: GensetLimits, key: str, table: PollutantTable
) -> Iterator[Finding]:
    path = ("genset", name, "pollutant", key, "points")
    powers = [point.power_kw for point in table.points]
    if any(after <= before for before, after in pairwise(powers)):
        yield Finding(
            file="assets.toml", path=path, message="the points are not in order of power", allowed="rising power_kw"
        )
        return
    if table.price_per_kg > 0.0 and not _rises(files, genset, limits, table):
        yield Finding(
            file="assets.toml",
            path=path,
            message="with its price a kWh at higher load would cost less than one at lower load",
            allowed="a lower price_per_kg, or 0 to report only",
        )


def _rises(files: ConfigFiles, genset: GensetClassTable, limits: GensetLimits, table: PollutantTable) -> bool:
    """Return whether fuel and a priced pollutant together cost more per kWh from stretch to stretch."""
    economics = files.tariffs.economics
    per_l = economics.diesel_price_per_l + economics.diesel_kgco2e_per_l * economics.co2_price_per_t / KG_PER_T
    nodes = sorted({limits.min_stable_kw, *(p.power_kw for p in genset.fuel), *(p.power_kw for p in table.points)})
    inside = [kw for kw in nodes if limits.min_stable_kw <= kw <= genset.rated_kw]
    fuel = [(point.power_kw, point.fuel_l_per_h) for point in genset.fuel]
    exhaust = [(point.power_kw, point.g_per_h) for point in table.points]
    costs = [_at(fuel, kw) * per_l + _at(exhaust, kw) * table.price_per_kg / G_PER_KG for kw in inside]
    slopes = [
        (after - before) / (high - low)
        for (low, high), (before, after) in zip(pairwise(inside), pairwise(costs), strict=True)
    ]
    return all(after >= before - 1e-9 for before, after in pairwise(slopes))


def _at(points: list[tuple[float, float]], power_kw: float) -> float:
    for (low, value), (high, following) in pairwise(points):
        if power_kw <= high:
            return value + (following - value) * (power_kw - low) / (high - low)
    return points[-1][1]


def _maintenance(files: ConfigFiles) -> Iterator[Finding]:
    units = [unit for name, table in files.assets.genset.items() for unit in unit_ids(name, table.n_units)]
    for index, work in enumerate(files.forecasts.maintenance):
        if work.unit not in units:
            yield Finding(
                file="forecasts.toml",
                path=("maintenance", index, "unit"),
                message=f"there is no genset '{work.unit}'",
                allowed=", ".join(units) or "no [[maintenance]] without gensets",
            )
        if work.end <= work.start:
            yield Finding(
                file="forecasts.toml",
                path=("maintenance", index, "end"),
                message="the work ends before it starts",
                allowed=f"after {work.start.isoformat()}",
            )


def _deliveries(files: ConfigFiles) -> Iterator[Finding]:
    tank = files.assets.fuel_tank
    for index, delivery in enumerate(files.forecasts.delivery):
        if tank is None:
            yield Finding(
                file="forecasts.toml",
                path=("delivery", index),
                message="a delivery for a site without a tank",
                allowed="a table [fuel_tank] in assets.toml and limits.toml, or no [[delivery]]",
            )
        elif delivery.volume_l > tank.capacity_l:
            yield Finding(
                file="forecasts.toml",
                path=("delivery", index, "volume_l"),
                message="the delivery is larger than the tank",
                allowed=f"at most {tank.capacity_l:g} litres (assets.toml fuel_tank.capacity_l)",
            )
