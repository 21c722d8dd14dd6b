"""Reads the TOML files of a configuration directory and remembers where each key came from."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ems.config.shipped import shipped_site
from ems.errors import ConfigError, ConfigProblem

KeyPath = tuple[str | int, ...]
TomlTable = dict[str, object]

FILE_NAMES = (
    "site.toml",
    "assets.toml",
    "limits.toml",
    "tariffs.toml",
    "control.toml",
    "devices.toml",
    "forecasts.toml",
    "mqtt.toml",
    "persistence.toml",
    "twin.toml",
)
OPTIONAL_FILES = frozenset({"control.toml", "persistence.toml", "twin.toml"})
_TOML_POSITION = re.compile(r"\(at line (\d+), column \d+\)")
# what a person may write in one key: a file far beyond it is a mistake or an attack
_MAX_FILE_BYTES = 1_000_000


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """One logical file after merging; `origin` says which real file gave each key path."""

    name: str
    table: TomlTable
    origin: Mapping[KeyPath, Path] = field(default_factory=dict)

    def locate(self, path: KeyPath) -> tuple[str, int | None]:
        """Return the file and line of a key path, of its nearest existing ancestor if it is missing."""
        for length in range(len(path), -1, -1):
            file = self.origin.get(path[:length])
            if file is not None:
                return str(file), find_line(file, path[:length])
        return self.name, None


def read_directory(directory: Path) -> dict[str, SourceFile]:
    """Read every file of a configuration directory, with the files of the site that it extends below it.

    Raises:
        ConfigError: The directory, a required file or the extended site is missing, or a file is no TOML.
    """
    if not directory.is_dir():
        raise ConfigError(
            ConfigProblem(
                file=str(directory),
                message="this configuration directory does not exist",
                allowed="a directory with site.toml, or the name of a shipped site",
            )
        )
    own = {name: _read(directory / name) for name in FILE_NAMES if (directory / name).is_file()}
    base: dict[str, SourceFile] = {}
    if (site := own.get("site.toml")) is not None and isinstance(parent := site.table.get("extends"), str):
        base = read_directory(_parent_directory(parent, site))
    merged = {**base, **own}
    for name in base.keys() & own.keys():
        merged[name] = _lay_over(base[name], own[name])
    _refuse_strangers(directory)
    missing = [name for name in FILE_NAMES if name not in merged and name not in OPTIONAL_FILES]
    if missing:
        raise ConfigError(
            *(ConfigProblem(file=str(directory / name), message="this file is missing") for name in missing)
        )
    return merged


def find_line(file: Path, path: KeyPath) -> int | None:
    """Return the line (from 1) on which a key stands, None where the text does not show it.

    A hint for people, not a parser: it follows table headers and `key =` at the start of a line.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    header: list[str | int] = []
    counts: dict[tuple[str | int, ...], int] = {}
    best: tuple[int, int] | None = None
    for number, raw in enumerate(lines, start=1):
        line = raw.strip()
        if line.startswith("[["):
            names = _names(line.strip("[] "))
            header = _with_parent_index(names, counts)
            index = counts.get(tuple(header), -1) + 1
            counts[tuple(header)] = index
            here: list[str | int] = [*header, index]
            header = here
        elif line.startswith("["):
            header = _with_parent_index(_names(line.split("]")[0].strip("[ ")), counts)
            here = header
        elif "=" in line and not line.startswith("#"):
            here = [*header, *_names(line.split("=", 1)[0].strip())]
        else:
            continue
        depth = _common_depth(here, path)
        if depth == len(here) and (best is None or depth > best[0]):
            best = (depth, number)
    return None if best is None else best[1]


def _names(dotted: str) -> list[str | int]:
    return [part.strip().strip("\"'") for part in dotted.split(".")]


def _with_parent_index(names: list[str | int], counts: Mapping[tuple[str | int, ...], int]) -> list[str | int]:
    """Insert the current index of every array of tables that a dotted header passes through."""
    path: list[str | int] = []
    for position, name in enumerate(names):
        path.append(name)
        if position < len(names) - 1 and tuple(path) in counts:
            path.append(counts[tuple(path)])
    return path


def _common_depth(here: list[str | int], path: KeyPath) -> int:
    depth = 0
    for a, b in zip(here, path, strict=False):
        if a != b:
            break
        depth += 1
    return depth


def _read(file: Path) -> SourceFile:
    try:
        if file.stat().st_size > _MAX_FILE_BYTES:
            raise ConfigError(ConfigProblem(file=str(file), message=f"the file is larger than {_MAX_FILE_BYTES} bytes"))
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        position = _TOML_POSITION.search(str(error))
        raise ConfigError(
            ConfigProblem(
                file=str(file),
                message=f"not valid TOML: {error}",
                line=int(position[1]) if position else None,
            )
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(ConfigProblem(file=str(file), message="not valid UTF-8 text")) from error
    except OSError as error:
        raise ConfigError(ConfigProblem(file=str(file), message=f"cannot be read: {error.strerror}")) from error
    except RecursionError as error:
        raise ConfigError(ConfigProblem(file=str(file), message="tables are nested too deeply")) from error
    return SourceFile(name=file.name, table=table, origin=_origins(table, file))


def _origins(value: object, file: Path, path: KeyPath = ()) -> dict[KeyPath, Path]:
    origins = {path: file}
    if isinstance(value, dict):
        for key, child in value.items():
            origins |= _origins(child, file, (*path, key))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            origins |= _origins(child, file, (*path, index))
    return origins


def _lay_over(base: SourceFile, own: SourceFile) -> SourceFile:
    """Lay a file over the one that it extends: tables merge, everything else is replaced."""
    table = _merge_tables(base.table, own.table)
    return SourceFile(name=own.name, table=table, origin={**base.origin, **own.origin})


def _merge_tables(base: TomlTable, own: TomlTable) -> TomlTable:
    merged = dict(base)
    for key, value in own.items():
        below = merged.get(key)
        if isinstance(below, dict) and isinstance(value, dict):
            merged[key] = _merge_tables(below, value)
        else:
            merged[key] = value
    return merged


def _parent_directory(name: str, site: SourceFile) -> Path:
    file, line = site.locate(("extends",))
    directory = shipped_site(name)
    if directory is None or file.startswith(f"{directory}/"):
        raise ConfigError(
            ConfigProblem(
                file=file,
                line=line,
                key="extends",
                message=f"no other shipped site is called '{name}'",
                allowed="the name of a shipped site (`ems check --list` names them)",
            )
        )
    return directory


def _refuse_strangers(directory: Path) -> None:
    """Refuse a misspelt file name: silently unread limits would be the worst of mistakes."""
    strangers = [file for file in sorted(directory.glob("*.toml")) if file.name not in FILE_NAMES]
    if strangers:
        raise ConfigError(
            *(
                ConfigProblem(
                    file=str(file),
                    message="a file of this name is not part of a configuration",
                    allowed=", ".join(FILE_NAMES),
                )
                for file in strangers
            )
        )
