"""How `ems devices watch` shows rounds: a live table on a terminal, lines of what has changed elsewhere."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.table import Table

from ems.app.commissioning.read import ReadResult
from ems.app.commissioning.rows import columns


@contextmanager
def watcher(*, as_json: bool) -> Iterator[Callable[[ReadResult], None]]:
    """Hand out what shows one round."""
    if as_json:
        yield lambda result: print(json.dumps(result.document, allow_nan=False), flush=True)
    elif sys.stdout.isatty():
        with Live(console=Console(), auto_refresh=False) as live:
            yield lambda result: live.update(_table(result), refresh=True)
    else:
        yield _print_changes


def _table(result: ReadResult) -> Table:
    table = Table(title=f"{result.target.spec.id}, {result.at}", title_justify="left")
    for heading in columns():
        table.add_column(heading)
    for row in result.rows:
        is_new = row.point in result.changed
        style = "bold yellow" if is_new else "red" if row.quality == "bad" else ""
        table.add_row(*row.cells(changed=is_new), style=style)
    return table


def _print_changes(result: ReadResult) -> None:
    """Print everything the first time, later what has changed."""
    if not result.is_first and not result.changed:
        return
    for row in result.rows:
        if result.is_first or row.point in result.changed:
            point, _, _, words, value, unit, quality, _ = row.cells()
            print(
                "  ".join(part for part in (result.at, point, value, unit, f"[{words}]", quality) if part), flush=True
            )
