"""The twin's serial frames: over TCP, and over a pseudo-terminal; checked with another Modbus stack."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pymodbus import FramerType
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ModbusIOException

from drivers.modbus.mapfile import load_map
from drivers.sim.wire.bank import RegisterBank
from drivers.sim.wire.faults import Faults
from drivers.sim.wire.framing import Frame
from drivers.sim.wire.rtu import RtuFramer, crc16
from drivers.sim.wire.serial import SerialServer
from drivers.sim.wire.server import WireServer
from ems.model.device import Framing
from tests.drivers.clock import SteppedClock
from tests.drivers.rig import PlantDevice, meter, pcs

# "MODBUS over Serial Line" V1.02 gives CRC 0x1241 for 02 07; the low byte goes first
GUIDE = (bytes.fromhex("02 07"), bytes.fromhex("41 12"))
READ = bytes.fromhex("01 03 0BB8 0002")
# 850.5 as float32 is 0x4454A000
ANSWER = bytes.fromhex("01 03 04 4454 A000")


def framed(body: bytes) -> bytes:
    return body + crc16(body)


async def frames_of(*chunks: bytes) -> list[Frame]:
    """Return the frames that are understood when the bytes come in these pieces."""
    reader, framer, frames = asyncio.StreamReader(), RtuFramer(), []
    for chunk in chunks:
        reader.feed_data(chunk)
        task = asyncio.ensure_future(framer.read(reader))
        for _ in range(3):
            await asyncio.sleep(0)
        if task.done() and (frame := task.result()) is not None:
            frames.append(frame)
        task.cancel()
    return frames


def test_the_crc_is_that_of_the_guide() -> None:
    data, crc = GUIDE

    assert crc16(data) == crc


@pytest.mark.parametrize("cut", range(1, 8))
async def test_a_request_is_understood_however_it_is_cut(cut: int) -> None:
    data = framed(READ)

    assert await frames_of(data[:cut], data[cut:]) == [Frame(0, 1, READ[1:])]


async def test_a_write_of_several_registers_ends_where_its_count_says() -> None:
    body = bytes.fromhex("05 10 01F4 0002 04 3500 000C")

    assert await frames_of(framed(body)) == [Frame(0, 5, body[1:])]


@pytest.mark.parametrize("bit", range(8 * 8))
async def test_a_flipped_bit_never_passes(bit: int) -> None:
    damaged = bytearray(framed(READ))
    damaged[bit // 8] ^= 1 << bit % 8

    assert await frames_of(bytes(damaged)) == []


async def test_after_a_damaged_frame_the_next_one_is_understood() -> None:
    damaged = framed(READ)[:-1] + b"\0"

    assert await frames_of(damaged, framed(READ)) == [Frame(0, 1, READ[1:])]


@asynccontextmanager
async def over_tcp(plant: PlantDevice, map_: str) -> AsyncIterator[WireServer]:
    clock = SteppedClock()
    units = {1: RegisterBank(load_map(map_, ()), plant, clock=clock)}
    async with WireServer("127.0.0.1", 0, units=units, clock=clock, framing=Framing.RTU_OVER_TCP) as server:
        yield server


@asynccontextmanager
async def on_a_line(device: Path, plant: PlantDevice, map_: str) -> AsyncIterator[SerialServer]:
    clock = SteppedClock()
    units = {1: RegisterBank(load_map(map_, ()), plant, clock=clock)}
    async with SerialServer(device, units=units, clock=clock) as server:
        yield server


@pytest.mark.wire
async def test_another_modbus_stack_reads_and_writes_serial_frames_over_tcp() -> None:
    async with over_tcp(plant := pcs(power_kw=-800.0), "generic-pcs") as server:
        client = AsyncModbusTcpClient("127.0.0.1", port=server.port, framer=FramerType.RTU, retries=0, timeout=5)
        assert await client.connect()
        read = await client.read_input_registers(104, count=2, device_id=1)
        written = await client.write_registers(500, [0x3500, 0x000C], device_id=1)
        missing = await client.read_input_registers(109, count=2, device_id=1)
        client.close()

    assert read.registers == [0x3500, 0x000C]
    assert not written.isError()
    assert plant.commanded("power_kw") == [pytest.approx(-800.0)]
    assert missing.exception_code == 2


@pytest.mark.wire
async def test_another_modbus_stack_reads_a_serial_line(tmp_path: Path) -> None:
    device = tmp_path / "line"
    async with on_a_line(device, meter(850.5), "generic-meter") as server:
        client = AsyncModbusSerialClient(str(server.device), baudrate=19200, retries=0, timeout=5)
        assert await client.connect()
        first = await client.read_holding_registers(3000, count=2, device_id=1)
        client.close()
        # the line is still there for the next client
        assert await client.connect()
        second = await client.read_holding_registers(3000, count=2, device_id=1)
        client.close()

    assert first.registers == second.registers == [0x4454, 0xA000]
    assert not device.is_symlink()


@pytest.mark.wire
async def test_nobody_answers_for_a_unit_that_is_not_on_the_line() -> None:
    async with over_tcp(meter(850.5), "generic-meter") as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(framed(b"\x09" + READ[1:]) + framed(READ))
        answer = await reader.readexactly(len(framed(ANSWER)))
        writer.close()

    assert answer == framed(ANSWER)


@pytest.mark.wire
async def test_a_line_that_is_unplugged_ends_for_its_client_and_comes_back(tmp_path: Path) -> None:
    device = tmp_path / "line"
    async with on_a_line(device, meter(850.5), "generic-meter") as server:
        client = AsyncModbusSerialClient(str(device), retries=0, timeout=0.2, reconnect_delay=0)
        assert await client.connect()
        await server.set_faults(Faults(refuse=True))
        with pytest.raises(ModbusIOException):
            await client.read_holding_registers(3000, count=2, device_id=1)
        unplugged = device.exists()
        client.close()

        await server.set_faults(Faults())
        assert await client.connect()
        answer = await client.read_holding_registers(3000, count=2, device_id=1)
        client.close()

    assert not unplugged
    assert answer.registers == [0x4454, 0xA000]
