"""What is forwarded, in which order, and that it arrives once: on a history of its own and on a real PostgreSQL."""

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from ems.app.forwarding import postgres_settings
from ems.config.loader import load_files
from ems.config.shipped import site_directory
from ems.history.database import connected, open_for_reading
from ems.history.forwarder import Forwarder
from ems.history.forwarding import PostgresSettings, forward
from ems.history.housekeeping import keep
from ems.history.keeping import HistoryBounds
from ems.history.layout import CYCLE, database_of, from_ms
from ems.history.postgres import PostgresTarget
from ems.history.unsent import Batch, behind_s, unsent
from tests.history.rig import until
from tests.history.test_sealing import Values, write

START = datetime(2026, 3, 1, tzinfo=UTC)
BOUNDS = HistoryBounds(retain_days=30, max_bytes=2**33, parquet_days=0, parquet_max_bytes=0)
_WAIT_S = 30.0


def minutes(first: int, last: int, *, name: str = "a_kw", value: float | None = None) -> list[tuple[datetime, Values]]:
    return [
        (START + timedelta(minutes=minute), {name: float(minute) if value is None else value, "b_kw": None})
        for minute in range(first, last)
    ]


def arrived(home: Path, cursor: int = 0) -> tuple[dict[datetime, float], int, int]:
    """Send everything to a dictionary as a database does; return it, the cursor and the number of rows sent."""
    found: dict[datetime, float] = {}
    n_rows = 0
    with closing(open_for_reading(database_of(home))) as connection:
        while batches := list(unsent(connection, cursor)):
            for batch in batches:
                column = batch.names.index("a_kw")
                found |= zip(map(from_ms, batch.instants_ms), batch.rows[:, column].tolist(), strict=True)
                n_rows += len(batch.instants_ms)
                cursor = batch.seq
        assert behind_s(connection, cursor) == 0.0
    return found, cursor, n_rows


def test_running_rows_are_sent_in_order_and_once(tmp_path: Path) -> None:
    write(tmp_path, minutes(0, 30))
    first, cursor, _ = arrived(tmp_path)
    write(tmp_path, minutes(30, 40))

    second, _, n_rows = arrived(tmp_path, cursor)

    assert list(first.values()) == [float(minute) for minute in range(30)]
    assert list(second.values()) == [float(minute) for minute in range(30, 40)]
    assert n_rows == 10


def test_after_an_outage_sealed_hours_are_sent_whole_and_then_the_running_one(tmp_path: Path) -> None:
    write(tmp_path, minutes(0, 30))
    _, cursor, _ = arrived(tmp_path)
    write(tmp_path, minutes(30, 200))
    list(keep(tmp_path, BOUNDS))
    with closing(open_for_reading(database_of(tmp_path))) as connection:
        lag_s = behind_s(connection, cursor)

    found, _, n_rows = arrived(tmp_path, cursor)

    assert found == {START + timedelta(minutes=minute): float(minute) for minute in range(200)}
    assert n_rows == 200
    assert lag_s == 199 * 60.0


def test_a_clock_that_was_put_back_is_forwarded_as_recorded_last(tmp_path: Path) -> None:
    write(tmp_path, minutes(0, 70))
    before, cursor, _ = arrived(tmp_path)
    list(keep(tmp_path, BOUNDS))
    write(tmp_path, minutes(20, 60, value=-1.0))
    write(tmp_path, minutes(60, 130))
    list(keep(tmp_path, BOUNDS))

    found, _, _ = arrived(tmp_path, cursor)

    expected = {START + timedelta(minutes=n): -1.0 if 20 <= n < 60 else float(n) for n in range(130)}
    assert before | found == expected


def test_rows_of_an_hour_that_waits_behind_a_sealed_one_are_not_skipped(tmp_path: Path) -> None:
    # hour 1 begins, the clock goes back to hour 0 and forward again to hour 2
    write(tmp_path, [*minutes(0, 70), *minutes(50, 60, value=-1.0), *minutes(121, 125)])
    with closing(connected(database_of(tmp_path))) as connection:
        connection.execute("UPDATE row SET seq = seq + 1000")
    list(keep(tmp_path, BOUNDS))

    found, _, _ = arrived(tmp_path)

    assert found[START + timedelta(minutes=65)] == 65.0
    assert found[START + timedelta(minutes=55)] == -1.0
    assert found[START + timedelta(minutes=124)] == 124.0
    assert len(found) == 74


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresSettings]:
    """Run a PostgreSQL of our own on loopback."""
    programs = next((path for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
    if programs is None:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    as_user: tuple[str, ...] = ()
    home = tmp_path_factory.mktemp("postgres")
    if os.geteuid() == 0:
        if shutil.which("runuser") is None:
            pytest.skip("PostgreSQL refuses to run as root, and there is no runuser")
        as_user = ("runuser", "-u", "postgres", "--")
        # pytest keeps its directories to itself, and a worker of xdist has one more of them
        for directory in takewhile(lambda each: each != Path(tempfile.gettempdir()), (home, *home.parents)):
            directory.chmod(0o755)
        shutil.chown(home, "postgres")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = home / "data"
    made = (str(programs / "initdb"), "-D", str(data), "-A", "trust", "-U", "ems", "-N", "-E", "UTF8", "--locale=C")
    subprocess.run((*as_user, *made), check=True, capture_output=True, timeout=120, cwd=home)
    options = ("-p", str(port), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-k", str(home))
    with subprocess.Popen((*as_user, str(programs / "postgres"), "-D", str(data), *options), cwd=home) as running:
        settings = PostgresSettings(
            host="127.0.0.1", port=port, database="postgres", user="ems", password=None, ca_file=None
        )
        try:
            asyncio.run(asyncio.wait_for(_ready(settings), _WAIT_S))
            yield settings
        finally:
            stop = (str(programs / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop")
            subprocess.run((*as_user, *stop), check=False, capture_output=True, timeout=60, cwd=home)
            running.wait(timeout=60)


async def _ready(settings: PostgresSettings) -> None:
    while True:
        with suppress(OSError, Exception):
            await (await _open(settings)).close()
            return
        await asyncio.sleep(0.1)


async def _open(settings: PostgresSettings) -> Any:
    asyncpg = pytest.importorskip("asyncpg")
    return await asyncpg.connect(host=settings.host, port=settings.port, user=settings.user, database=settings.database)


@pytest.mark.postgres
def test_on_a_real_server_every_row_is_there_once_and_as_recorded_last(
    tmp_path: Path, server: PostgresSettings
) -> None:
    write(tmp_path, minutes(0, 90))

    async def run() -> tuple[list[tuple[datetime, float]], int, list[str | None]]:
        told: list[str | None] = []
        watching = await _open(server)
        try:
            await _forwarded(tmp_path, server, watching, 90, told)
            list(keep(tmp_path, BOUNDS))
            # the clock is put back, and the hours are sealed while nobody forwards
            write(tmp_path, minutes(50, 60, value=-1.0))
            write(tmp_path, minutes(90, 130))
            list(keep(tmp_path, BOUNDS))
            await _forwarded(tmp_path, server, watching, 130, told)
            samples = await watching.fetch("SELECT at, value FROM ems_sample WHERE point = 'a_kw' ORDER BY at")
            n_rows = await watching.fetchval("SELECT count(*) FROM ems_row WHERE site = 'here'")
        finally:
            await watching.close()
        return [(row["at"], row["value"]) for row in samples], n_rows, told

    samples, n_rows, told = asyncio.run(asyncio.wait_for(run(), 2 * _WAIT_S))

    assert n_rows == 130
    assert samples == [(START + timedelta(minutes=n), -1.0 if 50 <= n < 60 else float(n)) for n in range(130)]
    assert set(told) == {None}


async def _forwarded(home: Path, server: PostgresSettings, watching: Any, n_rows: int, told: list[str | None]) -> None:
    """Forward until so many rows are there and the cursor stands at the end."""
    forwarding = asyncio.create_task(forward(home, server, lambda _lag_s, trouble: told.append(trouble)))
    try:
        with closing(open_for_reading(database_of(home))) as history:
            while True:
                await asyncio.sleep(0.05)
                with suppress(Exception):
                    cursor = await watching.fetchval("SELECT max(seq) FROM ems_cursor")
                    if cursor is not None and not list(unsent(history, cursor)):
                        assert await watching.fetchval("SELECT count(*) FROM ems_row") == n_rows
                        return
    finally:
        forwarding.cancel()
        await asyncio.gather(forwarding, return_exceptions=True)


@pytest.mark.postgres
def test_rows_and_cursor_are_one_transaction(tmp_path: Path, server: PostgresSettings) -> None:
    write(tmp_path, minutes(0, 3))
    with closing(open_for_reading(database_of(tmp_path))) as history:
        (batch,) = unsent(history, 0)
    torn = Batch(part=CYCLE, names=batch.names, instants_ms=batch.instants_ms, rows=batch.rows, seq=2**70)

    async def run() -> tuple[int, int | None]:
        connection = await _open(server)
        try:
            target = PostgresTarget(connection, site_id="elsewhere", source="one")
            await target.prepare()
            with pytest.raises(Exception, match="int64"):
                await target.send(torn)
            n_rows = await connection.fetchval("SELECT count(*) FROM ems_row WHERE site = 'elsewhere'")
            return n_rows, await connection.fetchval("SELECT max(seq) FROM ems_cursor WHERE site = 'elsewhere'")
        finally:
            await connection.close()

    assert asyncio.run(asyncio.wait_for(run(), _WAIT_S)) == (0, None)


@pytest.mark.postgres
def test_a_server_that_is_away_is_told_and_tried_again(tmp_path: Path) -> None:
    pytest.importorskip("asyncpg")
    write(tmp_path, minutes(0, 3))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = PostgresSettings(host="127.0.0.1", port=port, database="ems", user="ems", password=None, ca_file=None)
    told: list[str | None] = []

    async def run() -> None:
        twice = asyncio.Event()

        def tell(_lag_s: float | None, trouble: str | None) -> None:
            told.append(trouble)
            if len(told) == 2:
                twice.set()

        forwarding = asyncio.create_task(forward(tmp_path, settings, tell))
        await twice.wait()
        forwarding.cancel()

    asyncio.run(asyncio.wait_for(run(), _WAIT_S))

    assert all(trouble is not None and "refused" in trouble.lower() for trouble in told)


@pytest.mark.postgres
def test_the_process_beside_the_daemon_forwards_and_ends_with_it(tmp_path: Path, server: PostgresSettings) -> None:
    write(tmp_path, [(START + timedelta(days=1000), {"process_kw": 5.0})])
    forwarder = Forwarder(tmp_path, server)

    try:
        until(lambda: forwarder.status().trouble is None)
    finally:
        forwarder.close()

    async def found() -> list[float]:
        connection = await _open(server)
        try:
            rows = await connection.fetch("SELECT value FROM ems_sample WHERE point = 'process_kw'")
        finally:
            await connection.close()
        return [row["value"] for row in rows]

    assert asyncio.run(asyncio.wait_for(found(), _WAIT_S)) == [5.0]
    assert forwarder.status().behind_s == 0.0
    assert not [thread.name for thread in threading.enumerate() if thread.name == "forwarder"]


def test_a_site_forwards_only_where_it_is_told_to(tmp_path: Path) -> None:
    directory = tmp_path / "site"
    shutil.copytree(site_directory("edge-node"), directory)
    assert postgres_settings(load_files(directory)) is None
    file = directory / "persistence.toml"
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    file.write_text(text + '\n[postgres]\nenabled = true\nhost = "db"\npassword_file = "secret"\n', encoding="utf-8")
    (directory / "secret").write_text("word\n", encoding="utf-8")

    settings = postgres_settings(load_files(directory))

    assert settings is not None
    assert (settings.host, settings.port, settings.password, settings.ca_file) == ("db", 5432, "word", None)
    assert "word" not in repr(settings)
