"""Builds the points that show alarms from the tables of a register-map file."""

from typing import Final

from drivers.device.alarms import AlarmList
from drivers.modbus.coding import Address, Coding, PointType, Table
from drivers.modbus.layout import Point, alarm_name
from drivers.modbus.mapschema import AlarmTable, EndpointTable

_PER_REGISTER: Final = 4
_BITS: Final = 4
_N_CODES: Final = 1 << _BITS
_NONE: Final = "none"


def alarm_list(table: AlarmTable, endpoint: EndpointTable) -> tuple[tuple[Point, ...], AlarmList]:
    """Return the points of a table of alarms, and which alarm each of them shows."""
    if table.records is None or table.record_length is None:
        points = _packed(table, endpoint)
        return points, AlarmList(points={point.name.removeprefix(alarm_name("")): point.name for point in points})
    texts = _texts(table, table.records, table.record_length)
    return texts, AlarmList(points={point.name: point.name for point in texts}, prefixes=dict(table.prefixes))


def _packed(table: AlarmTable, endpoint: EndpointTable) -> tuple[Point, ...]:
    """Return one point for every alarm that has a name."""
    first = _address(table.at)
    labels = dict.fromkeys(range(_N_CODES), _NONE) | {int(code): level.value for code, level in table.codes.items()}
    return tuple(
        Point(
            name=alarm_name(name),
            at=Address(table=first.table, register=first.register + number // _PER_REGISTER),
            coding=Coding(type=PointType.UINT16, byte_order=endpoint.byte_order),
            n_registers=1,
            labels=labels,
            # the first alarm of a register lies in its highest bits
            bit=_BITS * (_PER_REGISTER - 1 - number % _PER_REGISTER),
            width=_BITS,
        )
        for number, name in enumerate(table.names)
        if name
    )


def _texts(table: AlarmTable, n_records: int, record_length: int) -> tuple[Point, ...]:
    first = _address(table.at)
    return tuple(
        Point(
            name=alarm_name(f"record {first.register} {number + 1}"),
            at=Address(table=first.table, register=first.register + number * record_length),
            coding=Coding(type=PointType.STRING),
            n_registers=record_length,
            # an empty record is no alarm
            optional=True,
        )
        for number in range(n_records)
    )


def _address(at: str) -> Address:
    table, register = at.split(":")
    return Address(table=Table(table), register=int(register))
