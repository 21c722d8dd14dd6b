"""Collects the fields of a reading: each gets a value, or the reason why there is none."""

from drivers.device.values import Value, parts_of
from drivers.modbus.sunspec.counters import WrappingCounter
from drivers.modbus.sunspec.values import PointValues

W_PER_KW = 1000.0


class Fields:
    """The fields of one reading under construction."""

    def __init__(self, points: PointValues) -> None:
        self.points = points
        self.values: dict[str, Value | None] = {}
        self.bad: dict[str, str] = {}

    def kw(self, field: str, key: str, *, sign: int = 1) -> None:
        """Fill a power from a point in W."""
        self.number(field, key, factor=sign / W_PER_KW)

    def number(self, field: str, *keys: str, factor: float = 1.0) -> None:
        """Fill a number from the first of the points that has a value."""
        key = self.points.any_of(*keys)
        if key is None:
            self.unknown(field, *keys)
            return
        number = self.points.number(key)
        parts = parts_of(factor)
        if number is not None:
            self.values[field] = float(number * factor if parts is None else number / parts)

    def value(self, field: str, value: Value | None, *keys: str) -> None:
        """Fill what was worked out; None is explained by the points that it comes from."""
        if value is None and keys:
            self.unknown(field, *keys)
        else:
            self.values[field] = value

    def count(self, field: str, key: str) -> None:
        """Fill a counter of Wh that never starts again."""
        number = self.points.number(key)
        self.value(field, None if number is None else round(number), key)

    def energy(self, field: str, key: str, *, factor_key: str, counter: WrappingCounter) -> None:
        """Fill an energy from a counter that starts again at zero."""
        number, factor = self.points.number(key), self.points.code(factor_key)
        if number is None or factor is None:
            self.unknown(field, key)
        else:
            self.values[field] = counter.total_wh(number, wh_per_count=10.0**factor)

    def same(self, field: str, other: str) -> None:
        """Fill a field with what another one shows, or with its reason."""
        self.values[field] = self.values[other]
        if other in self.bad:
            self.bad[field] = self.bad[other]

    def unknown(self, field: str, *keys: str) -> None:
        """Leave a field without a value, with the reason of the last point that could have given it."""
        self.values[field] = None
        self.bad[field] = "; ".join(f"{key}: {self.points.why_not(key)}" for key in keys[-1:])

    def absent(self, field: str, reason: str) -> None:
        """Leave a field without a value for a reason of its own."""
        self.values[field] = None
        self.bad[field] = reason
