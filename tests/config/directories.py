"""Configuration directories to break."""

import os
import shutil
from pathlib import Path

import pytest

from ems.config.files import ConfigFiles
from ems.config.loader import load_files
from ems.config.shipped import shipped_site
from ems.errors import ConfigError, ConfigProblem

ROOT = Path(__file__).resolve().parents[2]
# `make fuzz` sets it: every case instead of a sample
FULL = os.environ.get("EMS_FUZZ") == "full"


def copy_of(site: str, into: Path) -> Path:
    """Copy the TOML files of a shipped site and link its data."""
    home = shipped_site(site)
    assert home is not None
    into.mkdir(parents=True, exist_ok=True)
    for file in home.glob("*.toml"):
        shutil.copy(file, into)
    if (home / "data").is_dir():
        (into / "data").symlink_to(home / "data")
    return into


def replace(file: Path, old: str, new: str) -> None:
    """Replace the first occurrence of a text that must be there."""
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def line_of(file: Path, text: str) -> int:
    """Return the number of the first line that holds a text."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, start=1) if text in line)


def loaded_or_refused(directory: Path) -> ConfigFiles | ConfigError:
    """Load a directory that may be good or bad; any other exception is a fault of the loader."""
    try:
        return load_files(directory)
    except ConfigError as error:
        return error


def problems_of(directory: Path) -> tuple[ConfigProblem, ...]:
    """Load a directory that must be refused."""
    with pytest.raises(ConfigError) as refusal:
        load_files(directory)
    return refusal.value.problems


def problem_at(directory: Path, key: str) -> ConfigProblem:
    """Load a directory that must be refused for a key, and return the first problem of that key."""
    problems = problems_of(directory)
    found = [problem for problem in problems if problem.key == key]
    assert found, [problem.sentence() for problem in problems]
    return found[0]
