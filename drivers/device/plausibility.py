"""What cannot be true, by the nameplate or as a whole: it is refused with its reason, never repaired."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

# beyond this share of the rating a power is a slip of unit, scale or word order
SLIP_FRAC: Final = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """The range of one power, as shares of the rated power; `low_hint` helps with a value that is too low."""

    field: str
    low_frac: float = -SLIP_FRAC
    high_frac: float = SLIP_FRAC
    low_hint: str = ""

    def fault(self, power_kw: float, rated_kw: float) -> str | None:
        """Return why the power cannot be true, None if it can."""
        if power_kw > self.high_frac * rated_kw:
            return f"{power_kw:g} kW is above {self.high_frac:.0%} of the rated {rated_kw:g} kW"
        if power_kw < self.low_frac * rated_kw:
            return f"{power_kw:g} kW is below {self.low_frac:.0%} of the rated {rated_kw:g} kW{self.low_hint}"
        return None


def emptiness(values: Mapping[str, object], numeric: Collection[str]) -> str | None:
    """Return why an answer tells nothing: where every number is missing, its flags mean nothing either.

    `numeric` names the points that are numbers.
    """
    has_numbers = False
    for name in numeric:
        if name in values:
            if values[name] is not None:
                return None
            has_numbers = True
    return "it shows no number as available" if has_numbers else None
