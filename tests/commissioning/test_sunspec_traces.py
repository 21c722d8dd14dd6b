"""Devices that describe themselves: recorded with their models, and replayed to the drivers that read them."""

import asyncio
import json
from pathlib import Path

import pytest

from drivers.modbus.link import ModbusLink
from drivers.modbus.trace import Trace, load_trace
from drivers.sim.wire.replay import replayed_units
from ems.app.commissioning.endpoints import Reach, endpoint_link
from ems.app.commissioning.trace import record_link
from ems.model.device import SunSpecSpec
from ems.ports import Device
from tests.commissioning.devices import serving, timed
from tests.commissioning.record_sunspec_traces import HOME, RECORDED, Subject, served, target_of
from tests.drivers.clock import SteppedClock
from tests.drivers.rig import IDENTITY, LINK, background, build

pytestmark = pytest.mark.wire


async def played(trace: Trace, subject: Subject) -> tuple[Device, dict[str, object]]:
    """Return a driver that has read a replayed trace, and the fields of its reading."""
    clock = SteppedClock()
    async with serving(replayed_units(trace, clock=clock), clock=clock) as server:
        link = ModbusLink(endpoint_link(f"127.0.0.1:{server.port}", Reach()), clock=clock)
        device = build(subject.spec(), clock=clock, links={LINK: link})
        async with background(link.run()):
            await clock.until(lambda: device.reading() is not None)
            # slow points come with a round of their own
            await clock.run(6.0)
    reading = device.reading()
    return device, {name: getattr(reading, name) for name in subject.fields}


def test_every_family_has_a_recorded_trace() -> None:
    assert {file.stem for file in HOME.glob("*.jsonl")} == set(RECORDED)


@pytest.mark.parametrize("name", RECORDED)
async def test_a_recorded_device_is_read_by_its_driver_with_the_values_that_it_had(name: str) -> None:
    values = json.loads((HOME / f"{name}.values.json").read_text(encoding="utf-8"))

    device, read = await played(load_trace(HOME / f"{name}.jsonl"), RECORDED[name])

    assert read == {
        field: value if isinstance(value, bool | int) else pytest.approx(value, abs=0.01)
        for field, value in values.items()
    }
    assert device.identity() == {**IDENTITY, "firmware": "1.0"}  # type: ignore[attr-defined]


@pytest.mark.parametrize("base", [0, 50000])
async def test_a_device_is_recorded_wherever_its_models_begin_and_replayed_there(tmp_path: Path, base: int) -> None:
    clock, subject = SteppedClock(), RECORDED["pv-700"]
    async with serving({1: served(subject, clock, base=base)}, clock=clock) as server:
        work = record_link([target_of(subject, server.port)], every_s=5.0, n_rounds=3, clock=clock)
        trace = await timed(asyncio.create_task(work), clock)
    file = tmp_path / "pv.jsonl"
    file.write_text(trace.text(), encoding="utf-8")

    _, read = await played(load_trace(file), subject)

    assert load_trace(file).maps == {1: "sunspec.pv"}
    assert read["power_kw"] == 1400.0
    # the chain is walked once, its models are asked for in every round
    markers = [each for each in trace.exchanges if each.at == base and each.count == 2]
    models = [each for each in trace.exchanges if each.count == 66 + 2]
    assert (len(markers), len(models)) == (1, 3)


async def test_only_the_configured_place_of_the_models_is_asked() -> None:
    clock, subject = SteppedClock(), RECORDED["meter"]
    async with serving({1: served(subject, clock, base=50000)}, clock=clock) as server:
        target = target_of(
            Subject(
                driver=subject.driver,
                sunspec=SunSpecSpec(power_sign=-1, base=50000),
                plant=subject.plant,
                fields=subject.fields,
            ),
            server.port,
        )
        trace = await timed(asyncio.create_task(record_link([target], every_s=1.0, n_rounds=1, clock=clock)), clock)

    assert min(each.at for each in trace.exchanges) == 50000
