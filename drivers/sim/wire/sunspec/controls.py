"""What a controller writes into a SunSpec device: limits and powers that are enabled, and that time reverts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from drivers.sim.wire.sunspec.encoding import Shown


@dataclass(frozen=True, slots=True)
class Names:
    """The points of one control in its model; None where a model has no such point."""

    enabled: str
    value: str
    revert_s: str
    remaining: str | None = None
    reverts_to: str | None = None
    reverts_enabled: str | None = None


LIMIT_123: Final = Names("WMaxLim_Ena", "WMaxLimPct", "WMaxLimPct_RvrtTms")
LIMIT_704: Final = Names(
    "WMaxLimPctEna",
    "WMaxLimPct",
    "WMaxLimPctRvrtTms",
    "WMaxLimPctRvrtRem",
    "WMaxLimPctRvrt",
    "WMaxLimPctEnaRvrt",
)
POWER_704: Final = Names("WSetEna", "WSet", "WSetRvrtTms", "WSetRvrtRem", "WSetRvrt", "WSetEnaRvrt")


class Control:
    """One control with its timer. `apply` gets the value while it is enabled and None while it is not.

    A write to any of its points starts the timer anew. When it runs out, the control takes its reversion value, or
    is disabled where it has none.
    """

    def __init__(self, names: Names, *, value: float, apply: Callable[[float | None], bool]) -> None:
        self._names = names
        self._apply = apply
        self._points: dict[str, float] = {names.enabled: 0.0, names.value: value, names.revert_s: 0.0}
        if names.reverts_to is not None and names.reverts_enabled is not None:
            self._points |= {names.reverts_to: value, names.reverts_enabled: 0.0}
        self._initial = dict(self._points)
        self._ends_s: float | None = None

    def restart(self) -> None:
        """Lose what was written."""
        self._points = dict(self._initial)
        self._ends_s = None

    def takes(self, name: str) -> bool:
        """Return whether a point is written here."""
        return name in self._points

    def write(self, changes: Mapping[str, float], now_s: float, *, pretend: bool = False) -> bool:
        """Take all points of one write together; False refuses them, and nothing has changed."""
        points = {**self._points, **changes}
        is_on = self._points[self._names.enabled] == 1.0 or points[self._names.enabled] == 1.0
        if is_on and not pretend and not self._apply(self._wanted(points)):
            return False
        self._points = points
        self._start(now_s)
        return True

    def shown(self, now_s: float) -> Mapping[str, Shown]:
        """Return the points as they read now."""
        remaining = {} if self._names.remaining is None else {self._names.remaining: self._remaining_s(now_s)}
        return {**self._points, **remaining}

    def elapse(self, now_s: float) -> None:
        """Revert if the time is over."""
        if self._ends_s is None or now_s < self._ends_s:
            return
        names, points = self._names, self._points
        self._ends_s = None
        points[names.enabled] = points.get(names.reverts_enabled or "", 0.0)
        if names.reverts_to is not None:
            points[names.value] = points[names.reverts_to]
        self._apply(self._wanted(points))

    def _wanted(self, points: Mapping[str, float]) -> float | None:
        return points[self._names.value] if points[self._names.enabled] == 1.0 else None

    def _start(self, now_s: float) -> None:
        revert_s = self._points[self._names.revert_s]
        runs = self._points[self._names.enabled] == 1.0 and revert_s > 0.0
        self._ends_s = now_s + revert_s if runs else None

    def _remaining_s(self, now_s: float) -> float:
        return 0.0 if self._ends_s is None else max(0.0, round(self._ends_s - now_s))
