"""The link over serial frames and TLS: what is the same as on Modbus TCP, and what a line asks for beside it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from drivers.battery.pcs import PcsDevice
from drivers.modbus.link import ModbusLink
from drivers.modbus.mapfile import load_map
from drivers.modbus.rtuframes import crc_bytes
from drivers.modbus.silence import silence_s
from drivers.modbus.statistics import ErrorKind
from drivers.sim.wire.bank import RegisterBank
from drivers.sim.wire.endpoints import WireTwin
from drivers.sim.wire.faults import Faults
from drivers.sim.wire.serial import SerialServer
from drivers.sim.wire.server import WireServer
from ems.errors import ConfigError
from ems.model.device import Framing, LinkSpec, Parity, SerialLine, TcpEndpoint, TlsFiles
from ems.model.readings import LoadReading, PcsReading
from ems.ports import Device
from ems.runtime.clock import SystemClock
from tests.drivers.certificates import Certificate, certificate
from tests.drivers.clock import SteppedClock
from tests.drivers.rig import LINK, PlantDevice, Rig, background, build, device_spec, link_spec, meter, pcs, running

pytestmark = pytest.mark.wire
RTU = Framing.RTU_OVER_TCP
NAME = "plc.example"


def load_kw(device: Device) -> float | None:
    reading = device.reading()
    return reading.load_kw if isinstance(reading, LoadReading) else None


def age_s(rig: Rig, unit: int = 1) -> float:
    reading = rig.devices[unit].reading()
    assert reading is not None
    return rig.clock.monotonic_s() - reading.at_s


async def all_read(rig: Rig) -> None:
    await rig.clock.until(lambda: all(device.reading() for device in rig.devices.values()))


async def test_a_device_is_read_and_commanded_in_serial_frames() -> None:
    async with running((device_spec("generic-pcs"), plant := pcs()), framing=RTU) as rig:
        await rig.first_reading()
        device = rig.device(PcsDevice)

        device.set_power(-300.0, valid_until_s=rig.clock.monotonic_s() + 10.0)
        await rig.clock.until(lambda: device.outcome() is not None)

        reading, outcome, stats = device.reading(), device.outcome(), rig.link.statistics()
    assert isinstance(reading, PcsReading)
    assert reading.setpoint_kw == -300.0
    assert outcome is not None
    assert outcome.outcome == "accepted"
    assert plant.commanded("power_kw") == [-300.0]
    assert stats.n_errors == {}


async def test_a_silent_unit_costs_the_others_on_the_line_neither_the_connection_nor_their_readings() -> None:
    ages: list[float] = []
    specs = [device_spec("generic-meter", unit=unit) for unit in (1, 2, 3)]
    async with running(*((spec, meter()) for spec in specs), framing=RTU) as rig:
        await all_read(rig)
        await rig.fail(mute=True, units=frozenset({2}))
        await rig.clock.run(10.0)
        before = rig.link.statistics()

        for _ in range(200):
            await rig.clock.run(0.1)
            ages += [age_s(rig, 1), age_s(rig, 3)]
        after = rig.link.statistics()

        await rig.heal()
        await rig.clock.until(lambda: age_s(rig, 2) < 1.0, limit_s=6.5)

    assert after.n_connections == 1
    # only the probes of the silent one take time: one time-out in six
    assert max(ages) < 2.5
    assert sum(age > 1.2 for age in ages) < 0.25 * len(ages)
    probes = after.units[2].n_requests - before.units[2].n_requests
    assert 3 <= probes <= 4
    assert after.units[1].n_errors == {}


async def test_a_line_on_which_nobody_answers_is_opened_anew() -> None:
    async with running((device_spec("generic-meter"), meter()), framing=RTU) as rig:
        await rig.first_reading()
        await rig.fail(mute=True)

        await rig.clock.run(30.0)

        stats = rig.link.statistics()
    # two time-outs at first and one every five time-outs, a new connection for every third
    assert 2 <= stats.n_connections <= 4
    assert stats.n_errors[ErrorKind.TIMEOUT] >= 5


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"garbage": True}, ErrorKind.MALFORMED),
        ({"missing_registers": 1}, ErrorKind.SHORT),
        ({"bit_flip": True}, None),
        ({"wrong_unit": True}, ErrorKind.WRONG_UNIT),
        ({"mute": True}, ErrorKind.TIMEOUT),
        ({"truncate": True}, ErrorKind.TIMEOUT),
    ],
)
async def test_what_is_no_proper_answer_never_becomes_a_reading(
    fault: dict[str, Any], kind: ErrorKind | None, caplog: pytest.LogCaptureFixture
) -> None:
    async with running((device_spec("generic-meter"), meter(850.5)), framing=RTU) as rig:
        await rig.fail(**fault)

        await rig.clock.run(10.0)
        reading, trouble, errors = rig.devices[1].reading(), rig.devices[1].trouble(), rig.link.statistics().n_errors
        await rig.heal()
        await rig.clock.until(lambda: load_kw(rig.devices[1]) == 850.5, limit_s=12.0)

    assert reading is None
    assert trouble is not None
    assert sum(errors.values()) >= 2
    assert kind is None or errors[kind] >= 2
    assert caplog.records == []


@pytest.mark.parametrize("fault", [{"split": True}, {"doubled": True}])
async def test_split_and_doubled_answers_are_read_rightly(fault: dict[str, Any]) -> None:
    async with running((device_spec("generic-pcs"), plant := pcs(power_kw=100.0)), framing=RTU) as rig:
        await rig.fail(**fault)
        await rig.first_reading()

        plant.shown["power_kw"] = 200.0
        await rig.clock.run(2.0)

        reading, trouble = rig.devices[1].reading(), rig.devices[1].trouble()
    assert isinstance(reading, PcsReading)
    assert reading.power_kw == 200.0
    assert trouble is None


@pytest.mark.parametrize("late_s", [1.01, 1.05, 1.1, 1.3, 1.6, 1.9, 2.0, 2.1, 2.5, 3.0, 5.9, 6.0, 6.1, 7.0, 12.0])
async def test_an_answer_that_comes_too_late_is_never_used(late_s: float) -> None:
    seen: set[float | None] = set()
    async with running((device_spec("generic-meter"), plant := meter(100.0)), framing=RTU) as rig:
        await rig.first_reading()
        await rig.fail(late_s=late_s)
        for step in range(80):
            # each value is wrong a moment later
            plant.shown["load_kw"] = 1000.0 + step
            await rig.clock.run(0.25)
            seen.add(load_kw(rig.devices[1]))

        plant.shown["load_kw"] = 200.0
        await rig.heal()
        await rig.clock.until(lambda: load_kw(rig.devices[1]) == 200.0, limit_s=20.0)

    assert seen == {100.0}


class LateDevice:
    """A device that answers one read late: in its order, `late_s` after the request, with a value of its own.

    The answers that follow come in their turn, as those of a device do that works on one request after the other.
    """

    def __init__(self, clock: SteppedClock, bank: RegisterBank, *, late_s: float, strikes_at: int) -> None:
        self._clock = clock
        self._bank = bank
        self._late_s = late_s
        self._strikes_at = strikes_at
        self.n_requests = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while len(request := await reader.read(256)) > 0:
                self.n_requests += 1
                function, register = request[1], int.from_bytes(request[2:4], "big")
                count = int.from_bytes(request[4:6], "big")
                words = self._bank.read(function, register, count)
                assert isinstance(words, list)
                if self.n_requests == self._strikes_at:
                    # what the late answer says must never be seen
                    words = [0x4711] * count
                    await self._clock.sleep(self._late_s)
                body = bytes((request[0], function, 2 * count)) + b"".join(word.to_bytes(2, "big") for word in words)
                writer.write(body + crc_bytes(body))
        except ConnectionError:
            pass
        finally:
            writer.close()


@pytest.mark.parametrize("strikes_at", [1, 2, 3, 5])
@pytest.mark.parametrize("late_s", [1.01 + 0.07 * step for step in range(16)])
async def test_one_late_answer_is_never_taken_for_another_at_whatever_moment_it_comes(
    late_s: float, strikes_at: int
) -> None:
    clock, seen = SteppedClock(), set()
    bank = RegisterBank(load_map("generic-meter", ()), meter(100.0), clock=clock)
    late = LateDevice(clock, bank, late_s=late_s, strikes_at=strikes_at)
    async with await asyncio.start_server(late.serve, "127.0.0.1", 0) as server:
        link = ModbusLink(link_spec(server.sockets[0].getsockname()[1], framing=RTU), clock=clock)
        device = build(device_spec("generic-meter", slow_s=2.0), clock=clock, links={LINK: link})
        async with background(link.run()):
            for _ in range(100):
                await clock.run(0.1)
                reading = device.reading()
                if isinstance(reading, LoadReading):
                    seen.add((reading.load_kw, reading.energy_wh))
            trouble, n_requests = device.trouble(), late.n_requests

    assert n_requests > strikes_at
    assert seen <= {(100.0, 123_456_789), (100.0, None)}
    assert seen
    assert trouble is None


async def test_a_command_goes_out_between_the_reads_of_a_full_line() -> None:
    specs = [device_spec("generic-meter", unit=unit, fast_s=0.1) for unit in (2, 3, 4)]
    placed = [(device_spec("generic-pcs", fast_s=0.1), plant := pcs()), *((spec, meter()) for spec in specs)]
    async with running(*placed, framing=RTU) as rig:
        await all_read(rig)
        # four units that are asked for 10 values a second each, 50 ms an answer: half of the polls are late
        await rig.fail(delay_s=0.05)
        await rig.clock.run(5.0)
        took_s = []
        for number in range(10):
            asked_s = rig.clock.monotonic_s()
            rig.device(PcsDevice).set_power(10.0 * number, valid_until_s=asked_s + 10.0)
            n_before = len(plant.commanded("power_kw"))
            await rig.clock.until(lambda n=n_before: len(plant.commanded("power_kw")) > n)  # type: ignore[misc]
            took_s.append(rig.clock.monotonic_s() - asked_s)
            await rig.clock.run(0.33)

    # the read under way, a heartbeat, and the command's own answer
    assert max(took_s) < 0.25


@pytest.mark.parametrize(
    ("endpoint", "silence"),
    [
        (TcpEndpoint(host="h", port=502), 0.0),
        (TcpEndpoint(host="h", port=502, framing=RTU), 0.004),
        # 3.5 characters of 11 bits
        (SerialLine(device="/dev/l", baud=9600, parity=Parity.EVEN, stop_bits=1), 3.5 * 11 / 9600),
        (SerialLine(device="/dev/l", baud=9600, parity=Parity.NONE, stop_bits=1), 3.5 * 10 / 9600),
        (SerialLine(device="/dev/l", baud=115_200, parity=Parity.NONE, stop_bits=2), 0.00175),
    ],
)
def test_frames_of_a_line_are_apart_by_the_silence_of_the_guide(
    endpoint: TcpEndpoint | SerialLine, silence: float
) -> None:
    assert silence_s(endpoint) == pytest.approx(silence)


def serial_spec(device: Path, **changes: Any) -> LinkSpec:  # values of any field
    """Return a line; a pseudo-terminal knows no parity."""
    line = SerialLine(device=str(device), baud=115_200, parity=Parity.NONE, stop_bits=1)
    return replace(link_spec(1), **{"endpoint": line, "timeout_s": 0.3, **changes})


@asynccontextmanager
async def on_a_line(device: Path, **units: PlantDevice) -> AsyncIterator[tuple[SerialServer, dict[str, Device]]]:
    """Run meters on a pseudo-terminal in real time: its bytes go through the kernel at their own pace."""
    clock = SystemClock()
    numbers = {name: number for number, name in enumerate(units, start=1)}
    banks = {
        numbers[name]: RegisterBank(load_map("generic-meter", ()), plant, clock=clock) for name, plant in units.items()
    }
    async with SerialServer(device, units=banks, clock=clock) as server:
        link = ModbusLink(serial_spec(device), clock=clock)
        specs = {name: device_spec("generic-meter", unit=number, fast_s=0.1) for name, number in numbers.items()}
        devices = {name: build(spec, clock=clock, links={LINK: link}) for name, spec in specs.items()}
        async with background(link.run()):
            yield server, devices


async def shows(device: Device, value: float) -> None:
    """Wait for a value; the limit only ends a test that would never end."""
    async with asyncio.timeout(60.0):
        while load_kw(device) != value:  # noqa: ASYNC110 - a device has no event to wait for
            await asyncio.sleep(0.02)


async def test_two_units_are_read_on_a_serial_line(tmp_path: Path) -> None:
    async with on_a_line(tmp_path / "line", first=meter(100.0), second=meter(200.0)) as (_, devices):
        await shows(devices["first"], 100.0)
        await shows(devices["second"], 200.0)


async def test_a_serial_line_that_was_unplugged_is_read_again_after_it_is_back(tmp_path: Path) -> None:
    plant = meter(100.0)
    async with on_a_line(tmp_path / "line", only=plant) as (server, devices):
        await shows(devices["only"], 100.0)
        await server.set_faults(Faults(refuse=True))
        plant.shown["load_kw"] = 200.0
        await server.set_faults()
        await shows(devices["only"], 200.0)


async def test_a_serial_port_that_cannot_be_opened_is_in_trouble(tmp_path: Path) -> None:
    clock = SteppedClock()
    link = ModbusLink(serial_spec(tmp_path / "nothing"), clock=clock)
    device = build(device_spec("generic-meter"), clock=clock, links={LINK: link})
    async with background(link.run()):
        await clock.run(1.0)
        trouble, errors = device.trouble(), link.statistics().n_errors

    assert trouble is not None
    assert "No such file or directory" in trouble
    assert errors == {ErrorKind.NO_CONNECTION: 1}


async def test_a_port_that_refuses_its_settings_is_in_trouble(tmp_path: Path) -> None:
    clock = SteppedClock()
    bank = RegisterBank(load_map("generic-meter", ()), meter(), clock=clock)
    async with SerialServer(tmp_path / "line", units={1: bank}, clock=clock):
        # a pseudo-terminal has no parity
        even = SerialLine(device=str(tmp_path / "line"), baud=9600, parity=Parity.EVEN, stop_bits=1)
        link = ModbusLink(serial_spec(tmp_path / "line", endpoint=even), clock=clock)
        device = build(device_spec("generic-meter"), clock=clock, links={LINK: link})
        async with background(link.run()):
            await clock.run(1.0)
            trouble = device.trouble()

    assert trouble is not None
    assert "Invalid argument" in trouble


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Certificate]:
    directory = tmp_path_factory.mktemp("certificates")
    return {name: certificate(directory, name) for name in (NAME, "controller.example", "stranger.example")}


def tls_spec(port: int, server: Certificate, *, name: str | None = NAME, own: Certificate | None = None) -> LinkSpec:
    files = TlsFiles(
        ca_file=server.cert_file,
        cert_file=None if own is None else own.cert_file,
        key_file=None if own is None else own.key_file,
        server_name=name,
    )
    endpoint = TcpEndpoint(host="127.0.0.1", port=port, framing=Framing.TLS, tls=files)
    return replace(link_spec(port), endpoint=endpoint)


async def trouble_over_tls(spec_of: Any, server: Certificate, **context: Any) -> tuple[str | None, float | None]:
    """Return what a meter behind TLS says and shows; `spec_of` makes the link of the port."""
    clock = SteppedClock()
    bank = RegisterBank(load_map("generic-meter", ()), meter(850.5), clock=clock)
    async with WireServer(
        "127.0.0.1", 0, units={1: bank}, clock=clock, framing=Framing.TLS, tls=server.server_context(**context)
    ) as wire:
        link = ModbusLink(spec_of(wire.port), clock=clock)
        device = build(device_spec("generic-meter"), clock=clock, links={LINK: link})
        async with background(link.run()):
            await clock.run(5.0)
            return device.trouble(), load_kw(device)


async def test_a_device_is_read_over_tls_and_knows_us_by_our_certificate(certificates: dict[str, Certificate]) -> None:
    server, own = certificates[NAME], certificates["controller.example"]

    found = await trouble_over_tls(lambda port: tls_spec(port, server, own=own), server, client=own)

    assert found == (None, 850.5)


async def test_a_device_with_a_certificate_of_somebody_else_is_not_read(certificates: dict[str, Certificate]) -> None:
    server, stranger = certificates[NAME], certificates["stranger.example"]

    trouble, value = await trouble_over_tls(lambda port: tls_spec(port, stranger), server)

    assert value is None
    assert trouble is not None
    assert "certificate verify failed" in trouble.lower()


async def test_a_certificate_for_another_name_is_refused(certificates: dict[str, Certificate]) -> None:
    server = certificates[NAME]

    trouble, value = await trouble_over_tls(lambda port: tls_spec(port, server, name=None), server)

    assert value is None
    assert trouble is not None
    assert "certificate" in trouble.lower()


async def test_a_device_that_asks_for_our_certificate_does_not_talk_without_it(
    certificates: dict[str, Certificate],
) -> None:
    server, own = certificates[NAME], certificates["controller.example"]

    trouble, value = await trouble_over_tls(lambda port: tls_spec(port, server), server, client=own)

    assert value is None
    assert trouble is not None


def test_certificates_that_do_not_belong_together_are_refused(certificates: dict[str, Certificate]) -> None:
    server, own = certificates[NAME], certificates["controller.example"]
    mixed = Certificate(own.cert_file, server.key_file)

    with pytest.raises(ConfigError, match=r"devices.toml: link 'line'.cert_file: the certificates cannot be used"):
        ModbusLink(tls_spec(802, server, own=mixed), clock=SteppedClock())


async def test_a_twin_serves_links_of_every_framing(tmp_path: Path, certificates: dict[str, Certificate]) -> None:
    clock = SystemClock()
    server = certificates[NAME]
    specs = [
        link_spec(0, id="plain"),
        link_spec(0, id="serial-server", framing=RTU),
        replace(tls_spec(0, server), id="secure"),
        serial_spec(tmp_path / "line", id="line"),
    ]
    placed = [device_spec("generic-meter", id=spec.id, link=spec.id, fast_s=0.1) for spec in specs]
    plant = {spec.id: meter(100.0 * number) for number, spec in enumerate(specs, start=1)}
    async with WireTwin(specs, placed, plant, clock=clock, tls=server.server_context()) as twin:
        reached = []
        for spec in specs:
            wire, at = twin.server(spec.id), spec.endpoint
            if isinstance(wire, WireServer) and isinstance(at, TcpEndpoint):
                at = replace(at, port=wire.port)
            reached.append(replace(spec, endpoint=at))
        links = {spec.id: ModbusLink(spec, clock=clock) for spec in reached}
        devices = [build(spec, clock=clock, links=links) for spec in placed]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(link.run()) for link in links.values()]
            for number, device in enumerate(devices, start=1):
                await shows(device, 100.0 * number)
            for task in tasks:
                task.cancel()
