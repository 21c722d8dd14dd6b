"""What holds voltage and frequency of the bus: measured, never concluded from what was commanded."""

from enum import StrEnum

from ems.control.state import Forming
from ems.model.site import Site
from ems.model.snapshot import SiteSnapshot


class IslandKind(StrEnum):
    """Who shares the work in an island: storage alone, storage with sets, or sets that form it."""

    BATTERY = "battery"
    HYBRID = "hybrid"
    GENSETS = "gensets"


def grid_is_low(site: Site, snapshot: SiteSnapshot) -> bool:
    """Return whether the voltage of the grid is known to be below what counts as lost."""
    pcc = snapshot.pcc
    if pcc is None or pcc.grid_voltage_frac is None:
        return False
    return pcc.grid_voltage_frac < site.control.modes.grid_lost_frac


def forming_role(site: Site, snapshot: SiteSnapshot) -> Forming | None:
    """Return what forms the bus; None where the devices that would know are silent."""
    pcc = snapshot.pcc
    if pcc is not None and pcc.breaker_closed and not grid_is_low(site, snapshot):
        return Forming.GRID
    if pcc is not None and pcc.bus_voltage_frac is not None and pcc.bus_voltage_frac < site.control.modes.dead_bus_frac:
        return Forming.NONE
    if any(block.forming and block.ready for block in snapshot.blocks):
        return Forming.PCS
    if any(genset.carries for genset in snapshot.gensets):
        return Forming.GENSET
    heard = all(block.forming is not None for block in snapshot.blocks) and all(
        genset.phase is not None for genset in snapshot.gensets
    )
    return Forming.NONE if heard else None


def island_kind(role: Forming | None, snapshot: SiteSnapshot) -> IslandKind | None:
    """Return the kind of an island by who forms it and who carries load; None where it is none, or not known."""
    if role is Forming.GENSET:
        return IslandKind.GENSETS
    if role is Forming.PCS:
        return IslandKind.HYBRID if any(genset.carries for genset in snapshot.gensets) else IslandKind.BATTERY
    return None
