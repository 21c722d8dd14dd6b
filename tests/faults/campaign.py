"""Runs rows of the failure table, prints a line for each and keeps them as JSON."""

import json
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tests.faults.result import Fault, SkippedRow, Verdict, Word, failed, judged


def run_row(fault: Fault) -> Verdict:
    """Run a scenario and judge it; a scenario that does not come to its end is a failure with its reason."""
    begin = time.monotonic()  # noqa: TID251 - a report for people
    try:
        found = fault.scenario()
    except SkippedRow as skipped:
        return failed(fault, str(skipped), took_s=_since(begin), word=Word.SKIP)
    # one row never ends the campaign, whatever its scenario runs into
    except Exception as error:  # noqa: BLE001
        first = (str(error) or type(error).__name__).splitlines()[0]
        return failed(fault, f"{type(error).__name__}: {first}", took_s=_since(begin))
    return judged(fault, found, took_s=_since(begin))


def run_rows(faults: Sequence[Fault], file: Path) -> list[Verdict]:
    """Run rows one after the other; what the file has of other rows stays, and it is written anew after each."""
    verdicts: list[Verdict] = []
    for fault in faults:
        verdict = replace(run_row(fault), load_frac=os.getloadavg()[0] / (os.cpu_count() or 1))
        print(verdict.line(), flush=True)  # noqa: T201 - its work
        verdicts.append(verdict)
        keep(verdict, file)
    return verdicts


def keep(verdict: Verdict, file: Path) -> None:
    """Write a row into the JSON of the last results, in the place of its earlier one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
    kept = {row["id"]: row for row in rows} | {verdict.id: verdict.document()}
    file.write_text(json.dumps([kept[name] for name in sorted(kept)], indent=2) + "\n", encoding="utf-8")


def _since(begin_s: float) -> float:
    return time.monotonic() - begin_s  # noqa: TID251 - a report for people
