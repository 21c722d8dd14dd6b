"""Unit conversions: the one place where a factor of 60, 1000 or 3600 is written."""

from typing import Final

SECONDS_PER_HOUR: Final = 3600.0
SECONDS_PER_MINUTE: Final = 60.0
MINUTES_PER_HOUR: Final = 60.0
HOURS_PER_DAY: Final = 24.0
WH_PER_KWH: Final = 1000
KG_PER_T: Final = 1000.0
G_PER_KG: Final = 1000.0
MG_PER_KG: Final = 1_000_000


def hours(duration_s: float) -> float:
    """Convert seconds to hours."""
    return duration_s / SECONDS_PER_HOUR


def seconds(duration_h: float) -> float:
    """Convert hours to seconds."""
    return duration_h * SECONDS_PER_HOUR


def energy_kwh(power_kw: float, duration_s: float) -> float:
    """Return the energy of a constant power over a duration, with the sign of the power."""
    return power_kw * duration_s / SECONDS_PER_HOUR


def frac(value_pct: float) -> float:
    """Convert a percentage (0..100) to a fraction (0..1)."""
    return value_pct / 100.0


def pct(value_frac: float) -> float:
    """Convert a fraction (0..1) to a percentage (0..100)."""
    return value_frac * 100.0
