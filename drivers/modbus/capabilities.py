"""What a register device can be relied on for: what its driver implements, as far as its map has the registers."""

from collections.abc import Collection, Iterable

from drivers.modbus.layout import LifeSign, RegisterMap
from ems.model.capability import Capability
from ems.ports import DEVICE_PROTOCOLS, READING_PROTOCOLS


def capabilities_of(
    device: object, register_map: RegisterMap, *, derived: frozenset[str] = frozenset()
) -> frozenset[Capability]:
    """Return the capabilities whose protocols the driver implements and whose values it reads or derives.

    A map that declares its capabilities has no others: a value that it shows may not be good enough for one.
    """
    implemented = implemented_by(
        device,
        shown={point.field for point in register_map.points.values()} | derived,
        has_heartbeat=register_map.heartbeat is not None,
        has_fallback=register_map.fallback is not None and register_map.fallback.misses is not LifeSign.NOTHING,
    )
    return implemented if register_map.capabilities is None else implemented & register_map.capabilities


def implemented_by(
    device: object, *, shown: Collection[str], has_heartbeat: bool, has_fallback: bool
) -> frozenset[Capability]:
    """Return the capabilities whose protocols a driver implements, as far as its device shows the fields."""
    absent = {Capability.HEARTBEAT: not has_heartbeat, Capability.REVERTS: not has_fallback}
    return frozenset(name for name in Capability if not absent.get(name) and _has(name, device, shown))


def _has(name: Capability, device: object, shown: Collection[str]) -> bool:
    fields = {field for protocol in READING_PROTOCOLS.get(name, ()) for field in members(protocol)}
    return fields <= set(shown) and all(isinstance(device, protocol) for protocol in DEVICE_PROTOCOLS.get(name, ()))


def members(protocol: type) -> Iterable[str]:
    """Return the names that a protocol asks for."""
    return (name for name in vars(protocol) if not name.startswith("_"))
