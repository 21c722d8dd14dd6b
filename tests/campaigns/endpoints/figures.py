"""Figures from what came in at the endpoints. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from tests.campaigns.endpoints.farm import Event

# of either map in use the first register of the first block of a round
FIRST_BLOCKS = frozenset({100, 0x2100})
SETPOINT = 500
HEARTBEAT = 510


def deviations_s(endpoints: Iterable[Sequence[Event]], *, period_s: float) -> list[float]:
    """Return how far the rounds of polls were from their period, apart from the one before."""
    found: list[float] = []
    for events in endpoints:
        begun_s = [at_s for at_s, register, word in events if word is None and register in FIRST_BLOCKS]
        found += [abs(later_s - earlier_s - period_s) for earlier_s, later_s in pairwise(begun_s)]
    return found


def gaps_s(endpoints: Iterable[Sequence[Event]], register: int) -> Iterator[float]:
    """Yield the times between two writes to a register."""
    for events in endpoints:
        written_s = [at_s for at_s, place, word in events if place == register and word is not None]
        yield from (later_s - earlier_s for earlier_s, later_s in pairwise(written_s))


def setpoints(events: Sequence[Event], decided_s: Sequence[float]) -> Iterator[tuple[float, int]]:
    """Yield for each decision the time until its setpoint came in, and how many reads came before it."""
    for begin_s in decided_s:
        n_reads = 0
        for at_s, register, word in events:
            if at_s < begin_s:
                continue
            if word is None:
                n_reads += 1
            elif register == SETPOINT:
                yield at_s - begin_s, n_reads
                break


def quantile(values: Iterable[float], frac: float) -> float:
    """Return the smallest value that this share of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(frac * len(ordered)))] if ordered else float("nan")
