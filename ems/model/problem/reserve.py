"""Reserve requirements: response classes, contingencies, floor (E19 to E24)."""

from dataclasses import dataclass
from enum import StrEnum

from ems.model.problem.values import at


class ContingencyKind(StrEnum):
    """What is lost."""

    NOTHING = "nothing"
    GRID = "grid"
    GENSET = "genset"
    BLOCK = "block"
    PV_BLOCK = "pv_block"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contingency:
    """A loss that the site must survive; `member` is the class, pool or plant that loses one unit or block."""

    id: str
    kind: ContingencyKind
    member: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReserveClassProblem:
    """One response class: variation to be covered beside each loss, without the PV drop."""

    id: str
    gensets_count: bool
    variation_kw: tuple[float, ...]
    pv_drop_frac: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReserveProblem:
    """All reserve requirements; what is left out is not required."""

    classes: tuple[ReserveClassProblem, ...] = ()
    contingencies: tuple[Contingency, ...] = ()
    # whether the rows of E23 hold
    down: bool = False
    # E_res without and with the lead energy that is held while no set runs (E24)
    floor_kwh: tuple[float, ...] = ()
    lead_kwh: tuple[float, ...] = ()
    # how long storage must sustain its headroom, up and down
    sustain_h: float = 0.0

    def floor_at(self, t: int) -> float:
        """Return the energy that all pools together keep at the end of step t."""
        return at(self.floor_kwh, t, 0.0)

    def lead_at(self, t: int) -> float:
        """Return the energy that they keep on top while no set runs."""
        return at(self.lead_kwh, t, 0.0)
