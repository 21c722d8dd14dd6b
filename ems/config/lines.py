"""Finds the line on which a key stands in a TOML text, which `tomllib` does not tell."""

import re
import tomllib
from collections.abc import Iterator

from ems.config.notation import KeyPath

# strings and comments hide brackets; only brackets outside them span lines
_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|#[^\n]*|[\[\]{}\n]', re.DOTALL
)
_KEY = re.compile(r'(?:"(?:\\.|[^"\\])*"|\'[^\']*\'|[^"\'=])+')


class KeyLines:
    """The lines of a valid TOML text by key path. What stands inside a value has the line of its key."""

    def __init__(self, text: str) -> None:
        self._first_line: dict[KeyPath, int] = {}
        for path, line in _key_lines(text):
            for depth in range(1, len(path) + 1):
                self._first_line.setdefault(path[:depth], line)

    def line_of(self, path: KeyPath) -> int | None:
        """Return the line (from 1) of a key, of its first part, else of its nearest ancestor; None for none."""
        ancestors = (path[:depth] for depth in range(len(path), 0, -1))
        return next((self._first_line[here] for here in ancestors if here in self._first_line), None)


def _key_lines(text: str) -> Iterator[tuple[KeyPath, int]]:
    header: KeyPath = ()
    last_index: dict[KeyPath, int] = {}
    for line, statement in _statements(text):
        if statement.startswith("[["):
            array = _indexed(_names(statement), last_index)
            last_index[array] = last_index.get(array, -1) + 1
            header = (*array, last_index[array])
            yield header, line
        elif statement.startswith("["):
            header = _indexed(_names(statement), last_index)
            yield header, line
        elif key := _KEY.match(statement):
            yield (*header, *_names(f"{key[0]}= 0")), line


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield every line on which a header or a key begins, without comments."""
    lines = text.split("\n")
    for line in _beginnings(text):
        statement = lines[line - 1].strip()
        if statement and not statement.startswith("#"):
            yield line, statement


def _beginnings(text: str) -> Iterator[int]:
    """Yield the number of every line that does not go on with a value of the line before."""
    depth, line = 0, 1
    yield line
    for token in _TOKEN.finditer(text):
        line += token[0].count("\n")
        match token[0]:
            case "[" | "{":
                depth += 1
            case "]" | "}":
                depth -= 1
            case "\n" if depth == 0:
                yield line


def _names(statement: str) -> tuple[str, ...]:
    """Return the names in a header or key; `tomllib` knows about quotes and escapes."""
    names = []
    value: object = tomllib.loads(statement)
    while isinstance(value, dict) and value:
        name, value = next(iter(value.items()))
        names.append(name)
    return tuple(names)


def _indexed(names: tuple[str, ...], last_index: dict[KeyPath, int]) -> KeyPath:
    """Insert the current position of every array of tables that a header passes through."""
    path: KeyPath = ()
    for position, name in enumerate(names):
        path = (*path, name)
        if position < len(names) - 1 and path in last_index:
            path = (*path, last_index[path])
    return path
