"""Finds what the suite runs on: every registered driver with every register map that it takes.

Maps are the shipped ones and those of the directories in `EMS_CONFORMANCE_MAPS`, separated like a search path. A
driver without maps is found with the specifications of `SELF_DESCRIBING`.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

from drivers.device.fields import DeviceClass, FieldKind, ReadingField, reading_fields
from drivers.device.racks import derived_fields
from drivers.modbus.layout import Point, RegisterMap
from drivers.modbus.link import ModbusLink
from drivers.modbus.mapfile import load_map, map_names
from drivers.mqtt.link import MqttLink
from drivers.mqtt.topicmapfile import load_topic_map, topic_map_names
from drivers.mqtt.topics import TopicMap, TopicPoint
from ems.errors import ConfigError
from ems.model.capability import Capability
from ems.model.device import DeviceSpec, ModelFamily, SunSpecSpec
from ems.model.readings import ControlMode, EngineState, GensetPhase
from ems.ports import DeclaresCapabilities, Device, DeviceLink
from tests.drivers.clock import SteppedClock
from tests.drivers.conformance.plant import FollowingPlant
from tests.drivers.mqtt_rig import BROKER, broker_spec, mqtt_spec
from tests.drivers.rig import LINK, RATED_KW, Value, build, device_spec, link_spec

MAPS: Final = tuple(Path(part) for part in os.environ.get("EMS_CONFORMANCE_MAPS", "").split(os.pathsep) if part)
WATCHDOG_S: Final = 12.0
LOCAL_SUPPLY_DEGC: Final = 16.0
# drivers of devices behind a broker begin so
_MQTT: Final = "mqtt."
POWER_KW: Final = 400.0

SELF_DESCRIBING: Final[Mapping[str, tuple[SunSpecSpec, ...]]] = {
    "sunspec.pv": (SunSpecSpec(family=ModelFamily.OLD), SunSpecSpec(family=ModelFamily.DER)),
    "sunspec.storage": (SunSpecSpec(), SunSpecSpec(shows="bms")),
    "sunspec.meter": (SunSpecSpec(power_sign=1), SunSpecSpec(power_sign=-1, shows="pcc_meter")),
}
_CLASSES: Final = {
    "sunspec.pv": DeviceClass.PV,
    "sunspec.storage": DeviceClass.PCS,
    "sunspec.meter": DeviceClass.LOAD_METER,
}
# what a healthy device in operation shows, where a number of the right size is not enough
_STATES: Final[Mapping[str, Value]] = {
    "remote": True,
    "fallback_armed": True,
    "ready": True,
    "forming": False,
    "alarm": False,
    "breaker_closed": True,
    "phase": GensetPhase.RUNNING,
    "engine_state": EngineState.ON_LOAD,
    "mode": ControlMode.AUTO,
    "frequency_hz": 50.0,
    "setpoint_kw": 0.0,
    "power_kw": 0.0,
    "limit_kw": RATED_KW,
    "available_kw": 900.0,
    "load_kw": POWER_KW,
    "load_max_kw": POWER_KW,
    "max_charge_kw": 1500.0,
    "max_discharge_kw": 1500.0,
    "dc_voltage_v": 1200.0,
    "max_charge_a": 1250.0,
    "max_discharge_a": 1250.0,
    "setpoint_degc": 20.0,
    "supply_degc": 20.5,
    "dew_point_degc": 10.0,
    "leak": False,
    "low_flow": False,
    "cell_max_v": 3.4,
    "cell_min_v": 3.3,
    "grid_voltage_frac": 1.0,
    "bus_voltage_frac": 1.0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A driver with a map, or with what a device without one leaves open; `map` is of registers or of topics."""

    name: str
    spec: DeviceSpec
    device_class: DeviceClass
    map: RegisterMap | TopicMap | None
    capabilities: frozenset[Capability]

    def plant(self, **values: Value) -> FollowingPlant:
        """Return a healthy device in operation, with other values where a test needs them."""
        shown: dict[str, Value] = {}
        points = {} if self.map is None else {each.field: each for each in self.map.points.values()}
        for name, field in reading_fields(self.device_class).items():
            point = points.get(name)
            if self.map is None or point is not None or self.shows(name):
                shown[name] = _sample(name, field, point)
        if {"engine_state", "power_kw"} <= shown.keys() and "breaker_closed" not in shown:
            shown["power_kw"] = POWER_KW
        if "mode" in shown:
            shown["mode"] = _remote_mode(self.map)
        if self.device_class is DeviceClass.PV:
            shown["power_kw"] = shown["available_kw"]
        return FollowingPlant({**shown, **values})

    def shows(self, field: str) -> bool:
        """Return whether the device tells a field of its reading."""
        if self.map is None or any(point.field == field for point in self.map.points.values()):
            return True
        racks = self.map.racks if isinstance(self.map, RegisterMap) else ()
        return field in derived_fields(racks) - {"rack_soc_min_pct", "rack_soc_max_pct"}

    @property
    def is_behind_broker(self) -> bool:
        """Return whether the device speaks MQTT."""
        return isinstance(self.map, TopicMap)


def find_subjects() -> Iterator[Subject]:
    """Yield every driver with everything that it takes."""
    for entry in sorted(entry_points(group="ems.drivers"), key=lambda found: found.name):
        if entry.name.startswith(_MQTT):
            yield from _behind_brokers(entry.name)
            continue
        for name in () if entry.name in SELF_DESCRIBING else map_names(MAPS):
            register_map = load_map(name, MAPS)
            spec = device_spec(
                name, driver=entry.name, watchdog_s=_watchdog_s(register_map), local_supply_degc=LOCAL_SUPPLY_DEGC
            )
            if (device := _built(spec)) is not None:
                yield Subject(
                    name=f"{entry.name} {name}",
                    spec=spec,
                    device_class=register_map.device_class,
                    map=register_map,
                    capabilities=_capabilities(device),
                )
        for sunspec in SELF_DESCRIBING.get(entry.name, ()):
            spec = device_spec("", driver=entry.name, map=None, sunspec=sunspec, watchdog_s=WATCHDOG_S)
            device = _built(spec)
            assert device is not None, f"{entry.name} does not take {sunspec}"
            shown = _CLASSES[entry.name] if sunspec.shows is None else DeviceClass(sunspec.shows)
            yield Subject(
                name=f"{entry.name} {shown} {sunspec.family}",
                spec=spec,
                device_class=shown,
                map=None,
                capabilities=_capabilities(device),
            )


def _behind_brokers(driver: str) -> Iterator[Subject]:
    """Yield a driver of devices behind a broker with every topic map that it takes."""
    for name in topic_map_names(MAPS):
        topic_map = load_topic_map(name, MAPS)
        own_name = "/".join(f"{part}1" for part in topic_map.name_parts)
        spec = mqtt_spec(name, driver=driver, name=own_name, watchdog_s=WATCHDOG_S)
        if (device := _built(spec)) is not None:
            yield Subject(
                name=f"{driver} {name}",
                spec=spec,
                device_class=topic_map.device_class,
                map=topic_map,
                capabilities=_capabilities(device),
            )


def _watchdog_s(register_map: RegisterMap) -> float:
    """Return a fall-back time that the device can count: some do in minutes."""
    command = register_map.watchdog
    return WATCHDOG_S if command is None else max(WATCHDOG_S, command.coding.scale)


def _built(spec: DeviceSpec) -> Device | None:
    """Return the device, None if the driver does not take the map."""
    clock = SteppedClock()
    try:
        links: dict[str, DeviceLink] = {
            LINK: ModbusLink(link_spec(1), clock=clock),
            BROKER: MqttLink(broker_spec(), clock=clock),
        }
        return build(spec, clock=clock, links=links, maps=MAPS)
    except ConfigError as error:
        if any((problem.key or "").endswith(".map") for problem in error.problems):
            return None
        raise


def _capabilities(device: Device) -> frozenset[Capability]:
    assert isinstance(device, DeclaresCapabilities), f"{device} does not say what it can be relied on for"
    return device.capabilities


def _remote_mode(register_map: RegisterMap | TopicMap | None) -> Value:
    """Return the mode in which a controller takes commands, where one register shows mode and local control."""
    if not isinstance(register_map, RegisterMap):
        return ControlMode.AUTO
    switch, mode = register_map.points.get("remote"), register_map.points.get("mode")
    if switch is None or mode is None or switch.labels is None or mode.labels is None or switch.at != mode.at:
        return ControlMode.AUTO
    return next(label for code, label in mode.labels.items() if switch.labels.get(code) == "true")


def _sample(name: str, field: ReadingField, point: Point | TopicPoint | None) -> Value:
    if name in _STATES:
        return _STATES[name]
    match field.kind:
        case FieldKind.FLAG:
            return True
        case FieldKind.LABEL:
            return None if field.labels is None else next(iter(field.labels)).value
        case FieldKind.INTEGER:
            return 1_234_000
        case FieldKind.NUMBER:
            low, high = (0.0, 100.0) if point is None or point.valid is None else point.valid
            return min(max(40.0, low), high)
        case FieldKind.TEXT | FieldKind.NAMES:
            return None
