"""Shares a power among storage blocks by state of charge, and among gensets equally."""

from dataclasses import dataclass

from ems.model.units import SECONDS_PER_HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockShare:
    """What one block can take of a discharge or charge; `weight_kwh` is energy above (below) its limit."""

    id: str
    weight_kwh: float
    cap_kw: float


def water_fill(total_kw: float, shares: tuple[BlockShare, ...], *, exponent: float) -> dict[str, float]:
    """Share a power >= 0 in proportion to weight ** exponent until caps are hit.

    The sum is min(total, sum of caps of blocks with weight); nothing goes to a block without weight.
    """
    result = dict.fromkeys((share.id for share in shares), 0.0)
    open_shares = [share for share in shares if share.weight_kwh > 0.0 and share.cap_kw > 0.0]
    left_kw = total_kw
    while open_shares and left_kw > 1e-9:
        heaviest_kwh = max(share.weight_kwh for share in open_shares)
        weights = [(share.weight_kwh / heaviest_kwh) ** exponent for share in open_shares]
        scale = left_kw / sum(weights)
        full = [share for share, weight in zip(open_shares, weights, strict=True) if weight * scale >= share.cap_kw]
        if not full:
            for share, weight in zip(open_shares, weights, strict=True):
                result[share.id] = weight * scale
            return result
        for share in full:
            result[share.id] = share.cap_kw
            left_kw -= share.cap_kw
        open_shares = [share for share in open_shares if share not in full]
    return result


def sustained_kw(energy_kwh: float, *, hold_s: float) -> float:
    """Return the power that an energy sustains for a time."""
    return max(0.0, energy_kwh) * SECONDS_PER_HOUR / hold_s


def share_equally(total_kw: float, limits_kw: dict[str, tuple[float, float]]) -> dict[str, float]:
    """Share a power equally among units with (lowest, highest) limits; the limits win over the total."""
    result: dict[str, float] = {}
    open_units = dict(limits_kw)
    left_kw = total_kw
    while open_units:
        each = left_kw / len(open_units)
        bound = {name: min(max(each, low), high) for name, (low, high) in open_units.items()}
        fixed = {name: kw for name, kw in bound.items() if kw != each}
        if not fixed:
            return {**result, **bound}
        # a unit at its lower limit leaves less for the others, one at its upper limit more: settle one side first
        excess = sum(kw - each for kw in fixed.values())
        side = {name: kw for name, kw in fixed.items() if (kw > each) == (excess > 0.0)} or fixed
        result |= side
        left_kw -= sum(side.values())
        open_units = {name: limit for name, limit in open_units.items() if name not in side}
    return result
