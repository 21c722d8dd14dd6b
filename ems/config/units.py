"""The units that key names state, in words for messages and the reference; docs/signs-and-units.md has the rule."""

from typing import Final

UNITS: Final = {
    "kw": "kW",
    "kvar": "kvar",
    "kva": "kVA",
    "kw_th": "kW of heat",
    "kwp": "kW of modules",
    "kwh": "kWh",
    "kw_per_min": "kW per minute",
    "kgco2e": "kg CO2e",
    "gco2e_per_kwh": "g CO2e per kWh",
    "kw_per_container": "kW per container",
    "pct": "%",
    "frac_per_s": "of the rating per second",
    "frac_per_day": "per day",
    "frac_per_k": "per K",
    "degc": "°C",
    "k": "K",
    "m3": "cubic metres",
    "m3_per_h": "cubic metres per hour",
    "kohm": "kOhm",
    "l": "litres",
    "l_per_h": "litres per hour",
    "g_per_h": "g per hour",
    "s": "seconds",
    "min": "minutes",
    "h": "hours",
    "days": "days",
    "hz": "Hz",
    "v": "V",
    "a": "A",
    "kpa": "kPa",
    "deg": "degrees",
    "m": "m",
    "per_h": "per hour",
    "per_day": "per day",
    "periods": "planning periods",
    "cost": "in the site's currency",
    "cost_per_kwh": "in currency per kWh",
    "cost_per_h": "in currency per hour",
    "price_per_kwh": "in currency per kWh",
    "prices_per_kwh": "in currency per kWh",
    "price_per_l": "in currency per litre",
    "price_per_kg": "in currency per kg",
    "price_per_t": "in currency per tonne",
    "prices_per_t": "in currency per tonne",
    "price_per_kw_month": "in currency per kW and month",
    "kgco2e_per_l": "kg CO2e per litre",
}


def unit_of(name: str) -> str | None:
    """Return the unit that the end of a key name states, None for a name without one."""
    parts = name.split("_")
    ends = ("_".join(parts[first:]) for first in range(len(parts)))
    return next((UNITS[end] for end in ends if end in UNITS), None)
