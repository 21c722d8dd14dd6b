"""Makes a typed reading of the samples of a device. Pure: samples in, a reading with its reasons out."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Generic, TypeVar

from drivers.device.alarms import AlarmList, fill_alarms
from drivers.device.fields import DeviceClass, FieldKind, reading_fields
from drivers.device.named import table_of
from drivers.device.narrowing import PowerCommand
from drivers.device.plausibility import Band
from drivers.device.racks import complete, rack_readings
from drivers.device.sample import Sample
from drivers.device.values import Value
from ems.model.readings import NO_FAULTS, RackReading, Reading

R = TypeVar("R", bound=Reading)
Values = Mapping[str, Value | None]
# from what was read, with the reasons for what is unknown, to the fields of a reading with theirs
Interpretation = Callable[[Values, Mapping[str, str]], tuple[Values, Mapping[str, str]]]
# of these fields the lowest of several values counts: limits, insulation, lowest cells
_LESS_IS_WORSE: Final = frozenset(
    {
        *("max_charge_kw", "max_discharge_kw", "max_charge_a", "max_discharge_a"),
        *("cell_min_v", "cell_min_degc", "insulation_kohm"),
    }
)
NOTHING: Final[Values] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Family(Generic[R]):
    """A kind of device: its reading, what its powers can be, and what it is commanded by."""

    device_class: DeviceClass
    # the class itself, called with the fields by name
    reading: Callable[..., R]
    bands: tuple[Band, ...] = ()
    commands: tuple[str, ...] = ()
    # completes a reading from its other values: values, reasons and the rating (kW); `derives` names what it always
    # gives, `sources` what it makes of which fields
    derive: Callable[[dict[str, Value | None], dict[str, str], float], None] | None = None
    derives: frozenset[str] = frozenset()
    sources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    # the command that is a power; the others are no quantities
    power: PowerCommand | None = None


class Assembler(Generic[R]):
    """Assembles the readings of one device.

    The reading carries the time of the oldest answer of the base round, the one that control relies on. Slow
    values enter as long as they are younger than `slow_limit_s`; older ones are unknown.
    """

    def __init__(
        self,
        family: Family[R],
        *,
        device_id: str,
        rated_kw: float,
        slow_limit_s: float,
        fills: Mapping[str, str] | None = None,
        interpret: Interpretation | None = None,
        alarms: tuple[AlarmList, ...] = (),
        racks: Sequence[Mapping[str, str]] = (),
    ) -> None:
        """Take the fields that points of another name fill, by the names of these points, and those with alarms.

        `interpret` is for devices whose points are no fields yet.
        """
        self._interpret = interpret
        self._alarms = alarms
        self._racks = racks
        self._family = family
        self._device_id = device_id
        self._rated_kw = rated_kw
        self._slow_limit_s = slow_limit_s
        fields = reading_fields(family.device_class)
        self._names = tuple(fields)
        self._sources = _sources(fills or {})
        self._labels = {
            name: field.labels for name, field in fields.items() if field.kind is FieldKind.LABEL and field.labels
        }

    def assemble(
        self,
        base: Sample,
        slow: Sample | None,
        *,
        seldom: Iterable[tuple[Sample, float]] = (),
        beside: Values = NOTHING,
    ) -> R:
        """Return the reading of a base round, the newest slow round, and other rounds with their own age limits, s.

        `beside` holds what is known without asking, by field; a point that shows it goes before.
        """
        values, bad = {**beside, **table_of(base.values)}, dict(base.bad)
        if slow is not None:
            _add(values, bad, slow, at_s=base.at_s, limit_s=self._slow_limit_s)
        for sample, limit_s in seldom:
            _add(values, bad, sample, at_s=base.at_s, limit_s=limit_s)
        if self._interpret is not None:
            fields, reasons = self._interpret(values, bad)
            values, bad = {**beside, **fields}, dict(reasons)
        for name, points in self._sources.items():
            _fill(name, points, values, bad)
        fill_alarms(self._alarms, values, bad)
        parts: dict[str, tuple[RackReading, ...]] = {}
        if self._racks:
            parts["racks"] = rack_readings(self._racks, values, bad)
            complete(parts["racks"], values, bad)
        self._refuse_implausible(values, bad)
        if self._family.derive is not None:
            self._family.derive(values, bad, self._rated_kw)
        for name, labels in self._labels.items():
            if (label := values.get(name)) is not None:
                values[name] = labels(str(label))
        return self._family.reading(
            device_id=self._device_id,
            at_s=base.at_s,
            bad={name: reason for name, reason in bad.items() if name in self._names} if bad else NO_FAULTS,
            **{name: values.get(name) for name in self._names},
            **parts,
        )

    def _refuse_implausible(self, values: dict[str, Value | None], bad: dict[str, str]) -> None:
        for band in self._family.bands:
            value = values.get(band.field)
            if isinstance(value, float) and (fault := band.fault(value, self._rated_kw)) is not None:
                values[band.field] = None
                bad[band.field] = fault


def _add(values: dict[str, Value | None], bad: dict[str, str], sample: Sample, *, at_s: float, limit_s: float) -> None:
    age_s = at_s - sample.at_s
    if age_s <= limit_s:
        values |= table_of(sample.values)
        bad |= sample.bad
    else:
        bad |= dict.fromkeys(sample.values, f"not read for {age_s:.1f} s")


def _sources(fills: Mapping[str, str]) -> Mapping[str, tuple[str, ...]]:
    """Return the points behind each field that is filled by points of another name."""
    sources: dict[str, tuple[str, ...]] = {}
    for point, filled in fills.items():
        sources[filled] = (*sources.get(filled, ()), point)
    return sources


def _fill(field: str, points: Iterable[str], values: dict[str, Value | None], bad: dict[str, str]) -> None:
    """Put the value of one point, the names of several bit fields, or the worst of several numbers into a field.

    Of several bit fields, those that are known still show their names; the field is bad as long as one is not.
    """
    known = [value for point in (field, *points) if (value := values.get(point)) is not None]
    names = tuple(name for value in known if isinstance(value, tuple) for name in value)
    unknown = [bad[point] for point in points if point in bad]
    if unknown:
        bad[field] = ", ".join(unknown)
    if known:
        values[field] = (names or None) if unknown else names if isinstance(known[0], tuple) else _worst(field, known)
    else:
        values[field] = None


def _worst(field: str, known: Sequence[Value]) -> Value:
    """Return the lowest of some numbers where less is worse, else the highest, and the first of what are none."""
    numbers = [value for value in known if isinstance(value, int | float)]
    if not numbers:
        return known[0]
    return min(numbers) if field.rpartition(" ")[2] in _LESS_IS_WORSE else max(numbers)
