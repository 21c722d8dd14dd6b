"""The racks of a container: their readings, and what the container is as the sum of its racks. Pure.

A rack that is not heard is unknown and counts for nothing: neither for the limits nor for the mean of the states of
charge. Racks are in parallel and share the current, so that the weakest one limits them all.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from drivers.device.values import Value
from ems.model.readings import NO_FAULTS, RackReading

# the field of the container, what it is made of in each rack
_SOURCES: Final[Mapping[str, tuple[str, ...]]] = {
    "soc_pct": ("soc_pct",),
    "soh_pct": ("soh_pct",),
    "rack_soc_min_pct": ("soc_pct",),
    "rack_soc_max_pct": ("soc_pct",),
    "max_charge_kw": ("max_charge_a", "voltage_v"),
    "max_discharge_kw": ("max_discharge_a", "voltage_v"),
    "cell_max_degc": ("cell_max_degc",),
    "cell_min_degc": ("cell_min_degc",),
    "cell_max_v": ("cell_max_v",),
    "cell_min_v": ("cell_min_v",),
    "alarm": ("alarms",),
}
_LIMITS: Final = {"max_charge_kw": "max_charge_a", "max_discharge_kw": "max_discharge_a"}
_W_PER_KW: Final = 1000.0


def _mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / len(numbers)


_COMBINED: Final[Mapping[str, Callable[[Sequence[float]], float]]] = {
    "soc_pct": _mean,
    "soh_pct": _mean,
    "rack_soc_min_pct": min,
    "rack_soc_max_pct": max,
    "cell_max_degc": max,
    "cell_min_degc": min,
    "cell_max_v": max,
    "cell_min_v": min,
}


def derived_fields(racks: Sequence[Mapping[str, str]]) -> frozenset[str]:
    """Return the fields of a container that follow from its racks; `racks` names the points of each by field."""
    shown = set(racks[0]) if racks else set()
    return frozenset(name for name, sources in _SOURCES.items() if shown.issuperset(sources))


def rack_readings(
    racks: Sequence[Mapping[str, str]], values: Mapping[str, Value | None], bad: Mapping[str, str]
) -> tuple[RackReading, ...]:
    """Return the racks of a reading; `racks` names the points of each by field."""
    return tuple(_reading(number, points, values, bad) for number, points in enumerate(racks, start=1))


def complete(racks: Sequence[RackReading], values: dict[str, Value | None], bad: dict[str, str]) -> None:
    """Add what the device does not tell of the container as a whole."""
    heard = [rack for rack in racks if rack.in_service is not False]
    for name, sources in _SOURCES.items():
        if name in values or name in bad:
            continue
        value = _whole(name, heard)
        values[name] = value
        reasons = [
            f"rack {rack.number}: {rack.bad[source]}" for rack in heard for source in sources if source in rack.bad
        ]
        if value is None and (reasons or not heard):
            bad[name] = reasons[0] if reasons else "no rack is in service"


def _reading(
    number: int, points: Mapping[str, str], values: Mapping[str, Value | None], bad: Mapping[str, str]
) -> RackReading:
    known: dict[str, Any] = {field: values.get(point) for field, point in points.items()}  # of each field's own type
    reasons = {field: bad[point] for field, point in points.items() if point in bad}
    return RackReading(number=number, **known, bad=reasons or NO_FAULTS)


def _whole(name: str, heard: Iterable[RackReading]) -> Value | None:
    """Return a value of the container, None where no rack tells it."""
    if name == "alarm":
        alarms = [rack.alarms for rack in heard if rack.alarms is not None]
        return any(alarms) if alarms else None
    if (limit := _LIMITS.get(name)) is not None:
        return _limit_kw(limit, heard)
    (source,) = _SOURCES[name]
    numbers = [number for rack in heard if isinstance(number := getattr(rack, source), float)]
    return _COMBINED[name](numbers) if numbers else None


def _limit_kw(limit: str, heard: Iterable[RackReading]) -> float | None:
    """Return what all racks together may take or give: each as much as the weakest."""
    known = [
        (current_a, rack.voltage_v)
        for rack in heard
        if isinstance(current_a := getattr(rack, limit), float) and rack.voltage_v is not None
    ]
    if not known:
        return None
    return len(known) * min(current for current, _ in known) * min(voltage for _, voltage in known) / _W_PER_KW
