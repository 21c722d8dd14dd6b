"""The table of docs/faults.md that says which test tries which fault."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields

from drivers.sim.wire.faults import WHEN, Faults
from tests.docs.pages import ROOT, code_spans, text_of
from tests.drivers.test_faults_noticed import FRAMINGS, PERIOD_S, THREE_POLLS_S, Case

PAGE = "docs/faults.md"
DEADLINES = {PERIOD_S: "1 poll", THREE_POLLS_S: "3 polls", 5.0: "5 s", None: "not at all"}
_TEST = re.compile(r"tests/[\w/]+\.py::\w+")


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the table; `cases` are those of NOTICED."""

    faults: tuple[str, ...]
    framings: tuple[str, ...]
    deadline: str
    cases: tuple[str, ...]


def rows() -> Iterator[Line]:
    for text in text_of(PAGE).split("### What tries it")[1].split("## ")[0].splitlines():
        cells = [cell.strip() for cell in text.strip("|").split("|")]
        if len(cells) == 4 and cells[0].startswith("`"):
            fault, framings, deadline, test = cells
            names = re.findall(r"`([^`]+)`", fault)
            cases = re.findall(r"`([^`]+)`", test) if test.startswith("NOTICED") else []
            yield Line(tuple(names), tuple(framings.split(", ")), deadline, tuple(cases))


def test_every_fault_of_the_twin_has_a_row() -> None:
    named = {name for row in rows() for name in row.faults}

    assert named == {field.name for field in fields(Faults)} - WHEN


def test_the_rows_are_the_cases_with_their_framings_and_deadlines() -> None:
    tried: dict[str, tuple[set[str], Case]] = {}
    for framing, cases in FRAMINGS.items():
        for name, case in cases.items():
            tried.setdefault(name, (set(), case))[0].add(framing.value)
    # a short delay is no fault
    tried.pop("slow")

    shown = {case: (set(row.framings), row.deadline) for row in rows() for case in row.cases}

    assert shown == {name: (framings, DEADLINES[case.noticed_s]) for name, (framings, case) in tried.items()}


def test_the_tests_that_the_page_names_exist() -> None:
    named = [span for span in code_spans(PAGE) if _TEST.fullmatch(span)]

    assert len(named) >= 6
    for span in named:
        file, function = span.split("::")
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        assert function in defined, span
