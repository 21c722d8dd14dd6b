"""Imperfect instruments: a gain error drawn once per instrument, noise at every sample, counters in whole Wh."""

from random import Random

from ems.model.twin import TwinErrors


class Instrument:
    """A power meter with its energy counters."""

    def __init__(self, errors: TwinErrors, *, rated_kw: float, seed: int, name: str) -> None:
        self._random = Random(f"{seed} {name}")  # noqa: S311 - simulated noise, not a secret
        self._gain = 1.0 + errors.gain_frac * self._random.gauss(0.0, 1.0)
        self._noise_kw = errors.noise_frac * rated_kw

    def power_kw(self, true_kw: float) -> float:
        """Return a sample of a power."""
        return true_kw * self._gain + self._noise_kw * self._random.gauss(0.0, 1.0)

    def counter_wh(self, true_kwh: float) -> int:
        """Return an energy counter; it has the gain error and no noise."""
        return int(1000.0 * true_kwh * self._gain)


class SocEstimate:
    """A battery management system's view of its state of charge: off by a constant that the LFP plateau allows."""

    def __init__(self, errors: TwinErrors, *, seed: int, name: str) -> None:
        random = Random(f"{seed} {name} soc")  # noqa: S311 - simulated error, not a secret
        self._offset_pct = errors.soc_error_pct * random.gauss(0.0, 1.0)

    def soc_pct(self, true_pct: float) -> float:
        """Return the reported state of charge; the error fades where the voltage tells the truth, near the ends."""
        plateau = min(1.0, max(0.0, true_pct / 10.0), max(0.0, (100.0 - true_pct) / 10.0))
        return min(100.0, max(0.0, true_pct + self._offset_pct * plateau))
