"""Files of recordings: one JSON object a line, of which the first says what the file is."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ems.errors import ConfigError, ConfigProblem


@dataclass(frozen=True, slots=True)
class TraceFormat:
    """What stands in the first line as `format` and `version`."""

    name: str
    version: int

    def text(self, head: Mapping[str, object], lines: Iterable[Mapping[str, object]]) -> str:
        """Return the text of a file."""
        whole = {"format": self.name, "version": self.version, **head}
        return "".join(json.dumps(line) + "\n" for line in (whole, *lines))

    def read(self, file: Path) -> tuple[Mapping[str, Any], Iterator[tuple[int, Mapping[str, Any]]]]:
        """Return the first line of a file, and the further ones by their numbers.

        Raises:
            ConfigError: It cannot be read, or is no trace of this version; names the line, also while it is read on.
        """
        lines = _lines(file)
        head = _object(file, 1, lines[0] if lines else "")
        if (head.get("format"), head.get("version")) != (self.name, self.version):
            raise refused(file, 1, f"no {self.name} of version {self.version}")
        return head, ((number, _object(file, number, text)) for number, text in enumerate(lines[1:], 2))


def format_of(file: Path) -> str:
    """Return what a file says that it is, empty where it says nothing.

    Raises:
        ConfigError: It cannot be read.
    """
    lines = _lines(file)
    try:
        head = json.loads(lines[0]) if lines else None
    except ValueError:
        return ""
    return str(head.get("format", "")) if isinstance(head, dict) else ""


def refused(file: Path, line: int, message: str) -> ConfigError:
    """Return that a line of a file is none of a trace."""
    allowed = "a file of `ems devices trace record`"
    return ConfigError(ConfigProblem(file=str(file), line=line, message=message, allowed=allowed))


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(ConfigProblem(file=str(file), message=f"cannot be read: {error}")) from error


def _object(file: Path, line: int, text: str) -> dict[str, Any]:  # JSON of any shape
    try:
        value = json.loads(text)
    except ValueError as error:
        raise refused(file, line, f"no JSON: {error}") from error
    if not isinstance(value, dict):
        raise refused(file, line, "no JSON object")
    return value
