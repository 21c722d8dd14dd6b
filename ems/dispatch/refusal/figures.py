"""Field by field: every number is one, lies in its range, and every series has a value for each step.

The range of a field follows from its name as its unit does; what has a range of its own stands in a table.
"""

from collections.abc import Iterator, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass, replace
from datetime import datetime
from math import isfinite
from typing import Any, Final, get_args, get_type_hints

from ems.dispatch.refusal.finding import Refusal
from ems.model.problem import (
    LEAST_TIME_LIMIT_S,
    MOST_GAP_FRAC,
    MOST_THREADS,
    MOST_TIME_LIMIT_S,
    PlanningProblem,
)

# beyond these no site has a figure, and a solver's tolerances mean nothing: a gigawatt a million times in kW,
# ten times the price of unserved load in won; grids of a quarter of an hour over a month
_MOST: Final = 1e9
_MOST_PRICE: Final = 1e8
_MOST_STEPS: Final = 3000
_PRICE_ENDS: Final = ("_per_kwh", "_per_kg", "_per_l", "_per_kw", "commitment_change")


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """What a number may be; `above` leaves the lower end out."""

    least: float = 0.0
    most: float = _MOST
    above: bool = False
    whole: bool = False

    def holds(self, value: float) -> bool:
        """Return whether a number may stand here; NaN may nowhere."""
        if self.whole and isfinite(value) and value != round(value):
            return False
        return (self.least < value if self.above else self.least <= value) and value <= self.most

    def words(self) -> str:
        """Return the range for a person."""
        return (
            f"a number {'above' if self.above else 'from'} {self.least:g} {'up ' if self.above else ''}to {self.most:g}"
        )


_SIGNED: Final = Range(least=-_MOST)
_SIGNED_PRICE: Final = Range(least=-_MOST_PRICE, most=_MOST_PRICE)
_SHARE: Final = Range(most=1.0)
_EFFICIENCY: Final = Range(most=1.0, above=True)
_POSITIVE: Final = Range(above=True)

# "Class.field", or a field that is the same in every class
_RANGES: Final[dict[str, Range]] = {
    "charge_eff_frac": _EFFICIENCY,
    "discharge_eff_frac": _EFFICIENCY,
    # electric power over heat, the inverse of a COP that may lie below one
    "power_frac": Range(most=10.0),
    # a support line of a plant whose units step in within a few kW of load is steep
    "c1_frac": Range(least=-100.0, most=100.0),
    "c0_kw": _SIGNED,
    "c1_per_h": _SIGNED,
    "net_q90_kw": _SIGNED,
    "now_kw": _SIGNED,
    "GridProblem.price_per_kwh": _SIGNED_PRICE,
    "GridProblem.export_price_per_kwh": _SIGNED_PRICE,
    # the cheapest price of the grid may be negative, and the value of stored cold with it
    "ColdTankProblem.value_per_kwh": _SIGNED_PRICE,
    "OfferProblem.value_per_kwh": _SIGNED_PRICE,
    "ProgressPiece.value_per_kwh": _SIGNED_PRICE,
    "connected": Range(most=1.0),
    "duration_h": Range(most=744.0, above=True),
    "max_kw": Range(),
    "GensetProblem.max_kw": _POSITIVE,
    "GensetProblem.step_kw": _POSITIVE,
    "aux_frac_of_it": _SHARE,
    "aux_frac_of_power": _SHARE,
    "SolveOptions.gap_frac": Range(most=MOST_GAP_FRAC),
    "time_limit_s": Range(least=LEAST_TIME_LIMIT_S, most=MOST_TIME_LIMIT_S),
    "threads": Range(least=1.0, most=MOST_THREADS),
}
# series of another length than the grid's, which relations.py looks at
OTHER_LENGTH: Final = frozenset(
    {
        "DemandProblem.interval_ends",
        "PollutantProblem.segment_g_per_kwh",
        "PreviousCommitment.n_on",
        "TimeGrid.duration_h",
    }
)
# resolving annotations walks a class's module, so each class is resolved once
_HINTS: dict[type, tuple[tuple[Field[Any], Any], ...]] = {}


def figures(problem: PlanningProblem) -> Iterator[Refusal]:
    """Yield every field of a problem that cannot be, for itself."""
    n_steps = len(problem.grid.duration_h)
    if n_steps > _MOST_STEPS:
        yield Refusal(path="grid.duration_h", message=f"has {n_steps} steps", allowed=f"1 to {_MOST_STEPS} steps")
        return
    yield from _of(problem, path="", n_steps=n_steps)


def _of(part: Any, *, path: str, n_steps: int) -> Iterator[Refusal]:  # any dataclass of a problem
    kind = type(part)
    for field, hint in _hints(kind):
        value, place = getattr(part, field.name), f"{path}{field.name}"
        if value is None or isinstance(value, str | bool):
            continue
        if isinstance(value, datetime):
            yield from _instant(value, place)
        elif isinstance(value, tuple):
            yield from _many(kind, field, hint, value, place=place, n_steps=n_steps)
        elif is_dataclass(value):
            yield from _of(value, path=f"{place}.", n_steps=n_steps)
        else:
            yield from _numbers((value,), _range(kind, field, hint), (place,))


def _many(
    kind: type, field: Field[Any], hint: Any, values: tuple[Any, ...], *, place: str, n_steps: int
) -> Iterator[Refusal]:
    """Yield what is wrong with a series of numbers, or with parts that are numbered."""
    element = get_args(hint)[0]
    if element is str:
        return
    if element not in (float, int):
        for number, part in enumerate(values):
            yield from _of(part, path=f"{place}.{number}.", n_steps=n_steps)
        return
    left_out = field.default is not MISSING and not values
    own_length = f"{kind.__name__}.{field.name}" in OTHER_LENGTH
    if not left_out and not own_length and len(values) != n_steps:
        message = f"has {len(values)} values, the grid has {n_steps} steps"
        yield Refusal(path=place, message=message, allowed=f"{n_steps} values")
        return
    yield from _numbers(values, _range(kind, field, element), [f"{place}.{t}" for t in range(len(values))])


def _numbers(values: Sequence[Any], allowed: Range, places: Sequence[str]) -> Iterator[Refusal]:
    """Yield the first number outside a range: a series is often wrong as a whole."""
    for value, place in zip(values, places, strict=True):
        if not isinstance(value, float | int) or not allowed.holds(value):
            yield Refusal(path=place, message=f"is {value}", allowed=allowed.words())
            return


def _instant(value: datetime, place: str) -> Iterator[Refusal]:
    if value.tzinfo is None:
        yield Refusal(path=place, message="has no time zone", allowed="an instant with its offset from UTC")


def _hints(kind: type) -> tuple[tuple[Field[Any], Any], ...]:
    if kind not in _HINTS:
        hints = get_type_hints(kind)
        _HINTS[kind] = tuple((field, hints[field.name]) for field in fields(kind))
    return _HINTS[kind]


def _range(kind: type, field: Field[Any], number: Any) -> Range:
    """Return the range of a field whose numbers are of a type."""
    return replace(_range_of_name(kind, field.name), whole=number is int)


def _range_of_name(kind: type, name: str) -> Range:
    """Return a field's own range, else what the unit in its name allows."""
    for key in (f"{kind.__name__}.{name}", name):
        if key in _RANGES:
            return _RANGES[key]
    if name.endswith(("_frac", "_frac_per_h")):
        return _SHARE
    if name.endswith(_PRICE_ENDS):
        return Range(most=_MOST_PRICE)
    return Range()
