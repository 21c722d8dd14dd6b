"""What the read-back of a command must be: the same quantity, in the same unit and direction, over all its limits."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from drivers.device.fields import FieldKind
from drivers.device.needs import Finding
from drivers.device.numberlint import Range

# the field of a reading that shows what a command has set; any other field is a measured value
_SHOWN_BY: Final = {"power_kw": "setpoint_kw", "limit_kw": "limit_kw", "supply_degc": "setpoint_degc"}
# a switch has no unit
SWITCHES: Final = frozenset({"run"})
_TOLERANCE: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a command asks for: its range, its direction, and what one count of it weighs."""

    name: str
    sign: int
    limits: Range | None
    step: float
    is_switch: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the point that a command names as its read-back shows.

    `valid` is the range of true values, `held` the one that can come at all, None where nothing bounds it.
    """

    name: str
    field: str
    kind: FieldKind
    sign: int
    valid: Range | None
    held: Range | None
    step: float
    counts_life: bool


def readback_findings(asked: Asked, shown: Shown, fields: Collection[str], key: str) -> Iterator[Finding]:
    """Yield why a point could not verify a command; `fields` are those of the device's reading."""
    wrong = _kind(asked, shown, fields)
    if wrong is not None:
        yield f"{key}.readback", *wrong
    elif asked.name not in SWITCHES:
        yield from _extent(asked, shown, key)


def _kind(asked: Asked, shown: Shown, fields: Collection[str]) -> tuple[str, str] | None:
    """Return why a point is of another kind than the command, and what it should be."""
    wanted = _SHOWN_BY.get(asked.name)
    if shown.counts_life:
        return f"'{shown.name}' is the life counter", "a point that shows what the device has taken"
    if not (shown.kind is FieldKind.NUMBER or (asked.is_switch and shown.kind is FieldKind.FLAG)):
        allowed = "a number or a flag" if asked.is_switch else "a number"
        return f"'{shown.name}' is no number that a setpoint could be compared with", allowed
    if shown.field in fields and shown.field != wanted:
        allowed = wanted or "a point of its own, in [points]"
        return f"'{shown.name}' shows {shown.field}, not what {asked.name} has set", allowed
    unit = _unit_of(asked.name)
    if unit is not None and _unit_of(shown.name) != unit and shown.field != wanted:
        return f"the name '{shown.name}' does not state the unit of {asked.name}", f"a name that ends in _{unit}"
    return None


def _unit_of(name: str) -> str | None:
    """Return the unit that the end of a command's or point's name states."""
    return None if name in SWITCHES else name.rpartition("_")[2]


def _extent(asked: Asked, shown: Shown, key: str) -> Iterator[Finding]:
    if asked.sign != shown.sign:
        yield f"{key}.sign", f"'{shown.name}' counts the other direction as positive", f"as points.{shown.name}.sign"
    limits = asked.limits
    if limits is None or limits[0] >= limits[1]:
        return
    for range_, what in ((shown.valid, "valid of"), (shown.held, "what fits into")):
        if range_ is None or range_[0] >= range_[1]:
            continue
        # a limit is rounded to a whole count, so that what is shown may miss it by less than one
        slack = _TOLERANCE if what == "valid of" else max(shown.step, asked.step)
        if limits[0] < range_[0] - slack or limits[1] > range_[1] + slack:
            yield (
                f"{key}.limits",
                f"a setpoint beyond {what} '{shown.name}' could not be verified",
                f"limits within {range_[0]:g} to {range_[1]:g}",
            )
            return
