"""What `ems study pareto` leaves behind: the points as CSV and JSON, the picture as SVG and PNG."""

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

from ems.studies.pareto import DayTradeOff, TradeOffPoint
from ems.studies.pareto_picture import draw

PARETO_FILES = ("pareto.csv", "pareto.json", "pareto.svg", "pareto.png")
_COLUMNS = tuple(field.name for field in fields(TradeOffPoint))


def document(days: Sequence[DayTradeOff]) -> dict[str, object]:
    """Return the days as they stand in pareto.json."""
    return {"days": [asdict(day) for day in days]}


def write_files(days: Sequence[DayTradeOff], out: Path) -> None:
    """Write every file of a study into a directory, over what is there."""
    (out / "pareto.json").write_text(json.dumps(document(days), indent=2, allow_nan=False) + "\n", encoding="utf-8")
    with (out / "pareto.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("day", "currency", *_COLUMNS))
        for day in days:
            for point in day.points:
                writer.writerow((day.title, day.currency, *_cells(point)))
    draw(days, (out / "pareto.svg", out / "pareto.png"))


def _cells(point: TradeOffPoint) -> list[object]:
    values = asdict(point)
    values["relaxed"] = "; ".join(point.relaxed)
    return [values[name] for name in _COLUMNS]
