"""Compares what devices say of their own rating with the configuration. Pure.

What follows from it is elsewhere: live limits of a PCS are narrowed in the image, a set's power in the guard (G2, G6),
and a PV block cannot deliver more than it has.
"""

from collections.abc import Iterator
from typing import Final

from ems.model.site import Site
from ems.model.snapshot import SiteSnapshot

# of rounding on nameplates and of scale factors
_SAME_FRAC: Final = 0.01


def nameplate_alarms(site: Site, snapshot: SiteSnapshot) -> dict[str, str]:
    """Return an alarm for each unit whose own rating is below the configured one."""
    return {
        f"nameplate:{unit}": f"{unit}: the device is rated {told_kw:g} kW, {key} in assets.toml {configured_kw:g} kW; "
        "it is asked for no more than its own rating"
        for unit, key, configured_kw, told_kw in _ratings(site, snapshot)
        if told_kw is not None and told_kw < (1.0 - _SAME_FRAC) * configured_kw
    }


def _ratings(site: Site, snapshot: SiteSnapshot) -> Iterator[tuple[str, str, float, float | None]]:
    """Yield each unit with the key of its rating, that rating, and what the device says."""
    pools = {block.id: pool for pool in site.batteries for block in pool.blocks}
    for block in snapshot.blocks:
        yield block.id, "pcs_kw", pools[block.id].pcs_kw, block.rated_kw
    kinds = {unit: kind for kind in site.gensets for unit in kind.unit_ids}
    for genset in snapshot.gensets:
        yield genset.id, "rated_kw", kinds[genset.id].rated_kw, genset.rated_kw
    plants = {block_id: plant for plant in site.pv for block_id in plant.block_ids}
    for pv in snapshot.pv:
        yield pv.id, "ac_kw", plants[pv.id].ac_kw, pv.rated_kw
