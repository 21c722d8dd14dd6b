"""Points of derating, taper and wear of battery pools, and the members of shared feeders."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, pairwise

from ems.config.crosscheck.finding import Finding
from ems.config.files import ConfigFiles
from ems.config.notation import KeyPath
from ems.config.schema.assets import BatteryPoolTable
from ems.config.schema.limits import BatteryLimits, GroupTable, TaperTable
from ems.model.problem import GRID_MEMBER

# rounding of decimal figures
_ROUNDING = 1e-9


def contradictions(files: ConfigFiles) -> Iterator[Finding]:
    """Yield contradictions in what the plan knows of storage and feeders."""
    for name in sorted(files.assets.battery.keys() & files.limits.battery.keys()):
        pool, limits = files.assets.battery[name], files.limits.battery[name]
        yield from _derating(name, limits)
        yield from _taper(("battery", name, "charge_taper"), limits.charge_taper)
        yield from _taper(("battery", name, "discharge_taper"), limits.discharge_taper)
        yield from _depth(name, pool)
        yield from _reactive(name, pool)
    yield from _groups(files)


def _derating(name: str, limits: BatteryLimits) -> Iterator[Finding]:
    if any(low.cell_degc > high.cell_degc for low, high in pairwise(limits.derating)):
        yield Finding(
            file="limits.toml",
            path=("battery", name, "derating"),
            message="the points must ascend in temperature",
            allowed="points from cold to hot; two at one temperature are a jump",
        )


def _taper(path: KeyPath, points: Sequence[TaperTable]) -> Iterator[Finding]:
    if not points:
        return
    socs = [point.soc_pct for point in points]
    if len(points) < 2 or any(low >= high for low, high in pairwise(socs)):
        yield Finding(
            file="limits.toml",
            path=path,
            message="a taper needs points that ascend in SoC",
            allowed="two or more points",
        )
        return
    slopes = [(b.power_frac - a.power_frac) / (b.soc_pct - a.soc_pct) for a, b in pairwise(points)]
    if any(later > earlier + _ROUNDING for earlier, later in pairwise(slopes)):
        yield Finding(
            file="limits.toml",
            path=path,
            message="the taper bends upwards: a plan could not keep to it",
            allowed="points whose slope falls with SoC",
        )
    if max(point.power_frac for point in points) < 1.0:
        yield Finding(
            file="limits.toml",
            path=path,
            message="no point of the taper has full power",
            allowed="power_frac = 1 at one point",
        )


def _depth(name: str, pool: BatteryPoolTable) -> Iterator[Finding]:
    costs = [piece.cost_per_kwh for piece in pool.depth_wear]
    if any(deeper < upper for upper, deeper in pairwise(costs)):
        yield Finding(
            file="assets.toml",
            path=("battery", name, "depth_wear"),
            message="wear must not fall with depth: a plan would draw from the deep end first",
            allowed="stretches from the full end down, the cheapest first",
        )
    if sum(piece.width_frac for piece in pool.depth_wear) > 1.0 + _ROUNDING:
        yield Finding(
            file="assets.toml",
            path=("battery", name, "depth_wear"),
            message="the stretches are wider than the store",
            allowed="widths that add up to 1 at most",
        )


def _reactive(name: str, pool: BatteryPoolTable) -> Iterator[Finding]:
    apparent_kva = pool.pcs_kw if pool.pcs_kva is None else pool.pcs_kva
    if pool.reactive_kvar >= apparent_kva:
        yield Finding(
            file="assets.toml",
            path=("battery", name, "reactive_kvar"),
            message="the PCS has no active power left",
            allowed=f"below {apparent_kva:g} kvar (apparent power of one PCS)",
        )


def _groups(files: ConfigFiles) -> Iterator[Finding]:
    known = [*files.assets.battery, *files.assets.genset, *files.assets.pv]
    known += [GRID_MEMBER] if files.limits.grid is not None else []
    for name, group in files.limits.group.items():
        for index, member in enumerate(group.members):
            if member not in known:
                yield Finding(
                    file="limits.toml",
                    path=("group", name, "members", index),
                    message=f"'{member}' is no asset that can be a member",
                    allowed=", ".join(sorted(known)),
                )
            elif member in group.members[:index]:
                yield Finding(
                    file="limits.toml",
                    path=("group", name, "members", index),
                    message=f"'{member}' is a member twice",
                    allowed="each member once",
                )
    yield from _crossing(files.limits.group)


def _crossing(groups: Mapping[str, GroupTable]) -> Iterator[Finding]:
    """Yield groups that hold some members of another beside their own: what passes both is not known of either."""
    for (first, one), (second, other) in combinations(groups.items(), 2):
        shared = set(one.members) & set(other.members)
        if shared and shared != set(one.members) and shared != set(other.members):
            yield Finding(
                file="limits.toml",
                path=("group", second, "members"),
                message=f"{', '.join(sorted(shared))} in common with group '{first}', and others not",
                allowed="all members of the other group, some of them only, or none, as in a radial network",
            )
