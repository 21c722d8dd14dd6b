"""The failure table is whole, its judge can say no, and the quick rows of the port twin hold."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.campaign import run_row, run_rows
from tests.faults.page import PAGE, SINGLE_FAULTS, page_text
from tests.faults.port_site import merged
from tests.faults.result import Fault, Found, SkippedRow, Twin, Word, judged
from tests.faults.table import TABLE

_QUICK = ("F05", "F28", "F29", "F32", "F34", "F38", "F40")
_ROWS = {fault.id: fault for fault in TABLE}
_GOOD = Found(detect_s=2.0, state="island", unserved_kwh=0.0, told="as it should")
_ROW = Fault(
    id="F99",
    failure="none",
    site="-",
    twin=Twin.PORT,
    bound_s=3.0,
    required="-",
    safe="-",
    scenario=lambda: _GOOD,
    states=("island",),
)


def test_every_row_of_the_failure_table_has_its_scenario() -> None:
    assert [fault.id for fault in TABLE] == [f"F{number:02d}" for number in range(1, 43)]


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (replace(_GOOD, detect_s=3.5), "noticed after 3.5 s, 3 s allowed"),
        (replace(_GOOD, state="dead_bus"), "ends in dead_bus, safe is island"),
        (replace(_GOOD, unserved_kwh=0.5), "0.5 kWh unserved"),
        (replace(_GOOD, wrong=("it did not shed",)), "it did not shed"),
    ],
)
def test_a_row_that_misses_one_requirement_fails_and_says_which(found: Found, why: str) -> None:
    verdict = judged(_ROW, found, took_s=1.0)

    assert verdict.word is Word.FAIL
    assert verdict.text == f"{why}; as it should"


def test_a_row_passes_fails_and_is_skipped_in_one_line() -> None:
    def broken() -> Found:
        message = "waited 60 s for: a plan\nlog"
        raise AssertionError(message)

    def missing() -> Found:
        message = "needs root"
        raise SkippedRow(message)

    lines = [run_row(replace(_ROW, scenario=each)).line() for each in (lambda: _GOOD, broken, missing)]

    assert lines == [
        "F99 PASS detect 2.0 s (<= 3), state ISLAND, unserved 0 kWh: as it should",
        "F99 FAIL AssertionError: waited 60 s for: a plan",
        "F99 SKIP needs root",
    ]


def test_rows_are_kept_after_each_of_them(tmp_path: Path) -> None:
    file = tmp_path / "build" / "faults.json"

    run_rows([_ROW, replace(_ROW, id="F98")], file)
    run_rows([replace(_ROW, failure="another")], file)

    assert [(row["id"], row["failure"]) for row in json.loads(file.read_text())] == [
        ("F98", "none"),
        ("F99", "another"),
    ]


def test_cases_of_a_row_are_merged_to_the_worst() -> None:
    both = merged({"a": _GOOD, "b": replace(_GOOD, detect_s=4.0, unserved_kwh=1.0, wrong=("late",))})

    assert (both.detect_s, both.unserved_kwh, both.wrong) == (4.0, 1.0, ("b: late",))
    assert both.cases == (("a", 0.0), ("b", 1.0))


def test_the_page_has_every_row_as_the_table_has_it() -> None:
    empty = page_text({}).splitlines()
    kept = PAGE.read_text(encoding="utf-8").splitlines()

    assert [line.rsplit("|", 2)[0] for line in kept] == [line.rsplit("|", 2)[0] for line in empty]


def test_every_single_fault_of_the_list_is_a_row_of_the_table() -> None:
    assert {row for _, row, _ in SINGLE_FAULTS} <= set(_ROWS)


@pytest.mark.parametrize("row", _QUICK)
def test_a_quick_row_of_the_port_twin_holds(row: str) -> None:
    verdict = run_row(_ROWS[row])

    assert verdict.word is Word.PASS, verdict.line()
