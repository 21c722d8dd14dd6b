"""Types beyond plain numbers: bit fields, parts of a register, texts, factors, byte orders, coils."""

import math
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.device.values import Bad, Value
from drivers.modbus.blocks import PlannedRead
from drivers.modbus.coding import (
    FLOATS,
    N_REGISTERS,
    UNSIGNED,
    Address,
    ByteOrder,
    Coding,
    PointType,
    Table,
    TextEncoding,
    WordOrder,
)
from drivers.modbus.layout import Command, Point
from drivers.modbus.registers import BlockDecoder, Decoded, Encoded, encode
from drivers.modbus.values import with_power
from drivers.sim.wire.words import command_value, point_words

START = 100
BIG, LITTLE = WordOrder.BIG, WordOrder.LITTLE


def at(register: int, table: Table = Table.HOLDING) -> Address:
    return Address(table=table, register=register)


def point(type_: PointType, *, register: int = START, name: str = "x", **changes: Any) -> Point:  # values of any field
    keys = ("scale", "offset", "sign", "word_order", "byte_order", "factor")
    coding = Coding(type=type_, **{key: changes.pop(key) for key in keys if key in changes})
    n_registers = changes.pop("n_registers", None) or N_REGISTERS[type_]
    return Point(name=name, at=at(register), coding=coding, n_registers=n_registers, **changes)


def decoded(registers: list[int], *points: Point, table: Table = Table.HOLDING) -> Decoded:
    read = PlannedRead(at=at(START, table), count=len(registers), points=points)
    return BlockDecoder(read).decode(registers)


def value(registers: list[int], read: Point) -> Value | None:
    return decoded(registers, read).values["x"]


def test_a_float_of_64_bits_is_read_in_either_word_order() -> None:
    # -0.15625 = -1.25 x 2^-3: exponent 0x3FC, mantissa 0x4000000000000
    assert value([0xBFC4, 0, 0, 0], point(PointType.FLOAT64)) == -0.15625
    assert value([0, 0, 0, 0xBFC4], point(PointType.FLOAT64, word_order=LITTLE)) == -0.15625
    assert decoded([0x7FF0, 0, 0, 0], point(PointType.FLOAT64)).bad == {"x": "infinite"}


def test_each_point_of_a_block_may_have_its_own_order_of_words_and_bytes() -> None:
    points = (
        point(PointType.UINT32, name="big"),
        point(PointType.UINT32, register=START + 2, name="low_first", word_order=LITTLE),
        point(PointType.UINT16, register=START + 4, name="swapped", byte_order=ByteOrder.LITTLE),
        point(PointType.INT32, register=START + 5, name="all", word_order=LITTLE, byte_order=ByteOrder.LITTLE),
    )

    # -2 = 0xFFFFFFFE; low word first and low byte first: FE FF FF FF
    read = decoded([0x0001, 0x0002, 0x0002, 0x0001, 0x3412, 0xFEFF, 0xFFFF], *points)

    assert read.values == {"big": 65538.0, "low_first": 65538.0, "swapped": 0x1234, "all": -2.0}


def test_a_bit_field_gives_the_names_of_its_bits_that_are_set() -> None:
    alarms = point(
        PointType.UINT32, flags={0: "over temperature", 17: "fuse", 31: "smoke"}, invalid=frozenset({2**32 - 1})
    )

    assert value([0x8000, 0x0003], alarms) == ("over temperature", "smoke")
    assert value([0x0002, 0x0000], alarms) == ("fuse",)
    assert value([0x0000, 0x0000], alarms) == ()
    assert decoded([0xFFFF, 0xFFFF], alarms).bad == {"x": "not available (code 4.29497e+09)"}


def test_a_bit_field_of_64_bits_has_a_name_for_the_highest() -> None:
    assert value([0x8000, 0, 0, 0x0001], point(PointType.UINT64, flags={0: "low", 63: "high"})) == ("low", "high")


def test_four_bits_of_a_register_are_a_code_of_their_own() -> None:
    # the first of four alarms in the high nibble, as GenComm packs them (devices of DSE, page 154)
    names = {2: "warning", 3: "shutdown"}
    first = point(PointType.UINT16, name="first", bit=12, width=4, labels=names, invalid=frozenset({15}))
    last = point(PointType.UINT16, name="last", bit=0, width=4, invalid=frozenset({15}))

    assert decoded([0x3002], first, last).values == {"first": "shutdown", "last": 2.0}
    assert decoded([0xF00F], first, last).bad == {"first": "not available (code 15)", "last": "not available (code 15)"}
    assert decoded([0x9000], first).bad == {"first": "unknown code 9"}


def test_texts_of_one_character_a_register_are_read() -> None:
    text = point(PointType.STRING, n_registers=4, encoding=TextEncoding.UTF16)

    assert value([0x0044, 0x0053, 0x00C9, 0x0000], text) == "DSÉ"
    assert decoded([0xD800, 0x0041, 0, 0], text).bad == {"x": "D8 00 00 41 00 00 00 00 is no text of UTF-16"}


def test_an_empty_text_is_unknown_and_a_text_beside_numbers_keeps_its_place() -> None:
    text = point(PointType.STRING, register=START + 1, n_registers=2, word_order=LITTLE)
    number = point(PointType.UINT16, name="n")

    assert decoded([7, 0x4142, 0x4344], number, text).values == {"n": 7.0, "x": "ABCD"}
    assert decoded([7, 0, 0], number, text).bad == {"x": "an empty text"}


@pytest.mark.parametrize(
    ("raw", "power", "expected"),
    [(1234, 0, 1234.0), (1234, 1, 12340.0), (1234, 0xFFFE, 12.34), (0xFB2E, 0xFFFF, -123.4), (3, 0xFFFF, 0.3)],
)
def test_a_value_is_scaled_by_the_factor_of_the_same_answer(raw: int, power: int, expected: float) -> None:
    assert value([raw, 0, power], point(PointType.INT16, factor=at(START + 2))) == expected


@pytest.mark.parametrize(
    ("power", "reason"),
    [(0x8000, "its scale factor is not available"), (11, "its scale factor is 10^11"), (0x7FFF, "10^32767")],
)
def test_a_value_without_a_usable_factor_is_unknown(power: int, reason: str) -> None:
    assert reason in decoded([1234, power], point(PointType.INT16, factor=at(START + 1))).bad["x"]


def test_sentinels_and_ranges_hold_with_a_factor_and_two_values_may_share_one() -> None:
    a = point(PointType.INT16, name="a", factor=at(START + 2), invalid=frozenset({-32768}))
    b = point(PointType.INT16, name="b", register=START + 1, factor=at(START + 2), valid=(0.0, 50.0))

    read = decoded([0x8000, 600, 0xFFFF], a, b)

    assert read.bad == {"a": "not available (code -32768)", "b": "60 is outside 0..50"}


def test_coils_are_read_bit_by_bit() -> None:
    coils = [
        Point(name=f"c{number}", at=at(START + number, Table.COIL), coding=Coding(type=PointType.BIT), n_registers=1)
        for number in (0, 2)
    ]

    assert decoded([1, 1, 0], *coils, table=Table.COIL).values == {"c0": True, "c2": False}


def test_a_coil_is_written_as_one_bit() -> None:
    on, off = (encode(asked, Coding(type=PointType.BIT)) for asked in (1.0, 0.0))

    assert isinstance(on, Encoded)
    assert isinstance(off, Encoded)
    assert (on.registers, on.value, off.registers) == ((1,), 1.0, (0,))


def test_a_setpoint_is_encoded_with_the_factor_just_read() -> None:
    coding = Coding(type=PointType.INT32, scale=0.001, factor=at(START))

    encoded = encode(-1250.0, with_power(coding, 2))

    # -1 250 000 W at 10^2: -12 500 = 0xFFFFCF2C
    assert isinstance(encoded, Encoded)
    assert encoded.registers == (0xFFFF, 0xCF2C)
    assert encode(-1250.0, coding) == Bad("the scale factor at holding:100 is not known")


numbers = st.sampled_from(sorted(set(N_REGISTERS) - {PointType.BIT}))
codings = st.builds(
    Coding,
    type=numbers,
    scale=st.sampled_from([0.001, 0.1, 0.5, 1, 1.0, 10]),
    offset=st.sampled_from([0, -40, 12.5]),
    sign=st.sampled_from([1, -1]),
    word_order=st.sampled_from(WordOrder),
    byte_order=st.sampled_from(ByteOrder),
)
registers_of_one_value = st.lists(st.integers(0, 0xFFFF), min_size=4, max_size=4)
sentinels = st.frozensets(st.sampled_from([0, 1, -1, 0xFFFF, -0x8000]), max_size=2)
ranges = st.sampled_from([None, (0.0, 100.0), (-3000.0, 3000.0), (-1e9, 1e12)])


@settings(deadline=None, max_examples=400)
@given(coding=codings, words=registers_of_one_value, invalid=sentinels, valid=ranges)
def test_the_compiled_block_gives_what_the_twins_own_codec_puts_in(
    coding: Coding, words: list[int], invalid: frozenset[float], valid: tuple[float, float] | None
) -> None:
    words = words[: N_REGISTERS[coding.type]]
    read = Point(name="x", at=at(START), coding=coding, n_registers=len(words), invalid=invalid, valid=valid)
    command = Command(name="x", at=at(START), coding=coding, function=16)
    raw_is_finite = coding.type not in FLOATS or all(
        math.isfinite(command_value(Command(name="x", at=at(START), coding=plain(coding), function=16), tuple(words)))
        for _ in (0,)
    )

    result = decoded(words, read)

    shown = result.values["x"]
    if shown is None:
        assert result.bad["x"]
        return
    assert raw_is_finite
    assert isinstance(shown, float)
    assert shown == pytest.approx(command_value(command, tuple(words)), rel=1e-12, abs=1e-9)
    assert valid is None or valid[0] <= shown <= valid[1]


def plain(coding: Coding) -> Coding:
    return Coding(type=coding.type, word_order=coding.word_order, byte_order=coding.byte_order)


@settings(deadline=None, max_examples=200)
@given(
    type_=st.sampled_from(sorted(UNSIGNED)),
    bits=st.sets(st.integers(0, 63)),
    word_order=st.sampled_from(WordOrder),
    byte_order=st.sampled_from(ByteOrder),
)
def test_every_set_of_flags_survives_the_twins_registers(
    type_: PointType, bits: set[int], word_order: WordOrder, byte_order: ByteOrder
) -> None:
    n_bits = 16 * N_REGISTERS[type_]
    field = point(type_, flags={bit: f"b{bit}" for bit in range(n_bits)}, word_order=word_order, byte_order=byte_order)
    names = tuple(f"b{bit}" for bit in sorted(bits) if bit < n_bits)

    assert value(point_words(field, names), field) == names


@settings(deadline=None, max_examples=200)
@given(shown=st.floats(-3000.0, 3000.0), power=st.integers(-1, 2), order=st.sampled_from(WordOrder))
def test_a_value_with_a_factor_survives_the_twins_registers_within_one_count(
    shown: float, power: int, order: WordOrder
) -> None:
    read = point(PointType.INT32, factor=at(START + 2), word_order=order, scale=0.1, sign=-1)

    words = [*point_words(read, shown, power=power), power % 0x10000]

    assert value(words, read) == pytest.approx(shown, abs=0.1 * 10.0**power / 2 + 1e-9)


@settings(deadline=None)
@given(text=st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=8))
def test_every_text_survives_the_twins_registers(text: str) -> None:
    for encoding, n_registers in ((TextEncoding.ASCII, 4), (TextEncoding.UTF16, 8)):
        read = point(PointType.STRING, n_registers=n_registers, encoding=encoding)
        assert value(point_words(read, text), read) == text


def test_a_register_in_the_middle_of_a_float_is_packed_as_the_standard_says() -> None:
    words = list(struct.unpack(">2H", struct.pack(">f", 850.5)))

    assert value(words[::-1], point(PointType.FLOAT32, word_order=LITTLE)) == 850.5
