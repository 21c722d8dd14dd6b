"""Corrected meter readings: a new row that names the interval, never an edit of it. Pure.

A correction changes what was metered, the residual and the emissions that follow from amounts (fuel, import, unknown).
The interval's flows are not traced again: the energy has been stored and delivered with the mix that was known then.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ems.accounting.rows import VERSION, RowKind
from ems.chain.canonical import Record
from ems.errors import StateError

# what a meter's energy does to the residual, and where the record counts it
_SIGNS: Final = {
    "pv_wh": (1, "pv"),
    "genset_wh": (1, "genset"),
    "import_wh": (1, "grid_import"),
    "discharge_wh": (1, "discharge"),
    "charge_wh": (-1, "charge"),
    "export_wh": (-1, "grid_export"),
    "it_wh": (-1, "it"),
    "cooling_wh": (-1, "cooling"),
    "aux_wh": (-1, "site_aux"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectedReading:
    """What a meter counted in an interval after all, whole Wh, or ml for `fuel_ml`."""

    seq: int
    quantity: str
    unit: str
    value: int
    reason: str


def reading_now(original: Record, earlier: Iterable[Record], reading: CorrectedReading) -> int:
    """Return what counts at present for the meter: the record's reading, or that of the newest correction.

    Raises:
        StateError: The interval has no such meter.
    """
    try:
        value = int(original["meters"][reading.quantity][reading.unit])
    except (KeyError, TypeError) as error:
        known = ", ".join(f"{name}:{unit}" for name, units in original.get("meters", {}).items() for unit in units)
        raise StateError(
            f"interval {reading.seq} has no meter {reading.quantity}:{reading.unit}; it has {known or 'none'}"
        ) from error
    for row in earlier:
        changed = row["meters"].get(reading.quantity, {}).get(reading.unit)
        if row["of"]["seq"] == reading.seq and changed is not None:
            value = int(changed["is"])
    return value


def correction_body(
    original: Record, digest: str, earlier: Iterable[Record], reading: CorrectedReading
) -> dict[str, object]:
    """Return the row of a corrected reading.

    Args:
        original: The interval.
        digest: Its hash.
        earlier: Corrections so far, oldest first.
        reading: What is right.

    Raises:
        StateError: The interval has no such meter, or counts this value already.
    """
    before = tuple(earlier)
    was = reading_now(original, before, reading)
    if was == reading.value:
        raise StateError(f"interval {reading.seq} counts {was} for {reading.quantity}:{reading.unit} already")
    changes = _changes(original, before, reading, reading.value - was)
    return {
        "v": VERSION,
        "kind": RowKind.CORRECTION.value,
        "site": original["site"],
        "of": {"seq": reading.seq, "hash": digest},
        "reason": reading.reason,
        "meters": {reading.quantity: {reading.unit: {"was": was, "is": reading.value}}},
        **changes,
    }


def totals_of(record: Mapping[str, Any]) -> dict[str, int]:
    """Return what an interval or a correction adds to the totals of a period, Wh, mg and ml."""
    if record["kind"] == RowKind.CORRECTION:
        return dict(record["change"])
    energy, carbon = record["energy_wh"], record["carbon_mgco2e"]
    return {
        **{f"{name}_wh": wh for name, wh in (*energy["sources"].items(), *energy["sinks"].items())},
        **{f"{name}_wh": energy[name] for name in ("charge", "discharge", "unknown", "unaccounted")},
        **{f"{name}_mgco2e": carbon[name] for name in ("scope1", "scope2_location", "unknown")},
        "fuel_ml": record["fuel_ml"],
    }


def _changes(
    original: Record, earlier: Iterable[Record], reading: CorrectedReading, delta: int
) -> dict[str, dict[str, int]]:
    """Return what the correction adds to each total, those that stay left out."""
    counted = totals_of(original)
    for row in earlier:
        if row["of"]["seq"] == reading.seq:
            for name, change in row["change"].items():
                counted[name] = counted.get(name, 0) + change
    after, factors = dict(counted), original["factors"]
    if reading.quantity == "fuel_ml":
        after["fuel_ml"] += delta
        after["scope1_mgco2e"] = (after["fuel_ml"] * factors["diesel_mgco2e_per_l"] + 500) // 1000
    else:
        sign, name = _SIGNS[reading.quantity]
        after[f"{name}_wh"] += delta
        untracked = original["energy_wh"]["discharge_untracked"]
        residual = counted["unaccounted_wh"] - (counted["unknown_wh"] - untracked) + sign * delta
        after["unaccounted_wh"], after["unknown_wh"] = max(0, residual), max(0, -residual) + untracked
        after["unknown_mgco2e"] = (after["unknown_wh"] * factors["unknown_mgco2e_per_kwh"] + 500) // 1000
        after["scope2_location_mgco2e"] = (after["grid_import_wh"] * factors["grid_mgco2e_per_kwh"] + 500) // 1000
    return {"change": {name: after[name] - counted[name] for name in after if after[name] != counted[name]}}
