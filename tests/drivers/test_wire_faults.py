"""The fault layer of the wire twin: which request a fault strikes, and what it does to the answer."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from drivers.modbus.mapfile import load_map
from drivers.sim.wire.bank import RegisterBank
from drivers.sim.wire.corruption import GARBAGE, spoiled
from drivers.sim.wire.faultlayer import FaultLayer
from drivers.sim.wire.faults import NO_FAULTS, Faults, joined
from drivers.sim.wire.framing import READ_INPUT, WRITE_MULTIPLE, Frame, TcpFramer
from drivers.sim.wire.server import WireServer
from tests.drivers.clock import SteppedClock
from tests.drivers.rig import PlantDevice, meter, pcs

READ_LOAD = bytes.fromhex("0007 0000 0006 01 03 0BB8 0002")
LOAD = bytes.fromhex("0007 0000 0007 01 03 04 4454A000")
ANSWER = Frame(7, 1, bytes.fromhex("03 04 4454A000"))


@asynccontextmanager
async def served_meter() -> AsyncIterator[tuple[SteppedClock, WireServer]]:
    clock = SteppedClock()
    units = {1: RegisterBank(load_map("generic-meter", ()), meter(850.5), clock=clock)}
    async with WireServer("127.0.0.1", 0, units=units, clock=clock) as server:
        yield clock, server


@asynccontextmanager
async def client(server: WireServer) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        yield reader, writer
    finally:
        writer.close()


def spoil(faults: Faults, *, seed: int = 1) -> tuple[bytes, ...]:
    return spoiled(ANSWER, faults, encode=TcpFramer().encode, dice=random.Random(seed))


def strikes(layer: FaultLayer, n_requests: int) -> list[int]:
    return [number for number in range(1, n_requests + 1) if layer.of_request(1).mute]


def test_a_fault_strikes_every_nth_request_of_the_units_that_it_concerns() -> None:
    layer = FaultLayer(clock=SteppedClock(), seed="line")
    layer.set((Faults(mute=True, every_nth=3, units=frozenset({1})),))

    struck = strikes(layer, 9)

    assert struck == [3, 6, 9]
    assert layer.of_request(2) == NO_FAULTS


def test_chance_is_repeatable_and_strikes_about_as_often_as_it_says() -> None:
    runs = []
    for _ in range(2):
        layer = FaultLayer(clock=SteppedClock(), seed="line")
        layer.set((Faults(mute=True, probability_frac=0.25),))
        runs.append(strikes(layer, 1000))

    assert runs[0] == runs[1]
    assert 200 <= len(runs[0]) <= 300


async def test_a_fault_with_a_duration_ends_by_itself() -> None:
    clock = SteppedClock()
    layer = FaultLayer(clock=clock, seed="line")
    layer.set((Faults(mute=True, lasts_s=5.0), Faults(zero=True)))

    await clock.run(4.9)
    during = layer.of_request(1)
    await clock.run(0.2)

    assert (during.mute, during.zero) == (True, True)
    assert layer.present == (Faults(zero=True),)
    assert layer.of_request(1) == Faults(zero=True)


def test_faults_of_one_request_are_joined_with_the_larger_time_and_code() -> None:
    several = (Faults(delay_s=0.5, split=True), Faults(delay_s=0.2, exception_code=4), Faults(units=frozenset({3})))

    assert joined(several) == Faults(delay_s=0.5, split=True, exception_code=4)
    assert joined(()) == NO_FAULTS


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"mute": true, "speed": 1}', "speed"),
        ('{"delay_s": -1}', "delay_s"),
        ('{"delay_s": NaN}', "delay_s"),
        ('{"exception_code": 0}', "exception_code"),
        ('{"probability_frac": 1.5}', "probability_frac"),
        ('{"units": [300]}', "units"),
        ("[]", "Faults"),
    ],
)
def test_faults_that_cannot_be_are_refused_by_their_name(text: str, place: str) -> None:
    with pytest.raises(ValidationError, match=place):
        TypeAdapter(Faults).validate_json(text)


def test_faults_are_read_from_json() -> None:
    text = '{"units": [1, 2], "lasts_s": 30, "bit_flip": true, "probability_frac": 0.1}'

    faults = TypeAdapter(Faults).validate_json(text)

    assert faults == Faults(units=frozenset({1, 2}), lasts_s=30.0, bit_flip=True, probability_frac=0.1)


def test_an_answer_without_faults_goes_out_as_it_is() -> None:
    assert spoil(NO_FAULTS) == (LOAD,)


def test_bytes_are_spoiled_as_the_fault_says() -> None:
    assert spoil(Faults(garbage=True)) == (GARBAGE,)
    assert spoil(Faults(doubled=True)) == (LOAD + LOAD,)
    assert spoil(Faults(wrong_transaction=True)) == (b"\0\6" + LOAD[2:],)
    assert spoil(Faults(wrong_unit=True)) == (LOAD[:6] + b"\2" + LOAD[7:],)


@given(seed=st.integers(0, 10_000))
def test_cuts_and_turned_bits_fall_anywhere_in_the_frame(seed: int) -> None:
    (short,) = spoil(Faults(truncate=True), seed=seed)
    first, second = spoil(Faults(split=True), seed=seed)
    (turned,) = spoil(Faults(bit_flip=True), seed=seed)

    assert LOAD.startswith(short)
    assert 0 < len(short) < len(LOAD)
    assert first + second == LOAD
    assert first
    assert second
    assert sum((old ^ new).bit_count() for old, new in zip(LOAD, turned, strict=True)) == 1


@pytest.mark.parametrize(
    ("faults", "registers"),
    [
        (Faults(zero=True), "0000 0000"),
        (Faults(ones=True), "FFFF FFFF"),
        (Faults(sentinel=True), "7FC0 0000"),
    ],
)
@pytest.mark.wire
async def test_registers_of_an_answer_are_replaced(faults: Faults, registers: str) -> None:
    async with served_meter() as (_, server), client(server) as (reader, writer):
        await server.set_faults(faults)
        writer.write(READ_LOAD)

        answer = await reader.readexactly(len(LOAD))

    assert answer == LOAD[:9] + bytes.fromhex(registers)


@pytest.mark.wire
async def test_a_late_answer_comes_while_the_next_request_is_served() -> None:
    async with served_meter() as (clock, server), client(server) as (reader, writer):
        await server.set_faults(Faults(late_s=2.0, every_nth=2))
        for number in b"\1\2\3":
            writer.write(b"\0" + bytes((number,)) + READ_LOAD[2:])
            await clock.run(0.5)
        await clock.run(2.0)

        answers = [await reader.readexactly(len(LOAD)) for _ in range(3)]

    assert [answer[1] for answer in answers] == [1, 3, 2]


@pytest.mark.wire
async def test_a_server_that_hangs_up_takes_the_next_connection() -> None:
    async with served_meter() as (_, server):
        await server.set_faults(Faults(disconnect=True))
        async with client(server) as (reader, writer):
            writer.write(READ_LOAD)
            hung_up = await reader.read()
        await server.set_faults()
        async with client(server) as (reader, writer):
            writer.write(READ_LOAD)
            answer = await reader.readexactly(len(LOAD))

    assert (hung_up, answer) == (b"", LOAD)


@pytest.mark.wire
async def test_a_refusal_with_a_duration_opens_the_port_again() -> None:
    async with served_meter() as (clock, server):
        await server.set_faults(Faults(refuse=True, lasts_s=3.0))
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", server.port)

        await clock.run(3.1)
        async with client(server) as (reader, writer):
            writer.write(READ_LOAD)
            answer = await reader.readexactly(len(LOAD))

    assert answer == LOAD
    assert server.faults == ()


def converter(plant: PlantDevice) -> RegisterBank:
    return RegisterBank(load_map("generic-pcs", ()), plant, clock=SteppedClock())


# 400 kW of charging, 400 000 W with the low word first
WRITTEN = (0x1A80, 0x0006)


def setpoint(bank: RegisterBank, faults: Faults) -> tuple[int, ...]:
    words = bank.read(READ_INPUT, 106, 2, faults)
    assert isinstance(words, list)
    return tuple(words)


@pytest.mark.parametrize("faults", [Faults(ignore_writes=True), Faults(local=True)])
def test_a_write_that_is_ignored_is_confirmed_and_forgotten(faults: Faults) -> None:
    plant = pcs()
    bank = converter(plant)
    before = setpoint(bank, faults)

    refusal = bank.write(WRITE_MULTIPLE, 500, WRITTEN, faults)

    assert (refusal, plant.commands) == (None, [])
    assert setpoint(bank, faults) == before


def test_a_deaf_device_shows_a_setpoint_that_it_does_not_follow() -> None:
    plant = pcs()
    bank = converter(plant)

    bank.write(WRITE_MULTIPLE, 500, WRITTEN, Faults(deaf=True))

    assert plant.commands == []
    assert setpoint(bank, Faults(deaf=True)) == WRITTEN
    assert setpoint(bank, NO_FAULTS) != WRITTEN


def test_a_deaf_device_still_hears_the_heartbeat_and_shows_its_registers() -> None:
    plant = pcs()
    bank = converter(plant)
    deaf = Faults(deaf=True)

    refusals = [bank.write(WRITE_MULTIPLE, register, (7,), deaf) for register in (510, 511)]

    assert refusals == [None, None]
    assert plant.commands == [("heartbeat", 7.0), ("watchdog_s", 7.0)]
    assert bank.read(READ_INPUT, 101, 1, deaf) == bank.read(READ_INPUT, 101, 1, NO_FAULTS)


def test_a_device_under_local_control_says_so() -> None:
    bank = converter(pcs(remote=True))

    assert bank.read(READ_INPUT, 101, 1, Faults(local=True)) == [0]
    assert bank.read(READ_INPUT, 101, 1) == [1]


def test_every_fault_is_explained_where_it_is_defined() -> None:
    assert [field.name for field in fields(Faults) if f"`{field.name}`" not in (Faults.__doc__ or "")] == []
