"""The twin's servers: frames and functions by the protocol, checked with another Modbus stack, and faults."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.pdu import ExceptionResponse

from drivers.modbus.link import ModbusLink
from drivers.modbus.mapfile import load_map
from drivers.sim.wire.bank import RegisterBank, TwinDevice
from drivers.sim.wire.endpoints import WireTwin
from drivers.sim.wire.faults import Faults
from drivers.sim.wire.framing import ExceptionCode, ReadRegisters, WriteRegisters, parse_request
from drivers.sim.wire.server import WireServer
from ems.errors import ConfigError
from tests.drivers.clock import SteppedClock
from tests.drivers.rig import PlantDevice, background, build, device_spec, link_spec, meter, pcs


@asynccontextmanager
async def serving(map_: str, plant: TwinDevice) -> AsyncIterator[WireServer]:
    clock = SteppedClock()
    units = {1: RegisterBank(load_map(map_, ()), plant, clock=clock)}
    async with WireServer("127.0.0.1", 0, units=units, clock=clock) as server:
        yield server


@asynccontextmanager
async def foreign_client(server: WireServer) -> AsyncIterator[AsyncModbusTcpClient]:
    client = AsyncModbusTcpClient("127.0.0.1", port=server.port, retries=0, timeout=5)
    assert await client.connect()
    try:
        yield client
    finally:
        client.close()


async def say(server: WireServer, *messages: str) -> list[str]:
    """Send each message (hex) and return what came back until the server waits or hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    answers = []
    try:
        for message in messages:
            writer.write(bytes.fromhex(message))
            async with asyncio.timeout(5.0):
                answers.append((await reader.read(300)).hex())
    finally:
        writer.close()
    return answers


@pytest.mark.wire
async def test_another_modbus_stack_reads_both_tables() -> None:
    async with serving("generic-pcs", pcs(power_kw=-800.0)) as server, foreign_client(server) as client:
        power = await client.read_input_registers(104, count=2, device_id=1)
        name = await client.read_input_registers(0, count=3, device_id=1)
        counter = await client.read_input_registers(200, count=4, device_id=1)

    # 800 000 W of charging, low word first
    assert power.registers == [0x3500, 0x000C]
    assert name.registers == [0x4D61, 0x6B65, 0x7200]
    # 9 876 543 210 123 = 0x0000 08FB 8FD9 828B
    assert counter.registers == [0x828B, 0x8FD9, 0x08FB, 0x0000]


@pytest.mark.wire
async def test_another_modbus_stack_writes_with_both_functions() -> None:
    block, converter = PlantDevice({"limit_kw": 0.0}), pcs()
    async with serving("generic-pv", block) as server, foreign_client(server) as client:
        single = await client.write_register(40, 12345, device_id=1)
    async with serving("generic-pcs", converter) as server, foreign_client(server) as client:
        several = await client.write_registers(500, [0x3500, 0x000C], device_id=1)

    assert not single.isError()
    assert not several.isError()
    assert block.commanded("limit_kw") == [pytest.approx(1234.5)]
    assert converter.commanded("power_kw") == [pytest.approx(-800.0)]


@pytest.mark.wire
@pytest.mark.parametrize(
    ("function", "register", "words", "code"),
    [
        (6, 500, [5], 1),  # the PCS takes function 16 only
        (16, 505, [5], 2),  # no such register
        (16, 500, [5], 3),  # half of a 32-bit command
        (16, 501, [5], 2),  # the other half
    ],
)
async def test_a_write_that_the_device_does_not_take_is_answered_with_its_exception(
    function: int, register: int, words: list[int], code: int
) -> None:
    plant = pcs()
    async with serving("generic-pcs", plant) as server, foreign_client(server) as client:
        if function == 6:
            answer = await client.write_register(register, words[0], device_id=1)
        else:
            answer = await client.write_registers(register, words, device_id=1)

    assert isinstance(answer, ExceptionResponse)
    assert answer.exception_code == code
    assert plant.commands == []


@pytest.mark.wire
async def test_registers_that_the_device_does_not_have_and_unknown_units_are_exceptions() -> None:
    async with serving("generic-pcs", pcs()) as server, foreign_client(server) as client:
        missing = await client.read_input_registers(109, count=2, device_id=1)
        other_table = await client.read_holding_registers(104, count=2, device_id=1)
        stranger = await client.read_input_registers(104, count=2, device_id=9)

    assert [answer.exception_code for answer in (missing, other_table, stranger)] == [2, 2, 11]


@pytest.mark.wire
async def test_what_was_written_can_be_read_again() -> None:
    async with serving("generic-pcs", pcs()) as server, foreign_client(server) as client:
        await client.write_registers(510, [7], device_id=1)
        await client.write_registers(511, [12], device_id=1)
        answer = await client.read_holding_registers(510, count=2, device_id=1)

    assert answer.registers == [7, 12]


@pytest.mark.wire
async def test_frames_on_the_wire_are_those_of_the_protocol() -> None:
    async with serving("generic-meter", meter(850.5)) as server:
        answers = await say(
            server,
            "0001 0000 0006 01 03 0BB8 0002",  # 850.5 as float32 is 0x4454A000
            "0002 0000 0006 01 03 0BB8 0000",  # no registers asked for
            "0003 0000 0003 01 2B 0E",  # a function that it does not know
            "0004 0000 0008 01 10 0BB8 0001 02 00",  # a byte is missing
        )

    assert answers == ["0001000000070103044454a000", "000200000003018303", "00030000000301ab01", "000400000003019003"]


@pytest.mark.wire
async def test_a_client_that_speaks_something_else_is_hung_up_on() -> None:
    async with serving("generic-meter", meter()) as server:
        answers = await say(server, b"GET / HTTP/1.1\r\n\r\n".hex())

    assert answers == [""]


@pytest.mark.parametrize(
    ("pdu", "request_"),
    [
        ("04 0064 000A", ReadRegisters(4, 100, 10)),
        ("03 0064 007E", ExceptionCode.VALUE),
        ("03 0064", ExceptionCode.VALUE),
        ("06 0064 00FF", WriteRegisters(6, 100, (255,))),
        ("06 0064", ExceptionCode.VALUE),
        ("10 0064 0002 04 0001 0002", WriteRegisters(16, 100, (1, 2))),
        ("10 0064 0002 02 0001", ExceptionCode.VALUE),
        ("10 0064", ExceptionCode.VALUE),
        ("05 0064 FF00", WriteRegisters(5, 100, (1,))),
        ("05 0064 0000", WriteRegisters(5, 100, (0,))),
        ("05 0064 0001", ExceptionCode.VALUE),
        ("01 0064 07D0", ReadRegisters(1, 100, 2000)),
        ("02 0064 07D1", ExceptionCode.VALUE),
        # ten coils: 0xCD 0x01 is 1011 0011 1 0, the first lowest (protocol specification, 6.11)
        ("0F 0013 000A 02 CD01", WriteRegisters(15, 19, (1, 0, 1, 1, 0, 0, 1, 1, 1, 0))),
        ("0F 0013 000A 01 CD", ExceptionCode.VALUE),
        ("08 0064 FF00", ExceptionCode.FUNCTION),
    ],
)
def test_requests_are_understood_or_refused(pdu: str, request_: ReadRegisters | WriteRegisters | ExceptionCode) -> None:
    assert parse_request(bytes.fromhex(pdu)) == request_


@pytest.mark.wire
async def test_faults_come_and_go_while_the_server_runs() -> None:
    request = "0001 0000 0006 01 03 0BB8 0002"
    async with serving("generic-meter", meter(850.5)) as server:
        await server.set_faults(Faults(exception_code=4))
        failing = await say(server, request)
        await server.set_faults(Faults(missing_registers=1))
        short = await say(server, request)
        await server.set_faults(Faults(garbage=True))
        garbage = await say(server, request)
        await server.set_faults(Faults(exception_code=4, units=frozenset({2})))
        other_unit = await say(server, request)

    assert failing == ["000100000003018304"]
    assert short == ["0001000000050103024454"]
    assert bytes.fromhex(garbage[0]).startswith(b"HTTP/1.1 400")
    assert other_unit == ["0001000000070103044454a000"]


@pytest.mark.wire
async def test_a_refusing_server_takes_nobody_and_comes_back_at_the_same_port() -> None:
    async with serving("generic-meter", meter(850.5)) as server:
        port = server.port
        await server.set_faults(Faults(refuse=True))
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)

        await server.set_faults(Faults())
        answers = await say(server, "0001 0000 0006 01 03 0BB8 0002")

    assert server.port == port
    assert answers == ["0001000000070103044454a000"]


def test_a_frozen_bank_shows_the_values_of_before() -> None:
    clock, plant = SteppedClock(), meter(850.5)
    bank = RegisterBank(load_map("generic-meter", ()), plant, clock=clock)
    before = bank.read(3, 3000, 5)
    plant.shown["load_kw"] = 1.0

    frozen = bank.read(3, 3000, 5, Faults(frozen=True))
    fresh = bank.read(3, 3000, 5)

    assert frozen == before
    assert fresh != before


def test_the_registers_saturate_where_a_value_does_not_fit() -> None:
    bank = RegisterBank(load_map("generic-bms", ()), PlantDevice({"max_charge_kw": 9999.0}), clock=SteppedClock())

    assert bank.read(3, 1003, 1) == [0xFFFF]


@pytest.mark.wire
async def test_a_twin_serves_the_devices_of_a_site_behind_its_links() -> None:
    clock = SteppedClock()
    specs = [
        device_spec("generic-pcs", id="a-pcs", link="a"),
        device_spec("generic-meter", id="a-m", link="a", unit=2),
        device_spec("generic-meter", id="b-m", link="b", unit=7),
    ]
    plant = {"a-pcs": pcs(power_kw=11.0), "a-m": meter(22.0), "b-m": meter(33.0)}
    async with WireTwin([link_spec(0, id=name) for name in "ab"], specs, plant, clock=clock) as twin:
        ports = {name: server.port for name, server in twin.servers.items() if isinstance(server, WireServer)}
        links = {name: ModbusLink(link_spec(ports[name], id=name), clock=clock) for name in "ab"}
        devices = {spec.id: build(spec, clock=clock, links=links) for spec in specs}
        async with background(links["a"].run()), background(links["b"].run()):
            await clock.until(lambda: all(device.reading() is not None for device in devices.values()))

            await twin.set_faults("b", Faults(mute=True))
            await clock.run(5.0)

            troubles = {name for name, device in devices.items() if device.trouble() is not None}
    readings = [device.reading() for device in devices.values()]
    powers = [getattr(reading, "power_kw", getattr(reading, "load_kw", None)) for reading in readings]
    assert powers == [11.0, 22.0, 33.0]
    assert troubles == {"b-m"}


async def test_a_twin_with_a_map_that_does_not_exist_is_refused() -> None:
    spec = device_spec("no-such-map")

    with pytest.raises(ConfigError, match="no register map is called 'no-such-map'"):
        WireTwin([link_spec(0)], [spec], {spec.id: pcs()}, clock=SteppedClock())
