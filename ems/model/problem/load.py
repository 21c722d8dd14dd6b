"""Demand: the firm IT load, what hangs on it, and the classes of load that the cluster offers (E16, E17)."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from ems.model.problem.values import at


@dataclass(frozen=True, slots=True, kw_only=True)
class CoolingLineProblem:
    """A support line of the cooling plant per step: electric power is at least c0 + c1 * IT power."""

    c0_kw: tuple[float, ...]
    c1_frac: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadProblem:
    """Demand per step: firm IT power, cooling as the highest of its support lines, and auxiliaries.

    Every series but `it_kw` may be left out: no cooling, no auxiliaries, quantiles equal to the median.
    """

    it_kw: tuple[float, ...]
    cooling: tuple[CoolingLineProblem, ...] = ()
    aux_constant_kw: tuple[float, ...] = ()
    aux_frac_of_it: float = 0.0
    site_loss_frac: float = 0.0
    # demand of the whole site at its 0.9 quantile, losses included
    load_q90_kw: tuple[float, ...] = ()
    # 0.9 quantile of load minus available PV, both errors together
    net_q90_kw: tuple[float, ...] = ()
    # the largest block that may vanish at once (down reserve)
    largest_block_kw: float = 0.0

    def cooling_kw(self, t: int, it_kw: float) -> float:
        """Return the cooling power of a served IT power in step t (E17)."""
        # several times per step of every problem
        if not self.cooling:
            return 0.0
        return max([line.c0_kw[t] + line.c1_frac[t] * it_kw for line in self.cooling])

    def cooling_slope_frac(self, t: int, full_it_kw: float) -> float:
        """Return how much cooling a kW of IT means on the chord from no load to a full load (E17).

        The chord lies above the support lines and meets them at both ends.
        """
        if full_it_kw <= 0.0:
            return 0.0
        return (self.cooling_kw(t, full_it_kw) - self.cooling_kw(t, 0.0)) / full_it_kw

    def aux_kw(self, t: int, it_kw: float) -> float:
        """Return the auxiliaries of a served IT power in step t."""
        return self.aux_frac_of_it * it_kw + at(self.aux_constant_kw, t, 0.0)

    def served_kw(self, t: int, it_kw: float) -> float:
        """Return what a served IT power takes from the bus in step t, losses included."""
        return (1.0 + self.site_loss_frac) * (it_kw + self.cooling_kw(t, it_kw) + self.aux_kw(t, it_kw))

    def demand_kw(self, t: int) -> float:
        """Return the median demand of the firm IT load at the bus in step t, losses included."""
        return self.served_kw(t, self.it_kw[t])


class OfferKind(StrEnum):
    """What the cluster lets the site do with a class of its load (flex-offer/1)."""

    FIRM = "firm"
    SHAPEABLE = "shapeable"
    DEFERRABLE = "deferrable"
    CURTAILABLE = "curtailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressPiece:
    """A stretch of a shapeable class's power and what a kWh of it is worth; listed from the most valued."""

    width_kw: float
    value_per_kwh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferRuns:
    """How the work of a deferrable class may be paused and taken up again, until its deadline.

    The class is taken as many equal jobs: the share of it that runs draws that share of what lies between its least
    power and what it asks for. Every job that starts runs for `min_run_h` at least, every job that pauses rests for
    `min_pause_h`; each is paused `max_pauses` times at most, and each start takes its share of `restart_kwh` on top of
    the energy due. With `whole` all of the class runs or none.
    """

    min_run_h: float = 0.0
    min_pause_h: float = 0.0
    max_pauses: int | None = None
    restart_kwh: float = 0.0
    whole: bool = False
    # the share that runs at the start, and for how long that has been so; None: long enough
    running_frac: float = 0.0
    since_h: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferProblem:
    """One class of the cluster's load beside the firm load; IT power, cooling and losses come on top.

    It asks for `max_kw` and can be cut to `min_kw`; below that it is unserved. firm: `max_kw` is served or unserved.
    shapeable: each kWh cut costs what its `progress` piece is worth, the last piece reaching to `max_kw`. deferrable:
    takes `energy_kwh` before `deadline_step`, each kWh short costs `value_per_kwh`, and nothing above the minimum
    afterwards; no ramp. curtailable: each kWh cut costs `value_per_kwh`, and the cut share of `max_kw` adds up to at
    most `max_curtailed_h` hours.
    """

    id: str
    kind: OfferKind
    min_kw: tuple[float, ...]
    max_kw: tuple[float, ...]
    value_per_kwh: float = 0.0
    progress: tuple[ProgressPiece, ...] = ()
    energy_kwh: float = 0.0
    deadline_step: int = 0
    max_curtailed_h: float | None = None
    # kW per minute, both directions; None: no limit
    ramp_kw_per_min: float | None = None
    # power before the first step, for the ramp
    now_kw: float = 0.0
    # rules of a deferrable class; None: its power is moved freely
    runs: OfferRuns | None = None

    def asked_kw(self, t: int) -> float:
        """Return the most that the class takes in step t."""
        past = self.kind is OfferKind.DEFERRABLE and t >= self.deadline_step
        return self.min_kw[t] if past else max(self.min_kw[t], self.max_kw[t])

    def least_kw(self, t: int) -> float:
        """Return how far the class can be cut in step t before load is unserved."""
        return self.asked_kw(t) if self.kind is OfferKind.FIRM else self.min_kw[t]

    def due_kwh(self, duration_h: Sequence[float]) -> float:
        """Return the energy that a deferrable class is to have by its deadline."""
        least_kwh = sum(self.min_kw[t] * duration_h[t] for t in range(self.deadline_step))
        return max(self.energy_kwh, least_kwh)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdTankProblem:
    """Chilled water in a tank: thermal energy and powers (kWh_th, kW_th); charging costs chiller power."""

    stored_kwh_th: float
    min_kwh_th: float
    max_kwh_th: float
    max_charge_kw_th: float
    max_discharge_kw_th: float
    loss_frac_per_h: float = 0.0
    value_per_kwh: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChillerProblem:
    """Equal chillers behind the cooling lines.

    `heat_kw_th` is what they remove at full IT power without a tank; it falls with the IT power that is served. A kW_th
    that the tank adds or takes costs or saves `power_frac` (1 / COP). Running chillers carry between `min_load_frac`
    and all of `capacity_kw_th` each.
    """

    heat_kw_th: tuple[float, ...]
    power_frac: tuple[float, ...]
    capacity_kw_th: tuple[float, ...]
    n_available: int
    n_on: int
    min_load_frac: float = 0.0
    # pumps and controls of a running chiller
    base_kw: float = 0.0
    start_cost: float = 0.0
    tank: ColdTankProblem | None = None
