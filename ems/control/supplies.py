"""Supply temperatures of cooling units: what the configuration asks for, renewed in every cycle.

Units are never started or stopped from here; when a compressor runs is the unit's own matter.
"""

from ems.model.load import CoolingUnits
from ems.model.setpoints import Cause, Reason, SupplySetpoint
from ems.model.site import Site


def supply_setpoints(site: Site) -> tuple[SupplySetpoint, ...]:
    """Return the setpoint of every unit whose supply temperature is configured."""
    kinds: tuple[CoolingUnits | None, ...] = (site.cooling.cdus, site.cooling.chillers)
    return tuple(
        _setpoint(unit, kind.supply_degc)
        for kind in kinds
        if kind is not None and kind.supply_degc is not None
        for unit in kind.unit_ids
    )


def _setpoint(unit: str, supply_degc: float) -> SupplySetpoint:
    reason = Reason(cause=Cause.CONFIGURED, text=f"the configuration asks for {supply_degc:g} °C")
    return SupplySetpoint(id=unit, supply_degc=supply_degc, reasons=(reason,))
