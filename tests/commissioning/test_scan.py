"""`ems devices scan` against devices on loopback, on a clock that the test moves."""

import asyncio
import itertools
from pathlib import Path

import pytest

from drivers.modbus.mapfile import load_map, map_names
from drivers.sim.wire.bank import RegisterBank, UnitRegisters
from drivers.sim.wire.faults import Faults
from drivers.sim.wire.panels import unit_registers
from drivers.sim.wire.serial import SerialServer
from drivers.sim.wire.server import WireServer
from ems.app.commissioning.endpoints import Reach, endpoint_link, parse_units, scanned_endpoint
from ems.app.commissioning.scan import ScanResult, scan
from ems.errors import ConfigError
from ems.model.device import Framing, Parity, SerialLine, TcpEndpoint
from ems.runtime.clock import SystemClock
from tests.commissioning.devices import PlainRegisters, serving, sunspec_words, timed
from tests.commissioning.record_traces import shown_fields, shown_values
from tests.drivers.certificates import certificate
from tests.drivers.clock import SteppedClock
from tests.drivers.rig import PlantDevice, pcs

pytestmark = pytest.mark.wire

INVERTER = sunspec_words((103, 50), (120, 26), (123, 24))
NAMED_MAP = """
[device]
id = "acme-pcs"
source = "Acme register list 4.2, section 3, for tests"
class = "pcs"
[endpoint]
max_registers = 100
word_order = "big"
[identity.model]
at = "holding:0"
length = 4
expect = "{expect}"
[[blocks]]
at = "holding:100"
count = 2
speed = "fast"
[points.power_kw]
at = "holding:100"
type = "int32"
valid = [-100, 100]
"""


async def scanned(
    server: WireServer,
    clock: SteppedClock,
    *,
    units: str | None = None,
    maps: tuple[Path, ...] = (),
    timeout_s: float = 1.0,
) -> ScanResult:
    endpoint = f"127.0.0.1:{server.port}"
    work = scan(endpoint, units=units, reach=Reach(timeout_s=timeout_s), maps=maps, clock=clock)
    return await timed(asyncio.create_task(work), clock)


async def test_a_sunspec_device_is_described_in_full() -> None:
    clock = SteppedClock()
    async with serving({1: PlainRegisters({40000: INVERTER})}, clock=clock) as server:
        result = await scanned(server, clock)

        endpoint = f"127.0.0.1:{server.port}"
    assert result.answered
    assert result.document == {
        "endpoint": endpoint,
        "framing": "tcp",
        "units": [
            {
                "unit": 1,
                "sunspec": {"base": 40000, "models": [1, 103, 120, 123]},
                "manufacturer": "SunMaker",
                "model": "SM-50",
                "serial": "SN-0815",
                "firmware": "1.4.2",
                "maps": [],
                "errors": [],
            }
        ],
    }


async def test_devices_behind_a_serial_server_are_scanned_in_its_framing() -> None:
    clock = SteppedClock()
    units = {number: PlainRegisters({40000: INVERTER}) for number in (10, 12)}
    async with serving(units, clock=clock, framing=Framing.RTU_OVER_TCP) as server:
        work = scan(
            f"127.0.0.1:{server.port}", units="10-12", reach=Reach(framing="rtu-over-tcp", timeout_s=0.5), clock=clock
        )
        result = await timed(asyncio.create_task(work), clock)

    found = {unit["unit"]: unit for unit in result.document["units"]}  # type: ignore[attr-defined]
    assert result.document["framing"] == "rtu-over-tcp"
    assert [found[unit]["sunspec"] is not None for unit in (10, 11, 12)] == [True, False, True]


async def test_devices_on_a_serial_line_are_scanned(tmp_path: Path) -> None:
    # in real time: the bytes go through the kernel at their own pace
    clock = SystemClock()
    units = {number: PlainRegisters({40000: INVERTER}) for number in (1, 3)}
    port = str(tmp_path / "line")
    async with SerialServer(tmp_path / "line", units=units, clock=clock):
        # a pseudo-terminal has no parity
        reach = Reach(framing="rtu", baud=115_200, parity="none", timeout_s=5.0)
        result = await scan(scanned_endpoint("", port=port, reach=reach), units="1,3", reach=reach)

    assert (result.document["endpoint"], result.document["framing"]) == (port, "rtu")
    found = result.document["units"]
    assert [(unit["unit"], unit["serial"], unit["errors"]) for unit in found] == [  # type: ignore[attr-defined]
        (1, "SN-0815", []),
        (3, "SN-0815", []),
    ]


async def test_a_device_behind_tls_is_scanned_by_its_certificate(tmp_path: Path) -> None:
    clock = SteppedClock()
    server, stranger = certificate(tmp_path, "plc.example"), certificate(tmp_path, "stranger.example")
    found = []
    async with WireServer(
        "127.0.0.1",
        0,
        units={1: PlainRegisters({40000: INVERTER})},
        clock=clock,
        framing=Framing.TLS,
        tls=server.server_context(),
    ) as wire:
        for trusted in (server, stranger):
            reach = Reach(framing="tls", ca_file=trusted.cert_file, server_name="plc.example")
            work = scan(f"127.0.0.1:{wire.port}", units="1", reach=reach, clock=clock)
            found.append(await timed(asyncio.create_task(work), clock))

    assert [result.answered for result in found] == [True, False]
    assert found[0].document["units"][0]["model"] == "SM-50"  # type: ignore[index]
    assert "certificate verify failed" in found[1].text


@pytest.mark.parametrize("base", [0, 50000])
async def test_the_chain_is_found_at_its_other_places(base: int) -> None:
    clock = SteppedClock()
    async with serving({1: PlainRegisters({base: INVERTER})}, clock=clock) as server:
        result = await scanned(server, clock)

    assert result.document["units"][0]["sunspec"] == {"base": base, "models": [1, 103, 120, 123]}  # type: ignore[index]


async def test_a_device_that_needs_50_ms_an_answer_is_scanned_within_15_s() -> None:
    clock = SteppedClock()
    chain = sunspec_words(*[(64000 + number, 30) for number in range(90)])
    slow = Faults(delay_s=0.05)
    async with serving({1: PlainRegisters({40000: chain})}, clock=clock, faults=slow) as server:
        before_s = clock.monotonic_s()
        result = await scanned(server, clock)

        took_s = clock.monotonic_s() - before_s
    assert len(result.document["units"][0]["sunspec"]["models"]) == 91  # type: ignore[index]
    assert took_s <= 15.0


async def test_the_maps_that_fit_are_named() -> None:
    clock = SteppedClock()
    bank = RegisterBank(load_map("generic-pcs", ()), pcs(), clock=clock)
    async with serving({1: bank}, clock=clock) as server:
        result = await scanned(server, clock)

    unit = result.document["units"][0]  # type: ignore[index]
    assert unit["maps"] == ["generic-pcs"]
    assert (unit["manufacturer"], unit["model"], unit["serial"]) == ("Maker", "M1", "S-0001")
    assert unit["firmware"] is None
    assert unit["sunspec"] is None


@pytest.mark.parametrize(("expect", "fits"), [("AB-12", True), ("AB-[0-9]+", True), ("AB-13", False), ("AB", False)])
async def test_a_map_of_the_site_fits_by_the_text_that_it_expects(tmp_path: Path, expect: str, fits: bool) -> None:  # noqa: FBT001
    (tmp_path / "acme-pcs.toml").write_text(NAMED_MAP.format(expect=expect), encoding="utf-8")
    clock = SteppedClock()
    registers = PlainRegisters({0: [0x4142, 0x2D31, 0x3200, 0], 100: [0, 0]})
    async with serving({1: registers}, clock=clock) as server:
        result = await scanned(server, clock, maps=(tmp_path,))

    unit = result.document["units"][0]  # type: ignore[index]
    assert unit["maps"] == (["acme-pcs"] if fits else [])


async def test_a_device_that_is_not_unit_1_is_found_as_0_or_255() -> None:
    clock = SteppedClock()
    async with serving({255: PlainRegisters({40000: INVERTER})}, clock=clock) as server:
        result = await scanned(server, clock)

    assert [unit["unit"] for unit in result.document["units"]] == [255]  # type: ignore[attr-defined]


async def served_silently(clock: SteppedClock, units: dict[int, UnitRegisters]) -> tuple[ScanResult, int, float]:
    """Return what a scan finds of units that answer in 50 ms or never, its connections and how long it took, s."""
    n_connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal n_connections
        n_connections += 1
        while header := await reader.read(12):
            unit, function, at, count = header[6], header[7], *(int.from_bytes(header[i : i + 2]) for i in (8, 10))
            words = units[unit].read(function, at, count) if unit in units else None
            if isinstance(words, list):
                await clock.sleep(0.05)
                data = b"".join(word.to_bytes(2) for word in words)
                length = (3 + len(data)).to_bytes(2)
                writer.write(header[:4] + length + bytes([unit, function, len(data)]) + data)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        endpoint = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        before_s = clock.monotonic_s()
        result = await timed(asyncio.create_task(scan(endpoint, units=None, reach=Reach(), clock=clock)), clock)
        return result, n_connections, clock.monotonic_s() - before_s


@pytest.mark.parametrize("unit", [1, 255])
async def test_a_device_that_is_silent_where_it_has_no_registers_is_found_by_its_map(unit: int) -> None:
    clock = SteppedClock()
    bank = RegisterBank(load_map("generic-pcs", ()), pcs(), clock=clock)
    result, n_connections, took_s = await served_silently(clock, {unit: bank})

    found = result.document["units"][0]  # type: ignore[index]
    assert (found["unit"], found["maps"], found["serial"], found["errors"]) == (unit, ["generic-pcs"], "S-0001", [])
    assert n_connections == 1
    assert took_s <= 15.0


@pytest.mark.parametrize("base", [0, 50000])
async def test_a_chain_at_its_other_places_is_found_though_the_device_is_silent_at_the_first(base: int) -> None:
    clock = SteppedClock()
    result, n_connections, took_s = await served_silently(clock, {1: PlainRegisters({base: INVERTER})})

    assert result.document["units"][0]["sunspec"] == {"base": base, "models": [1, 103, 120, 123]}  # type: ignore[index]
    assert n_connections == 1
    assert took_s <= 15.0


@pytest.mark.parametrize("base", [0, 40000, 50000])
async def test_a_long_chain_of_a_silent_device_is_found_at_the_last_unit_in_time(base: int) -> None:
    clock = SteppedClock()
    chain = sunspec_words(*[(64000 + number, 30) for number in range(40)])
    result, n_connections, took_s = await served_silently(clock, {255: PlainRegisters({base: chain})})

    found = result.document["units"][0]  # type: ignore[index]
    assert (found["unit"], found["sunspec"]["base"], len(found["sunspec"]["models"])) == (255, base, 41)
    assert n_connections == 1
    assert took_s <= 15.0


@pytest.mark.parametrize("name", [name for name in map_names(()) if load_map(name, ()).identity])
async def test_a_silent_device_is_found_by_the_identity_of_every_shipped_map(name: str) -> None:
    clock, register_map = SteppedClock(), load_map(name, ())
    values = shown_values(register_map)
    shown = values | shown_fields(register_map.points.values(), values)
    bank = unit_registers(register_map, PlantDevice(shown), clock=clock)
    result, n_connections, took_s = await served_silently(clock, {255: bank})

    found = result.document["units"][0]  # type: ignore[index]
    assert (found["unit"], found["errors"], n_connections) == (255, [], 1)
    assert name in found["maps"] or not register_map.expected
    assert took_s <= 15.0


async def test_only_the_units_asked_for_are_scanned_and_silent_ones_say_so() -> None:
    clock = SteppedClock()
    units = {number: PlainRegisters({40000: INVERTER}) for number in (1, 10, 12)}
    async with serving(units, clock=clock, faults=Faults(units=frozenset({11}), mute=True)) as server:
        result = await scanned(server, clock, units="10-12")

    found = {unit["unit"]: unit for unit in result.document["units"]}  # type: ignore[attr-defined]
    assert list(found) == [10, 11, 12]
    assert found[11]["sunspec"] is None
    assert "no answer within 1 s" in found[11]["errors"][0]
    assert found[12]["sunspec"]["base"] == 40000
    assert units[1].n_reads == 0


async def test_there_is_never_more_than_one_connection() -> None:
    clock = SteppedClock()
    seen: list[int] = []
    async with serving({1: PlainRegisters({40000: INVERTER})}, clock=clock, faults=Faults(mute=True)) as server:
        work = asyncio.create_task(
            scan(f"127.0.0.1:{server.port}", units="1-3", reach=Reach(timeout_s=0.5), clock=clock)
        )
        while not work.done():
            await clock.run(0.1)
            seen.append(server.n_connections)

    assert max(seen) == 1
    assert not work.result().answered


async def test_a_silent_endpoint_is_given_up_and_each_unit_says_why() -> None:
    clock = SteppedClock()
    async with serving({}, clock=clock, faults=Faults(mute=True)) as server:
        result = await scanned(server, clock)

    assert not result.answered
    assert [unit["unit"] for unit in result.document["units"]] == [1, 0, 255]  # type: ignore[attr-defined]
    assert all(unit["errors"] for unit in result.document["units"])  # type: ignore[attr-defined]


@pytest.mark.parametrize("units", [None, "1"])
async def test_a_peer_that_hangs_up_on_every_request_is_given_up_within_15_s(units: str | None) -> None:
    clock = SteppedClock()
    connections_s: list[float] = []

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections_s.append(clock.monotonic_s())
        await reader.read(1)
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        endpoint = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        began_s = clock.monotonic_s()
        result = await timed(asyncio.create_task(scan(endpoint, units=units, reach=Reach(), clock=clock)), clock)
        took_s = clock.monotonic_s() - began_s

    assert not result.answered
    assert all("the connection broke" in unit["errors"][0] for unit in result.document["units"])  # type: ignore[attr-defined]
    # the places of the standard at each unit, and the first of them twice
    assert len(connections_s) == (4 if units else 10)
    assert min(later - earlier for earlier, later in itertools.pairwise(connections_s)) >= 0.99
    assert took_s <= 15.0


async def test_a_device_that_hangs_up_on_registers_that_it_has_not_is_shown() -> None:
    clock = SteppedClock()
    registers = PlainRegisters({0: INVERTER[:-2]})

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while header := await reader.read(12):
            function, at, count = header[7], *(int.from_bytes(header[i : i + 2]) for i in (8, 10))
            words = registers.read(function, at, count)
            if not isinstance(words, list):
                break
            data = b"".join(word.to_bytes(2) for word in words)
            writer.write(header[:4] + (3 + len(data)).to_bytes(2) + bytes([header[6], function, len(data)]) + data)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        endpoint = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        began_s = clock.monotonic_s()
        result = await timed(asyncio.create_task(scan(endpoint, units=None, reach=Reach(), clock=clock)), clock)
        took_s = clock.monotonic_s() - began_s

    unit = result.document["units"][0]  # type: ignore[index]
    assert (unit["unit"], unit["sunspec"]) == (1, {"base": 0, "models": [1, 103, 120, 123]})
    assert unit["serial"] == "SN-0815"
    assert took_s <= 15.0


async def test_a_port_that_refuses_connections_is_given_up() -> None:
    clock = SteppedClock()
    async with serving({}, clock=clock, faults=Faults(refuse=True)) as server:
        result = await scanned(server, clock)

    assert not result.answered
    assert "no connection to 127.0.0.1" in result.document["units"][0]["errors"][0]  # type: ignore[index]


@pytest.mark.parametrize(
    ("words", "models", "error"),
    [
        # a model that reaches beyond the last register
        ([*INVERTER[:70], 103, 0xFFFF], [1], "claims 65535 registers"),
        # nothing follows where the next model should be
        (INVERTER[:70], [1], "breaks off after model 1, at register 40070"),
        (INVERTER[:-2], [1, 103, 120, 123], "breaks off after model 123, at register"),
        # models without content, for ever
        ([*INVERTER[:70], *([7, 0] * 200)], [1, *([7] * 99)], "has no end within 100 models"),
    ],
)
async def test_a_chain_that_lies_is_shown_as_far_as_it_goes_with_the_error(
    words: list[int], models: list[int], error: str
) -> None:
    clock = SteppedClock()
    async with serving({1: PlainRegisters({40000: words})}, clock=clock) as server:
        result = await scanned(server, clock)

    unit = result.document["units"][0]  # type: ignore[index]
    assert unit["sunspec"] == {"base": 40000, "models": models}
    texts = [unit[name] for name in ("manufacturer", "model", "serial", "firmware")]
    assert texts == ["SunMaker", "SM-50", "SN-0815", "1.4.2"]
    assert [each for each in unit["errors"] if error in each], unit["errors"]
    assert "where its chain breaks off" in result.text


@pytest.mark.parametrize(("words", "models"), [([], []), ([103, 2, 0, 0, 0xFFFF, 0], [103])])
async def test_a_chain_without_the_common_model_is_shown_without_texts(words: list[int], models: list[int]) -> None:
    clock = SteppedClock()
    async with serving({1: PlainRegisters({40000: [0x5375, 0x6E53, *words]})}, clock=clock) as server:
        result = await scanned(server, clock)

    unit = result.document["units"][0]  # type: ignore[index]
    assert unit["sunspec"] == {"base": 40000, "models": models}
    assert (unit["manufacturer"], unit["serial"], len(unit["errors"])) == (None, None, 1)


async def test_a_chain_that_ends_in_silence_is_shown_as_far_as_it_goes() -> None:
    clock = SteppedClock()
    result, _, took_s = await served_silently(clock, {1: PlainRegisters({40000: INVERTER[:-2]})})

    unit = result.document["units"][0]  # type: ignore[index]
    assert unit["sunspec"] == {"base": 40000, "models": [1, 103, 120, 123]}
    assert unit["serial"] == "SN-0815"
    assert any("no answer within 1 s" in error for error in unit["errors"])
    assert took_s <= 15.0


@pytest.mark.parametrize(
    ("serial", "error"),
    [
        ("SN\xe9\x1b[31m42", "serial: bytes E9 1B are no text"),
        ("SN\xe9", "serial: byte E9 is no text"),
        ("\xff" * 32, "serial: bytes FF FF FF FF FF FF FF FF ... are no text"),
    ],
)
async def test_a_text_that_is_none_is_an_error_that_names_its_bytes(serial: str, error: str) -> None:
    clock = SteppedClock()
    words = sunspec_words((103, 50), serial=serial)
    async with serving({1: PlainRegisters({40000: words})}, clock=clock) as server:
        result = await scanned(server, clock)

    unit = result.document["units"][0]  # type: ignore[index]
    assert (unit["model"], unit["serial"], unit["errors"]) == ("SM-50", None, [error])


async def test_a_device_that_stops_answering_is_not_asked_for_ever() -> None:
    clock = SteppedClock()
    async with serving({1: PlainRegisters({40000: INVERTER})}, clock=clock) as server:
        work = asyncio.create_task(scan(f"127.0.0.1:{server.port}", units="1", reach=Reach(), clock=clock))
        await clock.until(lambda: server.n_connections > 0)
        await clock.run(0.05)
        await server.set_faults(Faults(mute=True))
        result = await timed(work, clock, limit_s=30.0)

    errors = result.document["units"][0]["errors"]  # type: ignore[index]
    assert any("no answer within 1 s" in error for error in errors)
    assert clock.monotonic_s() < 1030.0


@pytest.mark.parametrize(
    ("text", "units"), [("1", (1,)), ("1,10-12", (1, 10, 11, 12)), ("3, 3,1", (3, 1)), ("0-255", tuple(range(256)))]
)
def test_a_list_of_units_is_read(text: str, units: tuple[int, ...]) -> None:
    assert parse_units(text) == units


@pytest.mark.parametrize("text", ["", "a", "1-", "-1", "12-10", "256", "1,,2", "1;2"])
def test_a_list_that_names_no_units_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is no list of units"):
        parse_units(text)


@pytest.mark.parametrize("endpoint", ["", "host", "host:", ":502", "host:0", "host:65536", "host:port"])
def test_what_is_no_endpoint_is_refused(endpoint: str) -> None:
    with pytest.raises(ConfigError, match="is no endpoint"):
        endpoint_link(endpoint, Reach())


@pytest.mark.parametrize(
    ("reach", "where", "allowed"),
    [
        (Reach(framing="morse"), "--framing", "tcp, rtu-over-tcp, rtu, tls"),
        (Reach(baud=9600), "--baudrate", "--framing rtu"),
        (Reach(framing="rtu", server_name="plc.example"), "--server-name", "--framing tls"),
        (Reach(framing="rtu", parity="mark"), "--parity", "none, even, odd"),
        (Reach(framing="tls"), "--ca-file", "the certificate that signs the device's"),
        (Reach(framing="tls", ca_file=Path("a"), key_file=Path("b")), "--cert-file", "or neither"),
        (Reach(framing="tls", ca_file=Path("no-such-file")), "--ca-file", "PEM form"),
    ],
)
def test_a_way_to_talk_that_is_none_is_refused_by_the_name_of_its_option(
    reach: Reach, where: str, allowed: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        endpoint_link("192.0.2.17:502", reach)

    (problem,) = refused.value.problems
    assert problem.file.startswith(where)
    assert allowed in (problem.allowed or "")


@pytest.mark.parametrize(
    ("endpoint", "port", "framing"), [("", "", "tcp"), ("a:1", "/dev/x", "rtu"), ("", "/dev/x", "tcp"), ("", "", "rtu")]
)
def test_one_place_is_scanned_and_a_serial_port_only_in_its_framing(endpoint: str, port: str, framing: str) -> None:
    with pytest.raises(ConfigError, match="framing rtu"):
        scanned_endpoint(endpoint, port=port, reach=Reach(framing=framing))


def test_a_serial_line_has_the_settings_of_a_link_unless_others_are_given() -> None:
    usual = endpoint_link("/dev/ttyUSB0", Reach(framing="rtu"))
    other = endpoint_link("/dev/ttyUSB0", Reach(framing="rtu", baud=9600, parity="odd", stop_bits=2))

    assert usual.endpoint == SerialLine(device="/dev/ttyUSB0", baud=19_200, parity=Parity.EVEN, stop_bits=1)
    assert other.endpoint == SerialLine(device="/dev/ttyUSB0", baud=9600, parity=Parity.ODD, stop_bits=2)


def test_an_address_in_brackets_is_an_ipv6_address() -> None:
    link = endpoint_link("[::1]:1502", Reach())

    assert link.endpoint == TcpEndpoint(host="::1", port=1502)


async def test_a_unit_that_answers_zero_for_everything_gets_a_hint() -> None:
    clock = SteppedClock()
    async with serving({1: PlainRegisters({0: [0] * 65_536})}, clock=clock) as server:
        result = await scanned(server, clock)

    unit = result.document["units"][0]  # type: ignore[index]
    assert (unit["sunspec"], unit["maps"]) == (None, [])
    assert any("registers read 0x0000: the device still starts" in error for error in unit["errors"])


async def test_an_endpoint_that_takes_no_connection_is_not_tried_for_every_unit() -> None:
    clock = SteppedClock()
    async with serving({}, clock=clock) as server:
        port = server.port
    began_s = clock.monotonic_s()
    work = scan(f"127.0.0.1:{port}", units="1-247", reach=Reach(), clock=clock)

    result = await timed(asyncio.create_task(work), clock)

    units = result.document["units"]
    assert [unit["unit"] for unit in units] == list(range(1, 248))  # type: ignore[attr-defined]
    assert clock.monotonic_s() - began_s <= 5.0
    assert result.text.splitlines()[1] == "no connection"
    assert len(result.text.splitlines()) == 3
