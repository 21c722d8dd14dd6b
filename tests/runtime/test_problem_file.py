"""Problem files that people write: short ones are filled in, and every slip is refused with its place."""

import json
from typing import Any

import pytest

from ems.errors import ConfigError
from ems.model.problem import SCHEMA, PlanningProblem
from ems.runtime.codec import to_json
from ems.runtime.problem_file import problem_of
from tests.dispatch.rich import rich_problem

# JSON of any shape
Json = Any

SHORT: dict[str, Json] = {
    "schema": SCHEMA,
    "id": "short",
    "site_id": "site",
    "currency": "EUR",
    "created_utc": "2026-01-08T00:00:00Z",
    "grid": {"start_utc": "2026-01-08T00:00:00Z", "duration_h": [1.0, 1.0, 0.5]},
    "load": {"it_kw": 100},
    "prices": {"unserved_per_kwh": 10.0, "reserve_per_kwh": 5.0, "floor_per_kwh": 3.0, "limit_per_kwh": 2.0},
}


def read(document: Json) -> PlanningProblem:
    return problem_of(json.dumps(document).encode(), source="p.json")


def refused(text: bytes) -> ConfigError:
    with pytest.raises(ConfigError) as refusal:
        problem_of(text, source="p.json")
    return refusal.value


def test_whole_problem_comes_back_as_it_was() -> None:
    assert problem_of(to_json(rich_problem()), source="p.json") == rich_problem()


def test_one_number_stands_for_a_series_of_equal_ones() -> None:
    grid = {"import_limit_kw": 500, "export_limit_kw": 0.0, "price_per_kwh": [0.1, 0.2, 0.3], "connected": 1}

    problem = read({**SHORT, "connection": grid})

    assert problem.load.it_kw == (100.0, 100.0, 100.0)
    assert problem.connection is not None
    assert problem.connection.import_limit_kw == (500.0,) * 3
    assert problem.connection.price_per_kwh == (0.1, 0.2, 0.3)
    assert problem.connection.connected == (1, 1, 1)


@pytest.mark.parametrize(
    ("path", "key", "nearest"),
    [
        (("pols",), "pols", "pools"),
        (("pools", 0, "capcity"), "pools.0.capcity", None),
        (("pools", 0, "ful_kwh"), "pools.0.ful_kwh", "full_kwh"),
        (("gensets", 0, "units", 1, "since"), "gensets.0.units.1.since", "since_h"),
        (("fuel", "price"), "fuel.price", "price_per_l"),
        (("reserve", "classes", 0, "variation"), "reserve.classes.0.variation", "variation_kw"),
        (("connection", "demand", 0, "rate"), "connection.demand.0.rate", None),
        (("$schema",), "$schema", "schema"),
    ],
)
def test_unknown_field_is_refused_with_its_place_and_the_nearest_name(
    path: tuple[str | int, ...], key: str, nearest: str | None
) -> None:
    document: Json = json.loads(to_json(rich_problem()))
    inside = document
    for part in path[:-1]:
        inside = inside[part]
    inside[path[-1]] = 1

    (problem,) = refused(json.dumps(document).encode()).problems

    assert (problem.file, problem.key, problem.message, problem.nearest) == ("p.json", key, "unknown field", nearest)
    assert problem.allowed


def test_every_unknown_field_is_told_at_once() -> None:
    document = {**SHORT, "lode": {}, "load": {"it_kw": 1.0, "aux": 2.0}}

    assert {problem.key for problem in refused(json.dumps(document).encode()).problems} == {"lode", "load.aux"}


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"load": {"it_kw": "100"}}, "load.it_kw"),
        ({"load": {"it_kw": [1.0, True, 1.0]}}, "load.it_kw.1"),
        ({"load": {"it_kw": True}}, "load.it_kw"),
        ({"load": {"it_kw": [1.0, 2.0]}}, "load.it_kw"),
        ({"grid": {"start_utc": "2026-01-08T00:00:00Z", "duration_h": 1.0}}, "grid.duration_h"),
        ({"created_utc": 1767830400}, "created_utc"),
        ({"prices": None}, "prices"),
        ({"schema": "planning-problem/1"}, "schema"),
    ],
)
def test_value_of_another_kind_is_refused_with_its_place(change: dict[str, Json], key: str) -> None:
    problems = refused(json.dumps({**SHORT, **change}).encode()).problems

    assert key in [problem.key for problem in problems]


@pytest.mark.parametrize(
    ("path", "wrong", "message", "allowed"),
    [
        (("load", "it_kw"), "100", "is no number", "a number or a list of numbers"),
        (("load", "cooling", 0, "c0_kw"), True, "is no number", "a number or a list of numbers"),
        (("pv", 0, "available_kw"), {"p50": 1.0}, "is no number", "a number or a list of numbers"),
        (
            ("connection", "connected"),
            "open",
            "is no whole number",
            "a whole number or a list of whole numbers",
        ),
        (("grid", "duration_h"), "1", "input should be a valid array", None),
        (("gensets", 0, "units"), "two", "input should be a valid array", None),
    ],
)
def test_text_in_the_place_of_a_series_is_told_what_a_series_is(
    path: tuple[str | int, ...], wrong: Json, message: str, allowed: str | None
) -> None:
    document: Json = json.loads(to_json(rich_problem()))
    inside = document
    for part in path[:-1]:
        inside = inside[part]
    inside[path[-1]] = wrong

    (problem,) = refused(json.dumps(document).encode()).problems

    assert (problem.key, problem.message) == (".".join(map(str, path)), message)
    assert problem.allowed == allowed


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b'{"id": "a", "id": "b"}', "'id' stands twice"),
        (b'{"id": NaN}', "NaN is no number"),
        (b'{"id": -Infinity}', "-Infinity is no number"),
        (b"[" * 100_000, "is no valid JSON"),
        (b"\xff\xfe", "is no valid JSON"),
        (b"[1, 2]", "is no JSON object"),
    ],
)
def test_text_that_is_no_proper_json_object_is_refused(text: bytes, said: str) -> None:
    assert said in str(refused(text))


def test_number_beyond_all_numbers_is_refused() -> None:
    text = json.dumps(SHORT).replace('"it_kw": 100', '"it_kw": 1e999').encode()

    assert "load.it_kw" in str(refused(text))
