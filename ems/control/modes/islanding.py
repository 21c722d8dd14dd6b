"""What of the plant forbids to open the PCC on purpose, seen in the snapshot of this very cycle."""

from ems.model.site import Site
from ems.model.snapshot import SiteSnapshot


def plant_refusal(site: Site, snapshot: SiteSnapshot) -> str | None:
    """Return why devices and settings do not allow an island now; energy and reserve are judged beside it."""
    tie, pcc = site.control.tie, snapshot.pcc
    if tie is None or pcc is None:
        return "the PCC breaker is not ours to open"
    if not pcc.controllable:
        return "the PCC device takes no request to open"
    if tie.island_group is not None and pcc.island_group != tie.island_group:
        shown = "unknown" if pcc.island_group is None else str(pcc.island_group)
        return f"protection settings group for the island is {shown}, not {tie.island_group}"
    if not any(block.forming and block.ready for block in snapshot.blocks):
        return "no PCS is ready to form the island"
    unarmed = [block.id for block in snapshot.blocks if block.forming and block.fallback_armed is False]
    if unarmed:
        return f"the fall-back of {unarmed[0]} for a silent controller is not armed"
    return None
