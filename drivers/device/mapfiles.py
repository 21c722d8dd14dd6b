"""Finds and reads maps: in files, or beside their device; what stands in them is the concern of each kind of map."""

import difflib
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

from ems.errors import ConfigError, ConfigProblem
from ems.model.device import DeviceSpec

# the file of the configuration that names devices, drivers, maps and links
DEVICES_FILE: Final = "devices.toml"
M = TypeVar("M")

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


def map_of_device(
    spec: DeviceSpec,
    key: str,
    beside: Mapping[str, object] | None,
    *,
    load: Callable[[str], M],
    build: Callable[[Mapping[str, object], Path], M],
) -> M | None:
    """Return the map of a device: that of its name, or the one written `beside` it under `key`; None if it has none.

    Raises:
        ConfigError: As `load` and `build`; of a map beside the device the keys are those of devices.toml.
    """
    if beside is None:
        return None if spec.map is None else load(spec.map)
    given = beside.get("device")
    own: Mapping[str, object] = given if isinstance(given, Mapping) else {}
    # a map beside a device needs no name of its own
    name = own.get("id", key)
    try:
        return build({**beside, "device": {**own, "id": name}}, Path(f"{name}.toml"))
    except ConfigError as error:
        prefix = f"device '{spec.id}'.{key}."
        moved = (replace(each, file=DEVICES_FILE, key=f"{prefix}{each.key or ''}") for each in error.problems)
        raise ConfigError(*moved) from error


def found(file: Path, key: str, message: str, allowed: str | None) -> ConfigProblem:
    """Return what was found at a key of a map as a problem of its file."""
    return ConfigProblem(file=str(file), key=key, message=message, allowed=allowed)
