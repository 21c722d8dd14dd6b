"""What is asked of an operation, by response class, and what was found of it."""

from dataclasses import dataclass
from enum import StrEnum

from ems.model.problem import Contingency, ContingencyKind


class ReserveId(StrEnum):
    """The requirements that are assessed."""

    R0 = "r0"
    R1 = "r1"
    R2 = "r2"
    DOWN = "down"
    DOWN_SLOW = "down_slow"

    @property
    def upward(self) -> bool:
        """Return whether power that is missing is what the requirement is about."""
        return self not in {ReserveId.DOWN, ReserveId.DOWN_SLOW}


# upward classes that every site has
UP_CLASSES = (ReserveId.R0, ReserveId.R1)
# what control watches each second
WATCHED = (*UP_CLASSES, ReserveId.DOWN)
NO_LOSS = Contingency(id="none")
# R2: what takes longer does not count
R2_WITHIN_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRequirement:
    """What an upward class must cover beside a loss: variation, and the share of available PV a cloud takes.

    In a class in which starts count, running sets give all their headroom; load that is certain to be shed and
    curtailed PV count where the class says so.
    """

    id: ReserveId
    gensets_count: bool
    variation_kw: float
    pv_drop_frac: float
    starts_count: bool = False
    shed_kw: float = 0.0
    curtailed_counts: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """All requirements of one instant; storage must sustain its headroom for `sustain_s`.

    Survived are the loss of any one unit of the kinds in `survive`, and each of the `contingencies`. `down` names the
    downward requirements.
    """

    classes: tuple[ClassRequirement, ...]
    survive: frozenset[ContingencyKind]
    sustain_s: float
    contingencies: tuple[Contingency, ...] = ()
    down: tuple[ReserveId, ...] = (ReserveId.DOWN,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """The requirement with the least margin: what the worst loss takes, and what is held against it."""

    id: ReserveId
    contingency: str
    required_kw: float
    held_kw: float

    @property
    def margin_kw(self) -> float:
        """Return held minus required."""
        return self.held_kw - self.required_kw
