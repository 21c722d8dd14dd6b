"""Finds and reads the files of maps; what stands in them is the concern of each kind of map."""

import difflib
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from ems.errors import ConfigError, ConfigProblem

_TOML_LINE: Final = re.compile(r"\(at line (\d+), column \d+\)")


def names_in(homes: Iterable[Path]) -> tuple[str, ...]:
    """Return the names of all maps in some directories."""
    return tuple(sorted({file.stem for home in homes for file in home.glob("*.toml")}))


def find_file(name: str, homes: tuple[Path, ...], *, what: str) -> Path:
    """Return the file of the map of that name in the first directory that has one; `what` is the kind of map.

    Raises:
        ConfigError: No directory has it.
    """
    for home in homes:
        file = home / f"{name}.toml"
        if file.is_file():
            return file
    known = names_in(homes)
    raise ConfigError(
        ConfigProblem(
            file=f"{name}.toml",
            message=f"no {what} is called '{name}'",
            allowed=", ".join(known),
            nearest=next(iter(difflib.get_close_matches(name, known, n=1)), None),
        )
    )


def read_toml(file: Path) -> dict[str, object]:
    """Return the tables of a file.

    Raises:
        ConfigError: It cannot be read, or is no TOML; then with the line.
    """
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        position = _TOML_LINE.search(str(error))
        line = int(position[1]) if position else None
        raise ConfigError(ConfigProblem(file=str(file), line=line, message=f"not valid TOML: {error}")) from error
    except UnicodeDecodeError as error:
        raise ConfigError(ConfigProblem(file=str(file), message="not valid UTF-8 text")) from error
    except OSError as error:
        raise ConfigError(ConfigProblem(file=str(file), message=f"cannot be read: {error.strerror}")) from error
