import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from ems.cli import app
from tests.docs.pages import ROOT, Fence, fences, page_names

BIN = Path(sys.executable).parent
SHELL = [fence for page in page_names() for fence in fences(page) if fence.info.split()[:1] == ["sh"]]
RUNNABLE = [fence for fence in SHELL if fence.info.split()[1:] == ["run"]]
# programs of the operating system and of Python's own tools, whose arguments we do not judge
OTHER_PROGRAMS = frozenset(
    {
        *("cd", "cp", "curl", "git", "install", "jq", "kill", "mkdir", "tail", "tar", "useradd"),
        *("docker", "journalctl", "systemctl", "systemd-analyze"),
        *("mosquitto_pub", "mosquitto_sub", "pip", "python3", "sqlite3"),
    }
)
IDS = [f"{fence.page}-{number}" for number, fence in enumerate(SHELL)]


def fault_of(line: str) -> str | None:
    """Return what is wrong with a command line of ours, None if it could be run."""
    words = shlex.split(line, comments=True)
    while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
        words = words[1:]
    program = Path(words[0]).name
    if program == "ems":
        return _ems_fault(words[1:])
    if program == "make":
        return _make_fault(words[1:])
    if program in {"python", "pytest", "ruff", "mypy", "lint-imports"} or program in OTHER_PROGRAMS:
        return None
    return f"{program} is no program that the pages may use"


def _ems_fault(words: list[str]) -> str | None:
    known = getattr(typer.main.get_command(app), "commands", {})
    name, *arguments = words
    while name in known and hasattr(known[name], "commands") and arguments:
        known = known[name].commands
        name, *arguments = arguments
    if name == "--help":
        return None
    if name not in known:
        return f"ems has no command {name}"
    try:
        known[name].make_context(name, arguments, resilient_parsing="--help" in arguments)
    except (typer.Exit, typer.TyperException) as error:
        return str(error)
    return None


def _make_fault(words: list[str]) -> str | None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    unknown = [word for word in words if "=" not in word and word not in targets]
    return f"make has no target {unknown}" if unknown else None


@pytest.mark.parametrize("fence", SHELL, ids=IDS)
def test_every_command_on_a_page_could_be_run(fence: Fence) -> None:
    faults = {line: fault for line in fence.lines() if (fault := fault_of(line)) is not None}

    assert faults == {}


@pytest.mark.parametrize("fence", RUNNABLE, ids=[fence.page for fence in RUNNABLE])
def test_the_cheap_commands_on_the_pages_run(fence: Fence, tmp_path: Path) -> None:
    script = "set -euo pipefail\n" + "\n".join(fence.lines())
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}

    result = subprocess.run(
        [shutil.which("bash") or "bash", "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert result.returncode == 0, result.stdout + result.stderr


def test_some_commands_are_run() -> None:
    assert len(RUNNABLE) >= 2


@pytest.mark.parametrize(
    "line",
    ["ems simulte x", "ems simulate x --dayz 1 --out y", "ems simulate x --days 0 --out y", "make tset", "rm -rf x"],
)
def test_a_command_line_that_is_wrong_is_recognised(line: str) -> None:
    assert fault_of(line) is not None
