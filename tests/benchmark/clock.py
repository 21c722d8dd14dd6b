"""Seconds within HiGHS, whichever library calls it, and what HiGHS says of its last solve."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter, process_time

import highspy
import numpy as np


@dataclass(slots=True)
class HighsClock:
    """Filled while a `highs_clock` is open: processor and clock seconds of all solves.

    Gap and bound are those of the last mixed-integer solve.
    """

    highs_s: float = 0.0
    highs_wall_s: float = 0.0
    gap_frac: float = float("inf")
    bound_cost: float = float("-inf")


@contextmanager
def highs_clock() -> Iterator[HighsClock]:
    """Measure every solve until the block ends; for a process that does one thing at a time."""
    clock = HighsClock()
    run = highspy.Highs.run

    def measured(solver: highspy.Highs) -> highspy.HighsStatus:
        begin, wall_begin = process_time(), perf_counter()
        status: highspy.HighsStatus = run(solver)
        clock.highs_s += process_time() - begin
        clock.highs_wall_s += perf_counter() - wall_begin
        info = solver.getInfo()
        # a linear problem has no gap of its own
        if np.isfinite(info.mip_gap) and info.mip_node_count >= 0:
            clock.gap_frac, clock.bound_cost = float(info.mip_gap), float(info.mip_dual_bound)
        return status

    highspy.Highs.run = measured
    try:
        yield clock
    finally:
        highspy.Highs.run = run
