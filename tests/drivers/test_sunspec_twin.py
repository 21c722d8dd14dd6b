"""The twin as a SunSpec device, read by the standard's own client, and its timers."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sunspec2.modbus.client import SunSpecModbusClientDeviceTCP

from drivers.sim.wire.endpoints import WireTwin
from drivers.sim.wire.framing import READ_HOLDING, READ_INPUT, WRITE_MULTIPLE, ExceptionCode
from drivers.sim.wire.server import WireServer
from drivers.sim.wire.sunspec.bank import SunSpecBank
from ems.model.device import DeviceSpec, ModelFamily, SunSpecSpec
from tests.drivers.clock import SteppedClock
from tests.drivers.rig import RATED_KW, PlantDevice, device_spec, link_spec, meter, pcs
from tests.drivers.test_sunspec_devices import BATTERY, pv, spec

BASE = 40000


def bank_of(clock: SteppedClock, *placed: tuple[DeviceSpec, PlantDevice]) -> SunSpecBank:
    bank = SunSpecBank(clock=clock)
    for each, plant in placed:
        bank.add(each, plant, rated_kw=RATED_KW)
    return bank


@asynccontextmanager
async def served(*placed: tuple[DeviceSpec, PlantDevice]) -> AsyncIterator[int]:
    """Serve devices as one unit; yield the port."""
    clock = SteppedClock()
    async with WireServer("127.0.0.1", 0, units={1: bank_of(clock, *placed)}, clock=clock) as server:
        yield server.port


def scan(port: int, writes: Mapping[int, Mapping[str, float]] | None = None) -> dict[int, dict[str, Any]]:
    """Return what the standard's client reads, model by model, after the writes."""
    client = SunSpecModbusClientDeviceTCP(slave_id=1, ipaddr="127.0.0.1", ipport=port, timeout=5)
    try:
        client.connect()
        client.scan(connect=False)
        for model_id, points in (writes or {}).items():
            (model,) = client.models[model_id]
            for name, value in points.items():
                model.points[name].cvalue = value
            model.write()
            model.read()
        return {
            model_id: {name: point.cvalue for name, point in models[0].points.items()}
            for model_id, models in client.models.items()
            if isinstance(model_id, int)
        }
    finally:
        client.disconnect()


@pytest.mark.wire
async def test_the_standards_client_reads_an_inverter_of_the_old_models() -> None:
    placed = (spec("sunspec.pv", SunSpecSpec(family=ModelFamily.OLD)), pv())
    async with served(placed) as port:
        models = await asyncio.to_thread(scan, port)

    assert sorted(models) == [1, 103, 120, 121, 122, 123]
    assert (models[1]["Mn"], models[1]["Md"], models[1]["SN"]) == ("Maker", "M1", "S-0001")
    assert (models[103]["W"], models[103]["St"], models[103]["WH"]) == (1_400_000, 4, 12_345_000)
    assert models[103]["TmpCab"] is None
    assert (models[121]["WMax"], models[122]["WAval"]) == (2_000_000, 1_400_000)
    assert (models[123]["WMaxLimPct"], models[123]["WMaxLim_Ena"]) == (100.0, 0)


@pytest.mark.wire
async def test_the_standards_client_reads_and_commands_a_storage_unit() -> None:
    converter = pcs(power_kw=-800.0)
    unit = (
        (spec("sunspec.storage"), converter),
        (spec("sunspec.storage", SunSpecSpec(shows="bms")), PlantDevice(BATTERY)),
    )
    async with served(*unit) as port:
        writes = {704: {"WSetRvrtTms": 20, "WSetMod": 1, "WSet": -250_000, "WSetEna": 1}}
        models = await asyncio.to_thread(scan, port, writes)

    assert sorted(models) == [1, 701, 702, 703, 704, 713, 715, 802, 803]
    assert (models[701]["W"], models[701]["DERMode"], models[701]["InvSt"]) == (-800_000, 2, 3)
    assert models[701]["TotWhInj"] == 9_876_543_210_123
    assert (models[702]["WMaxRtg"], models[715]["LocRemCtl"]) == (2_000_000, 0)
    assert (models[704]["WSet"], models[704]["WSetEna"], models[704]["WSetRvrtRem"]) == (-250_000, 1, 20)
    assert (models[802]["SoC"], models[802]["CellVMax"], models[803]["ModTmpMin"]) == (63.4, 3.41, -2.5)
    assert converter.commanded("power_kw")[-1] == -250.0


@pytest.mark.wire
async def test_the_standards_client_reads_a_meter() -> None:
    async with served((spec("sunspec.meter", SunSpecSpec(power_sign=-1)), meter(850.0))) as port:
        models = await asyncio.to_thread(scan, port)

    assert (models[203]["W"], models[203]["TotWhImp"]) == (850_000, 123_456_789)


def test_a_timer_runs_out_although_nobody_asks() -> None:
    clock, plant = SteppedClock(), pv()
    bank = bank_of(clock, (spec("sunspec.pv", SunSpecSpec(family=ModelFamily.OLD)), plant))
    start = BASE + 2 + 68 + 52 + 28 + 32 + 46
    assert bank.write(WRITE_MULTIPLE, start + 5, (5000, 0, 12, 0, 1)) is None
    limited = plant.shown["limit_kw"]

    clock._now_s += 11.0
    bank.elapse()
    before = plant.shown["limit_kw"]
    clock._now_s += 2.0
    bank.elapse()

    assert (limited, before, plant.shown["limit_kw"]) == (1000.0, 1000.0, RATED_KW)


def test_registers_that_are_none_or_not_for_writing_are_refused() -> None:
    bank = bank_of(SteppedClock(), (spec("sunspec.pv"), pv()))

    assert bank.read(READ_HOLDING, BASE - 1, 2) is ExceptionCode.ADDRESS
    assert bank.read(READ_HOLDING, 20_000, 2) is ExceptionCode.ADDRESS
    assert bank.read(READ_INPUT, BASE, 2) is ExceptionCode.FUNCTION
    # the power of model 701
    assert bank.write(WRITE_MULTIPLE, BASE + 2 + 68 + 10, (1,)) is ExceptionCode.ADDRESS


def test_half_a_value_and_the_code_for_not_implemented_are_refused() -> None:
    bank = bank_of(SteppedClock(), (spec("sunspec.pv"), pv()))
    controls = BASE + 2 + 68 + 155 + 52 + 19

    half_a_timer = bank.write(WRITE_MULTIPLE, controls + 18, (0,))
    not_implemented = bank.write(WRITE_MULTIPLE, controls + 15, (0xFFFF,))

    assert half_a_timer is ExceptionCode.VALUE
    assert not_implemented is ExceptionCode.VALUE


@pytest.mark.wire
async def test_a_site_may_serve_two_devices_as_one_unit_beside_devices_with_maps() -> None:
    specs = [
        spec("sunspec.storage", id="pcs", asset="bess01"),
        spec("sunspec.storage", SunSpecSpec(shows="bms"), id="bms", asset="bess-c01"),
        device_spec("generic-meter", id="meter", unit=2),
    ]
    plant = {"pcs": pcs(power_kw=-800.0), "bms": PlantDevice(BATTERY), "meter": meter(850.0)}
    twin = WireTwin([link_spec(0)], specs, plant, clock=SteppedClock(), rated_kw={"bess01": RATED_KW})
    async with twin:
        server = twin.server("line")
        assert isinstance(server, WireServer)
        models = await asyncio.to_thread(scan, server.port)

    assert (models[701]["W"], models[802]["SoC"]) == (-800_000, 63.4)
