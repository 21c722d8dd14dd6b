"""How much IT power the cooling plant can take, as far as its units tell: what is known to be out of use is missing."""

from collections.abc import Sequence
from dataclasses import dataclass

from ems.model.cluster import ShedReason
from ems.model.cooling_units import CduState, ChillerState, DryCoolerState
from ems.model.load import CoolingKind, CoolingUnits
from ems.model.site import Site
from ems.model.snapshot import SiteSnapshot

# less than this share of the idle cluster's heat is no cooling at all
_NOTHING_FRAC = 0.5
# assumption: a fifth less heat brings water that is too warm below the limit within minutes
_DEGRADED_FRAC = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class CoolingShortage:
    """The plant cannot take the heat: power has to be at or below `it_kw`."""

    reason: ShedReason
    it_kw: float
    text: str


def cooling_shortage(site: Site, snapshot: SiteSnapshot, *, it_kw: float) -> CoolingShortage | None:
    """Return by how much the cooling plant falls short of a measured IT power, None where it does not.

    IT power is its heat. Lost heat rejection, or water that is too warm for the racks, leaves the idle power; lost
    capacity leaves what the rest can take.
    """
    warmest_degc = max((cdu.supply_degc for cdu in snapshot.cooling.cdus if cdu.supply_degc is not None), default=None)
    idle_kw = site.it.idle_kw
    if warmest_degc is not None and warmest_degc > site.cooling.lost_supply_degc:
        text = f"coolant is supplied at {warmest_degc:.1f} degC, above {site.cooling.lost_supply_degc:g} degC"
        return CoolingShortage(reason=ShedReason.COOLING_LOST, it_kw=idle_kw, text=text)
    can_kw = coolable_kw(site, snapshot)
    if can_kw is not None and can_kw < _NOTHING_FRAC * idle_kw:
        text = "hardly any heat can be taken from the racks"
        return CoolingShortage(reason=ShedReason.COOLING_LOST, it_kw=idle_kw, text=text)
    if can_kw is not None and can_kw < it_kw:
        text = f"cooling can take {can_kw:.0f} of {it_kw:.0f} kW"
        return CoolingShortage(reason=ShedReason.COOLING_DEGRADED, it_kw=max(idle_kw, can_kw), text=text)
    if warmest_degc is not None and warmest_degc > site.cooling.degraded_supply_degc:
        # what is taken now is too much; how much less is seen as the water cools
        target_kw = max(idle_kw, min(it_kw, site.it.design_kw) * _DEGRADED_FRAC)
        text = f"coolant is supplied at {warmest_degc:.1f} degC, above {site.cooling.degraded_supply_degc:g} degC"
        return CoolingShortage(reason=ShedReason.COOLING_DEGRADED, it_kw=target_kw, text=text)
    return None


def has_recovered(site: Site, snapshot: SiteSnapshot) -> bool:
    """Return whether the racks' coolant is cool enough to raise power again; where none tells it counts as cool."""
    known = [cdu.supply_degc for cdu in snapshot.cooling.cdus if cdu.supply_degc is not None]
    return all(degc < site.cooling.recovered_supply_degc for degc in known)


def coolable_kw(site: Site, snapshot: SiteSnapshot) -> float | None:
    """Return the IT power whose heat can be taken, None where no unit is known to be out. A silent one is not."""
    plant, now = site.cooling, snapshot.cooling
    limits = []
    cdus_out = [_cdu_is_out(cdu) for cdu in now.cdus]
    if plant.cdus is not None and any(cdus_out):
        taken = _left_kw_th(plant.cdus, cdus_out)
        share = plant.liquid_share_frac if plant.kind is CoolingKind.LIQUID else 1.0
        limits.append(taken / share if share > 0.0 else taken)
    rejecting = [
        (plant.chillers, [_chiller_is_out(unit) for unit in now.chillers]),
        (plant.dry_coolers, [_cooler_is_out(unit) for unit in now.dry_coolers]),
    ]
    known = [(units, out) for units, out in rejecting if units is not None]
    if any(any(out) for _, out in known) and (plant.kind is not CoolingKind.LIQUID or plant.dry_coolers is not None):
        limits.append(sum(_left_kw_th(units, out) for units, out in known))
    return min(limits, default=None)


def _left_kw_th(units: CoolingUnits, out: Sequence[bool]) -> float:
    return units.capacity_kw_th * (len(units.unit_ids) - sum(out))


def _cdu_is_out(cdu: CduState) -> bool:
    return cdu.available is False


def _chiller_is_out(unit: ChillerState) -> bool:
    """Return whether a chiller cannot run; one that the plant has switched off could."""
    return unit.alarm is True or unit.low_flow is True


def _cooler_is_out(unit: DryCoolerState) -> bool:
    return unit.alarm is True
