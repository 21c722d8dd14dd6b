"""Refuses a value that jumps faster than it can in truth: one turned bit, one torn answer, one wrong sample.

Pure. What is refused is not lost: a second sample near the refused one shows that the jump is real.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from drivers.device.named import table_of
from drivers.device.sample import Sample
from drivers.device.values import Value

# a device that renews its values once per second shows a second's change at once
_LEAST_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class _Seen:
    value: float
    at_s: float

    def reaches(self, value: float, at_s: float, *, max_step_per_s: float) -> bool:
        """Return whether a value can follow this one."""
        return abs(value - self.value) <= max_step_per_s * max(at_s - self.at_s, _LEAST_S)


class StepGate:
    """Judges the samples of one connection; `limits` has the fastest change of a point, in its unit per second."""

    def __init__(self, limits: Mapping[str, float]) -> None:
        self._limits = limits
        self._believed: dict[str, _Seen] = {}
        self._refused: dict[str, _Seen] = {}

    def passed(self, sample: Sample) -> Sample:
        """Return the sample without the values that cannot follow the ones before."""
        bad = {
            name: reason
            for name, limit in self._limits.items()
            if (reason := self._fault(name, sample.values.get(name), sample.at_s, limit)) is not None
        }
        if not bad:
            return sample
        values: dict[str, Value | None] = table_of(sample.values) | dict.fromkeys(bad)
        return replace(sample, values=values, bad={**sample.bad, **bad})

    def _fault(self, name: str, value: Value | None, at_s: float, limit: float) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        believed, refused = self._believed.get(name), self._refused.pop(name, None)
        found = _Seen(float(value), at_s)
        before = [seen for seen in (believed, refused) if seen is not None]
        if believed is None or any(seen.reaches(found.value, at_s, max_step_per_s=limit) for seen in before):
            self._believed[name] = found
            return None
        self._refused[name] = found
        after_s = at_s - believed.at_s
        return f"jumped from {believed.value:g} to {found.value:g} in {after_s:.1f} s, beyond {limit:g} per second"
