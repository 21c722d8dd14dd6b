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


def test_second_daemon_is_refused_and_the_first_goes_on(site: Path, tmp_path: Path) -> None:
    with _run(site, tmp_path / "first.log") as first:
        _until(tmp_path / "first.log", "started, version")

        with _run(site, tmp_path / "second.log") as second:
            assert second.wait(30) == 1

        words = (tmp_path / "second.log").read_text(encoding="utf-8")
        assert f"another daemon (process {first.pid})" in words
        assert "Traceback" not in words
        assert first.poll() is None
        first.terminate()
        assert first.wait(30) == 0


def test_daemon_without_plant_and_broker_ends_in_good_order(site: Path, tmp_path: Path) -> None:
    with _run(site, tmp_path / "run.log") as daemon:
        _until(tmp_path / "run.log", "values_missing")
        daemon.terminate()
        assert daemon.wait(30) == 0

    assert "ended: stop" in (tmp_path / "run.log").read_text(encoding="utf-8")
