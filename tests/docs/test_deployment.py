import configparser
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from ems.config.schema.control import ControlTable
from tests.docs.pages import ROOT
from tests.docs.test_commands import fault_of

UNIT = ROOT / "deploy/systemd/ems.service"
PIN = re.compile(r"^([a-z0-9._-]+)(?:\[[a-z0-9,_-]+\])?==(\S+)", re.MULTILINE)
LOCK_LINE = re.compile(r"[a-z0-9._-]+(\[.*\])?==|    --hash=sha256:[0-9a-f]{64}")


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    # systemd's keys are case-sensitive
    parser.optionxform = str  # type: ignore[method-assign, assignment]
    parser.read_string(UNIT.read_text(encoding="utf-8"))
    return parser


def pins(lock: str) -> dict[str, str]:
    return dict(PIN.findall((ROOT / lock).read_text(encoding="utf-8")))


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    text = UNIT.read_text(encoding="utf-8")
    installed = tmp_path / "ems.service"
    # the program itself is not installed where tests run
    installed.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.MULTILINE), encoding="utf-8")

    result = subprocess.run(
        [program, "verify", "--man=no", str(installed)], capture_output=True, text=True, timeout=60, check=False
    )

    complaints = [line for line in result.stderr.splitlines() if "ems.service" in line]
    assert (result.returncode, complaints) == (0, []), result.stderr


def test_the_unit_starts_a_command_that_exists() -> None:
    assert fault_of(unit()["Service"]["ExecStart"]) is None


def test_the_unit_relies_on_what_the_daemon_does() -> None:
    service = unit()["Service"]

    assert service["Type"] == "notify"
    assert service["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert service["Restart"] == "always"
    assert float(service["RestartSec"]) <= 1.0
    assert service["WatchdogSignal"] == "SIGKILL"
    assert unit()["Unit"]["StartLimitIntervalSec"] == "0"
    assert service["RestartPreventExitStatus"] == "2"
    assert service["StateDirectory"]


def test_systemd_s_watchdog_waits_for_some_cycles_and_not_for_long() -> None:
    waits_s = float(unit()["Service"]["WatchdogSec"])

    # 5 to 10 s by the design; a cycle that is merely late costs no restart
    assert 5.0 * ControlTable().period_s <= waits_s <= 10.0


def test_the_runtime_lock_is_a_part_of_the_full_one() -> None:
    runtime, full = pins("requirements-runtime.lock"), pins("requirements.lock")

    assert runtime.items() <= full.items()


def test_the_runtime_lock_installs_what_the_product_needs_and_no_tools() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {re.split(r"[^a-z0-9._-]", line)[0] for line in project["dependencies"]}
    extras = [line for name in ("demo", "dev") for line in project["optional-dependencies"][name]]
    tools = {re.split(r"[^a-z0-9._-]", line)[0] for line in extras} - {"paho-mqtt"}

    installed = set(pins("requirements-runtime.lock"))

    assert wanted <= installed
    # paho-mqtt is what aiomqtt stands on
    assert installed & tools == set()


def test_the_runtime_lock_holds_versions_and_hashes_only() -> None:
    lines = (ROOT / "requirements-runtime.lock").read_text(encoding="utf-8").splitlines()

    assert lines
    assert [
        line for line in lines if not re.match(r"[a-z0-9._-]+(\[.*\])?==|    --hash=sha256:[0-9a-f]{64}", line)
    ] == []


def test_the_image_copies_files_that_exist_and_runs_a_command_that_exists() -> None:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    copied = [word for line in lines if re.match(r"COPY [^-]", line) for word in line.split()[1:-1]]
    (command,) = [line.removeprefix("CMD ") for line in lines if line.startswith("CMD ")]
    words = re.findall(r'"([^"]+)"', command)

    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert fault_of(shlex.join(["ems", *words])) is None


def test_the_image_has_the_oldest_python_that_is_supported() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    images = re.findall(r"^FROM python:(\d+\.\d+)-", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)

    assert set(images) == {project["requires-python"].removeprefix(">=")}


def test_every_directory_of_data_is_in_the_notice() -> None:
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    files = [file for home in ("config", "drivers") for file in (ROOT / home).glob("**/data/*")]

    missing = [file.name for file in files if file.suffix in {".csv", ".gz"} and file.name not in notice]

    assert len(files) > 5
    assert missing == []
