import subprocess
import sys
from pathlib import Path

from tests.conventions.sources import ROOT, calls, importers, modules

TIME_OF_DAY = frozenset(
    {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today", "date.today"}
)
SPEAKS_TO_PEOPLE = ("ems/cli", "ems/hmi/")


def test_the_contracts_on_imports_hold() -> None:
    command = (str(Path(sys.executable).with_name("lint-imports")), "--no-cache")

    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)

    assert result.returncode == 0, result.stdout + result.stderr


def test_the_time_of_day_comes_from_one_module() -> None:
    readers = {path for path in modules() if any(_last_two(call) in TIME_OF_DAY for call in calls(path))}

    assert readers <= {"ems/runtime/clock.py"}


def test_no_module_imports_a_clock_by_name() -> None:
    importers_of_functions = importers("time.time") | importers("time.monotonic")

    assert importers_of_functions <= {"ems/runtime/clock.py"}


def test_only_the_command_line_and_the_page_print() -> None:
    printers = {path for path in modules() if "print" in calls(path)}

    assert {path for path in printers if not path.startswith(SPEAKS_TO_PEOPLE)} == set()


def _last_two(call: str) -> str:
    return ".".join(call.split(".")[-2:])
