"""Recorded answers: decoded without a device, replayed to any client, and read back from their file."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from pymodbus.client import AsyncModbusTcpClient

from drivers.modbus.inquiry import Inquiry
from drivers.modbus.link import ModbusLink
from drivers.modbus.mapfile import load_map, map_names
from drivers.modbus.readout import PointReading, Quality, read_out
from drivers.modbus.sunspec.readout import ChainReadout
from drivers.modbus.trace import Exchange, Recorder, Trace, load_trace
from drivers.sim.wire.framing import READ_HOLDING, ExceptionCode
from drivers.sim.wire.replay import ReplayedUnit, replayed_units
from ems.app.commissioning.endpoints import Reach, endpoint_link, running
from ems.app.commissioning.replay import Stage, replay
from ems.app.commissioning.trace import record, record_link
from ems.errors import ConfigError
from ems.model.device import SunSpecSpec
from ems.runtime.clock import SystemClock
from tests.commissioning.devices import PlainRegisters, serving, sunspec_words, timed
from tests.commissioning.record_traces import HOME
from tests.commissioning.test_read import served_pcs
from tests.drivers.clock import SteppedClock
from tests.drivers.rig import pcs

RECORDED = sorted(file.stem for file in HOME.glob("*.jsonl"))
HEAD = '{"format": "ems-modbus-trace", "version": 1, "recorded": "", "endpoint": "", "framing": "tcp"}\n'


def words(at: int, *values: int, t_s: float = 0.0, unit: int = 1) -> Exchange:
    return Exchange(t_s=t_s, took_s=0.0, unit=unit, function=3, at=at, count=len(values), words=values)


async def played(name: str) -> dict[str, PointReading]:
    """Return what the drivers' own link and codec read from a replayed trace."""
    clock = SteppedClock()
    trace = load_trace(HOME / f"{name}.jsonl")
    (unit,) = trace.maps
    async with serving(replayed_units(trace, clock=clock), clock=clock) as server:
        link = ModbusLink(endpoint_link(f"127.0.0.1:{server.port}", Reach()), clock=clock)
        inquiry = Inquiry(unit, link)
        async with running(link):
            readings = await timed(asyncio.create_task(read_out(inquiry, load_map(trace.maps[unit], ()))), clock)
    return {reading.point.name: reading for reading in readings}


def test_every_shipped_map_has_a_recorded_trace() -> None:
    assert set(map_names(())) == set(RECORDED)


@pytest.mark.wire
@pytest.mark.parametrize("name", RECORDED)
async def test_a_recorded_device_is_decoded_to_the_values_that_it_had(name: str) -> None:
    expected: dict[str, Any] = json.loads((HOME / f"{name}.values.json").read_text(encoding="utf-8"))

    readings = await played(name)

    for point, value in expected.items():
        reading = readings[point]
        assert reading.quality is Quality.GOOD, f"{point}: {reading.reason}"
        if isinstance(value, float):
            step = abs(reading.point.coding.scale)
            assert reading.value == pytest.approx(value, abs=step / 2 + 1e-9, rel=1e-6)
        else:
            assert reading.value == (tuple(value) if isinstance(value, list) else value)


@pytest.mark.wire
async def test_a_recording_holds_every_answer_with_its_time_and_survives_its_file(tmp_path: Path) -> None:
    clock = SteppedClock()
    async with served_pcs(clock, plant := pcs(power_kw=100.0)) as (_, target):
        work = asyncio.create_task(record_link([target], every_s=5.0, n_rounds=2, clock=clock))
        await clock.run(3.0)
        plant.shown["power_kw"] = -100.0
        trace = await timed(work, clock)
    file = tmp_path / "pcs.jsonl"
    file.write_text(trace.text(), encoding="utf-8")

    loaded = load_trace(file)

    assert loaded == trace
    assert loaded.maps == {3: "generic-pcs"}
    polls = [each for each in loaded.exchanges if each.at == 100]
    assert len(polls) == 2
    assert polls[1].t_s - polls[0].t_s == pytest.approx(5.0, abs=0.2)
    assert polls[0].words is not None
    assert polls[0].words != polls[1].words


@pytest.mark.wire
async def test_a_device_without_a_map_is_recorded_with_all_its_models() -> None:
    clock = SteppedClock()
    recorder = Recorder(clock.monotonic_s())
    chain = sunspec_words((103, 50), (64001, 250))
    async with serving({1: PlainRegisters({40000: chain})}, clock=clock) as server:
        link = ModbusLink(endpoint_link(f"127.0.0.1:{server.port}", Reach()), clock=clock)
        inquiry = Inquiry(1, link, witness=recorder)
        async with running(link):
            await timed(asyncio.create_task(ChainReadout(inquiry, SunSpecSpec(), clock=clock).ask()), clock)
    unit = ReplayedUnit(recorder.exchanges, clock=clock)

    assert unit.read(READ_HOLDING, 40000, 100) == chain[:100]
    assert unit.read(READ_HOLDING, 40000 + len(chain) - 102, 100) == chain[-102:-2]


def test_registers_change_as_they_did_and_begin_again() -> None:
    clock = SteppedClock()
    unit = ReplayedUnit([words(10, 1, 2), words(10, 3, 4, t_s=5.0), words(20, 9, t_s=7.0)], clock=clock)

    first = unit.read(3, 10, 2)
    asyncio.run(clock.run(5.5))
    second, later = unit.read(3, 11, 1), unit.read(3, 20, 1)
    asyncio.run(clock.run(3.0))
    again = unit.read(3, 10, 2)

    assert (first, second, again) == ([1, 2], [4], [1, 2])
    # what is asked for later exists from the beginning
    assert later == [9]


def test_what_was_never_recorded_does_not_exist_and_nothing_can_be_written() -> None:
    unit = ReplayedUnit([words(10, 1, 2)], clock=SteppedClock())

    assert unit.read(3, 11, 2) is ExceptionCode.ADDRESS
    assert unit.read(4, 10, 1) is ExceptionCode.ADDRESS
    assert unit.write(6, 10, (1,)) is ExceptionCode.FUNCTION


def test_a_request_that_was_refused_is_refused_again() -> None:
    refused = Exchange(t_s=1.0, took_s=0.0, unit=1, function=3, at=10, count=2, exception=6)
    unit = ReplayedUnit([words(10, 1, 2, 3), refused], clock=SteppedClock())

    assert unit.read(3, 10, 2) is ExceptionCode.BUSY
    assert unit.read(3, 10, 3) == [1, 2, 3]


@pytest.mark.wire
async def test_any_client_reads_a_replayed_device(tmp_path: Path) -> None:
    file = tmp_path / "trace.jsonl"
    file.write_text(
        Trace(recorded="", endpoint="", framing="tcp", exchanges=(words(100, 7, 8), words(100, 9, unit=5))).text(),
        encoding="utf-8",
    )
    told: asyncio.Queue[str] = asyncio.Queue()
    task = asyncio.create_task(replay(file, Stage(port=0), clock=SystemClock(), told=told.put_nowait))
    where = await told.get()
    port = int(where.split()[0].rpartition(":")[2])
    client = AsyncModbusTcpClient("127.0.0.1", port=port)
    await client.connect()

    try:
        one = await client.read_holding_registers(100, count=2, device_id=1)
        five = await client.read_holding_registers(100, count=1, device_id=5)
        nothing = await client.read_holding_registers(200, count=1, device_id=1)
    finally:
        client.close()
        task.cancel()
        await asyncio.wait({task})

    assert (one.registers, five.registers) == ([7, 8], [9])
    assert nothing.isError()


@pytest.mark.wire
async def test_devices_of_several_links_are_recorded_into_a_directory(tmp_path: Path) -> None:
    clock = SteppedClock()
    async with served_pcs(clock, pcs()) as (_, one), served_pcs(clock, pcs()) as (_, other):
        result = await timed(
            asyncio.create_task(record([one, other], out=tmp_path / "out", every_s=1.0, n_rounds=1, clock=clock)), clock
        )

        with pytest.raises(ConfigError, match="need a directory"):
            await record([one, other], out=tmp_path / "file.jsonl", every_s=1.0, n_rounds=1, clock=clock)

    assert result.answered
    assert len(list((tmp_path / "out").glob("*.jsonl"))) == 2


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("{}\n", 1),
        (HEAD.replace("1,", "2,"), 1),
        (HEAD + "nonsense\n", 2),
        (HEAD + '{"t_s": 0, "took_s": 0, "unit": 1, "function": 3, "at": 0, "count": 2, "words": [1]}\n', 2),
        (HEAD + '{"t_s": 0, "took_s": 0, "unit": 1, "function": 3, "at": 0, "count": 1, "words": [70000]}\n', 2),
        (HEAD + '{"t_s": 0, "took_s": 0, "unit": 1, "function": 3, "at": 0, "count": 1}\n', 2),
        (HEAD + '{"t_s": -1, "took_s": 0, "unit": 1, "function": 3, "at": 0, "count": 1, "exception": 2}\n', 2),
        (HEAD + '{"t_s": 0, "took_s": 0, "unit": 999, "function": 3, "at": 0, "count": 1, "exception": 2}\n', 2),
    ],
)
def test_a_file_that_is_no_trace_is_refused_with_its_line(tmp_path: Path, text: str, line: int) -> None:
    file = tmp_path / "trace.jsonl"
    file.write_text(text, encoding="utf-8")

    with pytest.raises(ConfigError) as refused:
        load_trace(file)

    assert refused.value.problems[0].line == line
