"""docs/formulation.md names what the code has, and the code has what the page names."""

import ast
import re
from dataclasses import fields, is_dataclass, replace
from functools import cache
from pathlib import Path

import pyomo.environ as pyo
import pytest

import ems.model.problem as problem_module
from ems.config.schema.control import PlanningTable
from ems.dispatch.milp import shape as model_shape
from ems.dispatch.milp.assemble import build_model
from ems.dispatch.milp.objective import TERMS
from ems.model.fuel import FuelSegment
from ems.model.problem import GroupProblem
from tests.conventions.sources import ROOT
from tests.dispatch.rich import rich_problem

PAGE = (ROOT / "docs/formulation.md").read_text(encoding="utf-8")
NAME = re.compile(r"`([a-z][a-z0-9_]*)`")
PLACE = re.compile(r"`([a-z_/]+\.py):(_?[a-z_]+)`")
LABEL = re.compile(r"\bE(\d+)\b")


@cache
def components() -> dict[type, set[str]]:
    """Return the names of a model that has every row, by kind."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_shape, "up_rows_can_bind", lambda _: True)
        stated = rich_problem()
        # a group that blocks in either direction
        transformer = GroupProblem(id="transformer", members=("bess",), limit_kw=100.0)
        model = build_model(model_shape.shape_of(replace(stated, groups=(*stated.groups, transformer))))
    return {
        kind: {component.name for component in model.component_objects(kind)}
        for kind in (pyo.Var, pyo.Constraint, pyo.Param, pyo.Expression)
    }


def tables(head: str) -> list[list[str]]:
    """Return the rows of every table whose first column has a heading, as cells."""
    rows = []
    inside = False
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|"):
            inside = False
        elif cells[0] == head:
            inside = True
        elif inside and not cells[0].startswith("---"):
            rows.append(cells)
    return rows


def names(cells: list[str]) -> set[str]:
    return {name for cell in cells for name in NAME.findall(cell)}


@cache
def fields_of_problems() -> set[str]:
    """Return every field of a planning problem and its parts."""
    kinds = [kind for kind in vars(problem_module).values() if isinstance(kind, type) and is_dataclass(kind)]
    return {field.name for kind in (*kinds, FuelSegment) for field in fields(kind)}


def functions_of(file: Path) -> dict[str, str]:
    """Return the source of every function of a file."""
    text = file.read_text(encoding="utf-8")
    return {
        node.name: ast.get_source_segment(text, node) or ""
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef)
    }


@pytest.mark.parametrize(
    ("head", "kind"), [("variable", pyo.Var), ("parameter", pyo.Param)], ids=["variables", "parameters"]
)
def test_tables_hold_the_names_of_the_model_and_no_others(head: str, kind: type) -> None:
    listed = names([row[0] for row in tables(head)])

    assert listed == components()[kind]


def test_tables_of_equations_hold_every_row_of_the_model() -> None:
    listed = names([row[2] for row in tables("label")])
    known = set().union(*components().values()) | fields_of_problems()

    assert components()[pyo.Constraint] <= listed
    assert listed <= known


def test_table_of_the_objective_holds_every_term_once() -> None:
    assert len(tables("term")) == len(TERMS)
    assert names([row[0] for row in tables("term")]) == set(TERMS)
    assert set(TERMS) <= components()[pyo.Expression]


def test_prices_and_origins_are_fields_of_a_problem() -> None:
    prices = names([row[2] for row in tables("term")])
    origins = names([row[2] for row in tables("parameter")]) - {"dt"}

    assert prices <= fields_of_problems()
    assert origins <= fields_of_problems()


def test_every_place_exists_and_every_label_stands_in_its_source() -> None:
    rows = tables("label")

    assert len(rows) > 25
    for row in rows:
        ((file, function),) = PLACE.findall(row[3])
        sources = functions_of(ROOT / "ems" / file)
        assert function in sources, row
        text = (ROOT / "ems" / file).read_text(encoding="utf-8")
        for number in LABEL.findall(row[0]):
            assert any(_covers(part, int(number)) for part in re.findall(r"E\d+(?: to E\d+)?", text)), row


def test_every_place_in_the_text_exists() -> None:
    for file, function in PLACE.findall(PAGE):
        assert function in functions_of(ROOT / "ems" / file), (file, function)


def test_every_label_of_the_code_stands_on_the_page() -> None:
    in_code = {
        int(number)
        for file in (ROOT / "ems/dispatch").rglob("*.py")
        for number in LABEL.findall(file.read_text(encoding="utf-8"))
    }

    assert in_code <= {int(number) for number in LABEL.findall(PAGE)}
    assert max(in_code) == 24


def test_options_that_the_page_names_are_configuration() -> None:
    options = {"integer_h", "optimism_frac", "terminal_value_frac", "floor_margin_pct"}

    assert options <= set(PlanningTable.model_fields)
    assert all(f"`{name}`" in PAGE for name in options)


def _covers(part: str, number: int) -> bool:
    """Return whether a mention, single or a range, covers a label."""
    numbers = [int(found) for found in LABEL.findall(part)]
    return min(numbers) <= number <= max(numbers)
