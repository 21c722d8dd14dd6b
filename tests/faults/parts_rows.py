"""The rows that tests of single parts hold already: they are run here, and their result is the row's."""

import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from tests.faults.result import Found, SkippedRow

_ROOT: Final = Path(__file__).resolve().parents[2]
# 5 is that of a run in which no test has that name
_NOTHING_RUN: Final = 5
_LONGEST_S: Final = 240.0


def held_by(*nodes: str, told: str, wrong: tuple[str, ...] = ()) -> Callable[[], Found]:
    """Return a scenario that runs tests; `wrong` is what the row requires and the product does not have."""
    return partial(_run, nodes, told=told, wrong=wrong)


def _run(nodes: tuple[str, ...], *, told: str, wrong: tuple[str, ...]) -> Found:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--no-header", *nodes]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False, timeout=_LONGEST_S)
    last = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else done.stderr.strip()[-200:]
    n_passed = sum(int(number) for number in re.findall(r"(\d+) passed", last))
    if done.returncode == _NOTHING_RUN or (done.returncode == 0 and n_passed == 0):
        raise SkippedRow(f"no test ran: {last}")
    failures = re.findall(r"^FAILED (\S+)", done.stdout, flags=re.MULTILINE)
    missed = () if done.returncode == 0 else (f"failed: {', '.join(failures) or last}",)
    return Found(told=f"{told} ({n_passed} tests)", wrong=(*wrong, *missed))
