"""Turns what the schema refuses into problems that a person can act on: where, what, and what to write instead."""

import difflib
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ems.config.files import SCHEMAS
from ems.config.keys import Key, Kind, file_key
from ems.config.notation import KeyPath, dotted, written
from ems.config.schema.fields import NAME_WORDS
from ems.config.source import SourceFile
from ems.errors import ConfigProblem

# pydantic appends this to the path of a table's name that has a form of its own
_NAME_OF_TABLE: Final = "[key]"
# what pydantic asks for, by its error type; `{...}` are the facts that it reports
_DEMANDS: Final = {
    "float_type": "a number",
    "finite_number": "a finite number",
    "int_type": "a whole number",
    "string_type": "a text in quotes",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "date_type": "a date without quotes",
    "datetime_type": "a date and time without quotes",
    "timezone_aware": "a time with an offset from UTC",
    "greater_than": "above {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "below {lt}",
    "less_than_equal": "at most {le}",
    "literal_error": "one of the choices",
    "string_pattern_mismatch": "of another form",
    "string_too_long": "at most {max_length} characters long",
    "string_too_short": "at least {min_length} characters long",
    "too_short": "a list or table of at least {min_length} entries",
}


def refusals(source: SourceFile, error: ValidationError, *, root: Key | None = None) -> Iterator[ConfigProblem]:
    """Yield a problem for everything that the schema refuses in one file, in the order of its lines.

    `root` says what the file may hold; without it the file is the one of its name in a configuration directory.
    """
    known = file_key(source.name) if root is None else root
    homes = _homes() if root is None else {}
    problems = (_problem(source, known, details, homes=homes) for details in error.errors(include_url=False))
    yield from sorted(problems, key=lambda problem: (problem.file, problem.line or 0))


def _problem(source: SourceFile, root: Key, details: ErrorDetails, *, homes: Mapping[str, list[str]]) -> ConfigProblem:
    match details["type"]:
        case "extra_forbidden":
            return _unknown(source, root, details["loc"], homes=homes.get(str(details["loc"][-1]), []))
        case "missing":
            return _missing(source, root, details["loc"])
        case _:
            return _invalid(source, root, details)


def _unknown(source: SourceFile, root: Key, path: KeyPath, *, homes: list[str]) -> ConfigProblem:
    name = str(path[-1])
    table = root.at(path[:-1])
    known = sorted(table.children) if table else []
    is_elsewhere = len(homes) == 1
    file, line = source.locate(path)
    return ConfigProblem(
        file=file,
        line=line,
        key=dotted(path),
        message=f"unknown key here; it belongs to {homes[0]}" if is_elsewhere else "unknown key",
        allowed=", ".join(known),
        nearest=None if is_elsewhere else next(iter(difflib.get_close_matches(name, known, n=1, cutoff=0.5)), None),
    )


@cache
def _homes() -> dict[str, list[str]]:
    """Return every place of the configuration that knows a key, by the key's name."""
    homes: dict[str, list[str]] = {}
    for file_name in SCHEMAS:
        for path in file_key(file_name).paths():
            homes.setdefault(path[-1], []).append(f"{file_name} as {'.'.join(path)}")
    return homes


def _missing(source: SourceFile, root: Key, path: KeyPath) -> ConfigProblem:
    key = root.at(path)
    file, line = source.locate(path)
    what = "table" if key is not None and key.kind is Kind.TABLE else "key"
    return ConfigProblem(
        file=file, line=line, key=dotted(path), message=f"this {what} is required", allowed=_allowed(key)
    )


def _allowed(key: Key | None) -> str | None:
    if key is None:
        return None
    if key.kind is Kind.TABLE:
        return f"a table with {', '.join(name for name, child in key.children.items() if child.required)}"
    return key.allowed()


def _invalid(source: SourceFile, root: Key, details: ErrorDetails) -> ConfigProblem:
    path: KeyPath = details["loc"]
    is_name = path[-1] == _NAME_OF_TABLE
    if is_name:
        path = path[:-1]
    key = root.at(path)
    file, line = source.locate(path)
    return ConfigProblem(
        file=file,
        line=line,
        key=dotted(path),
        message=_message(details, is_name=is_name),
        allowed=NAME_WORDS if is_name else _allowed(key),
    )


def _message(details: ErrorDetails, *, is_name: bool) -> str:
    demand = _DEMANDS.get(details["type"])
    found = written(details["input"])
    if demand is None:
        return f"{details['msg'].lower()}; found {found}"
    facts = {name: written(value) for name, value in details.get("ctx", {}).items()}
    subject = "the name must be" if is_name else "must be"
    return f"{subject} {demand.format(**facts)}, found {found}"
