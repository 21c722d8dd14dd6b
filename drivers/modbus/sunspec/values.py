"""The points of one round: a value in the unit of its model, or why there is none."""

from collections.abc import Mapping
from typing import Final

from drivers.device.values import Value
from drivers.modbus.sunspec.spancode import factor_fault, scaled

NOT_IMPLEMENTED: Final = "not implemented by the device"
_NO_POINT: Final = "the device's models do not have it"


class PointValues:
    """What the points of a device are worth now, by keys such as `701.W`.

    Values and factors are of the same round: a number of an earlier one is never scaled with a later factor.
    """

    def __init__(self, loose: Mapping[str, str], values: Mapping[str, Value | None], bad: Mapping[str, str]) -> None:
        """Take decoded points; `loose` has those that are still raw, each with the key of its factor."""
        self._values = dict(values)
        self._bad = dict(bad)
        for key, factor_key in loose.items():
            self._scale(key, factor_key)

    def _scale(self, key: str, factor_key: str) -> None:
        value, factor = self._values.get(key), self._values.get(factor_key)
        if not isinstance(value, (int, float)):
            return
        fault = factor_fault(factor) if isinstance(factor, int) else "its scale factor is not known"
        if isinstance(factor, int) and fault is None:
            self._values[key] = scaled(value, factor)
        else:
            self._values[key] = None
            self._bad[key] = str(fault)

    def number(self, key: str) -> float | None:
        """Return a number."""
        value = self._values.get(key)
        return value if isinstance(value, (int, float)) else None

    def code(self, key: str) -> int | None:
        """Return an enumeration, a bit field, a count or a scale factor."""
        value = self._values.get(key)
        return value if isinstance(value, int) else None

    def codes(self, start: str, end: str) -> tuple[int, ...]:
        """Return the codes of a point in every repetition of its group that gives one."""
        keys = (key for key in self._values if key.startswith(start) and key.endswith(end))
        return tuple(code for key in keys if (code := self.code(key)) is not None)

    def text(self, key: str) -> str | None:
        """Return a text."""
        value = self._values.get(key)
        return value if isinstance(value, str) else None

    def why_not(self, key: str) -> str | None:
        """Return why a point has no value, None if it has one."""
        if self._values.get(key) is not None:
            return None
        return self._bad.get(key, NOT_IMPLEMENTED if key in self._values else _NO_POINT)

    def is_bad(self, key: str) -> bool:
        """Return whether the device has the point and gave no value that can be believed."""
        return key in self._bad

    def has(self, key: str) -> bool:
        """Return whether the device gives the point a value."""
        return self._values.get(key) is not None

    def any_of(self, *keys: str) -> str | None:
        """Return the first of the points that has a value."""
        return next((key for key in keys if self.has(key)), None)
