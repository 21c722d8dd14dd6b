"""Dangerous values of a configuration that somebody has accepted for a run of the daemon: record and alarms."""

import getpass
import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ems.errors import ConfigProblem, StateError

RISKS_FILE: Final = "accepted-risks.jsonl"


def risk_alarms(risks: Sequence[ConfigProblem]) -> dict[str, str]:
    """Return the alarms that stand while a daemon runs with accepted risks, by name."""
    return {f"risk:{Path(risk.file).name}:{risk.key}": f"accepted risk: {risk.sentence()}" for risk in risks}


def record_risks(directory: Path, risks: Sequence[ConfigProblem], *, utc: datetime, version: str) -> None:
    """Append who runs with which risks, if that differs from the last record; on the disk before this returns.

    Raises:
        StateError: It cannot be written: what is not on record is not accepted.
    """
    sentences, file = [risk.sentence() for risk in risks], directory / RISKS_FILE
    try:
        if sentences == _last(file):
            return
        entry = {"utc": utc.astimezone(UTC).isoformat(), "user": _user(), "version": version, "risks": sentences}
        with file.open("a", encoding="utf-8") as stream:
            stream.write(f"{_line_end(file)}{json.dumps(entry)}\n")
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise StateError(f"{file}: accepted risks cannot be recorded ({error}); check the state directory") from error


def _last(file: Path) -> list[str]:
    """Return the risks of the last record; a line that was cut by a power failure counts as none."""
    if not file.exists():
        return []
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    try:
        found = json.loads(lines[-1])["risks"] if lines else []
    except (ValueError, KeyError, TypeError):
        return ["?"]
    return found if isinstance(found, list) else ["?"]


def _line_end(file: Path) -> str:
    """Return what ends a last line that was cut."""
    content = file.read_bytes()
    return "\n" if content and not content.endswith(b"\n") else ""


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        # a dynamic user of systemd may have no name
        return f"uid {os.getuid()}"
