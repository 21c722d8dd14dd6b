"""Reserve requirements: response classes, contingencies, floor (E19 to E24)."""

from dataclasses import dataclass
from enum import StrEnum

from ems.model.problem.values import at


class ContingencyKind(StrEnum):
    """What is lost: units or blocks of a member, the whole connection, or load."""

    GRID = "grid"
    GENSET = "genset"
    BLOCK = "block"
    PV_BLOCK = "pv_block"
    LOAD = "load"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Part of a contingency: `count` units of the class, blocks of the pool or of the plant `member`.

    The grid has no member and is lost as a whole. A load names what it is, and `load_kw` is the power that vanishes.
    """

    kind: ContingencyKind
    member: str = ""
    count: int = 1
    load_kw: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Contingency:
    """What is lost at one stroke and must not interrupt the load; nothing for the requirement without a loss.

    A genset bus section is sets of one or several classes, a transformer blocks of a pool, a collector blocks of PV
    and of storage, a coolant unit or a feeder load.
    """

    id: str
    losses: tuple[Loss, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReserveClassProblem:
    """One response class: variation to be covered beside each loss, without the PV drop, and who may cover it."""

    id: str
    gensets_count: bool
    variation_kw: tuple[float, ...]
    pv_drop_frac: float = 0.0
    # how long storage must sustain its headroom; None: as long as the problem says
    sustain_h: float | None = None
    # R2: running sets give all their headroom, not only what they accept in one step, and sets that start count too
    starts_count: bool = False
    # load of the cluster that is certain to go within the class time
    credited_shed_kw: tuple[float, ...] = ()
    # whether curtailed PV counts, up to its 0.1 quantile
    curtailed_counts: bool = False
    # price of a kW that is missing for an hour; None: the problem's
    price_per_kwh: float | None = None

    def shed_at(self, t: int) -> float:
        """Return the load that the cluster sheds within the class time of step t."""
        return at(self.credited_shed_kw, t, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReserveProblem:
    """All reserve requirements; what is left out is not required."""

    classes: tuple[ReserveClassProblem, ...] = ()
    contingencies: tuple[Contingency, ...] = ()
    # whether the rows of E23 hold within 100 ms, and within ten seconds, where sets and all PV count too
    down: bool = False
    down_slow: bool = False
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

    def sustain_of(self, reserve: ReserveClassProblem) -> float:
        """Return how long storage must sustain its headroom in a class, hours."""
        return self.sustain_h if reserve.sustain_h is None else reserve.sustain_h
