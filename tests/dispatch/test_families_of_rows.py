"""One family of rows per function, with its equation label: what docs/formulation.md sends its readers to."""

import ast
import re

import pyomo.environ as pyo
import pytest

from tests.conventions.sources import ROOT
from tests.dispatch.test_formulation_page import LABEL, PLACE, components, names, tables

MODEL = ROOT / "ems/dispatch/milp"
LABELLED = re.compile(r"E\d+\b[^:]*: ")


def adders(source: str) -> list[tuple[ast.FunctionDef | None, list[ast.Call]]]:
    """Return each function that adds rows, None for the module itself, with the calls that add them."""
    found: dict[ast.FunctionDef | None, list[ast.Call]] = {}

    def visit(node: ast.AST, function: ast.FunctionDef | None) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Call) and ast.unparse(child.func).rpartition(".")[2].startswith("Constraint"):
                found.setdefault(function, []).append(child)
            visit(child, child if isinstance(child, ast.FunctionDef) else function)

    visit(ast.parse(source), None)
    return list(found.items())


def faults(source: str) -> list[str]:
    """Return what is wrong with the functions of a module that add rows."""
    wrong = []
    for function, calls in adders(source):
        if function is None:
            wrong.append("rows outside any function")
            continue
        if len(calls) > 1:
            wrong.append(f"{function.name}: {len(calls)} families")
        if not LABELLED.match(ast.get_docstring(function) or ""):
            wrong.append(f"{function.name}: no label")
    return wrong


def places() -> dict[str, tuple[str, str]]:
    """Return file and function, and the docstring, of each family that is named where it is added."""
    found = {}
    for file in MODEL.rglob("*.py"):
        source = file.read_text(encoding="utf-8")
        for function, _ in adders(source):
            assert function is not None
            for node in ast.walk(function):
                if isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("pyo.Constraint("):
                    (target,) = node.targets
                    place = f"{file.relative_to(ROOT / 'ems')}:{function.name}"
                    if isinstance(target, ast.Attribute):
                        found[target.attr] = (place, ast.get_docstring(function) or "")
    return found


def test_every_function_adds_one_family_of_rows_and_names_its_label() -> None:
    wrong = {file.name: bad for file in MODEL.rglob("*.py") if (bad := faults(file.read_text(encoding="utf-8")))}

    assert wrong == {}


def test_every_family_of_the_model_has_its_function() -> None:
    by_flow = {f"{flow}_{rows}" for flow in ("charge", "discharge") for rows in ("by_soc", "within")}

    assert set(places()) == components()[pyo.Constraint] - by_flow


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ('def f(m):\n    """E1: x."""\n    m.a = pyo.Constraint()\n    m.b = pyo.Constraint()', "f: 2 families"),
        ('def f(m):\n    """Add the rows."""\n    m.a = pyo.Constraint()', "f: no label"),
        ("def f(m):\n    m.a = pyo.ConstraintList()", "f: no label"),
        ("m.a = pyo.Constraint()", "rows outside any function"),
    ],
    ids=["two families", "no label", "no docstring", "module"],
)
def test_what_breaks_the_rule_is_named(source: str, fault: str) -> None:
    assert faults(source) == [fault]


def test_the_page_sends_readers_to_the_function_of_each_family_by_its_label() -> None:
    listed: dict[str, list[tuple[str, str]]] = {}
    for row in tables("label"):
        for family in names([row[2]]):
            listed.setdefault(family, []).append((":".join(PLACE.findall(row[3])[0]), row[0]))

    for family, (place, docstring) in places().items():
        labels = [label for where, label in listed[family] if where == place]
        assert labels, (family, place)
        head = docstring.partition(":")[0]
        for label in labels:
            assert set(LABEL.findall(label)) <= _covered(head), (family, label, head)


def _covered(head: str) -> set[str]:
    """Return every label that a docstring begins with, those inside a range included."""
    covered = set()
    for first, last in re.findall(r"E(\d+)(?: to E(\d+))?", head):
        covered |= {str(number) for number in range(int(first), int(last or first) + 1)}
    return covered
