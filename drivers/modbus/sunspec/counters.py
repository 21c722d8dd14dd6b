"""Energy counters that start again at zero: 32 bits of Wh last a 10 MW plant for 18 days."""

from collections.abc import Mapping

from ems.model.counters import CounterMemory


class WrappingCounter:
    """Makes a counter of a device one that only rises.

    The device's counter runs up to `2^n_bits` counts and starts again. A fall by less than half of that is no wrap
    but a counter that was set back, and is followed.
    """

    def __init__(self, n_bits: int, earlier: CounterMemory | None = None) -> None:
        """Go on where an earlier run has ended."""
        self._span = 1 << n_bits
        self._last_wh = None if earlier is None else earlier.shown_wh
        self._added_wh = 0.0 if earlier is None else earlier.added_wh

    def memory(self) -> CounterMemory | None:
        """Return how far it has come, None before it was read."""
        if self._last_wh is None:
            return None
        return CounterMemory(shown_wh=self._last_wh, added_wh=self._added_wh)

    def total_wh(self, counter_wh: float, *, wh_per_count: float) -> int:
        """Return the energy since the counter was first read, plus what it showed then."""
        span_wh = self._span * wh_per_count
        if self._last_wh is not None and self._last_wh - counter_wh > span_wh / 2.0:
            self._added_wh += span_wh
        self._last_wh = counter_wh
        return round(counter_wh + self._added_wh)


def memories(counters: Mapping[str, WrappingCounter]) -> Mapping[str, CounterMemory]:
    """Return how far those of some counters have come that were read."""
    return {name: memory for name, counter in counters.items() if (memory := counter.memory()) is not None}
