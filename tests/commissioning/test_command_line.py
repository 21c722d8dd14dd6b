"""The commands as a person gives them, against a recorded device that another process replays."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ems.app.commissioning.targets import site_targets
from ems.app.demo_site import copy_site
from ems.cli import execute
from ems.config.loader import load_files
from ems.config.shipped import site_directory
from ems.runtime.clock import SystemClock
from tests.commissioning.record_traces import HOME


def until(condition: Callable[[], bool], *, limit_s: float) -> None:
    """Wait for another process."""
    clock = SystemClock()
    end_s = clock.monotonic_s() + limit_s
    while not condition():
        assert clock.monotonic_s() < end_s
        time.sleep(0.05)


@contextmanager
def replayed(name: str) -> Iterator[str]:
    """Serve a recorded device in a process of its own; hand out HOST:PORT."""
    command = [
        sys.executable,
        "-m",
        "ems.cli",
        "devices",
        "trace",
        "replay",
        str(HOME / f"{name}.jsonl"),
        "--port",
        "0",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[0]
        process.terminate()


@pytest.mark.wire
def test_a_device_is_scanned_read_and_recorded_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with replayed("generic-meter") as endpoint:
        codes = [execute(["devices", "scan", endpoint, "--json"])]
        found = json.loads(capsys.readouterr().out)
        codes += [execute(["devices", "read", endpoint, "--map", "generic-meter", "--json"])]
        read = json.loads(capsys.readouterr().out)
        codes += [execute(["devices", "watch", endpoint, "--map", "generic-meter", "--rounds", "1"])]
        watched = capsys.readouterr().out
        out = tmp_path / "again.jsonl"
        codes += [execute(["devices", "trace", "record", endpoint, "--map", "generic-meter", "--out", str(out)])]

    assert codes == [0, 0, 0, 0]
    assert found["units"][0]["maps"] == ["generic-meter"]
    load = next(point for point in read["points"] if point["point"] == "load_kw")
    assert (load["value"], load["unit"], load["quality"]) == (12.5, "kW", "good")
    assert "load_kw  12.5  kW" in watched
    assert out.read_text(encoding="utf-8").startswith('{"format": "ems-modbus-trace"')


@pytest.mark.wire
def test_a_recorded_device_takes_no_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    audit = tmp_path / "audit.jsonl"
    with replayed("generic-pcs") as endpoint:
        words = ["power_kw", "-5", "--map", "generic-pcs", "--yes", "--audit", str(audit), "--json"]
        code = execute(["devices", "write", endpoint, *words])

    assert code == 1
    assert json.loads(capsys.readouterr().out)["outcome"] == "refused"
    assert json.loads(audit.read_text(encoding="utf-8").splitlines()[-1])["value"] == -5.0


@pytest.mark.wire
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_setpoint_is_put_back_when_verification_is_killed(tmp_path: Path, number: signal.Signals) -> None:
    copy_site(load_files(site_directory("edge-node")), tmp_path, broker_host="127.0.0.1", broker_port=1, protocol="5")
    audit = tmp_path / "audit.jsonl"
    serve = [sys.executable, "-m", "ems.cli", "twin", str(tmp_path)]
    words = ["devices", "verify", str(tmp_path), "--device", "bess01-pcs", "--yes", "--audit", str(audit)]
    with subprocess.Popen(serve, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as twin:
        assert twin.stdin is not None
        assert twin.stdout is not None
        twin.stdout.readline()
        with subprocess.Popen([sys.executable, "-m", "ems.cli", *words], stderr=subprocess.PIPE, text=True) as tool:
            until(lambda: "begin" in (audit.read_text(encoding="utf-8") if audit.exists() else ""), limit_s=60.0)
            tool.send_signal(number)
            _, told = tool.communicate(timeout=60.0)
        twin.stdin.close()

    first, *_, last = (json.loads(line) for line in audit.read_text(encoding="utf-8").splitlines())
    assert tool.returncode == 128 + number
    assert f"broken off by {number.name}" in told
    assert first["value"] != 0.0
    assert (last["event"], last["value"], last["outcome"]) == ("end", 0.0, "accepted")


@pytest.mark.wire
def test_the_simulated_devices_of_a_configuration_can_be_rehearsed_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy_site(load_files(site_directory("edge-node")), tmp_path, broker_host="127.0.0.1", broker_port=1, protocol="5")
    (meter,) = (target for target in site_targets(str(tmp_path)) if target.spec.id == "it-meter")
    command = [sys.executable, "-m", "ems.cli", "twin", str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()

        code = execute(["devices", "read", str(tmp_path), meter.spec.id, "--json"])

        process.stdin.close()
    points = {point["point"]: point for point in json.loads(capsys.readouterr().out)["points"]}
    assert code == 0
    assert points["serial"]["value"] == "it-meter"
    assert points["load_kw"]["value"] > 0.0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["scan", "nowhere"], 2),
        (["scan", "127.0.0.1:1", "--units", "x"], 2),
        (["scan", "127.0.0.1:1", "--framing", "morse"], 2),
        (["scan", "127.0.0.1:1", "--units", "1", "--timeout", "0.1"], 1),
        (["scan"], 2),
        (["scan", "--port", "/dev/no-such-port"], 2),
        (["scan", "--framing", "rtu", "--port", "/dev/no-such-port", "--units", "1", "--timeout", "0.1"], 1),
        (["scan", "127.0.0.1:1", "--framing", "tls"], 2),
        (["read", "/dev/no-such-port", "--framing", "rtu", "--map", "no-such-map"], 2),
        (["read", "127.0.0.1:1"], 2),
        (["read", "edge-node"], 2),
        (["read", "edge-node", "nothing"], 2),
        (["read", "no-such-site", "nothing"], 2),
        (["verify", "edge-node", "--device", "nothing"], 2),
        (["trace", "replay", "no-such-file"], 2),
    ],
)
def test_wrong_input_and_silent_devices_have_their_exit_codes(
    arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["devices", *arguments, "--json"] if arguments[0] != "trace" else ["devices", *arguments]) == code
    assert "Traceback" not in capsys.readouterr().err
