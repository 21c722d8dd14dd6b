"""What a register device can be relied on for: what its driver implements, as far as its map has the registers."""

from drivers.device.capabilities import implemented_by
from drivers.device.fallback import LifeSign
from drivers.modbus.layout import RegisterMap
from ems.model.capability import Capability


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
