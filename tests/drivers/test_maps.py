"""Every shipped map: complete, and read alike by the drivers' codec, by the twin's, and by hand."""

from collections.abc import Mapping
from dataclasses import MISSING, fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.device.fields import READING_TYPES, FieldKind, ReadingField, reading_fields
from drivers.device.values import Value
from drivers.modbus.blocks import plan_reads
from drivers.modbus.coding import Table
from drivers.modbus.layout import RegisterMap
from drivers.modbus.mapfile import load_map, map_names
from drivers.modbus.registers import BlockDecoder, encode
from drivers.sim.wire.bank import RegisterBank
from drivers.sim.wire.framing import READ_HOLDING, READ_INPUT, ExceptionCode
from drivers.sim.wire.words import command_value
from ems.model.readings import GensetPhase
from tests.drivers.clock import SteppedClock
from tests.drivers.rig import CONVERTERS, COOLING_UNITS, DRIVERS, GENSETS, METERS, RACKED, PlantDevice

SHIPPED = sorted(DRIVERS)
FUNCTIONS = {Table.HOLDING: READ_HOLDING, Table.INPUT: READ_INPUT}

# One sample for each direction of power. Registers are worked out by hand from the map's own comments:
# 1 234 500 W = 0x0012D644, its complement 0xFFED29BC; 800 000 W = 0x000C3500, its complement 0xFFF3CB00.
SAMPLES: list[tuple[str, str, float, list[int]]] = [
    # a PCS that counts charging as positive, low word first
    ("generic-pcs", "power_kw", 1234.5, [0x29BC, 0xFFED]),
    ("generic-pcs", "power_kw", -800.0, [0x3500, 0x000C]),
    ("generic-pcs", "setpoint_kw", -800.0, [0x3500, 0x000C]),
    ("generic-genset", "power_kw", 1234.5, [0x0012, 0xD644]),
    ("generic-genset", "power_kw", -800.0, [0xFFF3, 0xCB00]),
    ("generic-pv", "power_kw", 1234.5, [0x0012, 0xD644]),
    ("generic-pv", "power_kw", -80.0, [0xFFFE, 0xC780]),
    ("generic-pv", "available_kw", 3500.0, [0x0035, 0x67E0]),
    ("generic-pv", "limit_kw", 3999.9, [0x9C3F]),
    ("generic-pcc", "power_kw", 1234.5, [0x0012, 0xD644]),
    ("generic-pcc", "power_kw", -800.0, [0xFFF3, 0xCB00]),
    # 850.5 = 1.6611328125 x 2^9: exponent 0x88, mantissa 0x54A000
    ("generic-meter", "load_kw", 850.5, [0x4454, 0xA000]),
    # 12600 = 1.5380859375 x 2^13: exponent 0x8C, mantissa 0x44E000; low word first
    ("generic-cooling", "capacity_kw_th", 12600.0, [0xE000, 0x4644]),
    ("generic-cooling", "ambient_degc", -10.5, [0x0000, 0xC128]),
    ("generic-dry-cooler", "supply_degc", 34.5, [0x0159]),
    ("generic-dry-cooler", "ambient_degc", -10.5, [0xFF97]),
    ("generic-bms", "max_charge_kw", 1500.0, [0x3A98]),
    ("generic-bms", "cell_min_degc", -12.5, [0x0113]),
    ("generic-tank", "fuel_l", 123456.7, [0x0012, 0xD687]),
]
COMMANDS: list[tuple[str, str, float, list[int]]] = [
    ("generic-pcs", "power_kw", 1234.5, [0x29BC, 0xFFED]),
    ("generic-pcs", "power_kw", -800.0, [0x3500, 0x000C]),
    ("generic-genset", "power_kw", 1234.5, [0x0012, 0xD644]),
    ("generic-genset", "run", 1.0, [1]),
    ("generic-pv", "limit_kw", 3999.9, [0x9C3F]),
]


def bank(register_map: RegisterMap, shown: Mapping[str, float | int | bool | str | None]) -> RegisterBank:
    return RegisterBank(register_map, PlantDevice(shown), clock=SteppedClock())


def driver_values(register_map: RegisterMap, registers: RegisterBank) -> dict[str, Value | None]:
    """Return what the drivers read from a bank."""
    integers = [n for n, field in reading_fields(register_map.device_class).items() if field.kind is FieldKind.INTEGER]
    values: dict[str, Value | None] = {}
    for read in plan_reads(register_map.blocks, register_map.points.values(), max_registers=register_map.max_registers):
        words = registers.read(FUNCTIONS[read.at.table], read.at.register, read.count)
        assert not isinstance(words, ExceptionCode)
        values |= BlockDecoder(read, integers=integers).decode(words).values
    return values


def mapped_fields(register_map: RegisterMap) -> dict[str, ReadingField]:
    """Return the fields of the reading that a map fills."""
    return {n: field for n, field in reading_fields(register_map.device_class).items() if n in register_map.points}


def always_there(register_map: RegisterMap) -> set[str]:
    """Return the fields that no reading of this class is without."""
    kind = READING_TYPES[register_map.device_class]
    own = reading_fields(register_map.device_class)
    return {field.name for field in fields(kind) if field.name in own and field.default is MISSING}


def test_every_shipped_map_belongs_to_a_driver() -> None:
    assert set(map_names(())) == {*DRIVERS, *GENSETS, *METERS, *RACKED, *CONVERTERS, *COOLING_UNITS}


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_map_has_every_field_that_its_reading_must_have_and_says_where_it_comes_from(name: str) -> None:
    register_map = load_map(name, ())

    assert always_there(register_map) <= register_map.points.keys()
    assert set(register_map.identity) == {"manufacturer", "model", "serial"}
    assert "docs/supported-devices.md" in register_map.source


@pytest.mark.parametrize(
    ("name", "commands"),
    [
        ("generic-pcs", {"power_kw"}),
        ("generic-genset", {"power_kw", "run"}),
        ("generic-pv", {"limit_kw"}),
        ("generic-tie", {"permit_close", "request_open"}),
    ],
)
def test_a_commanded_device_has_its_commands_a_heartbeat_and_a_watchdog(name: str, commands: set[str]) -> None:
    register_map = load_map(name, ())

    assert set(register_map.commands) == commands
    assert register_map.heartbeat is not None
    assert register_map.watchdog is not None


def test_the_genset_map_knows_every_phase() -> None:
    labels = load_map("generic-genset", ()).points["phase"].labels

    assert labels is not None
    assert set(labels.values()) == set(GensetPhase)


@pytest.mark.parametrize(("name", "point", "value", "words"), SAMPLES)
def test_the_twin_shows_a_value_in_the_registers_worked_out_by_hand(
    name: str, point: str, value: float, words: list[int]
) -> None:
    register_map = load_map(name, ())
    at = register_map.points[point].at

    shown = bank(register_map, {point: value}).read(FUNCTIONS[at.table], at.register, len(words))

    assert shown == words


@pytest.mark.parametrize(("name", "point", "value", "words"), SAMPLES)
def test_the_driver_reads_the_value_from_the_registers_worked_out_by_hand(
    name: str, point: str, value: float, words: list[int]
) -> None:
    register_map = load_map(name, ())
    at = register_map.points[point].at
    (read,) = (
        read
        for read in plan_reads(register_map.blocks, register_map.points.values(), max_registers=125)
        if any(p.name == point for p in read.points)
    )
    registers = [0] * read.count
    start = at.register - read.at.register
    registers[start : start + len(words)] = words

    decoded = BlockDecoder(read).decode(registers)

    assert decoded.values[point] == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize(("name", "command", "value", "words"), COMMANDS)
def test_a_command_travels_in_the_registers_worked_out_by_hand(
    name: str, command: str, value: float, words: list[int]
) -> None:
    register_map = load_map(name, ())
    written = register_map.commands[command]

    encoded = encode(value, written.coding, limits=written.limits)
    taken = command_value(written, tuple(words))

    assert list(getattr(encoded, "registers", ())) == words
    assert taken == pytest.approx(value)


@pytest.mark.parametrize("name", SHIPPED)
def test_what_the_plant_does_not_know_is_unknown_to_the_driver(name: str) -> None:
    register_map = load_map(name, ())
    numbers = {n: None for n, field in mapped_fields(register_map).items() if field.kind is not FieldKind.FLAG}

    values = driver_values(register_map, bank(register_map, numbers))

    assert {n: values[n] for n in numbers} == numbers


plausible: dict[FieldKind, st.SearchStrategy[float | int | bool | str]] = {
    FieldKind.NUMBER: st.floats(0.0, 60.0),
    FieldKind.INTEGER: st.integers(0, 10**9).map(lambda n: n * 100),
    FieldKind.FLAG: st.booleans(),
    FieldKind.LABEL: st.sampled_from([str(phase) for phase in GensetPhase]),
}
# what the ranges of the maps allow, where it is less than 0..60
RANGES: dict[str, st.SearchStrategy[float | int | bool | str]] = {
    "frequency_hz": st.floats(45.0, 60.0),
    "cell_max_v": st.floats(1.0, 4.0),
    "cell_min_v": st.floats(1.0, 4.0),
    "grid_voltage_frac": st.floats(0.0, 1.5),
    "bus_voltage_frac": st.floats(0.0, 1.5),
    "n_starts": st.integers(0, 100_000),
    "island_group": st.integers(0, 200),
}


@pytest.mark.parametrize("name", SHIPPED)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_every_value_of_the_plant_reaches_the_driver_within_one_count(name: str, data: st.DataObject) -> None:
    register_map = load_map(name, ())
    shown: dict[str, float | int | bool | str | None] = {
        field_name: data.draw(RANGES.get(field_name, plausible[field.kind]), label=field_name)
        for field_name, field in mapped_fields(register_map).items()
    }

    values = driver_values(register_map, bank(register_map, shown))

    for field_name, value in shown.items():
        coding = register_map.points[field_name].coding
        if isinstance(value, float):
            # float32 keeps 24 bits
            assert values[field_name] == pytest.approx(value, abs=max(coding.scale / 2 + 1e-9, abs(value) * 1e-7))
        else:
            assert values[field_name] == value
