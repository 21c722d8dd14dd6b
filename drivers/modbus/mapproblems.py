"""The tables of a register map by name: for what names keys, as problems and the page of the language do."""

from typing import Final

from drivers.device.maptables import FallbackTable
from drivers.device.schemaproblems import Schema
from drivers.modbus.keyschema import ActionTable, ReturnsTable, SequenceTable, WriteTable
from drivers.modbus.mapschema import (
    AlarmTable,
    BlockTable,
    CommandTable,
    EndpointTable,
    HeartbeatTable,
    IdentityTable,
    MapFile,
    PointTable,
    RackPointTable,
    RacksTable,
    RegisterDeviceTable,
    WatchdogTable,
)

SCHEMA: Final = Schema(
    top=MapFile,
    tables={
        "device": RegisterDeviceTable,
        "endpoint": EndpointTable,
        "identity": IdentityTable,
        "blocks": BlockTable,
        "points": PointTable,
        "commands": CommandTable,
        "racks": RacksTable,
        "rack_blocks": BlockTable,
        "rack_points": RackPointTable,
        "alarms": AlarmTable,
        "unlock": WriteTable,
        "returns": ReturnsTable,
        "actions": ActionTable,
        "sequences": SequenceTable,
        "heartbeat": HeartbeatTable,
        "watchdog": WatchdogTable,
        "fallback": FallbackTable,
    },
    collections=frozenset(
        {"identity", "blocks", "points", "commands", "rack_blocks", "rack_points", "alarms", "actions", "sequences"}
    ),
    lists=frozenset({"blocks", "rack_blocks", "alarms"}),
)
