"""The grid connection (E14, E15) and limits that assets share."""

from dataclasses import dataclass
from typing import Final

# the connection as a member of a group
GRID_MEMBER: Final = "grid"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandProblem:
    """One billing month inside the horizon: its steps and billing intervals, the peak that is paid anyway.

    `running_kwh` was imported in the first `running_h` of the billing interval that holds the grid's start.
    `interval_ends` holds the first step after each billing interval, the last one `end_step`; left out: every step is
    an interval of its own.
    """

    first_step: int
    end_step: int
    price_per_kw: float
    floor_kw: float = 0.0
    running_kwh: float = 0.0
    running_h: float = 0.0
    interval_ends: tuple[int, ...] = ()

    def intervals(self) -> tuple[tuple[int, int], ...]:
        """Return the billing intervals of the month, each as its first step and the first one after it."""
        ends = self.interval_ends or tuple(range(self.first_step + 1, self.end_step + 1))
        return tuple(zip((self.first_step, *ends[:-1]), ends, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class GridProblem:
    """The connection per step; `connected` is 0 or 1, and 1 throughout where it is left out."""

    import_limit_kw: tuple[float, ...]
    export_limit_kw: tuple[float, ...]
    price_per_kwh: tuple[float, ...]
    export_price_per_kwh: tuple[float, ...] = ()
    connected: tuple[int, ...] = ()
    kgco2e_per_kwh: tuple[float, ...] = ()
    demand: tuple[DemandProblem, ...] = ()
    # change of the exchange at the PCC that the contract allows; None: no limit
    ramp_kw_per_min: float | None = None
    # exchange before the first step, import positive; for the ramp
    now_kw: float = 0.0

    def connected_at(self, t: int) -> int:
        """Return 1 where the connection is closed in step t."""
        return self.connected[t] if self.connected else 1

    def export_price_at(self, t: int) -> float:
        """Return what an exported kWh earns in step t."""
        return self.export_price_per_kwh[t] if self.export_price_per_kwh else 0.0

    def kgco2e_at(self, t: int) -> float:
        """Return the carbon of an imported kWh in step t."""
        return self.kgco2e_per_kwh[t] if self.kgco2e_per_kwh else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupProblem:
    """A transformer, collector or feeder: the power of its members together stays within its limit, either way.

    Members are ids of pools, genset classes and PV plants, or `grid`.
    """

    id: str
    members: tuple[str, ...]
    limit_kw: float
