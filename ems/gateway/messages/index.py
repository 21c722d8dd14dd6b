"""The part of readiness that is one number: the energy-resilience index, its components, and single losses."""

from collections.abc import Mapping
from typing import Final

from ems.contract.site import LossPart
from ems.control.readiness import Readiness
from ems.gateway.messages.quality import ABSENT
from ems.model.site import Site

_NOT_YET: Final = "unknown: control has not taken over yet"
_UNTOLD: Final = "unknown: reserve or stored energy is not known"
_NO_WATER: Final = "unknown: supply temperature or IT load is not measured"

Value = float | str | dict[str, float] | dict[str, str] | tuple[LossPart, ...] | None


def index_parts(site: Site, readiness: Readiness | None) -> tuple[Mapping[str, Value], Mapping[str, str]]:
    """Return the fields of the readiness message about the index, and why some of them are null."""
    names = ("index_pct", "index_weakest", "losses", "r2_held_kw", "r2_required_kw", "thermal_min")
    if readiness is None:
        return {"index_sentence": "The resilience index is not known yet."}, dict.fromkeys(names, _NOT_YET)
    values: dict[str, Value] = {
        "index_pct": readiness.index_pct,
        "index_weakest": readiness.weakest,
        "index_sentence": readiness.sentence,
        "index_components_frac": {
            each.name: each.share_frac for each in readiness.components if each.share_frac is not None
        },
        "index_texts": {each.name: each.text for each in readiness.components},
        "losses": tuple(
            LossPart(
                kind=loss.kind,
                asset=loss.asset,
                lost_kw=loss.lost_kw,
                short_kw=loss.short_kw,
                it_carried_kw=loss.it_carried_kw,
                lives_h=loss.lives_h,
                ends_by=loss.ends_by.value,
            )
            for loss in readiness.survivals
        ),
        "r2_held_kw": None if readiness.r2 is None else readiness.r2.held_kw,
        "r2_required_kw": None if readiness.r2 is None else readiness.r2.required_kw,
        "thermal_min": readiness.thermal_min,
    }
    why = {
        "index_pct": _UNTOLD,
        "index_weakest": _UNTOLD,
        "r2_held_kw": ABSENT,
        "r2_required_kw": ABSENT,
        "thermal_min": ABSENT if site.cooling.coolant_m3 is None else _NO_WATER,
    }
    return values, {name: why[name] for name in names if name in why and values[name] is None}
