"""`ems history`: what a site's history holds, asked beside the running daemon, of a copy, or of a backup put back."""

import csv
import io
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from math import isnan
from pathlib import Path
from typing import Final, NoReturn

from ems.app.daemon import state_home
from ems.app.durations import parse_duration_s
from ems.config.loader import load_files
from ems.config.shipped import site_directory
from ems.contract.quantities import rfc3339_ms
from ems.errors import ConfigError, ConfigProblem, StateError
from ems.history.backup import back_up, restore
from ems.history.database import OtherLayoutError, meta
from ems.history.hours import point_unit
from ems.history.layout import database_of, from_ms, hours_of
from ems.history.query import Aggregate, Table, chosen, table, tables_by_hour, write_parquet
from ems.history.reading import HistoryReader
from ems.history.sql import queried
from ems.runtime.clock import SystemClock
from ems.runtime.lock import only_daemon

# more than this is a matter for a file, not for a terminal
_MOST_VALUES: Final = 2_000_000
_INSTANT: Final = "an instant such as 2026-07-03T10:00Z, or a time before --to: 90m, 24h, 30d"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From `start` up to, but without, `end`."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A result as text for people, as CSV and as JSON."""

    text: str
    document: dict[str, object]


def points(site: str) -> Answer:
    """Return the points that were ever recorded.

    Raises:
        ConfigError: The site is refused.
        StateError: The history cannot be read.
    """
    with _history(site) as reader:
        found = reader.points()
    rows = [{"point": name, "unit": point_unit(name), "part": part} for name, part in found.items()]
    width = max((len(name) for name in found), default=0)
    text = "\n".join(f"{row['point']:<{width}}  {row['unit'] or '-'}" for row in rows)
    return Answer(text=text or "nothing is recorded yet", document={"points": rows})


def query(
    site: str, patterns: Sequence[str], *, since: str, until: str | None, every: str | None, how: str, as_csv: bool
) -> Answer:
    """Return values of points over a time.

    Raises:
        ConfigError: The site, a point or an instant is refused.
        StateError: The history cannot be read.
    """
    aggregate = _aggregate(how)
    every_ms = None if every is None else max(1, round(1000 * parse_duration_s(every, option="--every")))
    with _history(site) as reader:
        names = _names(reader, patterns)
        span = _span(reader, since, until)
        _check_size(span, len(names), every_ms)
        found = table(reader, names, span.start, span.end, every_ms=every_ms, how=aggregate)
    rows = [[rfc3339_ms(from_ms(ms)), *values] for ms, values in _rows(found)]
    document: dict[str, object] = {
        "from": rfc3339_ms(span.start),
        "to": rfc3339_ms(span.end),
        "every_s": None if every_ms is None else every_ms / 1000,
        "aggregate": None if every_ms is None else aggregate.value,
        "units": {name: point_unit(name) for name in names},
        "columns": ["utc", *names],
        "rows": rows,
    }
    return Answer(text=_csv(["utc", *names], rows) if as_csv else _aligned(["utc", *names], rows), document=document)


def export(site: str, patterns: Sequence[str], *, since: str, until: str | None, out: Path) -> Answer:
    """Write points over a time, all of them where none is named, to a Parquet or CSV file.

    Raises:
        ConfigError: The site, a point, an instant or the file is refused.
        StateError: The history cannot be read, or the file not be written.
    """
    if out.suffix not in {".parquet", ".csv"}:
        _refuse("--out", f"'{out}' is neither Parquet nor CSV", allowed="a name that ends in .parquet or .csv")
    with _history(site) as reader:
        names = _names(reader, patterns) if patterns else list(reader.points())
        span = _span(reader, since, until)
        tables = tables_by_hour(reader, names if patterns else None, span.start, span.end)
        out.parent.mkdir(parents=True, exist_ok=True)
        unfinished = out.with_name(f".{out.name}.new")
        if out.suffix == ".parquet":
            site_id = (None if reader.connection is None else meta(reader.connection, "site")) or ""
            n_rows = write_parquet(unfinished, tables, names, site_id=site_id)
        else:
            n_rows = _write_csv(unfinished, tables, names)
        unfinished.replace(out)
    document: dict[str, object] = {
        "file": str(out), "n_rows": n_rows, "n_points": len(names),
        "from": rfc3339_ms(span.start), "to": rfc3339_ms(span.end),
    }  # fmt: skip
    return Answer(text=f"{out}: {n_rows} rows of {len(names)} points", document=document)


def sql(site: str, statement: str, *, as_csv: bool) -> Answer:
    """Return the result of a query by DuckDB.

    Raises:
        ConfigError: The site is refused.
        EmsError: The query is refused, or the history cannot be read.
    """
    home = history_home(site)
    with _readable(home):
        columns, found = queried(home, statement)
    rows = [[_shown(value) for value in row] for row in found]
    text = _csv(columns, rows) if as_csv else _aligned(columns, rows)
    return Answer(text=text, document={"columns": columns, "rows": rows})


def backup(site: str, out: Path, *, with_hours: bool) -> Answer:
    """Write a backup of the state directory.

    Raises:
        ConfigError: The site is refused.
        StateError: It cannot be made.
    """
    members = back_up(history_home(site), out, utc=SystemClock().utc(), with_hours=with_hours)
    mib = sum(member.n_bytes for member in members) / (1 << 20)
    text = "\n".join([f"{out}: {len(members)} files, {mib:.1f} MiB", *(f"  {member.path}" for member in members)])
    return Answer(text=text, document={"file": str(out), "members": [member.path for member in members]})


def put_back(archive: Path, site: str, *, replace: bool) -> Answer:
    """Restore a backup to the state directory of a site whose daemon does not run.

    Raises:
        ConfigError: The site is refused.
        StateError: A daemon runs, the backup is damaged, or something is in the way.
    """
    if not archive.is_file():
        _refuse("FILE", f"'{archive}' is no file", allowed="an archive of `ems history backup`")
    home = history_home(site)
    with only_daemon(home):
        members = restore(archive, home, utc=SystemClock().utc(), replace=replace)
    text = "\n".join([f"{home}: {len(members)} files are back", *(f"  {member.path}" for member in members)])
    return Answer(text=text, document={"directory": str(home), "members": [member.path for member in members]})


def history_home(site: str) -> Path:
    """Return the state directory of a configuration, or the directory itself where it is one.

    Raises:
        ConfigError: It is neither.
    """
    directory = Path(site)
    if directory.is_dir() and not (directory / "site.toml").exists():
        return directory
    return state_home(load_files(site_directory(site)))


@contextmanager
def _history(site: str) -> Iterator[HistoryReader]:
    home = history_home(site)
    with _readable(home), HistoryReader(home) as reader:
        yield reader


@contextmanager
def _readable(home: Path) -> Iterator[None]:
    """Turn what goes wrong while reading into one sentence."""
    if not database_of(home).exists() and not hours_of(home).is_dir():
        raise StateError(
            f"{home}: there is no history; under systemd name the state directory, /var/lib/gpu-microgrid-ems"
        )
    try:
        yield
    except OtherLayoutError as error:
        raise StateError(f"{database_of(home)}: {error}; the daemon sets it aside at its next start") from error
    except (sqlite3.Error, OSError, ValueError) as error:
        raise StateError(f"{home}: the history cannot be read: {error}") from error


def _names(reader: HistoryReader, patterns: Sequence[str]) -> list[str]:
    known = list(reader.points())
    names, without = chosen(known, patterns)
    if without:
        near = get_close_matches(without[0], known, n=1)
        raise ConfigError(
            ConfigProblem(
                file="POINT",
                message=f"no point is called '{without[0]}'",
                allowed="a name or pattern of `ems history points`",
                nearest=near[0] if near else None,
            )
        )
    return names


def _span(reader: HistoryReader, since: str, until: str | None) -> Span:
    """Return the range; its end is the newest row where none is given, so that a stopped site can be asked, too."""
    if until is None:
        newest = reader.newest()
        end = SystemClock().utc() if newest is None else newest + timedelta(milliseconds=1)
    else:
        end = _instant(until, option="--to")
    if since[:1].isdecimal() and "-" not in since:
        start = end - timedelta(seconds=parse_duration_s(since, option="--from"))
    else:
        start = _instant(since, option="--from")
    if start >= end:
        _refuse("--from", f"{rfc3339_ms(start)} is not before the end, {rfc3339_ms(end)}", allowed=_INSTANT)
    return Span(start=start, end=end)


def _instant(text: str, *, option: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        _refuse(option, f"'{text}' is no instant", allowed=_INSTANT)
    # without a zone it is UTC, as in everything that is recorded
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def _aggregate(how: str) -> Aggregate:
    try:
        return Aggregate(how)
    except ValueError:
        _refuse("--agg", f"'{how}' is none of ours", allowed=", ".join(each.value for each in Aggregate))


def _check_size(span: Span, n_points: int, every_ms: int | None) -> None:
    step_s = 1.0 if every_ms is None else every_ms / 1000
    n_values = n_points * (span.end - span.start).total_seconds() / step_s
    if n_values > _MOST_VALUES:
        _refuse(
            "--every",
            f"that may be {n_values:,.0f} values",
            allowed=f"at most {_MOST_VALUES:,}: a longer --every, a shorter time, or `ems history export`",
        )


def _refuse(place: str, message: str, *, allowed: str) -> NoReturn:
    raise ConfigError(ConfigProblem(file=place, message=message, allowed=allowed))


def _rows(found: Table) -> Iterator[tuple[int, list[float | None]]]:
    columns = [found.columns[name].tolist() for name in found.columns]
    for place, ms in enumerate(found.instants_ms.tolist()):
        yield ms, [_short(column[place]) for column in columns]


def _short(value: float) -> float | None:
    """Return a float32 with the seven digits that it has, None for unknown."""
    return None if isnan(value) else float(f"{value:.7g}") + 0.0


def _shown(value: object) -> object:
    match value:
        case datetime():
            return rfc3339_ms(value if value.tzinfo is not None else value.replace(tzinfo=UTC))
        case float():
            return None if isnan(value) else value
        case bool() | int() | str() | None:
            return value
        case _:
            return str(value)


def _csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue().rstrip("\n")


def _aligned(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    cells = [["-" if value is None else str(value) for value in row] for row in rows]
    widths = [max(len(name), *(len(row[place]) for row in cells), 0) for place, name in enumerate(columns)]
    lines = [
        "  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)) for row in (columns, *cells)
    ]
    return "\n".join(lines if rows else [*lines, "nothing is known in this time"])


def _write_csv(file: Path, tables: Iterator[Table], names: Sequence[str]) -> int:
    n_rows = 0
    with file.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        writer.writerow(["utc", *names])
        for each in tables:
            columns = [each.columns[name].tolist() if name in each.columns else None for name in names]
            for place, ms in enumerate(each.instants_ms.tolist()):
                values = [None if column is None else _short(column[place]) for column in columns]
                writer.writerow([rfc3339_ms(from_ms(ms)), *values])
            n_rows += len(each.instants_ms)
    return n_rows
