"""Turns what pydantic says about a register-map file into problems that name the key and what is allowed."""

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from drivers.modbus.mapschema import (
    ActionTable,
    AlarmTable,
    BlockTable,
    CommandTable,
    DeviceTable,
    EndpointTable,
    FallbackTable,
    HeartbeatTable,
    IdentityTable,
    MapFile,
    MapTable,
    PointTable,
    RackPointTable,
    RacksTable,
    ReturnsTable,
    SequenceTable,
    WatchdogTable,
    WriteTable,
)
from ems.errors import ConfigProblem

TABLES: Final[Mapping[str, type[MapTable]]] = {
    "device": DeviceTable,
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
}
# tables with a name or a number of their own between the top and their keys
COLLECTIONS: Final = frozenset(
    {"identity", "blocks", "points", "commands", "rack_blocks", "rack_points", "alarms", "actions", "sequences"}
)

KeyPath = tuple[str | int, ...]


def problems(file: Path, error: ValidationError) -> Iterator[ConfigProblem]:
    """Yield one problem per wrong key, in the order of the file's schema."""
    seen: set[KeyPath] = set()
    for details in error.errors(include_url=False):
        path = _key_path(details["loc"])
        # a key that takes an int or a float fails once for each
        if path not in seen:
            seen.add(path)
            yield _problem(file, path, details)


def _key_path(location: KeyPath) -> KeyPath:
    """Return a location without what pydantic adds inside a key (indices, names of union members)."""
    depth = 3 if location[0] in COLLECTIONS else 2
    return location[:depth]


def _problem(file: Path, path: KeyPath, details: ErrorDetails) -> ConfigProblem:
    known = _keys_beside(path)
    field = known.get(str(path[-1]))
    message, allowed, nearest = details["msg"].lower(), field.description if field else None, None
    match details["type"]:
        case "extra_forbidden":
            message, allowed = "unknown key", ", ".join(sorted(known))
            nearest = next(iter(difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.5)), None)
        case "missing":
            message = "this key is required"
        case "value_error":
            message = details["msg"].removeprefix("Value error, ")
        case _:
            message = f"{message}; found {details['input']!r}"
    return ConfigProblem(file=str(file), key=_dotted(path), message=message, allowed=allowed, nearest=nearest)


def _keys_beside(path: KeyPath) -> dict[str, FieldInfo]:
    """Return the known keys of the table that a key path ends in, as a file spells them."""
    table = MapFile if len(path) == 1 else TABLES[str(path[0])]
    return {field.alias or name: field for name, field in table.model_fields.items()}


def _dotted(path: KeyPath) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")
