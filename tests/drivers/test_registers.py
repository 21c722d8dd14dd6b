import math
import struct
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.device.values import Bad, Value
from drivers.modbus.blocks import PlannedRead
from drivers.modbus.coding import N_REGISTERS, Address, ByteOrder, Coding, PointType, Table, WordOrder
from drivers.modbus.layout import Point
from drivers.modbus.registers import BlockDecoder, Encoded, decode_number, decode_text, encode

BIG, LITTLE = WordOrder.BIG, WordOrder.LITTLE
START = 100


def point(name: str, register: int, type_: PointType, **changes: Any) -> Point:  # values of any field
    keys = ("scale", "offset", "sign", "word_order", "byte_order", "factor")
    coding = Coding(type=type_, **{key: changes.pop(key) for key in keys if key in changes})
    at = Address(table=Table.HOLDING, register=register)
    return Point(name=name, at=at, coding=coding, n_registers=N_REGISTERS[type_], **changes)


def block(*points: Point, count: int) -> PlannedRead:
    return PlannedRead(at=Address(table=Table.HOLDING, register=START), count=count, points=points)


def values(registers: list[int], *points: Point) -> Mapping[str, Value | None]:
    integers = [point.name for point in points if point.name.endswith("_wh")]
    decoder = BlockDecoder(block(*points, count=len(registers)), integers=integers)
    return decoder.decode(registers).values


def reason(registers: list[int], read: Point) -> str:
    decoded = BlockDecoder(block(read, count=len(registers))).decode(registers)
    assert decoded.values == {read.name: None}
    return decoded.bad[read.name]


@pytest.mark.parametrize(
    ("type_", "order", "registers", "value"),
    [
        (PointType.UINT16, BIG, [0xFFFE], 65534.0),
        (PointType.INT16, BIG, [0xFFFE], -2.0),
        (PointType.UINT32, BIG, [0x0001, 0x0002], 65538.0),
        (PointType.UINT32, LITTLE, [0x0002, 0x0001], 65538.0),
        # -1 234 500 = -0x12D644, two's complement 0xFFED29BC
        (PointType.INT32, BIG, [0xFFED, 0x29BC], -1_234_500.0),
        (PointType.INT32, LITTLE, [0x29BC, 0xFFED], -1_234_500.0),
        # 100.5 = 1.5703125 x 2^6: sign 0, exponent 0x85, mantissa 0x490000
        (PointType.FLOAT32, BIG, [0x42C9, 0x0000], 100.5),
        (PointType.FLOAT32, LITTLE, [0x0000, 0x42C9], 100.5),
        (PointType.INT64, BIG, [0xFFFF, 0xFFFF, 0xFFFF, 0xFFFE], -2.0),
        (PointType.INT64, LITTLE, [0xFFFE, 0xFFFF, 0xFFFF, 0xFFFF], -2.0),
    ],
)
def test_registers_of_each_type_and_word_order_give_the_value_worked_out_by_hand(
    type_: PointType, order: WordOrder, registers: list[int], value: float
) -> None:
    assert values(registers, point("x", START, type_, word_order=order)) == {"x": value}


def test_a_counter_of_64_bits_stays_exact_beyond_the_precision_of_a_float() -> None:
    counter = point("discharge_wh", START, PointType.UINT64)

    # 2^53 + 1, which a float cannot hold
    decoded = values([0x0020, 0x0000, 0x0000, 0x0001], counter)

    assert decoded == {"discharge_wh": 9_007_199_254_740_993}
    assert isinstance(decoded["discharge_wh"], int)


def test_scale_offset_and_sign_apply_in_this_order() -> None:
    temperature = point("t", START, PointType.UINT16, scale=0.1, offset=-40)
    charging_positive = point("p", START, PointType.INT16, scale=0.5, sign=-1)

    assert values([650], temperature) == {"t": 25.0}
    assert values([800], charging_positive) == {"p": -400.0}
    assert values([0x10000 - 800], charging_positive) == {"p": 400.0}


@pytest.mark.parametrize("order", [BIG, LITTLE])
def test_points_keep_their_places_in_a_block_with_gaps_whatever_the_word_order(order: WordOrder) -> None:
    flag = point("flag", START, PointType.BIT, bit=3)
    single = point("single", START + 1, PointType.UINT16)
    double = point("double", START + 3, PointType.UINT32, word_order=order)
    pair = [0x0001, 0x0000] if order is BIG else [0x0000, 0x0001]

    decoded = values([0b1000, 7, 0xDEAD, *pair, 0xBEEF], flag, single, double)

    assert decoded == {"flag": True, "single": 7.0, "double": 65536.0}


def test_flags_of_one_register_are_told_apart_by_their_bits() -> None:
    flags = [point(f"b{bit}", START, PointType.BIT, bit=bit) for bit in (0, 1, 15)]

    assert values([0x8001], *flags) == {"b0": True, "b1": False, "b15": True}


def test_an_enumeration_gives_names_and_flags() -> None:
    state = point("state", START, PointType.UINT16, labels={0: "stopped", 15: "fault"})
    remote = point("remote", START, PointType.UINT16, labels={0: "false", 15: "true"})

    assert values([15], state, remote) == {"state": "fault", "remote": True}
    assert reason([9], state) == "unknown code 9"


@pytest.mark.parametrize(
    ("type_", "invalid", "registers"),
    [
        (PointType.UINT16, 0xFFFF, [0xFFFF]),
        (PointType.INT16, -32768, [0x8000]),
        (PointType.INT32, -(2**31), [0x8000, 0x0000]),
        (PointType.UINT64, 2**64 - 1, [0xFFFF] * 4),
        (PointType.FLOAT32, -9999.0, list(struct.unpack(">2H", struct.pack(">f", -9999.0)))),
        (PointType.FLOAT32, 0.5, [0x7FC0, 0x0000]),
    ],
)
def test_a_sentinel_is_not_available_and_never_a_number(type_: PointType, invalid: float, registers: list[int]) -> None:
    read = point("x", START, type_, invalid=frozenset({invalid}))

    assert reason(registers, read).startswith("not available")


def test_a_sentinel_of_an_optional_point_is_no_fault() -> None:
    read = point("x", START, PointType.UINT16, invalid=frozenset({0xFFFF}), optional=True)

    decoded = BlockDecoder(block(read, count=1)).decode([0xFFFF])

    assert decoded.values == {"x": None}
    assert decoded.bad == {}


def test_a_value_outside_the_valid_range_is_bad_and_not_clamped() -> None:
    soc = point("soc_pct", START, PointType.UINT16, scale=0.1, valid=(0.0, 100.0))

    assert values([1000], soc) == {"soc_pct": 100.0}
    assert reason([1001], soc) == "100.1 is outside 0..100"


def test_an_infinite_number_is_bad() -> None:
    assert reason([0x7F80, 0x0000], point("x", START, PointType.FLOAT32)) == "infinite"


def test_a_block_that_failed_makes_all_its_points_bad() -> None:
    decoder = BlockDecoder(block(point("a", START, PointType.UINT16), point("b", START + 1, PointType.UINT16), count=2))

    decoded = decoder.all_bad("exception 2")

    assert decoded.values == {"a": None, "b": None}
    assert decoded.bad == {"a": "exception 2", "b": "exception 2"}


@pytest.mark.parametrize(
    ("registers", "text"),
    [
        ([0x5043, 0x532D, 0x3235, 0x0000], "PCS-25"),
        ([0x4142, 0x2020], "AB"),
        ([0x0000, 0x0000], ""),
        ([0xFFFF, 0xFFFF], Bad("bytes FF FF FF FF are no text")),
        ([0x0141], Bad("byte 01 is no text")),
    ],
)
def test_texts_lose_their_padding_and_must_be_printable(registers: list[int], text: str | Bad) -> None:
    assert decode_text(registers) == text


@pytest.mark.parametrize(
    ("value", "coding", "registers"),
    [
        # 700 250 = 0x000AAF5A
        (-700.25, Coding(type=PointType.INT32, scale=0.001), (0xFFF5, 0x50A6)),
        (-700.25, Coding(type=PointType.INT32, scale=0.001, sign=-1, word_order=LITTLE), (0xAF5A, 0x000A)),
        (12.0, Coding(type=PointType.UINT16), (12,)),
        # 0.3 / 0.1 is 2.9999999999999996 in floats, but three counts for everybody else
        (0.3, Coding(type=PointType.UINT16, scale=0.1), (3,)),
        (0.39, Coding(type=PointType.UINT16, scale=0.1), (3,)),
        (-0.39, Coding(type=PointType.INT16, scale=0.1), (0xFFFD,)),
        (0.39, Coding(type=PointType.INT16, scale=0.1, sign=-1), (0xFFFD,)),
        (100.5, Coding(type=PointType.FLOAT32, word_order=LITTLE), (0x0000, 0x42C9)),
        # with an offset the nearer count to zero is the upper one: -39.96 lies between -40.0 (0) and -39.9 (1)
        (-39.96, Coding(type=PointType.UINT16, scale=0.1, offset=-40), (1,)),
    ],
)
def test_a_command_becomes_the_registers_worked_out_by_hand(
    value: float, coding: Coding, registers: tuple[int, ...]
) -> None:
    encoded = encode(value, coding)

    assert isinstance(encoded, Encoded)
    assert encoded.registers == registers


@pytest.mark.parametrize(
    ("value", "limits", "reason"),
    [
        (math.nan, None, "nan is no number"),
        (math.inf, None, "inf is no number"),
        (1000.1, (-1000.0, 1000.0), "1000.1 is outside -1000..1000"),
        (4000.0, None, "4000 does not fit into int16"),
        (0.05, (0.04, 0.06), "no register value near 0.05 is within 0.04..0.06"),
    ],
)
def test_a_command_that_cannot_be_written_is_refused(
    value: float, limits: tuple[float, float] | None, reason: str
) -> None:
    coding = Coding(type=PointType.INT16, scale=0.1)

    assert encode(value, coding, limits=limits) == Bad(reason)


def test_a_number_beyond_float32_is_refused() -> None:
    assert encode(1e39, Coding(type=PointType.FLOAT32)) == Bad("1e+39 does not fit into float32")


def test_the_two_values_of_a_switch_never_pass_for_each_other() -> None:
    switch = encode(1.0, Coding(type=PointType.UINT16), limits=(0.0, 1.0))
    setpoint = encode(1.0, Coding(type=PointType.UINT16), limits=(0.0, 2000.0))

    assert isinstance(switch, Encoded)
    assert isinstance(setpoint, Encoded)
    # a read-back may differ from what was written by one step
    assert (switch.step, setpoint.step) == (0.5, 1)


def test_rounding_stays_within_limits_that_exclude_zero() -> None:
    # 500.04 rounds toward zero to 500.0, which the limits exclude, so the next count is taken
    encoded = encode(500.04, Coding(type=PointType.UINT16, scale=0.1), limits=(500.02, 600.0))

    assert isinstance(encoded, Encoded)
    assert encoded.registers == (5001,)


integer_codings = st.builds(
    Coding,
    type=st.sampled_from([PointType.INT16, PointType.INT32, PointType.UINT16, PointType.UINT32]),
    scale=st.sampled_from([0.001, 0.01, 0.1, 0.5, 1, 10, 100]),
    sign=st.sampled_from([1, -1]),
    word_order=st.sampled_from(WordOrder),
    byte_order=st.sampled_from(ByteOrder),
)


@settings(deadline=None)
@given(value=st.floats(-1e5, 1e5), coding=integer_codings)
def test_a_command_reads_back_within_one_count_and_never_beyond_what_was_asked(value: float, coding: Coding) -> None:
    encoded = encode(value, coding)

    if isinstance(encoded, Encoded):
        read_back = decode_number(encoded.registers, coding)
        assert read_back == encoded.value
        assert abs(read_back - value) < encoded.step * (1 + 1e-6)
        assert abs(read_back) <= abs(value) + encoded.step * 1e-6


@settings(deadline=None)
@given(raw=st.integers(-(2**31), 2**31 - 1), coding=integer_codings)
def test_every_raw_number_survives_decoding_and_encoding(raw: int, coding: Coding) -> None:
    value = (raw * coding.scale + coding.offset) * coding.sign

    encoded = encode(value, coding)

    if isinstance(encoded, Encoded):
        assert decode_number(encoded.registers, coding) == pytest.approx(value, abs=encoded.step * 1e-5)


@settings(deadline=None)
@given(value=st.floats(width=32, allow_nan=False, allow_infinity=False), order=st.sampled_from(WordOrder))
def test_float32_values_survive_exactly(value: float, order: WordOrder) -> None:
    coding = Coding(type=PointType.FLOAT32, word_order=order)

    encoded = encode(value, coding)

    assert isinstance(encoded, Encoded)
    assert decode_number(encoded.registers, coding) == value
