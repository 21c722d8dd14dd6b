"""What a point of a device can hold: a number, a flag, a text or a list of names; or no value, and why."""

import math
from dataclasses import dataclass

Number = int | float
Value = int | float | bool | str | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bad:
    """No value, and why."""

    reason: str


def parts_of(factor: float) -> int | None:
    """Return n for a factor that is 1/n of a whole number.

    Dividing by n is exact where multiplying is not: 3 / 10 is 0.3, 3 x 0.1 is not, and a setpoint of exactly the
    rated power must not come out above it.
    """
    parts = round(1 / factor)
    return parts if abs(factor) < 1 and math.isclose(parts * factor, 1.0, rel_tol=1e-12) else None
