"""A disk that is really full: recording pauses, ballast and oldest files go, and everything goes on by itself."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ems.history.historian import SqliteHistorian
from ems.history.keeping import give_up_files, hour_files
from ems.history.layout import hour_file, hours_of, to_ms
from ems.runtime.disk import DiskWatch, room_of
from tests.history.rig import START, at, settings, until

_MIB = 1 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a file system of 16 MiB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a file system needs root")
    home = tmp_path / "small"
    home.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(home)], capture_output=True, check=False, timeout=30
    )
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode(errors='replace').strip()}")
    yield home
    subprocess.run(["umount", "--lazy", str(home)], check=True, timeout=30)


@pytest.mark.root
def test_on_a_full_disk_the_oldest_hours_make_room_and_recording_goes_on(small_disk: Path) -> None:
    first = to_ms(START) // 3_600_000
    for hour in range(first, first + 10):
        file = hour_file(hours_of(small_disk), hour, "cycle")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"h" * (_MIB // 2))
    historian = SqliteHistorian(settings(small_disk))
    watch = DiskWatch(
        small_disk,
        low_frac=0.1,
        ballast_mib=2,
        pause=historian.pause,
        give_up=lambda wanted: give_up_files(hours_of(small_disk), wanted_bytes=wanted, n_most=3),
    )
    try:
        historian.record(at(0), {"a_kw": 1.0})
        until(lambda: historian.statistics().n_rows == 1)
        watch.look()
        assert watch.status().ballast
        free = room_of(small_disk).free_bytes
        (small_disk / "other").write_bytes(b"x" * (free - free % 4096))

        watch.look()
        assert watch.status().low
        assert not (small_disk / "ballast").exists()
        historian.record(at(1), {"a_kw": 2.0})
        while watch.status().low:
            n_before = len(hour_files(hours_of(small_disk)))
            watch.look()
            assert not watch.status().low or len(hour_files(hours_of(small_disk))) < n_before

        until(lambda: historian.statistics().n_rows == 2)
    finally:
        historian.close()

    kept = [hour for hour, _ in hour_files(hours_of(small_disk))]
    assert kept == list(range(first + 10 - len(kept), first + 10))
    assert 0 < len(kept) < 10
    assert historian.statistics().trouble is None
