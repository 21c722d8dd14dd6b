"""What a key of a map takes, in words for the person who wrote another value: from the types of its model."""

import re
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

# a bound beyond this only keeps arithmetic finite
_NO_BOUND: Final = 1e19
_UNIONS: Final = (Union, UnionType)
_BOUNDS: Final = {"ge": "from", "gt": "above", "le": "to", "lt": "below"}


def allowed_values(field: FieldInfo) -> str | None:
    """Return the values that a key takes, None where only its description says them."""
    return _of_type(field.annotation, tuple(field.metadata), field.description or "")


def _of_type(hint: Any, limits: Sequence[object], description: str) -> str | None:  # a type as `typing` has it
    if get_origin(hint) is Annotated:
        inner, *more = get_args(hint)
        return _of_type(inner, (*limits, *_flat(more)), description)
    if get_origin(hint) in _UNIONS:
        words = [_of_type(each, limits, description) for each in get_args(hint) if each is not type(None)]
        # of a number that may be an integer or not the wider one tells all
        return words[-1]
    if get_origin(hint) is Literal:
        return ", ".join(str(each).lower() for each in get_args(hint))
    if hint is bool:
        return "true or false"
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        # some keys take a part of the names only, and say which
        named = [name for name in hint if re.search(rf"\b{re.escape(name)}\b", description)]
        return ", ".join(named or hint)
    if hint in (int, float):
        return _number("a whole number" if hint is int else "a number", limits)
    return _text(limits) if hint is str else None


def _flat(metadata: Iterable[object]) -> Iterator[object]:
    for each in metadata:
        if isinstance(each, FieldInfo):
            yield from each.metadata
        else:
            yield each


def _number(what: str, limits: Sequence[object]) -> str:
    words = [what]
    for name, word in _BOUNDS.items():
        bound = _limit(limits, name)
        if isinstance(bound, int | float) and abs(bound) < _NO_BOUND:
            words.append(f"{word} {bound:g}")
    return " ".join(words)


def _text(limits: Sequence[object]) -> str | None:
    """Return how long a text may be; the form of one with a pattern is said better by the description of its key."""
    least, most = _limit(limits, "min_length"), _limit(limits, "max_length")
    if least is None or most is None or _limit(limits, "pattern") is not None:
        return None
    return f"a text of {least} to {most} characters"


def _limit(limits: Iterable[object], name: str) -> object:
    return next((bound for each in limits if (bound := getattr(each, name, None)) is not None), None)
