"""The weak grid: outages drawn from stated statistics, the PCC breaker and its sync-check relay."""

from dataclasses import dataclass, field

import numpy as np

from ems.model.grid import AnnouncedOutage
from ems.model.twin import TwinOutages


@dataclass(slots=True)
class TwinGrid:
    """Voltage of the public grid and the state of the PCC breaker. Times are seconds of the run."""

    outages: TwinOutages
    rng: np.random.Generator
    # announced interruptions in seconds of the run, as (start, end)
    announced_s: tuple[tuple[float, float], ...]
    breaker_closed: bool = True
    healthy_s: float = 1e9
    lost: bool = False
    forced: bool | None = None
    import_kwh: float = 0.0
    export_kwh: float = 0.0
    power_kw: float = 0.0
    n_outages: int = 0
    _next_s: float = field(init=False)
    _until_s: float = -1.0

    def __post_init__(self) -> None:
        self._next_s = self._draw_gap_s()

    def advance(self, at_s: float, dt_s: float) -> None:
        """Decide at the beginning of a step whether the grid is there, and let the relays act."""
        if self.outages.share_of_year_frac > 0.0 and at_s >= self._next_s:
            self._until_s = self._next_s + self._draw_length_s()
            self._next_s = self._until_s + self._draw_gap_s()
        drawn = at_s < self._until_s
        announced = any(start <= at_s < end for start, end in self.announced_s)
        lost = self.forced if self.forced is not None else drawn or announced
        if lost and not self.lost:
            self.n_outages += 1
        self.lost = lost
        if lost:
            # the undervoltage relay opens the breaker, the PCS carry on
            self.breaker_closed = False
            self.healthy_s = 0.0
            return
        self.healthy_s += dt_s
        if not self.breaker_closed and self.healthy_s >= self.outages.reclose_s:
            self.breaker_closed = True

    def _draw_gap_s(self) -> float:
        share = self.outages.share_of_year_frac
        if share <= 0.0:
            return float("inf")
        mean_h = self.outages.mean_h * (1.0 - share) / share
        return 3600.0 * float(self.rng.exponential(mean_h))

    def _draw_length_s(self) -> float:
        """Draw a length between the shortest and the longest with the stated mean (a beta distribution)."""
        low, high = self.outages.shortest_h, self.outages.longest_h
        if high <= low:
            return 3600.0 * low
        middle = (self.outages.mean_h - low) / (high - low)
        concentration = 2.0
        draw = self.rng.beta(concentration * middle + 1e-6, concentration * (1.0 - middle) + 1e-6)
        return 3600.0 * (low + (high - low) * float(draw))


def announced_seconds(outages: tuple[AnnouncedOutage, ...], start_s: float) -> tuple[tuple[float, float], ...]:
    """Return announced outages relative to a POSIX start time."""
    return tuple((o.start_utc.timestamp() - start_s, o.end_utc.timestamp() - start_s) for o in outages)
