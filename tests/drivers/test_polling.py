"""A device served by hand, without a line: each request gets the answer that the test decides."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from drivers.battery.pcs import PcsDevice
from drivers.genset.tank import TankGauge
from drivers.modbus.coding import Table
from drivers.modbus.link import ModbusLink
from drivers.modbus.mapfile import load_map
from drivers.modbus.requests import Answer, Answered, ExceptionAnswer, Read, Request, Station, Write
from drivers.modbus.turns import Member, Turn, next_turn
from drivers.sim.wire.bank import RegisterBank
from drivers.sim.wire.framing import READ_HOLDING, READ_INPUT, ExceptionCode
from ems.model.readings import PcsReading, TankReading
from tests.drivers.clock import SteppedClock
from tests.drivers.rig import LINK, PlantDevice, build, device_spec, link_spec, pcs

# a life counter must be read often, so a map of slow blocks has none
LIFELESS = ('[points.life_counter]\nat = "holding:12"\ntype = "uint16"\nstale_after_s = 5.0', "")
Objection = Callable[[Request], int | None]
SHIPPED = Path(__file__).parents[2] / "drivers" / "maps"


class Line:
    """Gives a device its turns and answers from a register bank; `objection` may answer with an exception."""

    def __init__(self, map_: str, plant: PlantDevice, *, maps: Sequence[Path] = (), watchdog_s: float = 12.0) -> None:
        self.clock = SteppedClock()
        self.objection: Objection = lambda _request: None
        links = {LINK: ModbusLink(link_spec(1), clock=self.clock)}
        driver = "genset.tank" if "tank" in map_ else "battery.pcs"
        spec = device_spec(map_, driver=driver, watchdog_s=watchdog_s)
        self.device = build(spec, clock=self.clock, links=links, maps=maps)
        self.bank = RegisterBank(load_map(map_, tuple(maps)), plant, clock=self.clock)
        assert isinstance(self.device, PcsDevice | TankGauge)
        self._station: Station = self.device
        self._station.connected(self.clock.monotonic_s())

    async def serve(self, duration_s: float) -> None:
        """Serve every job that comes due, ten times a second."""
        for _ in range(round(duration_s * 10)):
            await self.clock.run(0.1)
            now_s = self.clock.monotonic_s()
            while isinstance(turn := next_turn([Member(self._station)], now_s), Turn):
                request = turn.job.request(now_s)
                if request is not None:
                    turn.job.done(self._answer(request, now_s))

    def _answer(self, request: Request, now_s: float) -> Answer:
        code = self.objection(request)
        if code is not None:
            return ExceptionAnswer(code, now_s)
        register = request.at.register
        match request:
            case Write(registers=words, function=function):
                self.bank.write(function, register, words)
                return Answered((), now_s)
            case Read(count=count):
                function = READ_HOLDING if request.at.table is Table.HOLDING else READ_INPUT
                registers = self.bank.read(function, register, count)
                assert not isinstance(registers, ExceptionCode)
                return Answered(registers, now_s)


def site_map(directory: Path, shipped: str, name: str, *changes: tuple[str, str]) -> list[Path]:
    """Write a variant of a shipped map and return where maps are to be looked for."""
    text = (SHIPPED / f"{shipped}.toml").read_text(encoding="utf-8").replace(f'id = "{shipped}"', f'id = "{name}"')
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    (directory / f"{name}.toml").write_text(text, encoding="utf-8")
    return [directory]


def slow_only(request: Request, *, code: int) -> int | None:
    return code if request.at.register == 200 else None


@pytest.mark.parametrize(("code", "reason"), [(6, None), (2, "exception 2 (no such register)")])
async def test_a_slow_block_that_fails_does_not_hold_up_the_fast_values(code: int, reason: str | None) -> None:
    line = Line("generic-pcs", pcs(power_kw=321.0))
    line.objection = lambda request: slow_only(request, code=code)

    await line.serve(2.0)

    reading = line.device.reading()
    assert isinstance(reading, PcsReading)
    assert (reading.power_kw, reading.discharge_wh) == (321.0, None)
    assert line.device.trouble() is None
    assert reading.bad.get("discharge_wh") == reason


async def test_a_slow_block_that_stops_answering_ages_out_while_the_fast_values_go_on() -> None:
    line = Line("generic-pcs", pcs(charge_wh=42))
    await line.serve(1.0)
    line.objection = lambda request: slow_only(request, code=6)

    await line.serve(14.0)
    kept = line.device.reading()
    await line.serve(3.0)
    aged = line.device.reading()

    assert isinstance(kept, PcsReading)
    assert isinstance(aged, PcsReading)
    # three slow periods of 5 s
    assert (kept.charge_wh, aged.charge_wh) == (42, None)
    assert aged.bad["charge_wh"].startswith("not read for 1")
    assert aged.power_kw == 500.0


async def test_a_block_with_its_own_period_is_read_seldom_and_its_values_count_for_three_of_them(
    tmp_path: Path,
) -> None:
    counters = ('count = 8\nspeed = "slow"', "count = 8\nevery_s = 60.0")
    line = Line("seldom-pcs", pcs(charge_wh=42), maps=site_map(tmp_path, "generic-pcs", "seldom-pcs", counters))
    reads: list[float] = []

    def note(request: Request) -> None:
        if request.at.register == 200:
            reads.append(line.clock.monotonic_s())

    line.objection = note
    await line.serve(125.0)
    kept = line.device.reading()
    line.objection = lambda request: slow_only(request, code=6)
    await line.serve(180.0)
    aged = line.device.reading()

    assert isinstance(kept, PcsReading)
    assert isinstance(aged, PcsReading)
    assert [round(later - sooner) for sooner, later in pairwise(reads)] == [60, 60]
    assert (kept.charge_wh, kept.power_kw) == (42, 500.0)
    assert (aged.charge_wh, aged.power_kw) == (None, 500.0)
    assert aged.bad["charge_wh"].startswith("not read for 18")


async def test_what_is_read_seldom_does_not_hold_up_the_first_reading(tmp_path: Path) -> None:
    counters = ('count = 8\nspeed = "slow"', "count = 8\nevery_s = 60.0")
    line = Line("seldom-pcs", pcs(), maps=site_map(tmp_path, "generic-pcs", "seldom-pcs", counters))
    line.objection = lambda request: slow_only(request, code=6)

    await line.serve(1.0)

    reading = line.device.reading()
    assert isinstance(reading, PcsReading)
    assert (reading.power_kw, reading.charge_wh) == (500.0, None)
    assert reading.bad["charge_wh"] == "not read yet"


async def test_a_device_with_slow_blocks_only_is_read_with_the_slow_period(tmp_path: Path) -> None:
    maps = site_map(tmp_path, "generic-tank", "slow-tank", ('"fast"', '"slow"'), LIFELESS)
    plant = PlantDevice({"fuel_l": 1000.0})
    line = Line("slow-tank", plant, maps=maps)
    await line.serve(1.0)
    first = line.device.reading()
    plant.shown["fuel_l"] = 900.0

    await line.serve(3.0)
    same = line.device.reading()
    await line.serve(2.0)
    second = line.device.reading()

    assert isinstance(first, TankReading)
    assert isinstance(second, TankReading)
    assert (first.fuel_l, second.fuel_l) == (1000.0, 900.0)
    assert same is first
    assert line.device.trouble() is None


async def test_trouble_with_a_slow_only_device_is_told(tmp_path: Path) -> None:
    maps = site_map(tmp_path, "generic-tank", "slow-tank", ('"fast"', '"slow"'), LIFELESS)
    line = Line("slow-tank", PlantDevice({"fuel_l": 1000.0}), maps=maps)
    line.objection = lambda request: 6 if request.at.register == 10 else None

    await line.serve(1.0)

    assert line.device.reading() is None
    assert line.device.trouble() == "exception 6 (busy)"


async def test_without_a_heartbeat_register_the_setpoint_itself_is_renewed_within_the_watchdog(tmp_path: Path) -> None:
    table = '[heartbeat]\nat = "holding:510"\nvolatile = true'
    maps = site_map(tmp_path, "generic-pcs", "mute-pcs", (table, ""), ('"heartbeat", ', ""))
    plant = pcs()
    line = Line("mute-pcs", plant, maps=maps, watchdog_s=11.0)
    await line.serve(0.5)
    assert isinstance(line.device, PcsDevice)

    for _ in range(10):
        line.device.set_power(100.0, valid_until_s=line.clock.monotonic_s() + 15.0)
        await line.serve(1.0)

    # with the first renewal after a fourth part of 11 s: at 0, 3, 6 and 9 s
    assert plant.commanded("power_kw") == [100.0] * 4
    assert plant.commanded("heartbeat") == []


async def test_a_refused_heartbeat_is_told() -> None:
    line = Line("generic-pcs", pcs())
    line.objection = lambda request: 2 if request.at.register == 510 else None
    await line.serve(0.5)
    assert isinstance(line.device, PcsDevice)

    line.device.set_power(100.0, valid_until_s=line.clock.monotonic_s() + 15.0)
    await line.serve(1.0)

    assert line.device.trouble() == "the heartbeat is refused: exception 2 (no such register)"


async def test_a_device_whose_watchdog_cannot_be_set_is_read_but_not_commanded() -> None:
    plant = pcs()
    line = Line("generic-pcs", plant)
    line.objection = lambda request: 2 if request.at.register == 511 else None
    await line.serve(2.0)
    assert isinstance(line.device, PcsDevice)

    line.device.set_power(100.0, valid_until_s=line.clock.monotonic_s() + 15.0)

    outcome = line.device.outcome()
    assert line.device.reading() is not None
    assert line.device.trouble() == "the watchdog time cannot be set: exception 2 (no such register)"
    assert outcome is not None
    assert outcome.outcome == "refused"
    assert plant.commanded("power_kw") == []


async def test_a_device_that_refuses_its_fast_registers_is_in_trouble() -> None:
    line = Line("generic-pcs", pcs())
    line.objection = lambda request: 4 if request.at.register == 100 else None

    await line.serve(3.0)

    assert line.device.reading() is None
    assert line.device.trouble() == "exception 4 (device failure)"
