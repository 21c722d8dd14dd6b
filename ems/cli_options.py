"""Options that several commands share, as one dataclass instead of the same lines in each of them."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import wraps
from typing import Any, get_type_hints


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """Let typer see the fields of a dataclass of options in the place of the parameter that takes it.

    Every field is annotated as an option and has a default.
    """
    signature = inspect.signature(command, eval_str=True)
    tables = {
        name: parameter.annotation
        for name, parameter in signature.parameters.items()
        if isinstance(parameter.annotation, type) and is_dataclass(parameter.annotation)
    }

    @wraps(command)
    def run(**given: Any) -> None:  # values of any option
        for name, table in tables.items():
            given[name] = table(**{field.name: given.pop(field.name) for field in fields(table)})
        command(**given)

    shown = [
        each
        for name, parameter in signature.parameters.items()
        for each in (_options(tables[name]) if name in tables else (parameter,))
    ]
    vars(run)["__signature__"] = signature.replace(parameters=shown)
    run.__annotations__ = {each.name: each.annotation for each in shown}
    return run


def _options(table: type) -> Iterator[inspect.Parameter]:
    hints = get_type_hints(table, include_extras=True)
    for field in fields(table):
        yield inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=_default(field), annotation=hints[field.name]
        )


def _default(field: "Field[Any]") -> object:
    if field.default is MISSING:
        raise TypeError(f"option {field.name} has no default")
    return field.default
