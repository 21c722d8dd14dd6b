"""`ems demo` as its users start it: a process, its output, and what it leaves behind."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

pytestmark = [pytest.mark.wire, pytest.mark.slow, pytest.mark.xdist_group("running-site-2")]

_KEYS = (
    "site policy start days step_s replan_min seed currency energy_kwh stored_kwh diesel_share_frac fuel_l "
    "fuel_delivered_l genset_run_h genset_starts genset_starts_per_set_day genset_starts_above_threshold "
    "genset_band_share_frac soc_min_pct soc_start_pct soc_end_pct soc_floor_violation_h reserve_shortfall_h "
    "reserve_binding_h reserve_margin_min_kw demand_peak_kw ci_operational_gco2e_per_kwh scope1_kgco2e "
    "scope2_kgco2e end_correction cost plans guard_clips guard_clip_tick_frac balance_error_frac"
)
SUMMARY_KEYS = frozenset(_KEYS.split())


def _demo(home: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "ems.cli", "demo", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(home)},
    )


def _family(demo: subprocess.Popen[str]) -> list[psutil.Process]:
    children: list[psutil.Process] = psutil.Process(demo.pid).children(recursive=True)
    return children


def _wait_for(children: int, demo: subprocess.Popen[str]) -> list[psutil.Process]:
    for _ in range(600):
        family = _family(demo)
        if len(family) >= children:
            return family
        time.sleep(0.1)
    raise AssertionError(f"the demo has only started {_family(demo)}")


def test_summary_is_the_only_output_and_complete(tmp_path: Path) -> None:
    with _demo(tmp_path, "edge-node", "--speed", "200", "--for", "3h", "--json") as demo:
        output, errors = demo.communicate(timeout=180)

    assert demo.returncode == 0, errors
    summary = json.loads(output)
    assert not SUMMARY_KEYS - set(summary)
    assert summary["energy_kwh"]["unserved"] == 0.0
    assert summary["energy_kwh"]["load_it"] > 20.0
    assert summary["balance_error_frac"] < 1e-3
    assert summary["plans"]["made"] >= 1
    assert summary["step_s"] == 20.0
    assert summary["daemon_starts"] == 1
    assert not list(tmp_path.glob("ems-demo-*"))


def test_interrupt_leaves_nothing_behind(tmp_path: Path) -> None:
    with _demo(tmp_path, "edge-node", "--speed", "100") as demo:
        # broker, twin, daemon, solver
        family = _wait_for(4, demo)
        demo.send_signal(signal.SIGINT)
        output, errors = demo.communicate(timeout=60)

    assert demo.returncode == 0, errors
    assert "unserved" in output
    gone, alive = psutil.wait_procs(family, timeout=10)
    assert len(gone) == len(family), alive
    assert not list(tmp_path.glob("ems-demo-*"))


def test_faults_of_a_running_demo_are_set_where_it_says(tmp_path: Path) -> None:
    with _demo(tmp_path, "edge-node", "--speed", "20", "--faults", "--json") as demo:
        assert demo.stderr is not None
        example = demo.stderr.readline()
        _wait_for(4, demo)
        address = re.search(r"http://127.0.0.1:[0-9]+/faults/[a-z0-9-]+", example)
        assert address is not None, example
        order = urllib.request.Request(address[0], data=b'{"mute": true}', method="PUT")  # noqa: S310 - our own server
        with urllib.request.urlopen(order, timeout=10) as answer:  # noqa: S310 - our own server
            link = json.loads(answer.read())
        demo.send_signal(signal.SIGINT)
        output, errors = demo.communicate(timeout=60)

    assert list(link.values()) == [[{"mute": True}]]
    assert demo.returncode == 0, errors
    assert json.loads(output)["energy_kwh"]["unserved"] == 0.0


def test_a_killed_demo_takes_its_processes_along(tmp_path: Path) -> None:
    with _demo(tmp_path, "edge-node", "--speed", "100") as demo:
        family = _wait_for(4, demo)
        demo.kill()
        demo.communicate(timeout=60)

    gone, alive = psutil.wait_procs(family, timeout=30)
    assert len(gone) == len(family), alive


def test_killed_daemon_and_broker_come_back_and_the_load_is_served(tmp_path: Path) -> None:
    with _demo(tmp_path, "edge-node", "--speed", "10", "--for", "6m", "--json") as demo:
        _wait_for(4, demo)
        time.sleep(6)
        for child in _family(demo):
            if {"run", "broker"} & set(child.cmdline()):
                child.kill()
        output, errors = demo.communicate(timeout=180)

    assert demo.returncode == 0, errors
    summary = json.loads(output)
    assert summary["energy_kwh"]["unserved"] == 0.0
    assert summary["daemon_starts"] == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["no-such-site"], "no-such-site"),
        (["edge-node", "--for", "soon"], "no duration"),
        (["edge-node", "--broker", "nowhere"], "HOST:PORT"),
        (["edge-node", "--start", "someday"], "no date"),
        (["edge-node", "--speed", "0"], "--speed"),
    ],
)
def test_wrong_usage_is_refused_with_words(tmp_path: Path, arguments: list[str], words: str) -> None:
    with _demo(tmp_path, *arguments, "--json") as demo:
        output, errors = demo.communicate(timeout=60)

    assert demo.returncode == 2
    assert words in errors
    assert "Traceback" not in errors
    assert "error" in json.loads(output)


def test_a_broker_that_cannot_be_reached_ends_the_demo_before_anything_runs(tmp_path: Path) -> None:
    with _demo(tmp_path, "edge-node", "--broker", "127.0.0.1:1", "--speed", "1", "--for", "24h", "--json") as demo:
        output, errors = demo.communicate(timeout=120)

    assert demo.returncode == 1
    assert "the broker 127.0.0.1:1 accepts no connection" in errors
    assert "127.0.0.1:1" in json.loads(output)["error"]["message"]
    assert not list(tmp_path.glob("ems-demo-*"))


def test_a_broker_that_never_answers_ends_the_demo_with_the_words_of_the_daemon(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with _demo(tmp_path, "edge-node", "--broker", address, "--speed", "300", "--for", "20m", "--json") as demo:
            _, errors = demo.communicate(timeout=120)

    assert demo.returncode == 1
    said, _, log = errors.partition("the end of its log:\n")
    assert f"the daemon published nothing on {address}" in said
    assert "event" in log
