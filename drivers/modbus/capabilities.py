"""What a register device can be relied on for: what its driver implements, as far as its map has the registers."""

from collections.abc import Iterable

from drivers.modbus.layout import RegisterMap
from ems.model.capability import Capability
from ems.ports import DEVICE_PROTOCOLS, READING_PROTOCOLS


def capabilities_of(device: object, register_map: RegisterMap) -> frozenset[Capability]:
    """Return the capabilities whose protocols the driver implements and whose values the map has."""
    return frozenset(name for name in Capability if _has(name, device, register_map))


def _has(name: Capability, device: object, register_map: RegisterMap) -> bool:
    match name:
        case Capability.HEARTBEAT if register_map.heartbeat is None:
            return False
        case Capability.REVERTS if register_map.fallback is None:
            return False
    fields = {field for protocol in READING_PROTOCOLS.get(name, ()) for field in _members(protocol)}
    return fields <= register_map.points.keys() and all(
        isinstance(device, protocol) for protocol in DEVICE_PROTOCOLS.get(name, ())
    )


def _members(protocol: type) -> Iterable[str]:
    """Return the names that a protocol asks for."""
    return (name for name in vars(protocol) if not name.startswith("_"))
