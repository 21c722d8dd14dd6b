"""What decoding costs: a block of 75 points against the helpers of pymodbus, in one process without a line."""

import struct
import timeit
from collections.abc import Callable, Iterator

from pymodbus.client import AsyncModbusTcpClient

from drivers.modbus.blocks import PlannedRead
from drivers.modbus.layout import N_REGISTERS, Address, Coding, Point, PointType, Table
from drivers.modbus.registers import BlockDecoder
from drivers.modbus.words import Words
from tests.campaigns.rows import Row

N_POINTS = 75
FASTER = 20.0
# the fastest of many short series: other work on the machine only ever makes a series slower
N_SERIES = 400
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
    """Decode one answer again and again; the helpers give raw numbers, the block gives checked and scaled values."""
    block = points()
    at = Address(table=Table.HOLDING, register=0)
    decoder = BlockDecoder(PlannedRead(at=at, count=block[-1].end, points=block))
    registers = [37 * number % 30_000 for number in range(block[-1].end)]
    spans = [(point.at.register, point.end, TYPES[point.coding.type]) for point in block]
    bad: dict[str, str] = {}

    def helpers() -> None:
        for first, end, type_ in spans:
            AsyncModbusTcpClient.convert_from_registers(registers[first:end], type_)

    words = Words(struct.pack(f">{len(registers)}H", *registers))
    values_us = _least_us(lambda: decoder.values(words.data, bad), n=50)
    named_us = _least_us(lambda: decoder.decode(words), n=50)
    helpers_us = _least_us(helpers, n=3)
    assert not bad
    ratio = helpers_us / values_us
    what = f"{N_POINTS} points in {block[-1].end} registers"
    yield Row(id="drivers.decode_us", what=f"registers to checked values, {what}", value=values_us, unit="us")
    yield Row(id="drivers.decode_named_us", what=f"the same, by name, {what}", value=named_us, unit="us")
    yield Row(id="drivers.helpers_us", what=f"pymodbus convert_from_registers, {what}", value=helpers_us, unit="us")
    yield Row(
        id="drivers.decode",
        what="checked values against raw numbers of pymodbus' helpers",
        value=ratio,
        unit="times",
        target=f">= {FASTER:g}",
        met=ratio >= FASTER,
    )


def _least_us(work: Callable[[], object], *, n: int) -> float:
    return min(timeit.repeat(work, number=n, repeat=N_SERIES)) / n * 1e6
