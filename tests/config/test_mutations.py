"""Every value of every shipped file, replaced by everything that it should not be."""

import dataclasses
import math
import tomllib
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, date, datetime, time
from itertools import islice
from pathlib import Path

import pytest

from ems.config.build import build_site, build_twin, build_wiring
from ems.config.files import ConfigFiles
from ems.config.notation import KeyPath, dotted
from ems.config.shipped import shipped_sites, site_directory
from ems.errors import ConfigError, ConfigProblem
from tests.config.directories import FULL, copy_of, loaded_or_refused
from tests.config.toml_text import toml_text

DELETED = object()
GARBAGE: dict[str, object] = {
    "deleted": DELETED,
    "text": "garbage",
    "empty text": "",
    "long text": "x" * 300,
    "control characters": "a\x00b\n\x7f",
    "umlaut": "größe",
    "path outside": "../../etc/passwd",
    "text nan": "nan",
    "true": True,
    "0": 0,
    "7": 7,
    "-1": -1,
    "10**30": 10**30,
    "16**4000": 16**4000,
    "0.5": 0.5,
    "-0.5": -0.5,
    "5e-324": 5e-324,
    "1e308": 1e308,
    "nan": math.nan,
    "inf": math.inf,
    "-inf": -math.inf,
    "empty list": [],
    "mixed list": [1, "a"],
    "list of lists": [[], {}],
    "empty table": {},
    "table": {"x": 1, "[key]": {}},
    "date": date(2026, 5, 1),
    "first day of the calendar": datetime(1, 1, 1, tzinfo=UTC),
    "time without offset": datetime(2026, 5, 1),  # noqa: DTZ001 - one of the mistakes
    "time of day": time(9, 30),
}
# a sample takes every 7th kind of garbage, another seventh for each value
STRIDE = 1 if FULL else 7
FILES = [(site, file.name) for site in shipped_sites() for file in sorted(site_directory(site).glob("*.toml"))]


@pytest.mark.parametrize(("site", "name"), FILES)
def test_garbage_at_any_key_is_refused_by_file_and_key_or_makes_a_valid_site(
    tmp_path: Path, *, site: str, name: str
) -> None:
    directory = copy_of(site, tmp_path / "site")
    original = tomllib.loads((directory / name).read_text(encoding="utf-8"))

    for number, path in enumerate(_paths(original)):
        for kind, garbage in islice(GARBAGE.items(), number % STRIDE, None, STRIDE):
            (directory / name).write_text(toml_text(_mutated(original, path, garbage)), encoding="utf-8")
            case = f"{dotted(path)}: {kind}"
            match loaded_or_refused(directory):
                case ConfigError(problems=problems):
                    _check_problems(problems, case)
                case ConfigFiles() as files:
                    _check_site(files, case)


def _check_problems(problems: tuple[ConfigProblem, ...], case: str) -> None:
    assert all(problem.file.endswith(".toml") for problem in problems), case
    # a file that is missing, because `extends` is, has no key
    assert any(problem.key or problem.message == "this file is missing" for problem in problems), case


def _check_site(files: ConfigFiles, case: str) -> None:
    assert all(math.isfinite(number) for number in _numbers(build_site(files))), case
    assert build_wiring(files).devices, case
    assert files.twin is not None, case
    assert build_twin(files.twin).seed >= 0, case


def _paths(value: object, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Yield the path of every table, list and value."""
    if path:
        yield path
    if isinstance(value, dict):
        for name, child in value.items():
            yield from _paths(child, (*path, name))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _paths(child, (*path, index))


def _mutated(original: dict[str, object], path: KeyPath, garbage: object) -> dict[str, object]:
    table = deepcopy(original)
    parent = table
    for part in path[:-1]:
        parent = parent[part]  # type: ignore[index, assignment]  # a path that was found in the same table
    if garbage is DELETED:
        del parent[path[-1]]  # type: ignore[arg-type]
    else:
        parent[path[-1]] = garbage  # type: ignore[index]
    return table


def _numbers(value: object) -> Iterator[float]:
    if isinstance(value, float):
        yield value
    elif isinstance(value, tuple):
        for entry in value:
            yield from _numbers(entry)
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from _numbers(getattr(value, field.name))
