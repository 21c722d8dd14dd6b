"""Turns what pydantic says about the file of a map into problems that name the key and what is allowed."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from drivers.device.allowedvalues import allowed_values
from drivers.device.maptables import MapTable
from ems.errors import ConfigProblem

KeyPath = tuple[str | int, ...]
_OF_INTEGERS: Final = frozenset({"int_type", "int_from_float"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """The form of a file: its top, its tables by name, and which of them are `collections` or even `lists`.

    The tables of a collection have a name or a number of their own between the top and their keys.
    """

    top: type[MapTable]
    tables: Mapping[str, type[MapTable]]
    collections: frozenset[str]
    lists: frozenset[str] = frozenset()


def problems(file: Path, error: ValidationError, schema: Schema) -> Iterator[ConfigProblem]:
    """Yield one problem per wrong key, in the order of the file's schema."""
    by_key: dict[KeyPath, list[ErrorDetails]] = {}
    for details in error.errors(include_url=False):
        by_key.setdefault(_key_path(details["loc"], schema), []).append(details)
    for path, found in by_key.items():
        # a key that takes an int or a float fails once for each; the float says what a number may be
        telling = (details for details in found if details["type"] not in _OF_INTEGERS)
        yield _problem(file, path, next(telling, found[0]), schema)


def _key_path(location: KeyPath, schema: Schema) -> KeyPath:
    """Return a location without what pydantic adds inside a key (indices, names of union members)."""
    depth = 3 if location[0] in schema.collections else 2
    return location[:depth]


def _problem(file: Path, path: KeyPath, details: ErrorDetails, schema: Schema) -> ConfigProblem:
    known = _keys_beside(path, schema)
    field = known.get(str(path[-1]))
    message, allowed, nearest = details["msg"].lower(), field.description if field else None, None
    match details["type"]:
        case "extra_forbidden":
            message, allowed = "unknown key", ", ".join(sorted(known))
            nearest = next(iter(difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.5)), None)
        case "missing":
            message = "this key is required"
        case "value_error":
            message = details["msg"].removeprefix("Value error, ")
        case _:
            message = f"{message}; found {details['input']!r}"
            allowed = None if field is None else _values_and_meaning(field)
    return ConfigProblem(file=str(file), key=_dotted(path), message=message, allowed=allowed, nearest=nearest)


def _values_and_meaning(field: FieldInfo) -> str | None:
    """Return the values that a key takes, and what they mean."""
    return ". ".join(text for text in (allowed_values(field), field.description) if text) or None


def _keys_beside(path: KeyPath, schema: Schema) -> dict[str, FieldInfo]:
    """Return the known keys of the table that a key path ends in, as a file spells them."""
    table = schema.top if len(path) == 1 else schema.tables[str(path[0])]
    return {field.alias or name: field for name, field in table.model_fields.items()}


def _dotted(path: KeyPath) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")
