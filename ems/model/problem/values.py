"""Values per step that may be left out."""

from collections.abc import Sequence


def at(values: Sequence[float], t: int, otherwise: float) -> float:
    """Return the value of step t, `otherwise` where the whole series is left out."""
    return values[t] if values else otherwise
