"""Supply temperatures of cooling units: numbers, and never warmer than configured (G1, G16)."""

from math import nan
from typing import Final

from ems.control.guard.rules import Clip, Rule, dropped, is_number
from ems.model.setpoints import SupplySetpoint
from ems.model.site import Site

_ROUNDING_K: Final = 1e-6


def guarded_supplies(
    requested: tuple[SupplySetpoint, ...], site: Site, clips: list[Clip]
) -> tuple[SupplySetpoint, ...]:
    """Return the supply temperatures that may be written; a unit whose setpoint is dropped keeps its last one.

    A clip has no power here: its figures stand in the reason.
    """
    kinds = (site.cooling.cdus, site.cooling.chillers, site.cooling.dry_coolers)
    configured = {unit: kind.supply_degc for kind in kinds if kind is not None for unit in kind.unit_ids}
    allowed = []
    for setpoint in requested:
        warmest_degc = configured.get(setpoint.id)
        if not is_number(setpoint.id, setpoint.supply_degc, clips):
            continue
        if warmest_degc is None or setpoint.supply_degc > warmest_degc + _ROUNDING_K:
            limit = "none is configured" if warmest_degc is None else f"more than {warmest_degc:g} °C takes margin away"
            clips.append(dropped(Rule.COOLING, setpoint.id, nan, f"supply {setpoint.supply_degc:g} °C: {limit}"))
            continue
        allowed.append(setpoint)
    return tuple(allowed)
