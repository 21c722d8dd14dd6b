"""What decoding costs: a block of 75 points against the helpers of pymodbus, in one process without a line."""

import struct
import timeit
from collections.abc import Callable, Iterator

from pymodbus.client import AsyncModbusTcpClient

from drivers.modbus.blocks import PlannedRead
from drivers.modbus.coding import N_REGISTERS, Address, Coding, PointType, Table
from drivers.modbus.expected import Expected
from drivers.modbus.layout import Point
from drivers.modbus.registers import BlockDecoder, Decoded
from drivers.modbus.requests import Read
from drivers.modbus.rtuframes import RtuAnswers, crc_bytes
from drivers.modbus.sunspec.chain import FoundModel
from drivers.modbus.sunspec.definitions import model_definition
from drivers.modbus.sunspec.points import plan_points
from drivers.modbus.words import Words
from tests.campaigns.rows import Row

N_POINTS = 75
FASTER = 20.0
METER_MODEL = 203
N_LINE_REGISTERS = 100
# the fastest of many short series: other work on the machine only ever makes a series slower
N_SERIES = 200
N_PER_SERIES = 40
TYPES = {PointType.INT16: AsyncModbusTcpClient.DATATYPE.INT16, PointType.INT32: AsyncModbusTcpClient.DATATYPE.INT32}


def points() -> tuple[Point, ...]:
    """Return 50 values of one register and 25 of two, each with scale, sentinel and range as shipped maps have them."""
    placed, register = [], 0
    for number in range(N_POINTS):
        type_ = PointType.INT16 if number < 50 else PointType.INT32
        bits = 16 * N_REGISTERS[type_]
        placed.append(
            Point(
                name=f"p{number}",
                at=Address(table=Table.HOLDING, register=register),
                coding=Coding(type=type_, scale=0.1),
                n_registers=N_REGISTERS[type_],
                invalid=frozenset({-(1 << bits - 1)}),
                valid=(-3200.0, 3200.0) if type_ is PointType.INT16 else (-2e8, 2e8),
            )
        )
        register += N_REGISTERS[type_]
    return tuple(placed)


def measure_decoding() -> Iterator[Row]:
    """Decode one answer again and again, each side as it is used.

    Polls hand the bytes of an answer to the decoder of its block and get checked and scaled values by name; the
    helpers take registers that the library has made of the bytes before, and give raw numbers.
    """
    block = points()
    at = Address(table=Table.HOLDING, register=0)
    decoder = BlockDecoder(PlannedRead(at=at, count=block[-1].end, points=block))
    registers = [37 * number % 30_000 for number in range(block[-1].end)]
    spans = [(point.at.register, point.end, TYPES[point.coding.type]) for point in block]
    data = struct.pack(f">{len(registers)}H", *registers)

    def helpers() -> None:
        for first, end, type_ in spans:
            AsyncModbusTcpClient.convert_from_registers(registers[first:end], type_)

    def by_the_block() -> Decoded:
        return decoder.decode(Words(data))

    def into_a_table() -> object:
        return by_the_block().values.table()

    decoded = by_the_block()
    assert not decoded.bad
    assert all(value is not None for value in decoded.values.values())
    block_us, table_us, helpers_us = _least_us(by_the_block, into_a_table, helpers)
    ratio = helpers_us / block_us
    what = f"{N_POINTS} points in {block[-1].end} registers"
    yield Row(id="drivers.decode_us", what=f"answer to checked values, {what}", value=block_us, unit="us")
    yield Row(id="drivers.decode_table_us", what=f"the same into a table by name, {what}", value=table_us, unit="us")
    yield Row(id="drivers.helpers_us", what=f"pymodbus convert_from_registers, {what}", value=helpers_us, unit="us")
    yield Row(
        id="drivers.decode",
        what="checked values against raw numbers of pymodbus' helpers",
        value=ratio,
        unit="times",
        target=f">= {FASTER:g}",
        met=ratio >= FASTER,
    )
    yield from _sunspec_rows()
    yield from _line_rows()


def _sunspec_rows() -> Iterator[Row]:
    """Decode the longest read of a whole SunSpec meter, whose numbers are scaled by factors in the same answer."""
    definition = model_definition(METER_MODEL)
    assert definition is not None
    length = max(point.offset + point.n_registers for point in definition.points.values()) - 2
    plan = plan_points(
        {FoundModel(id=METER_MODEL, at=40_069, length=length): set(definition.points)}, max_registers=125
    )
    part = max(plan.parts, key=lambda part: part.request.count)
    # any answer will do in which the factors are factors
    words = Words(bytes(2 * part.request.count))
    n_points = len(part.decoder.decode(words).values)
    what = f"answer of a SunSpec meter to scaled values, {n_points} points in {part.request.count} registers"
    (decode_us,) = _least_us(lambda: part.decoder.decode(words))
    yield Row(id="drivers.decode_sunspec_us", what=what, value=decode_us, unit="us")


def _line_rows() -> Iterator[Row]:
    """Judge the longest answer of a serial line, whose check sum is worked out byte by byte in Python."""
    request = Read(at=Address(table=Table.HOLDING, register=0), count=N_LINE_REGISTERS)
    expected = Expected.of(1, request)
    body = bytes([1, request.function, 2 * N_LINE_REGISTERS]) + bytes(range(200))
    frame = body + crc_bytes(body)
    answers = RtuAnswers()

    def judge() -> None:
        answers.expect(expected, request, b"")
        assert answers.feed(frame) == frame
        answers.give_up()

    what = f"answer of a serial line with {N_LINE_REGISTERS} registers, check sum included"
    (judge_us,) = _least_us(judge)
    yield Row(id="drivers.line_us", what=what, value=judge_us, unit="us")


def _least_us(*works: Callable[[], object]) -> tuple[float, ...]:
    """Return the time of each, measured in turn, so that a ratio of them does not hang on when they were."""
    series = [[timeit.timeit(work, number=N_PER_SERIES) for work in works] for _ in range(N_SERIES)]
    return tuple(min(each) / N_PER_SERIES * 1e6 for each in zip(*series, strict=True))
