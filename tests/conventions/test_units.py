import dataclasses
import importlib
import pkgutil
import typing
from collections.abc import Iterator

import pytest
from pydantic import BaseModel

import ems
from ems.config.files import SCHEMAS
from ems.config.units import UNITS
from ems.model.setpoints import Cause
from tests.conventions.sources import ROOT
from tests.conventions.suffixes import NAMED_ELSEWHERE, SUFFIXES, WITHOUT_UNIT, unit_of

# directions of flow: such a name says which way, so its value has no sign
DIRECTIONS = ("charge", "discharge", "import", "export", "curtailed", "unserved", "load", "reserve")


def test_every_number_with_a_fraction_states_its_unit() -> None:
    nameless = sorted(
        {
            f"{owner.__module__}.{owner.__name__}.{name}"
            for owner, name, annotation in _fields()
            if _holds_float(annotation)
            and unit_of(name) is None
            and name not in WITHOUT_UNIT
            and owner.__name__ not in NAMED_ELSEWHERE
        }
    )

    assert nameless == []


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("power_kw", "kw"),
        ("h", "h"),
        ("design_heat_kw_th", "kw_th"),
        ("loop_delta_k", "delta_k"),
        ("unserved_price_per_kwh", "price_per_kwh"),
        ("unserved_per_kwh", None),
        ("power", None),
        ("power_mw", None),
        ("soc", None),
    ],
)
def test_a_unit_is_the_longest_known_end_of_a_name(name: str, unit: str | None) -> None:
    assert unit_of(name) == unit


def test_the_page_on_units_names_every_suffix_and_every_exception() -> None:
    page = (ROOT / "docs/signs-and-units.md").read_text(encoding="utf-8")

    assert [suffix for suffix in sorted(SUFFIXES) if f"`_{suffix}`" not in page] == []
    assert [name for name in (*WITHOUT_UNIT, *NAMED_ELSEWHERE) if f"`{name}`" not in page] == []


def test_messages_know_the_unit_of_every_number_in_the_configuration() -> None:
    units = {unit_of(name) for schema in SCHEMAS.values() for name in _names(schema.model_json_schema())}

    assert {unit for unit in units if unit not in {None, "frac"} and unit.removeprefix("delta_") not in UNITS} == set()


def test_a_direction_in_a_key_of_the_configuration_has_no_sign() -> None:
    signed = [
        name
        for schema in SCHEMAS.values()
        for name, node in _properties(schema.model_json_schema())
        if unit_of(name) == "kw"
        and any(direction in name.split("_") for direction in DIRECTIONS)
        and not (node.get("minimum", -1) >= 0 or node.get("exclusiveMinimum", -1) >= 0)
    ]

    assert signed == []


def test_the_glossary_explains_every_reason_code() -> None:
    glossary = (ROOT / "docs/glossary.md").read_text(encoding="utf-8")

    assert [cause for cause in Cause if f"\n| `{cause}` | " not in glossary] == []


def _fields() -> Iterator[tuple[type, str, object]]:
    """Yield every field of every dataclass and pydantic model of the package, with its type."""
    for owner in _classes():
        hints = typing.get_type_hints(owner)
        if dataclasses.is_dataclass(owner):
            yield from ((owner, field.name, hints[field.name]) for field in dataclasses.fields(owner))
        elif issubclass(owner, BaseModel):
            yield from ((owner, name, hints[name]) for name in owner.model_fields)


def _classes() -> Iterator[type]:
    for module_info in pkgutil.walk_packages(ems.__path__, "ems."):
        if module_info.name.endswith("__main__"):
            continue
        module = importlib.import_module(module_info.name)
        yield from (
            value for value in vars(module).values() if isinstance(value, type) and value.__module__ == module.__name__
        )


def _holds_float(annotation: object) -> bool:
    return annotation is float or any(_holds_float(part) for part in typing.get_args(annotation))


def _names(schema: dict[str, typing.Any]) -> Iterator[str]:  # JSON of any shape
    return (name for name, _ in _properties(schema))


def _properties(schema: dict[str, typing.Any]) -> Iterator[tuple[str, dict[str, typing.Any]]]:
    for definition in (schema, *schema.get("$defs", {}).values()):
        yield from definition.get("properties", {}).items()
