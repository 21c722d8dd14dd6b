import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conventions.sources import ROOT, calls, importers, modules

# who may import a library whose interface moves, or that is heavy
FENCES = {
    "pyomo": ("ems/dispatch/",),
    "highspy": ("ems/dispatch/",),
    "pymodbus": ("drivers/modbus/link.py",),
    "aiomqtt": ("ems/gateway/", "ems/cluster/", "ems/hmi/", "drivers/mqtt/"),
}
TIME_OF_DAY = frozenset(
    {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today", "date.today"}
)
SPEAKS_TO_PEOPLE = ("ems/cli", "ems/hmi/")


def test_the_contracts_on_layers_hold(tmp_path: Path) -> None:
    contracts = tmp_path / "contracts.toml"
    contracts.write_text(_contracts_of_what_exists(), encoding="utf-8")
    command = (str(Path(sys.executable).with_name("lint-imports")), "--config", str(contracts), "--no-cache")

    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)

    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("library", sorted(FENCES))
def test_a_library_is_imported_behind_its_fence_only(library: str) -> None:
    outside = {path for path in importers(library) if not path.startswith(FENCES[library])}

    assert outside == set()


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


def _contracts_of_what_exists() -> str:
    """Return the contracts with layers to come made optional and fences around them left out."""
    _, head, contracts = (ROOT / "pyproject.toml").read_text(encoding="utf-8").partition("[tool.importlinter]")
    before, opening, rest = contracts.partition("layers = [")
    layers, closing, after = rest.partition("]")
    layers = re.sub(r"\w+", lambda name: name[0] if _exists(name[0]) else f"({name[0]})", layers)
    after = re.sub(r'"ems\.(\w+)",?', lambda module: module[0] if _exists(module[1]) else "", after)
    return f"{head}{before}{opening}{layers}{closing}{after}"


def _exists(layer: str) -> bool:
    return (ROOT / "ems" / f"{layer}.py").is_file() or (ROOT / "ems" / layer / "__init__.py").is_file()
