"""Disk full, state and history damaged, broker and solver gone, all at once: control does not notice."""

import os
import signal
import subprocess
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest

from tests.wire.running_site import RunningSite
from tests.wire.scenarios import health, served

pytestmark = [pytest.mark.wire, pytest.mark.root, pytest.mark.slow]


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a state directory of 4 MiB with damaged files in it."""
    if os.geteuid() != 0:
        pytest.skip("mounting a file system needs root")
    home = tmp_path / "state"
    home.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(home)], capture_output=True, check=False, timeout=30
    )
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode(errors='replace').strip()}")
    (home / "state.db").write_bytes(b"not a database, but as long as one " * 200)
    (home / "history.db").write_bytes(b"neither is this one " * 400)
    monkeypatch.setenv("STATE_DIRECTORY", str(home))
    yield home
    subprocess.run(["umount", "--lazy", str(home)], check=True, timeout=30)


def test_control_goes_on_while_disk_broker_and_solver_are_gone(
    tmp_path: Path, small_disk: Path, dusk: datetime
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with RunningSite(home, site="edge-node", speed=2.0, start=dusk) as site:
        site.until_controlling()
        assert list(small_disk.glob("state.damaged-*"))
        assert list(small_disk.glob("history.db.damaged-*"))
        before = health(site)

        began_s = site.now_s()
        _fill(small_disk / "other")
        site.kill("broker")
        os.kill(before["solver_pid"], signal.SIGKILL)
        site.pass_time(60.0)

        beats_s = [c.at_s for c in site.commands(began_s) if c.name == "heartbeat" and c.device == "bess01-pcs"]
        assert max(later - one for one, later in pairwise(beats_s)) < 5.0
        assert site.now_s() - beats_s[-1] < 5.0
        assert site.processes["daemon"].poll() is None
        site.start_broker()
        site.until(lambda: health(site)["n_ticks"] >= before["n_ticks"] + 50, "the cycles of the meantime")
        after = health(site)
        assert after["pid"] == before["pid"]
        assert after["process"]["disk"]["low"]
        assert "disk of the state directory" in after["process"]["over"]
        for name, queue in after["process"]["queues"].items():
            assert queue["n_waiting"] <= queue["length"], name
        served(site)


def _fill(file: Path) -> None:
    """Take all the room that there is."""
    with file.open("wb", buffering=0) as other:
        try:
            while True:
                other.write(b"x" * 4096)
        except OSError:
            return
