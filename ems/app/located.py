"""The file and line of a problem that drivers found: they know keys, but neither directories nor lines."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from drivers.device.mapfiles import DEVICES_FILE
from ems.config.lines import KeyLines
from ems.config.notation import KeyPath
from ems.errors import ConfigProblem

# how a driver names a table of devices.toml, and the number in an id that stands for many, after re.escape
_TABLE = re.compile(r"(device|link|broker) '([^']+)'")
_NUMBER = re.compile(r"\\\{n[^}]*\}")
_PART = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


def located(problem: ConfigProblem, directories: Sequence[Path] = ()) -> ConfigProblem:
    """Return a problem with the path of its file and the line of its key, or of the nearest table above it."""
    file = Path(problem.file)
    if problem.file == DEVICES_FILE:
        file = next((path for path in (home / DEVICES_FILE for home in directories) if path.is_file()), file)
    line = problem.line if problem.line is not None else _line_of(problem.key, file)
    return replace(problem, file=str(file), line=line)


def _line_of(key: str | None, file: Path) -> int | None:
    if key is None:
        return None
    try:
        text = file.read_text(encoding="utf-8")
        return KeyLines(text).line_of(key_path(key, tomllib.loads(text)))
    except (OSError, ValueError):
        # what cannot be read has no lines
        return None


def key_path(key: str, table: Mapping[str, object]) -> KeyPath:
    """Return a dotted key as a path; a table that is named by its id gets its position among its like."""
    named = _TABLE.match(key)
    begin: KeyPath = () if named is None else (named[1], _position(named[2], table.get(named[1])))
    parts = _PART.findall(key if named is None else key[named.end() :])
    return (*begin, *(int(number) if number else name for number, name in parts))


def _position(name: str, given: object) -> int:
    """Return which table stands for a device, link or broker; its id may be a pattern with the number of it."""
    tables = given if isinstance(given, list) else []
    patterns = [_NUMBER.sub(r"\\d+", re.escape(str(table.get("id", "")))) for table in tables]
    return next((number for number, pattern in enumerate(patterns) if re.fullmatch(pattern, name)), 0)
