"""`ems devices read` and `watch` on the wire twin."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from drivers.modbus.coding import Address, Table
from drivers.modbus.mapfile import load_map
from drivers.sim.wire.faults import Faults
from drivers.sim.wire.panels import unit_registers
from drivers.sim.wire.server import WireServer
from drivers.sim.wire.sunspec.bank import SunSpecBank
from ems.app.commissioning.audit import AuditLog
from ems.app.commissioning.endpoints import Reach
from ems.app.commissioning.read import ReadResult, read, watch
from ems.app.commissioning.rows import PointRow, changes, document_number, reading_rows
from ems.app.commissioning.targets import Target, endpoint_target
from ems.app.commissioning.write import write
from ems.cli_watch import watcher
from ems.errors import ConfigError, DeviceUnreachableError
from ems.model.readings import TankReading
from tests.commissioning.devices import serving, timed
from tests.drivers.clock import SteppedClock
from tests.drivers.rig import RATED_KW, PlantDevice, device_spec, pcs


@asynccontextmanager
async def served_pcs(clock: SteppedClock, plant: PlantDevice) -> AsyncIterator[tuple[WireServer, Target]]:
    bank = unit_registers(load_map("generic-pcs", ()), plant, clock=clock)
    async with serving({3: bank}, clock=clock) as server:
        yield (
            server,
            endpoint_target(f"127.0.0.1:{server.port}", map_name="generic-pcs", unit=3, reach=Reach(), maps=()),
        )


def row(result: ReadResult, point: str) -> PointRow:
    return next(row for row in result.rows if row.point == point)


@pytest.mark.wire
async def test_every_point_comes_with_its_registers_value_unit_and_place() -> None:
    clock = SteppedClock()
    async with served_pcs(clock, pcs(power_kw=-800.0)) as (_, target):
        result = await timed(asyncio.create_task(read(target, clock=clock)), clock)

    power = row(result, "power_kw")
    assert (power.at, power.document) == ("input:104", "30105")
    # 800 000 W = 0x000C3500, low word first
    assert power.words == (0x3500, 0x000C)
    assert (power.value, power.unit, power.quality) == (-800.0, "kW", "good")
    assert row(result, "serial").value == "S-0001"
    assert row(result, "forming").value is True
    assert {each.point for each in result.rows} >= {*load_map("generic-pcs", ()).points, "manufacturer", "model"}
    assert all(each.age_s < 5.0 for each in result.rows)


@pytest.mark.wire
async def test_a_value_that_is_no_value_says_why() -> None:
    clock = SteppedClock()
    async with served_pcs(clock, pcs(power_kw=None, frequency_hz=65.5)) as (_, target):
        result = await timed(asyncio.create_task(read(target, clock=clock)), clock)

    power, frequency = row(result, "power_kw"), row(result, "frequency_hz")
    assert (power.value, power.quality) == (None, "bad")
    assert "not available" in power.reason
    assert (frequency.value, frequency.quality) == (None, "bad")
    assert frequency.reason == "65.5 is outside 40..65"


@pytest.mark.wire
async def test_a_device_that_does_not_answer_is_an_error_with_its_reason() -> None:
    clock = SteppedClock()
    async with served_pcs(clock, pcs()) as (server, target):
        await server.set_faults(Faults(mute=True))
        with pytest.raises(DeviceUnreachableError, match="no answer within 1 s"):
            await timed(asyncio.create_task(read(target, clock=clock)), clock)


@pytest.mark.wire
async def test_watching_marks_what_has_changed_and_survives_silence() -> None:
    clock = SteppedClock()
    results: list[ReadResult] = []
    async with served_pcs(clock, plant := pcs(power_kw=100.0)) as (server, target):
        work = asyncio.create_task(watch(target, every_s=2.0, n_rounds=4, clock=clock, told=results.append))
        await clock.until(lambda: len(results) == 1)
        plant.shown["power_kw"] = 200.0
        await clock.until(lambda: len(results) == 2)
        await server.set_faults(Faults(mute=True))
        await clock.until(lambda: len(results) == 3)
        await server.set_faults(Faults())
        await timed(work, clock)

    assert results[0].changed == frozenset()
    assert "power_kw" in results[1].changed
    assert "setpoint_kw" not in results[1].changed
    assert (row(results[2], "power_kw").value, row(results[2], "power_kw").quality) == (None, "bad")
    assert row(results[3], "power_kw").value == 200.0


@pytest.mark.wire
async def test_lines_in_a_file_hold_everything_once_and_then_what_has_changed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = SteppedClock()
    results: list[ReadResult] = []
    async with served_pcs(clock, plant := pcs(power_kw=100.0)) as (_, target):
        work = asyncio.create_task(watch(target, every_s=2.0, n_rounds=2, clock=clock, told=results.append))
        await clock.until(lambda: len(results) == 1)
        plant.shown["power_kw"] = 200.0
        await timed(work, clock)
    with watcher(as_json=False) as told:
        told(results[0])
        n_first = len(capsys.readouterr().out.splitlines())
        told(results[1])

    later = capsys.readouterr().out
    assert n_first == len(results[0].rows)
    assert "power_kw  200  kW" in later
    assert "serial" not in later


def test_a_row_has_changed_with_its_value_or_its_quality() -> None:
    def one(value: float | None, quality: str) -> PointRow:
        return PointRow(
            point="p", at=None, document=None, words=None, value=value, unit=None, quality=quality, reason="", age_s=0.0
        )

    assert changes([one(1.0, "good")], [one(1.0, "good")]) == frozenset()
    assert changes([one(1.0, "good")], [one(2.0, "good")]) == {"p"}
    assert changes([one(None, "bad")], [one(None, "not available")]) == {"p"}


@pytest.mark.parametrize(
    ("table", "register", "number"),
    [
        (Table.INPUT, 0, "30001"),
        (Table.HOLDING, 500, "40501"),
        (Table.HOLDING, 9998, "49999"),
        (Table.HOLDING, 40000, "440001"),
    ],
)
def test_documents_count_registers_from_1_with_the_table_in_front(table: Table, register: int, number: str) -> None:
    assert document_number(Address(table=table, register=register)) == number


def test_an_endpoint_without_a_map_is_refused() -> None:
    with pytest.raises(ConfigError, match="ems devices scan"):
        endpoint_target("192.0.2.1:502", map_name="", unit=1, reach=Reach(), maps=())


@pytest.mark.wire
async def test_a_device_that_describes_itself_is_read_and_commanded_by_its_driver(tmp_path: Path) -> None:
    clock = SteppedClock()
    plant = PlantDevice(
        {"power_kw": 1400.0, "available_kw": 1400.0, "limit_kw": 2000.0, "energy_wh": 12_345_000},
        follows={"limit_kw": "limit_kw"},
    )
    spec = device_spec("", driver="sunspec.pv", map=None)
    bank = SunSpecBank(clock=clock)
    bank.add(spec, plant, rated_kw=RATED_KW)
    async with serving({1: bank}, clock=clock) as server:
        target = endpoint_target(f"127.0.0.1:{server.port}", map_name="sunspec.pv", unit=1, reach=Reach(), maps=())
        result = await timed(asyncio.create_task(read(target, clock=clock)), clock)
        work = write(
            target,
            "limit_kw",
            900.0,
            for_s=0.0,
            audit=AuditLog(tmp_path / "audit.jsonl", clock),
            forced="",
            ask=lambda _: True,
            clock=clock,
        )
        written = await timed(asyncio.create_task(work), clock)

    assert row(result, "power_kw").value == pytest.approx(1400.0, abs=1.0)
    assert row(result, "power_kw").words is None
    assert written.done, written.text
    assert plant.commanded("limit_kw")[-1] == pytest.approx(900.0, abs=1.0)


def test_a_driver_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match="no driver is called"):
        endpoint_target("192.0.2.1:502", map_name="sunspec.pw", unit=1, reach=Reach(), maps=())


@pytest.mark.parametrize("fault", [Faults(zero=True), Faults(sentinel=True)])
@pytest.mark.wire
async def test_a_device_whose_registers_all_read_alike_gets_a_hint(fault: Faults) -> None:
    clock = SteppedClock()
    async with served_pcs(clock, pcs()) as (server, target):
        healthy = await timed(asyncio.create_task(read(target, clock=clock)), clock)
        await server.set_faults(fault)
        result = await timed(asyncio.create_task(read(target, clock=clock)), clock)

    assert (healthy.document["hint"], "registers read" in healthy.text) == (None, False)
    if fault.zero:
        assert "registers read 0x0000: the device still starts" in str(result.document["hint"])
        assert str(result.document["hint"]) in result.text


def test_no_value_is_shown_as_minus_nothing() -> None:
    reading = TankReading(device_id="t", at_s=0.0, fuel_l=-0.0)

    (fuel,) = (each for each in reading_rows(reading, now_s=0.0) if each.point == "fuel_l")

    assert fuel.cells()[4] == "0"
    assert json.dumps(fuel.value) == "0.0"
