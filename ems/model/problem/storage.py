"""Battery pools (E8 to E12, E24)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ValuePiece:
    """A stretch of stored energy with one value; pieces are listed from the most valued."""

    width_kwh: float
    value_per_kwh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WearPiece:
    """A stretch of stored energy and what a kWh discharged from it costs; listed from the fullest, cheapest first."""

    width_kwh: float
    cost_per_kwh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerBySoc:
    """One line of a concave power limit by stored energy: power <= c0 + c1 * stored energy (kW, kW per kWh = 1/h).

    A line that is below zero at an energy that the pool may have is lifted to zero there.
    """

    c0_kw: float
    c1_per_h: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ThroughputBudget:
    """Energy that may be discharged in the horizon under the warranty, and the price of a kWh beyond it."""

    energy_kwh: float
    price_per_kwh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalibration:
    """A full charge that is due: at the end of one step of [first_step, end_step), or at the cost of leaving it.

    Limits by SoC must leave some power at the full store, else it is never reached.
    """

    first_step: int
    end_step: int
    missed_cost: float
    # how far racks are apart in SoC, where that is why; None: it is due by time
    rack_spread_pct: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolProblem:
    """One battery pool of `n_blocks` available equal blocks; powers and energies are the pool's totals.

    Power limits per step hold what is known beforehand (measured limits, forecast cell temperature); `charge_by_soc`
    and `discharge_by_soc` bound power by the energy at both ends of a step.
    """

    id: str
    max_charge_kw: tuple[float, ...]
    max_discharge_kw: tuple[float, ...]
    full_kwh: float
    stored_kwh: float
    min_stored_kwh: float
    max_stored_kwh: float
    n_blocks: int = 1
    charge_eff_frac: float = 1.0
    discharge_eff_frac: float = 1.0
    self_discharge_frac_per_h: float = 0.0
    # drawn from the cells while the pool is in operation
    no_load_kw: float = 0.0
    # auxiliaries that follow the power through the block, drawn from the bus
    aux_frac_of_power: float = 0.0
    wear_cost_per_kwh: float = 0.0
    # wear that rises with depth, beside `wear_cost_per_kwh`
    depth_wear: tuple[WearPiece, ...] = ()
    # price per kWh and hour above an energy (dwell at high SoC)
    dwell_above_kwh: float = 0.0
    dwell_cost_per_kwh: float = 0.0
    throughput_budget: ThroughputBudget | None = None
    recalibration: Recalibration | None = None
    charge_by_soc: tuple[PowerBySoc, ...] = ()
    discharge_by_soc: tuple[PowerBySoc, ...] = ()
    terminal_value: tuple[ValuePiece, ...] = ()
    # what a kWh above the floor is worth per hour of being there (expected cost of an outage)
    hold_value_per_h: tuple[ValuePiece, ...] = ()

    def highest_kwh(self, t: int) -> float:
        """Return the most energy at the end of step t.

        The maximum, what was measured above it, and full in the window of a recalibration.
        """
        due = self.recalibration
        lifted_kwh = self.full_kwh if due is not None and due.first_step <= t < due.end_step else 0.0
        return max(self.max_stored_kwh, self.stored_kwh, lifted_kwh)
