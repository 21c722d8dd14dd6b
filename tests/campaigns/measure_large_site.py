"""Time of guard and control cycle on a site of 200 devices: 100 AC blocks, 20 sets, 79 PV blocks, the PCC."""

from collections.abc import Iterator
from dataclasses import replace
from random import Random

from ems.control.guard import guard
from ems.control.state import Mode
from ems.control.step import step
from ems.model.battery import AcBlock
from ems.model.grid import FlowGroup
from ems.model.setpoints import BlockSetpoint, GensetSetpoint, PvSetpoint, Setpoints
from ems.model.site import Site
from ems.model.snapshot import SiteSnapshot
from ems.runtime.clock import process_seconds
from tests.campaigns.rows import Row
from tests.control.scene import at, healthy, running, shipped, steady

_N_BLOCKS, _N_SETS, _N_PV = 100, 20, 79
# milliseconds that the guard and a whole cycle may take
_GUARD_MS, _STEP_MS = 5.0, 20.0


def measure_large_site(*, n_cycles: int = 600) -> Iterator[Row]:
    """Guard wild requests, and decide cycles whose load and sun move."""
    site = large_site()
    random = Random(7)
    calm = _picture(site)
    decided = step(site, calm, None, steady(site, calm, Mode.GRID))
    state, context = decided.state, decided.context
    assert context is not None
    guards_s, steps_s = [], []
    for cycle in range(n_cycles):
        snapshot = _moved(at(calm, calm.at_s + cycle), random)
        request = _request(site, random)
        begin = process_seconds()
        guard(request, site, snapshot, context)
        guards_s.append(process_seconds() - begin)
        begin = process_seconds()
        state = step(site, snapshot, None, state).state
        steps_s.append(process_seconds() - begin)
    for name, what, times_s, most_ms in (
        ("guard", "guard of wild requests", guards_s, _GUARD_MS),
        ("step", "control.step", steps_s, _STEP_MS),
    ):
        times_s.sort()
        value = 1e3 * times_s[int(0.99 * len(times_s))]
        yield Row(
            id=f"control.large.{name}.p99",
            what=f"{what}, p99 of {n_cycles} cycles of a site with 200 devices",
            value=value,
            unit="ms",
            target=f"< {most_ms:g}",
            met=value < most_ms,
        )


def large_site() -> Site:
    """Return the campus with many small units and two groups."""
    site = shipped("weak-grid-campus")
    pool, kind, plant = site.batteries[0], site.gensets[0], site.pv[0]
    blocks = tuple(AcBlock(id=f"bess{n:03}", container_ids=(f"bess{n:03}a", f"bess{n:03}b")) for n in range(_N_BLOCKS))
    return replace(
        site,
        batteries=(replace(pool, blocks=blocks),),
        gensets=(replace(kind, unit_ids=tuple(f"gen{n:02}" for n in range(_N_SETS))),),
        pv=(replace(plant, block_ids=tuple(f"pv{n:02}" for n in range(_N_PV))),),
        groups=(
            FlowGroup(id="collector", members=(plant.id,), limit_kw=0.5 * plant.ac_kw * _N_PV),
            FlowGroup(id="west", members=(pool.id, plant.id), limit_kw=0.6 * plant.ac_kw * _N_PV),
        ),
    )


def _picture(site: Site) -> SiteSnapshot:
    calm = healthy(site, pv_kw=10_000.0)
    sets = tuple(running(genset, 1000.0) if n < _N_SETS // 2 else genset for n, genset in enumerate(calm.gensets))
    return replace(calm, gensets=sets)


def _moved(snapshot: SiteSnapshot, random: Random) -> SiteSnapshot:
    share = random.uniform(0.9, 1.1)
    assert snapshot.it.load_kw is not None
    return replace(
        snapshot,
        it=replace(snapshot.it, load_kw=share * snapshot.it.load_kw, load_max_kw=1.1 * share * snapshot.it.load_kw),
        pv=tuple(replace(pv, power_kw=random.uniform(0.5, 1.0) * (pv.power_kw or 0.0)) for pv in snapshot.pv),
    )


def _request(site: Site, random: Random) -> Setpoints:
    pool, kind, plant = site.batteries[0], site.gensets[0], site.pv[0]
    return Setpoints(
        blocks=tuple(
            BlockSetpoint(id=block.id, power_kw=random.uniform(-1.2, 1.2) * pool.pcs_kw) for block in pool.blocks
        ),
        gensets=tuple(
            GensetSetpoint(id=unit, run=random.random() < 0.7, power_kw=random.uniform(0.0, 1.2) * kind.rated_kw)
            for unit in kind.unit_ids
        ),
        pv=tuple(PvSetpoint(id=block, limit_kw=random.uniform(0.0, 1.2) * plant.ac_kw) for block in plant.block_ids),
    )
