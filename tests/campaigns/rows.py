"""Rows of a campaign: one line each on the terminal, all of them in build/<target>.json."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

BUILD = Path(__file__).resolve().parents[2] / "build"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One result. `met` is None for a figure without a target; a row that cannot run has `value` "SKIP"."""

    id: str
    what: str
    value: float | str
    unit: str
    target: str | None = None
    met: bool | None = None
    seed: int | None = None

    def line(self) -> str:
        """Return the row for people."""
        word = {True: "PASS", False: "FAIL", None: "    "}[self.met]
        value = self.value if isinstance(self.value, str) else f"{self.value:.6g}"
        aim = "" if self.target is None else f"  (target {self.target})"
        return f"{word} {self.id:28} {value:>12} {self.unit:10} {self.what}{aim}"


def skipped(name: str, what: str, why: str) -> Row:
    """Return the row of something that this machine cannot run."""
    return Row(id=name, what=f"{what}: {why}", value="SKIP", unit="")


Part = Callable[[], Iterator[Row]]


def carry_out(target: str, parts: Sequence[Part]) -> list[Row]:
    """Run parts one after the other, print their rows as they come and write the file."""
    rows: list[Row] = []
    for part in parts:
        for row in part():
            print(row.line(), flush=True)  # noqa: T201 - its work
            rows.append(row)
    write(target, rows)
    return rows


def write(target: str, rows: Sequence[Row]) -> Path:
    """Write build/<target>.json."""
    BUILD.mkdir(exist_ok=True)
    file = BUILD / f"{target}.json"
    file.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n", encoding="utf-8")
    return file


def exit_code(rows: Sequence[Row]) -> int:
    """Return 1 when a target was missed."""
    return 1 if any(row.met is False for row in rows) else 0
