"""Planning problems from files that people and programs write: nothing unknown, nothing twice, nothing absurd.

A series per step may be written as one number, which then holds in every step; everything else is as the types say.
"""

import difflib
import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, get_args, get_origin, get_type_hints

from pydantic import ValidationError

from ems.dispatch.refusal import refusals
from ems.dispatch.refusal.figures import OTHER_LENGTH
from ems.errors import ConfigError, ConfigProblem
from ems.model.problem import SCHEMA, PlanningProblem
from ems.runtime.codec import from_json

# what is told of a file that is wrong in many places
_MOST_PROBLEMS: Final = 20

# JSON of any shape
Json = Any


def read_problem(file: Path) -> PlanningProblem:
    """Read a planning problem.

    Raises:
        ConfigError: The file cannot be read or is no planning problem; says where and what is allowed.
    """
    try:
        return problem_of(file.read_bytes(), source=str(file))
    except OSError as error:
        raise ConfigError(
            ConfigProblem(file=str(file), message=f"cannot be read: {error.strerror}", allowed="a problem's JSON")
        ) from error


def problem_of(text: bytes, *, source: str) -> PlanningProblem:
    """Read a planning problem from the text of a file; `source` names it in refusals.

    Raises:
        ConfigError: The text is no planning problem; says where and what is allowed.
    """
    document = _document(text, source)
    version = document.get("schema", SCHEMA)
    if version != SCHEMA:
        raise ConfigError(ConfigProblem(file=source, key="schema", message=f"is '{version}'", allowed=f"'{SCHEMA}'"))
    if unknown := list(_unknown(PlanningProblem, document, "", source)):
        raise ConfigError(*unknown[:_MOST_PROBLEMS])
    complete = _with_series(PlanningProblem, document, _n_steps(document))
    try:
        problem = from_json(PlanningProblem, json.dumps(complete).encode(), strict=True)
    except ValidationError as error:
        raise ConfigError(*_invalid(error, source)) from error
    if found := refusals(problem):
        raise ConfigError(*(refusal.of(source) for refusal in found[:_MOST_PROBLEMS]))
    return problem


def is_series(owner: type, name: str) -> bool:
    """Return whether a field has one number for each step of the grid."""
    if f"{owner.__name__}.{name}" in OTHER_LENGTH:
        return False
    kind = _hints(owner)[name]
    return _is_tuple(kind) and get_args(kind)[0] in (int, float)


def _document(text: bytes, source: str) -> dict[str, Json]:
    def once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
        names = [name for name, _ in pairs]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"the field '{twice[0]}' stands twice in one object")
        return dict(pairs)

    def never(word: str) -> float:
        raise ValueError(f"{word} is no number in JSON")

    try:
        document = json.loads(text, object_pairs_hook=once, parse_constant=never)
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            ConfigProblem(file=source, message=f"is no valid JSON: {error}", allowed="a problem's JSON")
        ) from error
    if not isinstance(document, dict):
        raise ConfigError(ConfigProblem(file=source, message="is no JSON object", allowed="a problem's JSON"))
    return document


def _unknown(kind: Json, value: Json, path: str, source: str) -> Iterator[ConfigProblem]:
    """Yield every field that a problem does not have; a wrong type is told by the validation that follows."""
    kind = _without_none(kind)
    if _is_tuple(kind) and isinstance(value, list):
        for number, item in enumerate(value):
            yield from _unknown(get_args(kind)[0], item, f"{path}{number}.", source)
    if not _is_class(kind) or not isinstance(value, dict):
        return
    known = _hints(kind)
    for name, part in value.items():
        if name in known:
            yield from _unknown(known[name], part, f"{path}{name}.", source)
        else:
            yield ConfigProblem(
                file=source,
                key=f"{path}{name}",
                message="unknown field",
                allowed=", ".join(sorted(known)),
                nearest=next(iter(difflib.get_close_matches(name, known, n=1, cutoff=0.5)), None),
            )


def _with_series(kind: Json, value: Json, n_steps: int) -> Json:
    """Return the value with single numbers in the place of series repeated for every step."""
    kind = _without_none(kind)
    if _is_tuple(kind) and isinstance(value, list):
        return [_with_series(get_args(kind)[0], item, n_steps) for item in value]
    if not _is_class(kind) or not isinstance(value, dict):
        return value
    filled = {}
    for name, part in value.items():
        is_number = isinstance(part, int | float) and not isinstance(part, bool)
        if is_number and is_series(kind, name):
            filled[name] = [part] * n_steps
        else:
            filled[name] = _with_series(_hints(kind)[name], part, n_steps)
    return filled


def _n_steps(document: dict[str, Json]) -> int:
    grid = document.get("grid")
    durations = grid.get("duration_h") if isinstance(grid, dict) else None
    return len(durations) if isinstance(durations, list) else 0


def _invalid(error: ValidationError, source: str) -> Iterator[ConfigProblem]:
    for details in error.errors(include_url=False)[:_MOST_PROBLEMS]:
        key = ".".join(str(part) for part in details["loc"])
        if details["type"] == "tuple_type" and (number := _number_of_series(details["loc"])):
            yield ConfigProblem(
                file=source, key=key, message=f"is no {number}", allowed=f"a {number} or a list of {number}s"
            )
            continue
        yield ConfigProblem(file=source, key=key or None, message=details["msg"].lower())


def _number_of_series(place: tuple[int | str, ...]) -> str | None:
    """Return what a value of the series at a place is, None where there is no series."""
    owner: Json = PlanningProblem
    *above, name = place
    for part in above:
        owner = _without_none(get_args(owner)[0] if isinstance(part, int) else _hints(owner)[part])
    if not isinstance(name, str) or not _is_class(owner) or not is_series(owner, name):
        return None
    return "whole number" if get_args(_hints(owner)[name])[0] is int else "number"


def _is_class(kind: Json) -> bool:
    return is_dataclass(kind)


def _is_tuple(kind: Json) -> bool:
    origin: Json = get_origin(kind)
    return origin is tuple


def _without_none(kind: Json) -> Json:
    """Return the type of an optional field."""
    parts = [part for part in get_args(kind) if part is not type(None)]
    is_optional = type(None) in get_args(kind) and len(parts) == 1
    return parts[0] if is_optional else kind


@cache
def _hints(kind: Json) -> dict[str, Json]:
    """Return the types of a class's fields; resolving them walks its module, so each class is resolved once."""
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}
