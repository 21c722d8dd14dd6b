"""Shares a power among storage blocks by state of charge, and among gensets by their ratings."""

from dataclasses import dataclass, replace

from ems.model.units import SECONDS_PER_HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockShare:
    """What one block can take of a discharge or charge; `weight_kwh` is energy above (below) its limit.

    Powers below `least_kw` are not accepted by its PCS, except zero.
    """

    id: str
    weight_kwh: float
    cap_kw: float
    least_kw: float = 0.0
    rated_kw: float = 0.0
    full_kwh: float = 0.0


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


def share_accepted(total_kw: float, shares: tuple[BlockShare, ...], *, exponent: float) -> dict[str, float]:
    """Share a power >= 0 like `water_fill`, with each block at zero or at no less than its PCS accepts.

    Where the power is too small for all, the heaviest blocks that it is enough for have it. What no block accepts is
    left over.
    """
    given = water_fill(total_kw, shares, exponent=exponent)
    if not any(0.0 < given[share.id] < share.least_kw for share in shares):
        return given
    heaviest_first = sorted(shares, key=lambda share: -share.weight_kwh)
    able = [share for share in heaviest_first if share.weight_kwh > 0.0 and share.cap_kw >= share.least_kw]
    chosen: list[BlockShare] = []
    for share in able:
        if sum(each.least_kw for each in chosen) + share.least_kw <= total_kw:
            chosen.append(share)
    above = tuple(replace(share, cap_kw=share.cap_kw - share.least_kw) for share in chosen)
    least_kw = sum(share.least_kw for share in chosen)
    extra = water_fill(total_kw - least_kw, above, exponent=exponent)
    return {share.id: 0.0 for share in shares} | {share.id: share.least_kw + extra[share.id] for share in chosen}


def share_by_rating(
    total_kw: float, limits_kw: dict[str, tuple[float, float]], *, rated_kw: dict[str, float]
) -> dict[str, float]:
    """Share a power among units at the same share of their ratings; the limits win over the total."""
    limits = {name: (low / rated_kw[name], high / rated_kw[name]) for name, (low, high) in limits_kw.items()}
    left_kw, result = total_kw, dict[str, float]()
    while limits:
        even = left_kw / sum(rated_kw[name] for name in limits)
        bound = {name: min(max(even, low), high) for name, (low, high) in limits.items()}
        fixed = {name: frac for name, frac in bound.items() if frac != even}
        excess_kw = sum((frac - even) * rated_kw[name] for name, frac in fixed.items())
        side = {name: frac for name, frac in fixed.items() if (frac > even) == (excess_kw > 0.0)} or fixed or bound
        result |= {name: frac * rated_kw[name] for name, frac in side.items()}
        left_kw -= sum(result[name] for name in side)
        limits = {name: limit for name, limit in limits.items() if name not in side}
    return result


def sustained_kw(energy_kwh: float, *, hold_s: float) -> float:
    """Return the power that an energy sustains for a time."""
    return max(0.0, energy_kwh) * SECONDS_PER_HOUR / hold_s
