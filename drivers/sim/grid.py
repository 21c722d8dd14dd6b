"""The weak grid: outages drawn from stated statistics, the PCC breaker and what opens and closes it."""

from dataclasses import dataclass, field

import numpy as np

from drivers.sim.tie import TwinTie
from ems.model.grid import AnnouncedOutage
from ems.model.twin import TwinOutages


@dataclass(slots=True)
class TwinGrid:
    """Voltage of the public grid and the state of the PCC breaker. Times are seconds of the run."""

    outages: TwinOutages
    rng: np.random.Generator
    # announced interruptions in seconds of the run, as (start, end)
    announced_s: tuple[tuple[float, float], ...]
    # without one the relay recloses by itself, once the grid has been healthy for long enough
    tie: TwinTie | None = None
    nominal_hz: float = 60.0
    # what the undervoltage relay rides through
    dip_frac: float | None = None
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

    @property
    def voltage_frac(self) -> float:
        """Return the voltage on the grid's side of the breaker."""
        if self.lost:
            return 0.0
        return 1.0 if self.dip_frac is None else self.dip_frac

    def advance(self, at_s: float, dt_s: float, *, bus_live: bool, bus_hz: float) -> None:
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
        if self.tie is not None:
            self.tie.advance(dt_s)
        if lost:
            # the undervoltage relay opens the breaker, the PCS carry on
            self.breaker_closed = False
            self.healthy_s = 0.0
            return
        self.healthy_s += dt_s
        if self.breaker_closed:
            if self.tie is not None and self.tie.open_request:
                self.breaker_closed = False
            return
        slip_hz = 0.0 if self.tie is None else bus_hz - self.tie.grid_hz(at_s, self.nominal_hz)
        ripe = self.healthy_s >= self.outages.reclose_s
        if self.tie is None or not bus_live:
            # onto a dead bus the relay closes by itself
            self.breaker_closed = ripe
        elif ripe:
            self.breaker_closed = self.tie.closes(
                slip_hz=slip_hz, voltage_difference_frac=self.voltage_frac - 1.0, dt_s=dt_s
            )
        if self.tie is not None:
            self.tie.turn(slip_hz, dt_s)

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
