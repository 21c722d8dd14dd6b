"""Writes what a simulation produces: the series row by row, decisions and ledger line by line."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import pyarrow as pa
import pyarrow.parquet as pq

from ems.reserve import WATCHED
from ems.runtime.cycle import CycleRecord
from ems.runtime.observer import cycle_events
from ems.runtime.planner import PlanningResult
from ems.studies.signed_ledger import SignedLedger

_BATCH_ROWS = 5000


class Recorder:
    """Files of one run in one directory, over what is there."""

    def __init__(self, directory: Path, *, site: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self._decisions: IO[str] = (directory / "decisions.jsonl").open("w", encoding="utf-8")
        self._ledger = SignedLedger(directory / "ledger.jsonl", site=site)
        self._parquet: pq.ParquetWriter | None = None
        self._rows: list[dict[str, object]] = []

    def __enter__(self) -> Self:
        """Return the recorder."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is left and close the files."""
        self._flush()
        if self._parquet is not None:
            self._parquet.close()
        self._decisions.close()
        self._ledger.close(whole=kind is None)

    def row(self, values: dict[str, object]) -> None:
        """Add one step's row; every row has the same columns, `time_utc` first."""
        self._rows.append(values)
        if len(self._rows) >= _BATCH_ROWS:
            self._flush()

    def decisions(self, record: CycleRecord) -> None:
        """Write the state changes of a cycle: modes, starts and stops, clips."""
        at = {"time_utc": _stamp(record.snapshot.utc)}
        for event in cycle_events(record):
            line = {"kind": event.kind, "cause": event.cause, "text": event.text, **event.figures}
            self._write(self._decisions, {**at, **line})
        for clip in _clips(record):
            self._write(self._decisions, {**at, **clip})

    def planning(self, at: datetime, result: PlanningResult) -> None:
        """Write one planning cycle."""
        plan = result.plan
        line: dict[str, object] = {"time_utc": _stamp(at), "kind": "plan", "trouble": list(result.trouble)}
        if plan is not None:
            line |= {
                "problem": plan.problem_id,
                "source": plan.source.value,
                "status": plan.status.value,
                "gap_frac": plan.gap_frac,
                "cost": round(plan.objective.total_cost(), 2),
                "relaxed": list(plan.relaxed),
                "reasons": [reason.text for reason in plan.steps[0].reasons],
                "binding": [limit.text for limit in plan.steps[0].binding],
            }
        self._write(self._decisions, line)

    def note(self, at: datetime, text: str) -> None:
        """Write what an operator would be told of the cluster."""
        self._write(self._decisions, {"time_utc": _stamp(at), "kind": "cluster", "text": text})

    def ledger(self, record: dict[str, object]) -> None:
        """Write one ledger record."""
        self._ledger.add(record)

    def _flush(self) -> None:
        if not self._rows:
            return
        table = pa.Table.from_pylist(self._rows)
        if self._parquet is None:
            schema = _lasting(table.schema)
            self._parquet = pq.ParquetWriter(self.directory / "series.parquet", schema, compression="zstd")
        self._parquet.write_table(table.cast(self._parquet.schema))
        self._rows.clear()

    def _write(self, file: IO[str], line: dict[str, object]) -> None:
        file.write(json.dumps(line, separators=(",", ":")) + "\n")


def _lasting(schema: pa.Schema) -> pa.Schema:
    """Return a schema that also fits later rows: what is whole or empty so far may be a fraction then."""
    return pa.schema(
        [
            field.with_type(pa.float64())
            if pa.types.is_null(field.type) or (pa.types.is_integer(field.type) and not field.name.startswith("n_"))
            else field
            for field in schema
        ]
    )


def _clips(record: CycleRecord) -> Iterator[dict[str, object]]:
    for clip in record.decision.clips:
        yield {
            "kind": "guard",
            "rule": clip.rule.value,
            "asset": clip.asset_id,
            "requested_kw": round(clip.requested_kw, 1),
            "allowed_kw": None if clip.allowed_kw is None else round(clip.allowed_kw, 1),
            "text": clip.reason,
        }


def reserve_columns(record: CycleRecord) -> dict[str, float | None]:
    """Return required and held power per class."""
    found = {item.id: item for item in record.decision.assessments}
    columns: dict[str, float | None] = {}
    for reserve in WATCHED:
        item = found.get(reserve)
        columns[f"reserve_{reserve.value}_required_kw"] = None if item is None else item.required_kw
        columns[f"reserve_{reserve.value}_held_kw"] = None if item is None else item.held_kw
    return columns


def _stamp(instant: datetime) -> str:
    return instant.isoformat(timespec="seconds").replace("+00:00", "Z")
