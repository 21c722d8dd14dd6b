"""Scale factors that change while a device runs, and single bits, over the wire."""

from pathlib import Path

import pytest

from drivers.battery.pcs import PcsDevice
from drivers.genset.controller import GensetController
from drivers.modbus.coding import Address, Table
from drivers.modbus.mapfile import load_map
from drivers.modbus.registers import Encoded, encode
from drivers.modbus.values import with_power
from ems.model.readings import PcsReading
from tests.drivers.rig import PlantDevice, device_spec, pcs, running
from tests.drivers.test_polling import Line, site_map

FACTOR = Address(table=Table.INPUT, register=109)
# the power in 16 bits with a factor of its own, as SunSpec devices show it; the setpoint follows the same factor
SCALED = (
    ('at = "input:100"\ncount = 10', 'at = "input:100"\ncount = 11'),
    (
        'at = "input:104"\ntype = "int32"                       # W\nscale = 0.001',
        'at = "input:104"\ntype = "int16"\nscale = 0.001\nscale_register = "input:109"',
    ),
    ("invalid = [0x80000000]", "invalid = [0x8000]"),
    (
        'at = "holding:500"\ntype = "int32"                       # W\nscale = 0.001',
        'at = "holding:500"\ntype = "int16"\nscale = 0.001\nscale_register = "input:109"',
    ),
)


def scaled_line(home: Path, plant: PlantDevice) -> Line:
    text = (Path(__file__).parents[2] / "drivers/maps/generic-pcs.toml").read_text(encoding="utf-8")
    changes = [SCALED[0], SCALED[1], SCALED[3]]
    assert SCALED[2][0] in text
    maps = site_map(home, "generic-pcs", "scaled-pcs", *changes)
    file = home / "scaled-pcs.toml"
    file.write_text(file.read_text(encoding="utf-8").replace(*SCALED[2], 1), encoding="utf-8")
    return Line("scaled-pcs", plant, maps=maps)


def power_kw(line: Line) -> float | None:
    reading = line.device.reading()
    assert isinstance(reading, PcsReading)
    return reading.power_kw


async def test_a_factor_that_changes_between_two_polls_changes_no_value(tmp_path: Path) -> None:
    line = scaled_line(tmp_path, pcs(power_kw=-1250.0))
    line.bank.powers[FACTOR] = 2
    await line.serve(1.0)
    before = power_kw(line)

    line.bank.powers[FACTOR] = 3
    await line.serve(1.0)

    # in steps of 100 W, then of 1 kW
    assert before == -1250.0
    assert power_kw(line) == pytest.approx(-1250.0, abs=0.5)


async def test_a_value_whose_factor_is_missing_is_unknown_and_no_setpoint_is_written(tmp_path: Path) -> None:
    plant = pcs()
    line = scaled_line(tmp_path, plant)
    line.bank.powers[FACTOR] = -0x8000
    await line.serve(1.0)
    assert isinstance(line.device, PcsDevice)

    line.device.set_power(100.0, valid_until_s=line.clock.monotonic_s() + 15.0)
    await line.serve(1.0)

    assert power_kw(line) is None
    assert plant.commanded("power_kw") == []
    outcome = line.device.outcome()
    assert outcome is not None
    assert "the scale factor at input:109 is not known" in outcome.detail


async def test_a_setpoint_is_written_with_the_factor_read_last_and_again_when_it_changes(tmp_path: Path) -> None:
    plant = pcs()
    line = scaled_line(tmp_path, plant)
    line.bank.powers[FACTOR] = 2
    await line.serve(1.0)
    assert isinstance(line.device, PcsDevice)

    line.device.set_power(-700.0, valid_until_s=line.clock.monotonic_s() + 15.0)
    await line.serve(2.0)
    line.bank.powers[FACTOR] = 3
    await line.serve(2.0)

    # the same power each time, whatever the factor
    assert plant.commanded("power_kw") == [-700.0, -700.0]
    outcome = line.device.outcome()
    assert outcome is not None
    assert outcome.outcome == "accepted"


def test_registers_of_a_setpoint_depend_on_the_factor(tmp_path: Path) -> None:
    scaled_line(tmp_path, pcs())
    coding = load_map("scaled-pcs", (tmp_path,)).commands["power_kw"].coding

    fine, coarse = (encode(-700.0, with_power(coding, power)) for power in (2, 3))

    # the device counts charging as positive: 700 000 W in 100 W and in 1 kW
    assert isinstance(fine, Encoded)
    assert isinstance(coarse, Encoded)
    assert (fine.registers, coarse.registers) == ((7000,), (700,))


SLOW_BLOCK = '[[blocks]]\nat = "holding:1792"'
RUN_REQUEST = (
    'at = "holding:1032"\ntype = "uint16"                      # 1 run, 0 stop, as the controller has taken it\n'
)
RUN = 'at = "holding:4098"\ntype = "uint16"                      # 1 run, 0 stop\n'
COILS = (
    (SLOW_BLOCK, f'[[blocks]]\nat = "discrete:20"\ncount = 4\nspeed = "fast"\n\n{SLOW_BLOCK}'),
    ('at = "holding:1026"\ntype = "bit"\nbit = 1', 'at = "discrete:21"\ntype = "bit"'),
    (f"{RUN_REQUEST}valid = [0, 1]", 'at = "discrete:23"\ntype = "bit"'),
    (f"{RUN}limits = [0, 1]", 'at = "coil:7"\ntype = "bit"'),
)


@pytest.mark.wire
async def test_a_genset_is_started_by_a_coil_and_shows_discrete_inputs(tmp_path: Path) -> None:
    maps = site_map(tmp_path, "generic-genset", "coil-genset", *COILS)
    state = PlantDevice({"phase": "stopped", "remote": True, "breaker_closed": True, "run_request": False})
    plant = PlantDevice({**state.shown, "power_kw": 0.0, "setpoint_kw": 0.0}, follows={"run": "run_request"})
    async with running((device_spec("coil-genset", driver="genset.controller"), plant), maps=maps) as rig:
        await rig.first_reading()
        device = rig.device(GensetController)
        device.set_run(run=True, valid_until_s=rig.clock.monotonic_s() + 15.0)
        await rig.clock.until(lambda: device.outcome() is not None)
        outcome, reading = device.outcome(), device.reading()

    assert plant.commanded("run") == [1.0]
    assert outcome is not None
    assert (outcome.outcome, outcome.detail) == ("accepted", "run: 1 read back")
    assert reading is not None
    assert reading.breaker_closed is True
