"""Every figure of a plan: found by walking its dataclasses, so that a field that is added is looked at too."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from math import isfinite

from ems.dispatch.check.findings import POWER_TOLERANCE_KW, Violation
from ems.model.plan import Plan

# figures of a step that have either sign, and parts that hold them
_EITHER_SIGN = frozenset({"net_q90_kw", "loss_kw", "marginal_price_per_kwh", "marginal_gco2e_per_kwh"})
_EITHER_SIGN_WITHIN = frozenset({"reserve", "binding", "reasons"})
_COUNT = "n_"


def numbers(plan: Plan) -> Iterator[Violation]:
    """Every number is finite, no direction is negative and no count below zero."""
    for each in fields(plan):
        if each.name != "steps":
            yield from _not_finite(None, getattr(plan, each.name), each.name)
    for t, step in enumerate(plan.steps):
        for each in fields(step):
            value = getattr(step, each.name)
            yield from _not_finite(t, value, each.name)
            if each.name not in _EITHER_SIGN | _EITHER_SIGN_WITHIN:
                yield from _negative(t, value, each.name)


def _not_finite(step: int | None, value: object, name: str) -> Iterator[Violation]:
    for figure, number in _figures(value, name):
        if not isfinite(number):
            yield Violation(step=step, what=f"{figure} is not finite", value=0.0, limit=0.0)


def _negative(step: int, value: object, name: str) -> Iterator[Violation]:
    for figure, number in _figures(value, name):
        is_count = figure.rpartition(" ")[2].startswith(_COUNT)
        if number < (0.0 if is_count else -POWER_TOLERANCE_KW):
            yield Violation(step=step, what=figure, value=number, limit=0.0)


def _figures(value: object, name: str) -> Iterator[tuple[str, float]]:
    """Yield the numbers within a value by the id or part that they belong to and their field."""
    if isinstance(value, float | int) and not isinstance(value, bool):
        yield name, value
    elif is_dataclass(value) and not isinstance(value, type):
        owner = str(getattr(value, "id", name))
        for each in fields(value):
            yield from _figures(getattr(value, each.name), f"{owner} {each.name}")
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _figures(each, f"{name} {key}")
    elif isinstance(value, tuple | list):
        for each in value:
            yield from _figures(each, name)
