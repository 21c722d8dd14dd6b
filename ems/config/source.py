"""Reads the TOML files of a configuration directory and remembers where each key came from."""

import difflib
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ems.config.files import OPTIONAL_FILES, SCHEMAS
from ems.config.lines import KeyLines
from ems.config.notation import KeyPath, written
from ems.config.shipped import shipped_site, shipped_sites
from ems.errors import ConfigError, ConfigProblem

TomlTable = dict[str, object]

# what a person may write: a file far beyond it is a mistake or an attack
_MAX_FILE_BYTES = 1_000_000
# the memory that `tomllib` takes for one dotted key grows with the square of its parts
_MAX_LINE_CHARS = 5_000
# the schema has six
_MAX_LEVELS = 20
_TOML_POSITION = re.compile(r"\(at line (\d+), column \d+\)")


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One real file: of the directory itself, or of a site that it extends."""

    path: Path
    text: str
    table: TomlTable

    @cached_property
    def lines(self) -> KeyLines:
        """Return the lines of its keys."""
        return KeyLines(self.text)


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """One logical file: the layers of its name, the directory's own first."""

    name: str
    layers: tuple[Layer, ...] = ()

    @cached_property
    def table(self) -> TomlTable:
        """Return the layers laid over each other: tables merge, everything else is replaced."""
        merged: TomlTable = {}
        for layer in reversed(self.layers):
            merged = _merged(merged, layer.table)
        return merged

    def locate(self, path: KeyPath) -> tuple[str, int | None]:
        """Return the file and line of a key path, of its nearest existing ancestor if it is missing."""
        best: Layer | None = None
        best_depth = -1
        for layer in self.layers:
            depth, may_be_below = _descend(layer.table, path)
            if depth > best_depth:
                best, best_depth = layer, depth
            if not may_be_below:
                break
        if best is None:
            return self.name, None
        return str(best.path), best.lines.line_of(path[:best_depth])


@dataclass(frozen=True, kw_only=True)
class SourceTree:
    """All files of a configuration; `directories` are its own and those that it extends, nearest first."""

    directories: tuple[Path, ...]
    files: dict[str, SourceFile]

    def file(self, name: str) -> SourceFile:
        """Return a file, an empty one where the configuration has none."""
        return self.files.get(name) or SourceFile(name=name)


def read_directory(directory: Path) -> SourceTree:
    """Read every file of a configuration directory, with the files of the sites that it extends below it.

    Raises:
        ConfigError: The directory, a required file or the extended site is missing, or a file is no TOML.
    """
    directories = [directory]
    layers = _read_layers(directory)
    files = {name: SourceFile(name=name, layers=(layer,)) for name, layer in layers.items()}
    while "site.toml" in layers and "extends" in layers["site.toml"].table:
        parent = _extended(layers["site.toml"], below=directories)
        directories.append(parent)
        layers = _read_layers(parent)
        for name, layer in layers.items():
            above = files[name].layers if name in files else ()
            files[name] = SourceFile(name=name, layers=(*above, layer))
    if missing := [name for name in SCHEMAS if name not in files and name not in OPTIONAL_FILES]:
        raise ConfigError(*(_missing(directory / name) for name in missing))
    return SourceTree(directories=tuple(directories), files=files)


def read_file(path: Path) -> SourceFile:
    """Read one TOML file that stands for itself.

    Raises:
        ConfigError: It cannot be read or is no TOML.
    """
    return SourceFile(name=path.name, layers=(_read(path),))


def _read_layers(directory: Path) -> dict[str, Layer]:
    layers: dict[str, Layer] = {}
    problems: list[ConfigProblem] = []
    for path in _toml_files(directory):
        try:
            if path.name not in SCHEMAS:
                raise _stranger(path)
            layers[path.name] = _read(path)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(*problems)
    return layers


def _toml_files(directory: Path) -> list[Path]:
    """Return every file that calls itself TOML; hidden ones are editors' own."""
    try:
        entries = sorted(directory.iterdir())
    except FileNotFoundError as error:
        raise ConfigError(
            ConfigProblem(
                file=str(directory),
                message="this configuration directory does not exist",
                allowed=f"a directory with site.toml, or a shipped site: {', '.join(shipped_sites())}",
            )
        ) from error
    except OSError as error:
        raise ConfigError(
            ConfigProblem(file=str(directory), message=f"cannot be read as a directory: {error.strerror}")
        ) from error
    return [entry for entry in entries if entry.suffix.lower() == ".toml" and not entry.name.startswith(".")]


def _read(path: Path) -> Layer:
    try:
        if not path.is_file():
            raise _refused(path, "not a file that can be read")
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise _refused(path, f"larger than {_MAX_FILE_BYTES} bytes")
        text = path.read_text(encoding="utf-8-sig")
        if any(len(line) > _MAX_LINE_CHARS for line in text.splitlines()):
            raise _refused(path, f"has a line of more than {_MAX_LINE_CHARS} characters")
        table = tomllib.loads(text)
        if _nests_deeper(table, _MAX_LEVELS):
            raise _refused(path, f"tables and lists are nested more than {_MAX_LEVELS} levels deep")
    except tomllib.TOMLDecodeError as error:
        raise _not_toml(path, str(error)) from error
    except UnicodeDecodeError as error:
        raise _refused(path, f"not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    except OSError as error:
        raise _refused(path, f"cannot be read: {error.strerror}") from error
    except RecursionError as error:
        raise _refused(path, f"tables and lists are nested more than {_MAX_LEVELS} levels deep") from error
    except ValueError as error:
        # an integer of thousands of digits
        raise _refused(path, f"not valid TOML: {error}") from error
    return Layer(path=path, text=text, table=table)


def _not_toml(path: Path, reason: str) -> ConfigError:
    position = _TOML_POSITION.search(reason)
    line = int(position[1]) if position else None
    return ConfigError(ConfigProblem(file=str(path), line=line, message=f"not valid TOML: {reason}"))


def _refused(path: Path, message: str) -> ConfigError:
    return ConfigError(ConfigProblem(file=str(path), message=message))


def _missing(path: Path) -> ConfigProblem:
    return ConfigProblem(
        file=str(path),
        message="this file is missing",
        allowed="the file, or `extends` in site.toml with the name of a shipped site that has it",
    )


def _stranger(path: Path) -> ConfigError:
    """Return the refusal of a misspelt file name: silently unread limits would be the worst of mistakes."""
    return ConfigError(
        ConfigProblem(
            file=str(path),
            message="a file of this name is not part of a configuration",
            allowed=", ".join(SCHEMAS),
            nearest=next(iter(difflib.get_close_matches(path.name.lower(), SCHEMAS, n=1)), None),
        )
    )


def _extended(site: Layer, *, below: list[Path]) -> Path:
    """Return the directory of the shipped site that a site extends."""
    name = site.table["extends"]
    directory = shipped_site(name) if isinstance(name, str) else None
    taken = {path.resolve() for path in below}
    if directory is None or directory.resolve() in taken:
        raise ConfigError(
            ConfigProblem(
                file=str(site.path),
                line=site.lines.line_of(("extends",)),
                key="extends",
                message=f"must be the name of another shipped site, found {written(name)}",
                allowed=", ".join(_others(taken)),
            )
        )
    return directory


def _others(taken: set[Path]) -> Iterator[str]:
    for name in shipped_sites():
        directory = shipped_site(name)
        if directory is not None and directory.resolve() not in taken:
            yield name


def _merged(below: TomlTable, above: TomlTable) -> TomlTable:
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _descend(table: TomlTable, path: KeyPath) -> tuple[int, bool]:
    """Follow a path as far as it exists; return how far that is, and whether a layer below may know more of it."""
    value: object = table
    in_tables = True
    for depth, part in enumerate(path):
        match value:
            case dict() if part in value:
                value = value[part]
            case list() if isinstance(part, int) and part < len(value):
                value = value[part]
                in_tables = False
            case _:
                return depth, in_tables and isinstance(value, dict)
    return len(path), False


def _nests_deeper(value: object, levels: int) -> bool:
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(levels == 0 or _nests_deeper(child, levels - 1) for child in children)
