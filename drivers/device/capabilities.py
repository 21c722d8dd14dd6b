"""What a device can be relied on for: the protocols that its driver implements, as far as it shows their values."""

from collections.abc import Collection, Iterable

from ems.model.capability import Capability
from ems.ports import DEVICE_PROTOCOLS, READING_PROTOCOLS


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
