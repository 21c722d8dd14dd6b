"""PV plants (E13, E22)."""

from dataclasses import dataclass

from ems.model.problem.values import at


@dataclass(frozen=True, slots=True, kw_only=True)
class PvProblem:
    """One PV plant: available power at the bus per step, its 0.1 quantile, and its equal blocks."""

    id: str
    available_kw: tuple[float, ...]
    n_blocks: int = 1
    available_q10_kw: tuple[float, ...] = ()
    frequency_watt_credit_frac: float = 0.0
    # price of a curtailed kWh; 0: free
    curtailment_price_per_kwh: float = 0.0

    def q10_at(self, t: int) -> float:
        """Return the 0.1 quantile of step t; the median where quantiles are left out."""
        return at(self.available_q10_kw, t, self.available_kw[t])
