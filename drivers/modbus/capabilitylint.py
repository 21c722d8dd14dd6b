"""Finds capabilities that a register map declares without the points and commands that they need."""

from collections.abc import Iterator

from drivers.device import needs
from drivers.device.needs import Finding, Offer
from drivers.device.racks import derived_fields
from drivers.modbus.layout import RegisterMap


def capability_findings(register_map: RegisterMap) -> Iterator[Finding]:
    """Yield one finding for each declared capability that lacks points, a command or a table."""
    offer = Offer(
        capabilities=register_map.capabilities,
        fields=frozenset(point.field for point in register_map.points.values()) | derived_fields(register_map.racks),
        commands=frozenset({*register_map.commands, *register_map.sequences}),
        has_heartbeat=register_map.heartbeat is not None,
        fallback=register_map.fallback,
    )
    yield from needs.capability_findings(offer)
