"""A historian on a directory of a test, and what it has kept."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ems.history.historian import HistorianSettings, SqliteHistorian
from ems.history.keeping import HistoryBounds

START = datetime(2026, 1, 1, tzinfo=UTC)
_WAIT_S = 20.0


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def settings(state_directory: Path, *, queue_rows: int = 600) -> HistorianSettings:
    bounds = HistoryBounds(retain_days=30, max_bytes=2**33, parquet_days=365, parquet_max_bytes=2**33)
    return HistorianSettings(state_directory=state_directory, site_id="here", queue_rows=queue_rows, bounds=bounds)


@contextmanager
def historian(given: HistorianSettings) -> Iterator[SqliteHistorian]:
    """Run a historian for the time of a block; all that it was handed is on disk afterwards if the disk lets it."""
    writer = SqliteHistorian(given)
    try:
        yield writer
    finally:
        writer.close(deadline_s=_WAIT_S)


def until(condition: Callable[[], bool]) -> None:
    """Wait for the writer's thread, and fail after a while."""
    pause = threading.Event()
    for _ in range(int(_WAIT_S / 0.02)):
        if condition():
            return
        pause.wait(0.02)
    raise AssertionError("it did not happen")
