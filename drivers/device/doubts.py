"""What a map may say and hardly ever means: shown when a map is checked, and no reason to refuse it.

Pure, and the same for register maps and topic maps. A finding of this file is for the person who writes the map:
power and its setpoint that count in opposite directions, counts of W beside counts of kW, limits of change that
refuse nothing or everything, memory that bears few writes, and texts by which two maps take a device for theirs.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from drivers.device.budget import least_period_s
from drivers.device.needs import Finding
from drivers.device.numberlint import Range

# the point with the measured power that moves with a command
MEASURED: Final = {"power_kw": "power_kw", "limit_kw": "power_kw"}
# counts of W beside counts of kW
_SLIP: Final = 1000.0
_SLIP_TOLERANCE: Final = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A value that is asked for or shown: the direction it counts as positive, and what one count weighs.

    `range_` is that of its true values, or of its registers, None where nothing bounds it. `max_step_per_s` is the
    fastest change that is believed.
    """

    key: str
    name: str
    sign: int
    step: float | None
    range_: Range | None = None
    max_step_per_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """By which texts a map knows its device: the place of each, and what is expected of some of them."""

    map_id: str
    device_class: str
    places: Mapping[str, str]
    expected: Mapping[str, str]


def command_doubts(asked: Number, shown: Number | None, measured: Number | None) -> Iterator[Finding]:
    """Yield what is odd between a command, its read-back and the measured power that follows it."""
    if measured is not None and measured.sign != asked.sign:
        yield (
            f"{measured.key}.sign",
            f"the measured power counts the other direction as positive than {asked.name} does",
            "one direction for both; a step test (`ems devices verify`) shows which",
        )
    for other in (shown, measured):
        if other is not None and _are_units_apart(asked.step, other.step):
            counts = f"one count of {asked.name} is {asked.step:g}, one of '{other.name}' {other.step:g}"
            yield f"{asked.key}.scale", f"{counts}: is one of them in W and one in kW?", None


def step_doubts(shown: Number, *, is_fast: bool) -> Iterator[Finding]:
    """Yield a limit of change that no value can break, or that the smallest change breaks; for values polled fast."""
    most = shown.max_step_per_s
    if most is None:
        return
    key = f"{shown.key}.max_step_per_s"
    if shown.range_ is not None and most >= shown.range_[1] - shown.range_[0]:
        width = shown.range_[1] - shown.range_[0]
        yield key, f"it refuses nothing: all values lie within {width:g}", f"less than {width:g} per s, or no such key"
    elif is_fast and shown.step is not None and most < shown.step:
        yield key, f"it refuses every change: one count is {shown.step:g}", f"at least {shown.step:g} per s"


def wear_doubts(key: str, name: str, writes_per_day: int | None) -> Iterator[Finding]:
    """Yield how seldom a power setpoint in non-volatile memory may change."""
    if writes_per_day is not None and name in MEASURED:
        period_s = least_period_s(writes_per_day)
        bears = f"its register bears {writes_per_day} writes a day"
        needs = f"the device needs setpoint_every_s = {period_s} or more in devices.toml"
        yield f"{key}.writes_per_day", f"{bears}: {needs}, and others have to carry what changes faster", None


def twin_doubts(maps: Sequence[Texts]) -> Iterator[tuple[str, Finding]]:
    """Yield the maps whose texts another map of the class expects as well, each with the one that comes before it."""
    for number, one in enumerate(maps):
        for other in maps[:number]:
            if one.device_class == other.device_class and (name := _shared_text(one, other)) is not None:
                finding = (
                    f"identity.{name}.expect",
                    f"map '{other.map_id}' takes the same devices for its own: a scan names both",
                    "a text that only this kind of device shows",
                )
                yield one.map_id, finding


def _shared_text(one: Texts, other: Texts) -> str | None:
    """Return a text by which both maps take a device for theirs, None where some text tells them apart."""
    if not one.expected or not other.expected or one.places != other.places:
        return None
    both = [name for name in one.expected if name in other.expected]
    if not both or any(not _can_be_equal(one.expected[name], other.expected[name]) for name in both):
        return None
    return both[0]


def _can_be_equal(one: str, other: str) -> bool:
    """Return whether one text fits both expectations, as far as one of the two is a plain text."""
    return one == other or re.fullmatch(one, other) is not None or re.fullmatch(other, one) is not None


def _are_units_apart(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return False
    return any(math.isclose(one, factor * other, rel_tol=_SLIP_TOLERANCE) for factor in (_SLIP, 1.0 / _SLIP))
