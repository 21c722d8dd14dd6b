"""Decides which faults concern a request: by unit, duration, count and chance. The dice are seeded."""

import random
from dataclasses import dataclass

from drivers.sim.wire.faults import Faults, joined
from ems.ports import Clock

_FOR_EVER_S = float("inf")


@dataclass(slots=True)
class _Running:
    faults: Faults
    until_s: float
    n_requests: int = 0


class FaultLayer:
    """The faults of one endpoint and since when they are there."""

    def __init__(self, *, clock: Clock, seed: str) -> None:
        self._clock = clock
        # no secret, and repeatable
        self.dice = random.Random(seed)  # noqa: S311
        self._running: list[_Running] = []

    def set(self, several: tuple[Faults, ...]) -> None:
        """Replace all faults."""
        now_s = self._clock.monotonic_s()
        self._running = [
            _Running(faults, _FOR_EVER_S if faults.lasts_s is None else now_s + faults.lasts_s) for faults in several
        ]

    @property
    def present(self) -> tuple[Faults, ...]:
        """Return the faults that are not over."""
        now_s = self._clock.monotonic_s()
        return tuple(one.faults for one in self._running if now_s < one.until_s)

    @property
    def refusal_s(self) -> float | None:
        """Return for how long the port stays closed from now on, None if it is open."""
        now_s = self._clock.monotonic_s()
        return max(
            (one.until_s - now_s for one in self._running if one.faults.refuse and now_s < one.until_s), default=None
        )

    def of_request(self, unit: int) -> Faults:
        """Return everything that is wrong with the answer to the next request to a unit."""
        now_s = self._clock.monotonic_s()
        return joined(tuple(one.faults for one in self._running if now_s < one.until_s and self._strikes(one, unit)))

    def _strikes(self, one: _Running, unit: int) -> bool:
        if not one.faults.concern(unit):
            return False
        one.n_requests += 1
        if one.n_requests % one.faults.every_nth != 0:
            return False
        return one.faults.probability_frac >= 1.0 or self.dice.random() < one.faults.probability_frac
