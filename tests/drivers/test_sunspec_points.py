"""Every supported model decoded from its registers; the standard's own library is the judge where one is needed."""

import math
import random
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from sunspec2.device import Model

from drivers.device.values import Value
from drivers.modbus.sunspec.chain import FoundModel
from drivers.modbus.sunspec.definitions import model_definition
from drivers.modbus.sunspec.points import PlacedPoint, PointPlan, placed_points, plan_points
from drivers.modbus.sunspec.values import NOT_IMPLEMENTED, PointValues

MODELS = (
    *(1, 101, 102, 103, 111, 112, 113, 120, 121, 122, 123, 124, 160, 201, 202, 203, 204),
    *(701, 702, 703, 704, 713, 714, 715, 802, 803, 804),
)
LONGEST = 125
N_GROUPS = 3
COUNTS = {160: "N", 714: "NPrt", 803: "NStr", 804: "NMod"}


def found(model_id: int, *, n_groups: int = N_GROUPS) -> FoundModel:
    definition = model_definition(model_id)
    assert definition is not None
    repeated = 0 if definition.repeated is None else n_groups * definition.repeated.n_registers
    return FoundModel(id=model_id, at=40070, length=definition.n_registers + repeated - 2)


def words_for(place: PlacedPoint, rng: random.Random) -> Sequence[int]:
    """Return registers that are a value of the point's type."""
    if place.point.type == "sunssf":
        return [rng.randrange(-4, 5) % 0x10000]
    if place.point.type == "string":
        return [0x4100 + rng.randrange(0x30, 0x40) for _ in range(place.point.n_registers)]
    if place.point.type == "float32":
        return struct.unpack(">2H", struct.pack(">f", rng.uniform(-1e6, 1e6)))
    return [rng.randrange(1, 0x7FFF) for _ in range(place.point.n_registers)]


def image(model: FoundModel, seed: int) -> list[int]:
    """Return a model full of values."""
    rng = random.Random(seed)
    words = [0] * model.n_registers
    for place in placed_points(model):
        words[place.offset : place.end] = words_for(place, rng)
    words[:2] = [model.id, model.length]
    if (name := COUNTS.get(model.id)) is not None:
        definition = model_definition(model.id)
        assert definition is not None
        words[definition.points[name].offset] = N_GROUPS
    return words


def read(plan: PointPlan, model: FoundModel, words: Sequence[int]) -> PointValues:
    values: dict[str, Value | None] = {}
    bad: dict[str, str] = {}
    for part in plan.parts:
        start = part.request.at.register - model.at
        decoded = part.decoder.decode(words[start : start + part.request.count])
        values |= decoded.values
        bad |= decoded.bad
    return PointValues(plan.loose, values, bad)


def decoded(model: FoundModel, words: Sequence[int], *, longest: int = LONGEST) -> PointValues:
    definition = model_definition(model.id)
    assert definition is not None
    repeated = definition.repeated
    names = {*definition.points, *(repeated.points if repeated is not None else ())}
    return read(plan_points({model: names}, max_registers=longest), model, words)


def judged(model: FoundModel, words: Sequence[int]) -> Mapping[str, Any]:
    """Return what the standard's library reads, by the same keys."""
    data = struct.pack(f">{len(words)}H", *words)
    judge = Model(model.id, model_addr=model.at, model_len=model.length, data=data)
    assert not judge.error_info
    values: dict[str, Any] = {}
    for name, point in judge.points.items():
        values[f"{model.id}.{name}"] = point.cvalue
    for name, groups in judge.groups.items():
        prefix = f"{model.id}.{name}"
        for number, group in enumerate(groups if isinstance(groups, list) else [groups], start=1):
            where = f"{prefix}[{number}]" if isinstance(groups, list) else prefix
            values |= {f"{where}.{inner}": point.cvalue for inner, point in group.points.items()}
    return values


@pytest.mark.parametrize("longest", [LONGEST, 20])
@pytest.mark.parametrize("model_id", MODELS)
def test_every_point_of_a_model_is_read_as_the_standards_library_reads_it(model_id: int, longest: int) -> None:
    model = found(model_id)
    words = image(model, seed=model_id)

    values, expected = decoded(model, words, longest=longest), judged(model, words)

    keys = [place.key for place in placed_points(model)]
    assert len(keys) > model_id // 1000 + 5
    for key in keys:
        if isinstance(expected[key], str):
            assert values.text(key) == expected[key], key
        else:
            number = values.number(key)
            assert number is not None, key
            # the library rounds to the digits of the factor, in binary
            assert math.isclose(number, expected[key], rel_tol=1e-9, abs_tol=1e-9), key


@pytest.mark.parametrize("model_id", MODELS)
def test_no_request_is_longer_than_allowed_and_a_value_is_read_with_its_factor(model_id: int) -> None:
    model = found(model_id, n_groups=12)
    definition = model_definition(model_id)
    assert definition is not None
    names = {*definition.points, *(definition.repeated.points if definition.repeated is not None else ())}

    plan = plan_points({model: names}, max_registers=LONGEST)

    assert max(part.request.count for part in plan.parts) <= LONGEST
    # only repetitions far behind the factors of their model are read apart from them
    assert all("[" in key for key in plan.loose)


def test_the_power_of_model_701_and_its_factor_come_in_one_request_though_the_model_is_longer_than_one() -> None:
    model = FoundModel(id=701, at=40070, length=153)

    plan = plan_points({model: {"W", "Hz", "TotWhInj", "TotWhAbs", "InvSt"}}, max_registers=LONGEST)

    (part,) = plan.parts
    assert (part.request.at.register, part.request.count) == (40074, 117)
    assert plan.loose == {}


def test_a_point_that_the_device_does_not_implement_has_no_value_and_says_so() -> None:
    model = found(103)
    words = image(model, seed=1)
    words[14] = 0x8000
    words[16] = 0xFFFF
    words[24:26] = [0, 0]
    words[13] = 0x8000

    values = decoded(model, words)

    assert [values.number(f"103.{name}") for name in ("W", "Hz", "WH", "PhVphA")] == [None] * 4
    assert values.why_not("103.W") == NOT_IMPLEMENTED
    assert values.why_not("103.PhVphA") == "its scale factor is not implemented"
    assert values.why_not("103.A") is None


def test_a_scale_factor_beyond_the_standard_makes_its_values_unknown() -> None:
    model = found(103)
    words = image(model, seed=1)
    words[15] = 11

    values = decoded(model, words)

    assert values.number("103.W") is None
    assert values.why_not("103.W") == "its scale factor is 11"


@pytest.mark.parametrize(
    ("words", "expected"), [([0x7FC0, 0], None), ([0xFFC0, 1], None), ([0x7F80, 0], None), ([0x42C8, 0], 100.0)]
)
def test_every_nan_of_a_float_model_is_no_value(words: list[int], expected: float | None) -> None:
    model = found(113)
    registers = image(model, seed=1)
    registers[22:24] = words

    assert decoded(model, registers).number("113.W") == expected


def test_a_factor_that_changes_between_two_polls_is_honoured() -> None:
    model = found(103)
    words = image(model, seed=1)
    powers = []
    for raw, factor in ((12345, 0), (1235, 1), (12346, 0x10000 - 1)):
        words[14:16] = [raw, factor]
        powers.append(decoded(model, words).number("103.W"))

    assert powers == [12345, 12350, 1234.6]


def test_a_model_of_an_older_edition_that_is_shorter_lacks_its_last_points() -> None:
    model = FoundModel(id=122, at=40070, length=40)

    plan = plan_points({model: {"ActWh", "WAval", "Ris"}}, max_registers=LONGEST)

    keys = {place.key for place in plan.points}
    assert keys == {"122.ActWh", "122.WAval", "122.WAval_SF"}
    values = read(plan, model, [0] * model.n_registers)
    assert values.why_not("122.Ris") == "the device's models do not have it"


def test_a_model_that_the_standard_does_not_have_has_no_points() -> None:
    assert placed_points(FoundModel(id=65000, at=40070, length=10)) == ()
