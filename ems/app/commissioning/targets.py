"""Which device a command means: one of a configuration directory, or one behind an endpoint with its map."""

import difflib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from drivers.device.fields import DeviceClass
from drivers.modbus.layout import RegisterMap
from drivers.modbus.link import ModbusLink
from drivers.modbus.mapfile import device_map, load_map
from drivers.mqtt.link import MqttLink
from drivers.mqtt.topicmapfile import device_topic_map
from drivers.mqtt.topics import TopicMap
from ems.app.commissioning.endpoints import Reach, endpoint_link
from ems.app.devices import driver_factory, rated_kw_by_asset
from ems.config.build import build_site, build_wiring
from ems.config.files import ConfigFiles
from ems.config.loader import load_files
from ems.config.shipped import shipped_site, site_directory
from ems.errors import ConfigError, ConfigProblem
from ems.model.device import BrokerSpec, DeviceSpec, LinkSpec
from ems.ports import Clock, Device, DeviceLink, DriverEnvironment

_DRIVERS: Final[Mapping[DeviceClass, str]] = {
    DeviceClass.PCS: "battery.pcs",
    DeviceClass.BMS: "battery.bms",
    DeviceClass.GENSET: "genset.controller",
    DeviceClass.TANK: "genset.tank",
    DeviceClass.PV: "pv.block",
    DeviceClass.LOAD_METER: "meter.load",
    DeviceClass.PCC_METER: "meter.pcc",
    DeviceClass.COOLING: "cooling.plant",
    DeviceClass.CDU: "cooling.cdu",
    DeviceClass.CHILLER: "cooling.chiller",
    DeviceClass.DRY_COOLER: "cooling.dry_cooler",
}
# a device that no configuration names falls back this soon after the tool has gone
_WATCHDOG_S: Final = 10.0
# between the parts of a driver's name; no map has one
_DRIVER_DOT: Final = "."
# drivers of devices behind a broker
_MQTT: Final = "mqtt."
# no single device of a site is larger: where nothing tells a rating, no power is implausible
_LARGEST_KW: Final = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One device and how it is reached; `files` is None for a device that no configuration names.

    `rated_kw` is larger than any device where nothing says what this one can do.
    """

    spec: DeviceSpec
    link: LinkSpec | BrokerSpec
    rated_kw: float
    maps: tuple[Path, ...]
    files: ConfigFiles | None

    @property
    def is_behind_broker(self) -> bool:
        """Return whether the device sends messages instead of answering."""
        return isinstance(self.link, BrokerSpec)

    @property
    def title(self) -> str:
        """Return how people are told which device is meant."""
        place = f"'{self.spec.name}' at broker" if self.is_behind_broker else f"unit {self.spec.unit} of"
        return f"{self.spec.id}, {place} {self.link.id}"

    @property
    def endpoint(self) -> str:
        """Return the address."""
        return str(self.link if isinstance(self.link, BrokerSpec) else self.link.endpoint)

    @property
    def framing(self) -> str:
        """Return what is spoken there."""
        return self.link.framing if isinstance(self.link, BrokerSpec) else self.link.endpoint.framing.value

    def new_link(self, clock: Clock) -> ModbusLink | MqttLink:
        """Return a connection of our own, not yet made.

        Raises:
            ConfigError: The certificates or the password cannot be used.
        """
        if isinstance(self.link, BrokerSpec):
            return MqttLink(self.own_broker(self.link), clock=clock)
        return ModbusLink(self.link, clock=clock)

    def own_broker(self, broker: BrokerSpec) -> BrokerSpec:
        """Return a broker with an identifier of our own: of two clients that share one it throws out the first."""
        return replace(broker, client_id=f"{broker.client_id}-tool-{os.getpid()}")

    def build(self, link: DeviceLink, clock: Clock) -> Device:
        """Return the device as its driver makes it, attached to the link.

        Raises:
            ConfigError: The driver or its map does not exist or does not fit.
        """
        environment = DriverEnvironment(
            clock=clock, links={self.spec.link: link}, map_directories=self.maps, rated_kw=self.rated_kw
        )
        return driver_factory(self.spec)(self.spec, environment)

    def register_map(self) -> RegisterMap | None:
        """Return the register map of the device, None for one without registers or whose driver finds them out.

        Raises:
            ConfigError: There is no such map, or it is refused.
        """
        return None if self.spec.driver.startswith(_MQTT) else device_map(self.spec, self.maps)

    def topic_map(self) -> TopicMap | None:
        """Return the topic map of the device, None for one that is not behind a broker.

        Raises:
            ConfigError: There is no such map, or it is refused.
        """
        return device_topic_map(self.spec, self.maps) if self.spec.driver.startswith(_MQTT) else None


def is_site(where: str) -> bool:
    """Return whether a command line means a configuration and not HOST:PORT."""
    return Path(where).is_dir() or shipped_site(where) is not None or ":" not in where


def site_targets(where: str) -> tuple[Target, ...]:
    """Return all devices of a configuration directory or shipped site.

    Raises:
        ConfigError: The configuration is refused.
    """
    files = load_files(site_directory(where))
    site, wiring = build_site(files), build_wiring(files)
    links: dict[str, LinkSpec | BrokerSpec] = {link.id: link for link in wiring.links}
    links |= {broker.id: broker for broker in wiring.brokers}
    ratings = rated_kw_by_asset(site)
    return tuple(
        Target(
            spec=replace(spec, by_hand=True),
            link=links[spec.link],
            rated_kw=spec.rated_kw or ratings.get(spec.asset, site.design_load_kw),
            maps=tuple(directory / "maps" for directory in files.search),
            files=files,
        )
        for spec in wiring.devices
    )


def site_target(where: str, device: str) -> Target:
    """Return one device of a configuration.

    Raises:
        ConfigError: The configuration is refused, or has no such device.
    """
    targets = {target.spec.id: target for target in site_targets(where)}
    if device in targets:
        return targets[device]
    raise ConfigError(
        ConfigProblem(
            file="DEVICE",
            message=f"{where} has no device '{device}'" if device else f"name a device of {where}",
            allowed=", ".join(targets),
            nearest=next(iter(difflib.get_close_matches(device, targets, n=1)), None),
        )
    )


def endpoint_target(endpoint: str, *, map_name: str, unit: int, reach: Reach, maps: Sequence[Path]) -> Target:
    """Return the device at a unit of an endpoint, driven as its map's class is.

    `map_name` with a dot is a driver that finds the registers out by itself, such as `sunspec.pv`.

    Raises:
        ConfigError: The endpoint, the framing, the map or the driver cannot be used.
    """
    link = endpoint_link(endpoint, reach)
    if not map_name:
        raise ConfigError(
            ConfigProblem(
                file="--map",
                message=f"nothing says which registers the device at {endpoint} has",
                allowed="a map, or a driver such as sunspec.pv; `ems devices scan` names what fits",
            )
        )
    name = f"{endpoint}/{unit}"
    register_map = None if _DRIVER_DOT in map_name else load_map(map_name, maps)
    spec = DeviceSpec(
        id=name,
        driver=map_name if register_map is None else _driver(register_map),
        asset=name,
        link=link.id,
        unit=unit,
        map=None if register_map is None else map_name,
        fast_s=1.0,
        slow_s=2.0,
        watchdog_s=_watchdog_s(register_map),
        rated_kw=None,
        by_hand=True,
    )
    # a driver of that name must exist, before anything is asked
    driver_factory(spec)
    return Target(
        spec=spec,
        link=link,
        rated_kw=_LARGEST_KW if register_map is None else _rating_kw(register_map),
        maps=tuple(maps),
        files=None,
    )


def _watchdog_s(register_map: RegisterMap | None) -> float:
    """Return a watchdog time that the device can count: some count in minutes."""
    watchdog = None if register_map is None else register_map.watchdog
    return _WATCHDOG_S if watchdog is None else max(_WATCHDOG_S, abs(watchdog.coding.scale))


def _driver(register_map: RegisterMap) -> str:
    """Return the driver for a map; a genset without power setpoint has one of its own."""
    if register_map.device_class is DeviceClass.GENSET and "power_kw" not in register_map.commands:
        return "genset.start_stop"
    return _DRIVERS[register_map.device_class]


def _rating_kw(register_map: RegisterMap) -> float:
    """Return the largest power that the map lets us command: all that is known of a device by itself."""
    limits = [command.limits for command in register_map.commands.values() if command.name.endswith("_kw")]
    return max((abs(end) for pair in limits if pair is not None for end in pair), default=_LARGEST_KW)
