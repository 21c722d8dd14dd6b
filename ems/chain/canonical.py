"""One byte string for one record: RFC 8785 (JSON Canonicalization Scheme), whole numbers only.

Fractions are refused: their text depends on rules of ECMAScript, whole numbers up to 2^53 - 1 have one text
everywhere.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NoReturn

import rfc8785

from ems.errors import ChainError

# a record as it was parsed: objects, lists, texts, whole numbers, true, false, null
Record = dict[str, Any]

_MOST_DEEP: Final = 32


def canonical(record: Mapping[str, object]) -> bytes:
    """Return the canonical form in UTF-8, without a line end.

    Raises:
        ChainError: The record holds a fraction, a number beyond 2^53 - 1 or something that JSON does not have.
    """
    for path, value in _leaves(record, ""):
        if isinstance(value, float):
            raise ChainError(f"{path}: {value!r} is a fraction; records hold whole numbers", field=path)
    try:
        return rfc8785.dumps(dict(record))  # type: ignore[arg-type]
    except rfc8785.CanonicalizationError as error:
        raise ChainError(f"the record has no canonical form: {error}") from error


def parsed(line: bytes) -> Record:
    """Return the record of one line, which must be its canonical form to the byte.

    Raises:
        ChainError: The line is no JSON object, repeats a name, holds a fraction or is not canonical.
    """
    try:
        found = json.loads(line.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ChainError(f"no JSON record ({error})") from error
    if not isinstance(found, dict):
        raise ChainError(f"no JSON object but {type(found).__name__}")
    if canonical(found) != line:
        raise ChainError("the line is not the canonical form (RFC 8785) of what it says")
    return found


def _leaves(value: object, path: str) -> Iterator[tuple[str, object]]:
    if path.count("/") > _MOST_DEEP:
        raise ChainError(f"{path}: nested deeper than {_MOST_DEEP} levels", field=path)
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _leaves(item, f"{path}/{name}")
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from _leaves(item, f"{path}/{number}")
    else:
        yield path, value


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"'{next(name for name in names if names.count(name) > 1)}' stands twice in one object")
    return found


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")
