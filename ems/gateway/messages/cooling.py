"""The thermal part of readiness: which units of the cooling plant can be counted on, and whether that is enough."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from ems.gateway.messages.quality import ABSENT
from ems.model.cooling_units import Unit, n_available
from ems.model.snapshot import SiteSnapshot

_UNTOLD: Final = "unknown: none reports it"
_UNKNOWN: Final = "unknown: neither the plant nor enough of its units tell it"

Value = int | float | bool | tuple[str, ...] | None


def thermal_readiness(snapshot: SiteSnapshot) -> tuple[Mapping[str, Value], Mapping[str, str]]:
    """Return the fields of the readiness message about cooling, and why some of them are null."""
    cooling = snapshot.cooling
    counted: Mapping[str, Sequence[Unit]] = {
        "cdus": cooling.cdus,
        "chillers": cooling.chillers,
        "dry_coolers": cooling.dry_coolers,
    }
    values: dict[str, Value] = {}
    quality: dict[str, str] = {}
    for name, units in counted.items():
        values[f"n_{name}"] = len(units)
        values[f"n_{name}_available"] = count = n_available(units)
        if count is None:
            quality[f"n_{name}_available"] = _UNTOLD if units else ABSENT
    values["cooling_capacity_kw_th"] = capacity = cooling.capacity_kw_th
    values["cooling_ready"] = ready = _covers(capacity, snapshot.it.load_kw)
    values["cooling_faults"] = tuple(_faults(snapshot))
    if capacity is None:
        quality["cooling_capacity_kw_th"] = _UNKNOWN
    if ready is None:
        quality["cooling_ready"] = _UNKNOWN if capacity is None else "unknown: the IT load is not measured"
    return values, quality


def _covers(capacity_kw_th: float | None, it_kw: float | None) -> bool | None:
    """Return whether the heat of an IT load, which is its power, can be taken."""
    return None if capacity_kw_th is None or it_kw is None else capacity_kw_th >= it_kw


def _faults(snapshot: SiteSnapshot) -> Iterator[str]:
    cooling = snapshot.cooling
    for cdu in cooling.cdus:
        if cdu.available is False:
            yield f"{cdu.id}: {_why(leak=cdu.leak, low_flow=cdu.low_flow, alarm=cdu.alarm)}"
    for chiller in cooling.chillers:
        if chiller.available is False:
            yield f"{chiller.id}: {_why(low_flow=chiller.low_flow, alarm=chiller.alarm)}"
    for cooler in cooling.dry_coolers:
        if cooler.available is False:
            yield f"{cooler.id}: {_why(alarm=cooler.alarm)}"


def _why(*, leak: bool | None = None, low_flow: bool | None = None, alarm: bool | None = None) -> str:
    """Return the gravest reason; a unit without any of them has been stopped."""
    if leak:
        return "leak"
    if low_flow:
        return "low flow"
    return "alarm" if alarm else "stopped"
