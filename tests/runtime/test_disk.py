"""A disk without room: the history pauses, the ballast gives its room, and both come back."""

import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ems.runtime.disk import DiskWatch, Room, room_of
from ems.runtime.persistence import StateStore

MIB = 1024 * 1024


class _Disk:
    """A disk of 1000 MiB with so much free beside the ballast."""

    def __init__(self, directory: Path) -> None:
        self.free_mib = 500.0
        self._ballast = directory / "ballast"

    def room(self, _directory: Path) -> Room:
        kept = self._ballast.stat().st_size if self._ballast.exists() else 0
        return Room(free_bytes=int(self.free_mib * MIB) - kept, total_bytes=1000 * MIB)


def _watch(directory: Path, disk: _Disk, pauses: list[bool]) -> DiskWatch:
    return DiskWatch(directory, low_frac=0.05, ballast_mib=3, pause=pauses.append, room=disk.room)


def test_the_ballast_is_real_room_and_made_once(tmp_path: Path) -> None:
    disk, pauses = _Disk(tmp_path), list[bool]()
    watch = _watch(tmp_path, disk, pauses)

    watch.look()
    made = (tmp_path / "ballast").stat()
    watch.look()

    assert made.st_size == 3 * MIB
    # blocks of 512 bytes that are taken, not a hole
    assert made.st_blocks * 512 >= 3 * MIB
    assert (tmp_path / "ballast").stat().st_mtime_ns == made.st_mtime_ns
    assert watch.status().free_frac == pytest.approx(0.497, abs=0.004)
    assert watch.status().ballast
    assert pauses == []


def test_below_the_limit_the_history_pauses_and_the_ballast_goes(tmp_path: Path) -> None:
    disk, pauses = _Disk(tmp_path), list[bool]()
    watch = _watch(tmp_path, disk, pauses)
    watch.look()

    disk.free_mib = 51.0
    watch.look()
    low = watch.status()
    watch.look()

    assert low.low
    assert not (tmp_path / "ballast").exists()
    assert pauses == [True]


def test_with_twice_the_limit_both_come_back(tmp_path: Path) -> None:
    disk, pauses = _Disk(tmp_path), list[bool]()
    watch = _watch(tmp_path, disk, pauses)
    disk.free_mib = 40.0
    watch.look()

    disk.free_mib = 80.0
    watch.look()
    assert watch.status().low
    disk.free_mib = 300.0
    watch.look()

    assert pauses == [True, False]
    assert not watch.status().low
    assert (tmp_path / "ballast").exists()


def test_a_disk_that_does_not_tell_is_not_judged(tmp_path: Path) -> None:
    def room(_directory: Path) -> Room:
        raise OSError("input/output error")

    watch = DiskWatch(tmp_path, low_frac=0.05, ballast_mib=1, pause=lambda _: None, room=room)

    watch.look()

    assert watch.status().free_frac is None
    assert watch.status().trouble == "input/output error"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a file system of 8 MiB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a file system needs root")
    home = tmp_path / "small"
    home.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(home)], capture_output=True, check=False, timeout=30
    )
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode(errors='replace').strip()}")
    yield home
    subprocess.run(["umount", "--lazy", str(home)], check=True, timeout=30)


@pytest.mark.root
def test_on_a_real_disk_that_is_full_the_state_is_saved_again_once_the_ballast_is_gone(small_disk: Path) -> None:
    watch = DiskWatch(small_disk, low_frac=0.05, ballast_mib=4, pause=lambda _: None)
    store = StateStore(small_disk / "state.db")
    watch.look()
    assert watch.status().ballast
    free = room_of(small_disk).free_bytes
    (small_disk / "other").write_bytes(b"x" * (free - free % 4096))
    big: dict[str, object] = {"text": "y" * 100_000}

    store.save("control", big, utc=datetime(2026, 1, 1, tzinfo=UTC))
    store.close()
    refused = store.n_failed
    watch.look()
    again = StateStore(small_disk / "state.db")
    again.save("control", big, utc=datetime(2026, 1, 1, tzinfo=UTC))
    again.close()

    assert refused == 1
    assert not (small_disk / "ballast").exists()
    assert again.n_failed == 0
    found = again.load("control")
    assert found is not None
    assert found[0] == big
