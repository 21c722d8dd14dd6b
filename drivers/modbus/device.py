"""What all devices with a register map do alike: identity, polls and readings by the map.

The families (`drivers.battery`, `drivers.genset`, ...) add what is theirs: the reading, plausible ranges and the
capability protocols that they honour. What commanded devices have beyond this is in `commanded`.
"""

from collections.abc import Iterable

from drivers.device.assembly import Family, R
from drivers.device.fields import FieldKind, reading_fields
from drivers.device.racks import derived_fields
from drivers.device.reading import spec_error
from drivers.modbus.attached import AttachedDevice
from drivers.modbus.blocks import PlannedRead, plan_reads
from drivers.modbus.capabilities import capabilities_of
from drivers.modbus.handshake import MapScript
from drivers.modbus.layout import Block, RegisterMap, Speed
from drivers.modbus.mapfile import device_map
from drivers.modbus.rounds import Part, planned_parts
from ems.model.capability import Capability
from ems.model.device import DeviceSpec
from ems.ports import DriverEnvironment


class PolledDevice(AttachedDevice[R]):
    """A device that is read by a register map.

    Raises:
        ConfigError: The link or the map does not exist, or the map is for another kind of device.
    """

    def __init__(self, spec: DeviceSpec, environment: DriverEnvironment, family: Family[R]) -> None:
        self._map = _map_for(spec, environment, family)
        self._derived = family.derives | derived_fields(self._map.racks)
        super().__init__(
            spec,
            environment,
            family,
            script=MapScript(
                self._map, watchdog_s=spec.watchdog_s, may_write=self._is_known, spend=self._spend_on_watchdog
            ).run,
            fills={point.name: point.fills for point in self._map.points.values() if point.fills is not None},
            alarms=self._map.alarms,
            racks=self._map.racks,
        )
        self._life_counter = _life_counter(self._map)
        self._step_limits = {
            point.name: point.max_step_per_s for point in self._map.points.values() if point.max_step_per_s is not None
        }
        periods = {block.every_s for block in self._map.blocks if block.every_s is not None}
        self._poll(
            fast=self._parts(Speed.FAST),
            slow=self._parts(Speed.SLOW),
            seldom={period_s: self._parts(Speed.OWN, period_s) for period_s in sorted(periods)},
        )

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Return what the device and its map can be relied on for."""
        return capabilities_of(self, self._map, derived=self._derived)

    @property
    def register_map(self) -> RegisterMap:
        """Return the map by which the device is read."""
        return self._map

    def _spend_on_watchdog(self) -> str | None:
        """Count a write of the watchdog time; return why it must not be done."""
        return None

    def _parts(self, speed: Speed, every_s: float | None = None) -> tuple[Part, ...]:
        blocks = [block for block in self._map.blocks if block.speed is speed and block.every_s == every_s]
        return tuple(part for _, part in map_reads(self._map, blocks))


def map_reads(register_map: RegisterMap, blocks: Iterable[Block]) -> tuple[tuple[PlannedRead, Part], ...]:
    """Return the requests that read some blocks of a map, each with what is in it and what reads its answer."""
    planned = plan_reads(
        blocks,
        register_map.points.values(),
        max_registers=register_map.max_registers,
        max_bits=register_map.max_bits,
        forbidden=register_map.forbidden,
    )
    fields = reading_fields(register_map.device_class)
    integers = [name for name, field in fields.items() if field.kind is FieldKind.INTEGER]
    return tuple(zip(planned, planned_parts(planned, integers=integers), strict=True))


def _map_for(spec: DeviceSpec, environment: DriverEnvironment, family: Family[R]) -> RegisterMap:
    register_map = device_map(spec, environment.map_directories)
    if register_map is None:
        raise spec_error(
            spec, "map", f"driver {spec.driver} needs a register map", allowed=f"a map of class {family.device_class}"
        )
    if register_map.device_class is not family.device_class:
        raise spec_error(
            spec,
            "map",
            f"map '{register_map.id}' describes a {register_map.device_class}",
            allowed=f"a map of class {family.device_class} for driver {spec.driver}",
        )
    missing = [name for name in family.commands if name not in {*register_map.commands, *register_map.sequences}]
    if missing:
        raise spec_error(
            spec,
            "map",
            f"map '{register_map.id}' has no command {' and no '.join(missing)}",
            allowed=f"a map with {', '.join(family.commands)}",
        )
    return register_map


def _life_counter(register_map: RegisterMap) -> tuple[str, float] | None:
    """Return the name of the map's life counter and how long it may stand still, s."""
    for point in register_map.points.values():
        if point.stale_after_s is not None:
            return point.name, point.stale_after_s
    return None
