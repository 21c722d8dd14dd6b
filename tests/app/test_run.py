"""`ems run` without any plant: it starts, says so, and is the only one for its state directory."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from ems.app.demo_site import copy_site, free_ports
from ems.config.loader import load_files
from ems.config.shipped import site_directory

pytestmark = pytest.mark.wire


@pytest.fixture
def site(tmp_path: Path) -> Path:
    directory = tmp_path / "site"
    files = load_files(site_directory("edge-node"))
    copy_site(files, directory, broker_host="127.0.0.1", broker_port=free_ports(1)[0], protocol="5")
    return directory


def _run(site: Path, log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as file:
        return subprocess.Popen([sys.executable, "-m", "ems.cli", "run", str(site)], stderr=file)


def _until(log: Path, words: str) -> None:
    for _ in range(300):
        if words in log.read_text(encoding="utf-8"):
            return
        time.sleep(0.1)
    raise AssertionError(f"'{words}' is not in the log:\n{log.read_text(encoding='utf-8')}")


def test_a_second_daemon_of_one_state_directory_is_passive_until_the_first_is_gone(site: Path, tmp_path: Path) -> None:
    with _run(site, tmp_path / "first.log") as first:
        _until(tmp_path / "first.log", "started, version")

        with _run(site, tmp_path / "second.log") as second:
            _until(tmp_path / "second.log", f"another daemon (process {first.pid})")
            assert "started, version" not in (tmp_path / "second.log").read_text(encoding="utf-8")
            assert first.poll() is None

            first.terminate()
            assert first.wait(30) == 0
            _until(tmp_path / "second.log", "started, version")
            second.terminate()
            assert second.wait(30) == 0

    assert "Traceback" not in (tmp_path / "second.log").read_text(encoding="utf-8")


def test_a_passive_daemon_ends_when_it_is_told_to(site: Path, tmp_path: Path) -> None:
    with _run(site, tmp_path / "first.log") as first:
        _until(tmp_path / "first.log", "started, version")
        with _run(site, tmp_path / "second.log") as second:
            _until(tmp_path / "second.log", "another daemon (process")
            second.terminate()
            assert second.wait(30) == 0
        assert first.poll() is None
        first.terminate()
        assert first.wait(30) == 0


def test_daemon_without_plant_and_broker_ends_in_good_order(site: Path, tmp_path: Path) -> None:
    with _run(site, tmp_path / "run.log") as daemon:
        _until(tmp_path / "run.log", "values_missing")
        daemon.terminate()
        assert daemon.wait(30) == 0

    assert "ended: stop" in (tmp_path / "run.log").read_text(encoding="utf-8")
