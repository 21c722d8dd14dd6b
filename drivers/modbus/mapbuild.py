"""From the tables of a map file, whose form is right, to the register map; texts become addresses, codes and spans."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from drivers.device.maptables import fallback_of, range_of, sign_of
from drivers.modbus.coding import FLOATS, N_REGISTERS, WRITE_COIL, Address, Coding, PointType, Table, factor_name
from drivers.modbus.layout import Block, Command, Point, RegisterMap, SetpointCommand, Span, Speed, rack_name
from drivers.modbus.mapactions import action, sequence_command
from drivers.modbus.mapalarms import alarm_list
from drivers.modbus.mapschema import (
    BlockTable,
    CommandTable,
    EndpointTable,
    HeartbeatTable,
    IdentityTable,
    MapFile,
    PointTable,
    RackPointTable,
    WatchdogTable,
)
from drivers.modbus.values import FACTOR_ABSENT, FACTOR_RANGE

_BITS_PER_REGISTER: Final = 16
_UNSIGNED_OF: Final = {1: PointType.UINT16, 2: PointType.UINT32, 4: PointType.UINT64}
_SIGNED: Final = frozenset({PointType.INT16, PointType.INT32, PointType.INT64})


def build_map(tables: MapFile) -> RegisterMap:
    """Return what the tables of a map say."""
    endpoint = tables.endpoint
    commands = {name: _command(name, table, endpoint) for name, table in tables.commands.items()}
    points = {name: _point(name, table, endpoint) for name, table in tables.points.items()}
    actions = {name: action(name, table, tables) for name, table in tables.actions.items()}
    racks = _racks(tables)
    alarms = [alarm_list(table, endpoint) for table in tables.alarms]
    return RegisterMap(
        id=tables.device.id,
        source=tables.device.source,
        device_class=tables.device.device_class,
        max_registers=endpoint.max_registers,
        max_bits=endpoint.max_bits,
        forbidden=tuple(_span(text) for text in endpoint.never_read),
        blocks=(*(_block(table) for table in tables.blocks), *_rack_blocks(tables)),
        points=points
        | {point.name: point for rack in racks for point in rack.values()}
        | {point.name: point for alarm, _ in alarms for point in alarm}
        | {point.name: point for point in _factor_points(commands.values())},
        commands=commands,
        identity={name: _text(name, table) for name, table in tables.identity.items()},
        unidentified=tables.device.unidentified,
        expected={name: table.expect for name, table in tables.identity.items() if table.expect is not None},
        heartbeat=_heartbeat(tables.heartbeat, endpoint),
        watchdog=_watchdog(tables.watchdog, endpoint),
        fallback=fallback_of(
            tables.fallback, has_heartbeat=tables.heartbeat is not None, has_watchdog=tables.watchdog is not None
        ),
        capabilities=tables.device.declared,
        alarms=tuple(names for _, names in alarms),
        racks=_rack_fields(tables),
        actions=actions,
        sequences={name: sequence_command(name, table, actions) for name, table in tables.sequences.items()},
    )


def _address(at: str) -> Address:
    table, register = at.split(":")
    return Address(table=Table(table), register=int(register))


def _span(text: str) -> Span:
    first, _, last = text.partition("..")
    at = _address(first)
    return Span(at=at, count=int(last) - at.register + 1 if last else 1)


def _block(table: BlockTable) -> Block:
    speed = Speed.OWN if table.speed is None else Speed(table.speed)
    return Block(at=_address(table.at), count=table.count, speed=speed, every_s=table.every_s, gaps=table.gaps)


def _coding(table: PointTable | CommandTable, endpoint: EndpointTable) -> Coding:
    return Coding(
        type=table.type,
        scale=table.scale,
        offset=table.offset,
        sign=sign_of(table.sign),
        word_order=table.word_order or endpoint.word_order,
        byte_order=table.byte_order or endpoint.byte_order,
        factor=_address(table.scale_register) if table.scale_register else None,
    )


def _point(name: str, table: PointTable, endpoint: EndpointTable) -> Point:
    return Point(
        name=name,
        at=_address(table.at),
        coding=_coding(table, endpoint),
        n_registers=table.length or N_REGISTERS.get(table.type, 1),
        invalid=frozenset(_as_raw(code, table.type) for code in table.invalid),
        valid=range_of(table.valid),
        labels={int(code): label for code, label in table.enum.items()} if table.enum else None,
        flags={int(bit): label for bit, label in table.bits.items()} if table.bits else None,
        bit=table.bit,
        width=table.width,
        encoding=table.encoding,
        optional=table.optional,
        stale_after_s=table.stale_after_s,
        max_step_per_s=table.max_step_per_s,
        fills=table.fills,
    )


def _factor_points(commands: Iterable[SetpointCommand]) -> Iterator[Point]:
    """Yield the factors that setpoints are encoded with, as points: they are polled like any value."""
    for command in commands:
        if (factor := command.coding.factor) is not None:
            order = command.coding.byte_order
            yield Point(
                name=factor_name(factor),
                at=factor,
                coding=Coding(type=PointType.INT16, byte_order=order),
                n_registers=1,
                invalid=frozenset({FACTOR_ABSENT}),
                valid=FACTOR_RANGE,
            )


def _rack_blocks(tables: MapFile) -> Iterator[Block]:
    """Yield the blocks of every rack."""
    if tables.racks is not None:
        for index in range(tables.racks.count):
            for block in map(_block, tables.rack_blocks):
                yield replace(block, at=_shifted(block.at, index * tables.racks.stride))


def _racks(tables: MapFile) -> tuple[Mapping[str, Point], ...]:
    """Return the points of every rack by their names in the file."""
    if tables.racks is None:
        return ()
    first = {name: _point(name, table, tables.endpoint) for name, table in tables.rack_points.items()}
    return tuple(
        {
            name: _of_rack(index, point, tables.rack_points[name], usual_stride=tables.racks.stride)
            for name, point in first.items()
        }
        for index in range(tables.racks.count)
    )


def _of_rack(index: int, point: Point, table: RackPointTable, *, usual_stride: int) -> Point:
    """Return a point of the first rack as that of another; `index` counts from 0."""
    if table.bit_stride is None:
        n_registers, bit = index * (table.stride or usual_stride), point.bit
    else:
        n_registers, bit = divmod((point.bit or 0) + index * table.bit_stride, _BITS_PER_REGISTER)
    return replace(
        point,
        name=rack_name(index + 1, point.name),
        at=_shifted(point.at, n_registers),
        bit=bit,
        fills=None if point.fills is None else rack_name(index + 1, point.fills),
    )


def _rack_fields(tables: MapFile) -> tuple[Mapping[str, str], ...]:
    """Return what each rack shows by the field of its reading."""
    count = 0 if tables.racks is None else tables.racks.count
    fields = [table.fills or name for name, table in tables.rack_points.items()]
    return tuple({field: rack_name(number, field) for field in fields} for number in range(1, count + 1))


def _shifted(at: Address, n_registers: int) -> Address:
    return Address(table=at.table, register=at.register + n_registers)


def _as_raw(code: float, type_: PointType) -> float:
    """Return a sentinel as the number that the registers decode to.

    Documents write the lowest int16 as 0x8000; -1 stands for all bits set, which TOML cannot write for 64 bits.
    """
    if type_ in FLOATS or type_ is PointType.STRING:
        return code
    n_values = 1 << N_REGISTERS[type_] * _BITS_PER_REGISTER
    bits = code % n_values
    return bits - n_values if type_ in _SIGNED and bits >= n_values // 2 else bits


def _text(name: str, table: IdentityTable) -> Point:
    return Point(
        name=name,
        at=_address(table.at),
        coding=Coding(type=PointType.STRING if table.type == "string" else _UNSIGNED_OF[table.length]),
        n_registers=table.length,
        encoding=table.encoding,
    )


def _command(name: str, table: CommandTable, endpoint: EndpointTable) -> SetpointCommand:
    at = _address(table.at)
    return SetpointCommand(
        name=name,
        at=at,
        coding=_coding(table, endpoint),
        function=table.write_fc or (WRITE_COIL if at.table is Table.COIL else endpoint.write_fc),
        limits=range_of(table.limits),
        readback=table.readback,
        ramp_frac_per_s=table.ramp_frac_per_s,
        writes_per_day=table.writes_per_day,
        hold_s=table.hold_s,
    )


def _heartbeat(table: HeartbeatTable | None, endpoint: EndpointTable) -> Command | None:
    if table is None:
        return None
    return Command(
        name="heartbeat",
        at=_address(table.at),
        coding=Coding(type=PointType.UINT16, byte_order=endpoint.byte_order),
        function=table.write_fc or endpoint.write_fc,
    )


def _watchdog(table: WatchdogTable | None, endpoint: EndpointTable) -> Command | None:
    if table is None:
        return None
    coding = Coding(type=table.type, scale=table.scale, word_order=endpoint.word_order, byte_order=endpoint.byte_order)
    return Command(
        name="watchdog_s",
        at=_address(table.at),
        coding=coding,
        function=table.write_fc or endpoint.write_fc,
        writes_per_day=table.writes_per_day,
    )
