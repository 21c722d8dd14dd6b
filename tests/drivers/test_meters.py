"""The maps of makers' meters: registers worked out by hand, and power quality in its own slow blocks."""

import pytest

from drivers.device.assembly import Assembler
from drivers.device.fields import DeviceClass
from drivers.device.sample import Sample
from drivers.meter.load import LOAD_FAMILY
from drivers.modbus.blocks import plan_reads
from drivers.modbus.layout import Speed
from drivers.modbus.mapfile import load_map
from drivers.modbus.registers import BlockDecoder
from ems.model.readings import LoadReading, PccReading
from tests.drivers.rig import METERS, PlantDevice, Value, device_spec, running

# 850.5 kW = 1.6611328125 x 2^9: exponent 0x88, mantissa 0x54A000; 850500 W = 1.6221999... x 2^19: 0x494FA440;
# 850.5 kW = 85 050 000 x 0.01 W = 0x0511C290; 1 234 560 Wh = 123 456 x 10 Wh = 0x1E240
WORDS: list[tuple[str, str, float | int, list[int]]] = [
    ("schneider-pm5000", "load_kw", 850.5, [0x4454, 0xA000]),
    ("schneider-pm5000", "energy_wh", 1_234_560, [0, 0, 0x0012, 0xD680]),
    ("janitza-umg604", "load_kw", 850.5, [0x494F, 0xA440]),
    ("janitza-umg96", "load_kw", 850.5, [0x494F, 0xA440]),
    ("abb-b23", "load_kw", 850.5, [0x0511, 0xC290]),
    ("abb-b23", "energy_wh", 1_234_560, [0, 0, 0x0001, 0xE240]),
]
PLACES = [
    # document numbers: one more than the address in the frame
    ("schneider-pm5000", "load_kw", 3060 - 1),
    ("schneider-pm5000", "energy_wh", 3204 - 1),
    ("janitza-umg604", "load_kw", 1369),
    ("janitza-umg96", "load_kw", 19026),
    ("janitza-umg96", "voltage_thd_1_pct", 19110),
    ("abb-b23", "load_kw", 0x5B14),
    ("abb-b23", "energy_wh", 0x5000),
]


@pytest.mark.parametrize(("name", "point", "value", "words"), WORDS)
def test_the_driver_reads_the_registers_worked_out_by_hand(
    name: str, point: str, value: float, words: list[int]
) -> None:
    register_map = load_map(name, ())
    place = register_map.points[point]
    (read,) = (
        each
        for each in plan_reads(register_map.blocks, register_map.points.values(), max_registers=125)
        if place in each.points
    )
    registers = [0] * read.count
    start = place.at.register - read.at.register
    registers[start : start + len(words)] = words

    decoded = BlockDecoder(read, integers=["energy_wh"]).decode(registers)

    assert decoded.values[point] == pytest.approx(value, abs=1e-9)
    assert isinstance(decoded.values[point], type(value))


NAMES = [
    # document numbers of the PM5000: one more than the address in the frame
    ("schneider-pm5000", "model", 50 - 1),
    ("schneider-pm5000", "serial", 130 - 1),
    ("schneider-pm5000", "firmware", 1637 - 1),
    ("abb-b23", "serial", 0x8900),
    ("abb-b23", "firmware", 0x8908),
    ("abb-b23", "model", 0x8960),
]


@pytest.mark.parametrize(("name", "text", "register"), NAMES)
def test_a_meter_names_itself_where_the_document_says(name: str, text: str, register: int) -> None:
    assert load_map(name, ()).identity[text].at.register == register


@pytest.mark.parametrize(("name", "point", "register"), PLACES)
def test_a_point_lies_where_the_document_says(name: str, point: str, register: int) -> None:
    assert load_map(name, ()).points[point].at.register == register


@pytest.mark.parametrize("name", sorted(METERS))
def test_power_quality_is_read_seldom_and_control_values_are_not(name: str) -> None:
    register_map = load_map(name, ())

    speeds = {
        point.field: next(block.speed for block in register_map.blocks if block.covers(point))
        for point in register_map.points.values()
    }

    assert register_map.device_class is DeviceClass.LOAD_METER
    assert speeds.pop("load_kw") is Speed.FAST
    assert speeds.pop("energy_wh", Speed.SLOW) is Speed.SLOW
    assert set(speeds.values()) <= {Speed.OWN}


@pytest.mark.parametrize(
    ("third_pct", "shown_pct", "is_bad"), [(11.0, 11.0, False), (2.0, 8.0, False), (None, None, True)]
)
def test_the_distortion_of_a_load_is_that_of_its_worst_phase(
    third_pct: float | None, shown_pct: float | None, *, is_bad: bool
) -> None:
    points = load_map("schneider-pm5000", ()).points.values()
    assembler = Assembler(
        LOAD_FAMILY,
        device_id="meter",
        rated_kw=2000.0,
        slow_limit_s=15.0,
        fills={point.name: point.fills for point in points if point.fills is not None},
    )
    values = {"load_kw": 850.5, "current_thd_1_pct": 8.0, "current_thd_2_pct": 7.0, "current_thd_3_pct": third_pct}
    bad = {"current_thd_3_pct": "1001 is outside 0..1000"} if is_bad else {}

    reading = assembler.assemble(Sample(values=values, bad=bad, at_s=1.0), None)

    assert reading.current_thd_pct == shown_pct
    assert ("current_thd_pct" in reading.bad) is is_bad
    assert reading.load_kw == 850.5


@pytest.mark.wire
async def test_a_meter_of_power_quality_is_read_as_a_whole() -> None:
    shown: dict[str, Value] = {"load_kw": 850.5, "energy_wh": 10, "voltage_unbalance_pct": 1.5}
    plant = PlantDevice({**shown, "voltage_thd_pct": 2.0, "current_thd_pct": 8.0})
    async with running((device_spec("schneider-pm5000"), plant)) as rig:
        await rig.clock.run(8.0)
        reading = rig.devices[1].reading()

    assert isinstance(reading, LoadReading)
    assert reading.bad == {}
    assert reading.load_max_kw is None
    assert (reading.load_kw, reading.energy_wh, reading.voltage_unbalance_pct) == (850.5, 10, 1.5)
    assert (reading.voltage_thd_pct, reading.current_thd_pct) == (2.0, 8.0)


@pytest.mark.wire
async def test_a_map_beside_its_device_gives_the_power_quality_of_the_grid_connection() -> None:
    registers = {
        "device": {"source": "a document of this test", "class": "pcc_meter"},
        "endpoint": {"max_registers": 60, "word_order": "big"},
        "blocks": [
            {"at": "holding:10", "count": 2, "speed": "fast"},
            {"at": "holding:20", "count": 2, "every_s": 30.0},
        ],
        "points": {
            "power_kw": {"at": "holding:10", "type": "float32"},
            "voltage_thd_pct": {"at": "holding:20", "type": "float32", "valid": [0, 1000]},
        },
    }
    spec = device_spec("generic-pcc", map=None, registers=registers)
    plant = PlantDevice({"power_kw": -120.0, "voltage_thd_pct": 3.25})
    async with running((spec, plant)) as rig:
        await rig.first_reading()
        await rig.clock.run(3.0)
        reading = rig.devices[1].reading()

    assert isinstance(reading, PccReading)
    assert reading.power_kw == -120.0
    assert reading.voltage_thd_pct == 3.25
    assert reading.breaker_closed is None
