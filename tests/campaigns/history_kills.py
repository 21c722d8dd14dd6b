"""SIGKILL at random instants of what writes the history and of what seals it: nothing that was written is lost."""

import random
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from ems.history.housekeeping import keep
from ems.history.keeping import HistoryBounds
from ems.history.layout import database_of, hours_of
from ems.history.reading import HistoryReader
from tests.campaigns.rows import Row
from tests.conventions.sources import ROOT

_BOUNDS = HistoryBounds(retain_days=1000, max_bytes=2**40, parquet_days=10000, parquet_max_bytes=2**40)
_START = datetime(2026, 3, 1, tzinfo=UTC)
# simulated time between two rows: an hour is 36 of them, so that there is always something to seal
_STEP_S = 100
_WRITER = """
import sys
from contextlib import closing
from pathlib import Path
from ems.history.database import open_for_writing
from ems.history.layout import database_of
from ems.history.rows import Row, RowWriter
number, aside = int(sys.argv[2]), lambda *told: print("aside", *told, flush=True)
with closing(open_for_writing(database_of(Path(sys.argv[1])), site_id="kills", set_aside=aside)) as connection:
    writer = RowWriter(connection)
    while True:
        rows = [Row(n, "cycle", START_MS + n * STEP_MS, {f"p{k}_kw": float(n + k) for k in range(50)})
                for n in range(number, number + 5)]
        writer.write(rows)
        number += 5
        print(number, flush=True)
"""


def history_rows(*, n_kills: int = 100, seed: int = 7) -> Iterator[Row]:
    """Kill the writer and the housekeeping process in turns, and look at what is left."""
    rng = random.Random(seed)
    with TemporaryDirectory() as directory:
        home = Path(directory)
        n_written, n_aside = 0, 0
        for _ in range(n_kills):
            said = _killed_writer(home, n_written, after_lines=rng.randrange(1, 40), delay_s=rng.random() * 0.01)
            n_aside += sum(line.startswith("aside") for line in said)
            n_written = max([n_written, *(int(line) for line in said if line.isdecimal())])
            _killed_keeper(home, after_lines=rng.randrange(8), delay_s=rng.random() * 0.01)
        list(keep(home, _BOUNDS))
        with closing(sqlite3.connect(database_of(home))) as connection:
            (verdict,) = connection.execute("PRAGMA quick_check").fetchone()
        with HistoryReader(home) as reader:
            found = reader.series("p7_kw", _START, _START + timedelta(days=3650)).values.tolist()
        n_files = len(list(hours_of(home).rglob("*.parquet")))
    expected = [float(number + 7) for number in range(n_written)]
    lost = len(set(expected) - set(found))
    what = f"after {2 * n_kills} kills at random instants"
    yield Row(
        id="soak.history.lost", what=f"rows lost of {n_written} that were written, {what}", value=float(lost),
        unit="", target="0", met=lost == 0 and n_written > 0, seed=seed,
    )  # fmt: skip
    damaged = n_aside + (verdict != "ok")
    yield Row(
        id="soak.history.damaged", what=f"files damaged or set aside {what}", value=float(damaged),
        unit="", target="0", met=damaged == 0, seed=seed,
    )  # fmt: skip
    yield Row(id="soak.history.files", what=f"hours' files {what}", value=float(n_files), unit="", seed=seed)


def _killed_writer(home: Path, first: int, *, after_lines: int, delay_s: float) -> list[str]:
    """Write until so many batches are told and a little longer; return what was told."""
    program = _WRITER.replace("START_MS", str(round(_START.timestamp() * 1000))).replace("STEP_MS", str(1000 * _STEP_S))
    with subprocess.Popen(
        (sys.executable, "-c", program, str(home), str(first)), cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as child:
        if child.stdout is None:
            return []
        said = [child.stdout.readline().strip() for _ in range(after_lines)]
        threading.Event().wait(delay_s)
        child.send_signal(signal.SIGKILL)
        rest = child.stdout.read().splitlines()
    # the last line may be torn
    return [*said, *(rest[:-1] if rest else [])]


def _killed_keeper(home: Path, *, after_lines: int, delay_s: float) -> None:
    """Seal and write files until so many steps are told and a little longer, or until all is done."""
    command = (sys.executable, "-m", "ems.history.housekeeping", str(home), *_BOUNDS.arguments())
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as child:
        if child.stdout is not None:
            for _ in range(after_lines):
                child.stdout.readline()
        threading.Event().wait(delay_s)
        child.send_signal(signal.SIGKILL)
