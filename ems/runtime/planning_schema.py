"""JSON Schemas of the files of `ems plan`: the problem from its classes, the plan from its document."""

import json
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, get_args, get_type_hints

from ems.dispatch.document import SCHEMA as PLAN_SCHEMA
from ems.model.problem import SCHEMA as PROBLEM_SCHEMA
from ems.model.problem import PlanningProblem
from ems.runtime.plan_parts import plan_definitions
from ems.runtime.planning_fields import FIELDS
from ems.runtime.problem_file import is_series

# JSON of any shape
Node = dict[str, Any]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
SCHEMA_NAMES: Final = ("problem", "plan")


def planning_schema(name: str) -> str:
    """Return the text of a schema, `problem` or `plan`."""
    node = problem_schema() if name == "problem" else plan_schema()
    return json.dumps(node, indent=2, ensure_ascii=False) + "\n"


def problem_schema() -> Node:
    """Return the schema of a planning problem; unknown fields are refused."""
    definitions = {kind.__name__: _object(kind) for kind in _classes(PlanningProblem, {})}
    whole = definitions.pop(PlanningProblem.__name__)
    whole["properties"]["schema"] = {"const": PROBLEM_SCHEMA, "description": FIELDS["PlanningProblem"]["schema"]}
    return {"$schema": DIALECT, "title": "planning problem", **whole, "$defs": definitions}


def plan_schema() -> Node:
    """Return the schema of the document that `ems plan --json` prints and `--out` writes."""
    definitions = plan_definitions(PLAN_SCHEMA)
    whole = definitions.pop("Plan")
    return {"$schema": DIALECT, "title": "plan", **whole, "$defs": definitions}


def _classes(kind: Any, found: dict[Any, None]) -> dict[Any, None]:
    """Return a class and every class below it, in the order of their fields."""
    found.setdefault(kind, None)
    hints = get_type_hints(kind)
    for field in fields(kind):
        for part in _parts(hints[field.name]):
            if is_dataclass(part) and part not in found:
                _classes(part, found)
    return found


def _parts(kind: Any) -> Iterator[Any]:
    inner = get_args(kind)
    if inner:
        for part in inner:
            yield from _parts(part)
    else:
        yield kind


def _object(kind: Any) -> Node:
    hints = get_type_hints(kind)
    known = fields(kind)
    return {
        "description": " ".join((kind.__doc__ or "").split()),
        "type": "object",
        "properties": {field.name: _field(kind, field, hints[field.name]) for field in known},
        "required": [field.name for field in known if _is_required(field)],
        "additionalProperties": False,
    }


def _is_required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _field(owner: type, field: Field[Any], kind: Any) -> Node:
    node = _series(kind) if is_series(owner, field.name) else _typed(kind)
    described: Node = {"description": _meaning(owner, field.name), **node}
    if field.default is not MISSING and field.default not in (None, ()):
        described["default"] = field.default
    return described


def _meaning(owner: type, name: str) -> str:
    try:
        return FIELDS[owner.__name__][name]
    except KeyError:
        raise LookupError(f"ems/runtime/planning_fields.py says nothing of {owner.__name__}.{name}") from None


def _series(kind: Any) -> Node:
    """Return a series per step, which may be written as one number."""
    number = _typed(get_args(kind)[0])
    return {"anyOf": [number, {"type": "array", "items": number}]}


def _typed(kind: Any) -> Node:
    parts = get_args(kind)
    if type(None) in parts:
        inner = next(part for part in parts if part is not type(None))
        return {"anyOf": [_typed(inner), {"type": "null"}]}
    if parts:
        return {"type": "array", "items": _typed(parts[0])}
    if is_dataclass(kind) and isinstance(kind, type):
        return {"$ref": f"#/$defs/{kind.__name__}"}
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return {"enum": [item.value for item in kind]}
    if kind is datetime:
        return {"type": "string", "format": "date-time"}
    return {"type": {float: "number", int: "integer", bool: "boolean", str: "string"}[kind]}
