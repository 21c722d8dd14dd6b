"""Finds tables of racks that do not make a whole, and maps that read nothing."""

from collections.abc import Iterator
from typing import Final

from drivers.device.needs import Finding
from drivers.modbus.mapschema import MapFile

_N_ADDRESSES: Final = 0x10000


def rack_findings(tables: MapFile) -> Iterator[Finding]:
    """Yield what is missing beside the tables that a map has."""
    given = {"racks": tables.racks, "rack_blocks": tables.rack_blocks, "rack_points": tables.rack_points}
    missing = [name for name, table in given.items() if not table]
    if 0 < len(missing) < len(given):
        yield missing[0], "racks, rack_blocks and rack_points belong together", "all three or none"
    if not tables.points and not tables.rack_points:
        yield "points", "this key is required", "at least one point, or rack_points"
    if tables.racks is not None:
        last = (tables.racks.count - 1) * tables.racks.stride
        for number, block in enumerate(tables.rack_blocks):
            if int(block.at.partition(":")[2]) + block.count + last > _N_ADDRESSES:
                yield f"rack_blocks[{number}].at", "the last rack would lie behind address 65535", "fewer racks"
