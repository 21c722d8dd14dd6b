"""How evenly the racks of containers are charged, and what that costs of their energy.

Racks are in parallel behind one converter: discharging ends when the emptiest of them is empty, charging when the
fullest is full (G. L. Plett, Battery Management Systems, vol. II, Artech House 2015, chapter on cell balancing: what a
pack can give is bounded by its weakest part at either end). What lies between these and the mean cannot be used.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ems.model.readings import BmsReading, RackReading


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerRacks:
    """The racks of one container as its device reads them."""

    container_id: str
    racks: tuple[RackReading, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RackSpread:
    """How far racks are from the SoC of their block.

    `below_pct` and `above_pct` are the distances of the emptiest and of the fullest rack, `within_pct` is the largest
    distance of two racks of one container, None where none is known.
    """

    below_pct: float = 0.0
    above_pct: float = 0.0
    within_pct: float | None = None


# nothing is lost where no device tells of racks
EVEN: Final = RackSpread()


def soc_spread_pct(bms: BmsReading) -> float | None:
    """Return how far the SoC of a container's racks is apart, None where it does not tell."""
    if bms.rack_soc_min_pct is None or bms.rack_soc_max_pct is None:
        return None
    return bms.rack_soc_max_pct - bms.rack_soc_min_pct


def rack_spread(containers: Iterable[BmsReading], *, soc_pct: float | None) -> RackSpread:
    """Return the spread in a block of containers whose SoC together is `soc_pct`."""
    told = [bms for bms in containers if soc_spread_pct(bms) is not None]
    if soc_pct is None or not told:
        return EVEN
    return RackSpread(
        below_pct=max(0.0, soc_pct - min(bms.rack_soc_min_pct or 0.0 for bms in told)),
        above_pct=max(0.0, max(bms.rack_soc_max_pct or 0.0 for bms in told) - soc_pct),
        within_pct=max(spread for bms in told if (spread := soc_spread_pct(bms)) is not None),
    )


def racks_of(containers: Sequence[tuple[str, BmsReading]]) -> tuple[ContainerRacks, ...]:
    """Return the racks of those containers whose device tells of them; given by id."""
    return tuple(
        ContainerRacks(container_id=container_id, racks=bms.racks)
        for container_id, bms in containers
        if bms.racks is not None
    )
