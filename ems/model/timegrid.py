"""The variable-step time grid of a plan. Durations are hours, instants are aware UTC datetimes."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

from ems.model.units import SECONDS_PER_HOUR


@dataclass(frozen=True, kw_only=True)
class TimeGrid:
    """Consecutive steps; step t covers [start, start + duration) and is labelled by its start."""

    start_utc: datetime
    duration_h: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.start_utc.tzinfo is None:
            raise ValueError("a time grid needs an aware start time")
        if not self.duration_h or min(self.duration_h) <= 0.0:
            raise ValueError("every step of a time grid needs a positive duration")

    @property
    def n_steps(self) -> int:
        """Return the number of steps."""
        return len(self.duration_h)

    @cached_property
    def offset_h(self) -> tuple[float, ...]:
        """Return hours from the grid's start to each node, shape (n_steps + 1,)."""
        nodes = [0.0]
        for duration in self.duration_h:
            nodes.append(nodes[-1] + duration)
        return tuple(nodes)

    @cached_property
    def apart_h(self) -> tuple[float, ...]:
        """Return hours from the centre of the step before to that of each step, of the first from the grid's start.

        The means of two steps differ by at most a ramp times this.
        """
        before = (0.0, *self.duration_h)
        return tuple((last + now) / 2.0 for last, now in zip(before, self.duration_h, strict=False))

    @cached_property
    def starts_utc(self) -> tuple[datetime, ...]:
        """Return the start of each step, shape (n_steps,)."""
        return tuple(self.start_utc + timedelta(hours=offset) for offset in self.offset_h[:-1])

    @property
    def end_utc(self) -> datetime:
        """Return the end of the last step."""
        return self.start_utc + timedelta(hours=self.offset_h[-1])

    def index_at(self, instant: datetime) -> int | None:
        """Return the step that holds the instant, None outside the grid."""
        offset = (instant - self.start_utc).total_seconds() / SECONDS_PER_HOUR
        # a microsecond of slack keeps an instant computed as a sum on its own step
        step = bisect_right(self.offset_h, offset + 1e-9) - 1
        return step if 0 <= step < self.n_steps else None


@dataclass(frozen=True, slots=True, kw_only=True)
class GridShape:
    """How a planning grid is cut: fine steps first, coarse steps to the horizon."""

    fine_min: int = 15
    fine_until_h: float = 12.0
    coarse_min: int = 60
    horizon_h: float = 48.0
    # a first step shorter than this is joined to the second: it would only add a column
    stub_min_s: float = 60.0


def planning_grid(now_utc: datetime, *, shape: GridShape, edges_utc: Iterable[datetime] = ()) -> TimeGrid:
    """Cut the horizon from `now_utc` into steps.

    The first step is a stub to the next fine clock boundary. Coarse steps begin at the first coarse clock
    boundary after `fine_until_h`. Steps also end at every edge (tariff change, announced outage).
    """
    fine = timedelta(minutes=shape.fine_min)
    coarse = timedelta(minutes=shape.coarse_min)
    coarse_from = _clock_ceil(now_utc + timedelta(hours=shape.fine_until_h), coarse)
    end = _clock_ceil(now_utc + timedelta(hours=shape.horizon_h), coarse)
    nodes = {node for node in edges_utc if now_utc < node < end}
    node = _clock_ceil(now_utc + timedelta(seconds=shape.stub_min_s), fine)
    while node < coarse_from:
        nodes.add(node)
        node += fine
    node = coarse_from
    while node <= end:
        nodes.add(node)
        node += coarse
    ordered = sorted(nodes)
    first = now_utc
    durations = []
    for node in ordered:
        durations.append((node - first).total_seconds() / SECONDS_PER_HOUR)
        first = node
    return TimeGrid(start_utc=now_utc, duration_h=tuple(durations))


def clock_floor(instant: datetime, minutes: int) -> datetime:
    """Return the last multiple of `minutes` on the clock that is not after the instant; `minutes` divides the hour."""
    return instant - timedelta(
        minutes=instant.minute % minutes, seconds=instant.second, microseconds=instant.microsecond
    )


def _clock_ceil(instant: datetime, period: timedelta) -> datetime:
    """Return the first multiple of `period` since midnight UTC that is not before the instant."""
    midnight = instant.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    n_periods = -((midnight - instant) // period)
    return midnight + n_periods * period
