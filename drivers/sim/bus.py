"""The power balance of one step: who follows, who forms, who sheds when nobody can.

Mean powers over the step. Islanded, forming PCS carry what is left by their droop, then gensets by their
governors; a surplus is taken off by frequency-watt curtailment, then by gensets. On the grid the connection
carries the rest.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """A unit that runs at its wanted power and can be moved between limits by frequency."""

    lowest_kw: float
    wanted_kw: float
    highest_kw: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Solved:
    """The step's balance; lists in the order of the inputs."""

    blocks_kw: list[float]
    gensets_kw: list[float]
    pv_kw: list[float]
    grid_kw: float
    unserved_kw: float
    # how far forming units were driven off their setpoints, as a share of their rating
    droop_frac: float


def solve_bus(
    *,
    load_kw: float,
    blocks: list[Following],
    gensets: list[Following],
    pv_kw: list[float],
    rating_kw: float,
    grid_closed: bool,
) -> Solved:
    """Balance the bus for one step; `rating_kw` is that of the forming units together."""
    wanted = [min(max(block.wanted_kw, block.lowest_kw), block.highest_kw) for block in blocks]
    sets = [genset.wanted_kw for genset in gensets]
    rest = load_kw - sum(pv_kw) - sum(sets) - sum(wanted)
    if grid_closed:
        return Solved(
            blocks_kw=wanted, gensets_kw=sets, pv_kw=list(pv_kw), grid_kw=rest, unserved_kw=0.0, droop_frac=0.0
        )
    moved, rest = _shift(wanted, [b.lowest_kw for b in blocks], [b.highest_kw for b in blocks], rest)
    droop = sum(moved) - sum(wanted)
    pv = list(pv_kw)
    lowest, highest = [g.lowest_kw for g in gensets], [g.highest_kw for g in gensets]
    if rest > 0.0:
        sets, rest = _shift(sets, lowest, highest, rest)
    elif rest < 0.0:
        pv, rest = _shift(pv, [0.0] * len(pv), pv, rest)
        sets, rest = _shift(sets, lowest, highest, rest)
    return Solved(
        blocks_kw=moved,
        gensets_kw=sets,
        pv_kw=pv,
        grid_kw=0.0,
        unserved_kw=max(0.0, rest),
        droop_frac=droop / rating_kw if rating_kw > 0.0 else 0.0,
    )


def _shift(powers: list[float], lowest: list[float], highest: list[float], by_kw: float) -> tuple[list[float], float]:
    """Move units together by a total, in proportion to their range, until limits stop them; return what is left."""
    up = by_kw > 0.0
    room = [high - kw if up else kw - low for kw, low, high in zip(powers, lowest, highest, strict=True)]
    total = sum(room)
    if total <= 0.0 or by_kw == 0.0:
        return list(powers), by_kw
    moved = min(by_kw, total) if up else max(by_kw, -total)
    return [kw + moved * r / total for kw, r in zip(powers, room, strict=True)], by_kw - moved
