"""Directories that a command writes into, judged before anything is calculated."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

from ems.errors import ConfigError, ConfigProblem


def check_directory(out: Path, names: Iterable[str]) -> None:
    """Make the directory and make sure that every file can be written.

    Raises:
        ConfigError: It cannot.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
        for file in (out / name for name in names):
            if file.exists():
                # appending nothing changes nothing
                file.open("ab").close()
    except (OSError, ValueError) as error:
        problem = ConfigProblem(
            file="--out", message=f"'{out}' cannot be written: {error}", allowed="a directory that can be written"
        )
        raise ConfigError(problem) from error
