"""Discovery messages for Home Assistant: which of our topics are sensors there, and what each is.

Component, keys and the units that a device class allows are those of Home Assistant's MQTT discovery.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ems.contract.status import Presence
from ems.contract.topics import CARBON, ENERGY, HEALTH, READINESS, STATE, STATUS, Topics

SENSOR: Final = "sensor"
BINARY_SENSOR: Final = "binary_sensor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """One value of a topic as Home Assistant shows it; `field` may have dots. A `test` makes a switch of it."""

    topic: str
    field: str
    name: str
    unit: str | None = None
    device_class: str | None = None
    state_class: str | None = None
    test: str | None = None


def _power(field: str, name: str) -> Entity:
    return Entity(topic=STATE, field=field, name=name, unit="kW", device_class="power", state_class="measurement")


def _counter(field: str, name: str) -> Entity:
    return Entity(
        topic=ENERGY, field=field, name=name, unit="kWh", device_class="energy", state_class="total_increasing"
    )


ENTITIES: Final = (
    Entity(topic=STATE, field="mode", name="Mode"),
    _power("load_kw", "Load"),
    _power("it_load_kw", "IT load"),
    _power("grid_kw", "Grid"),
    _power("pv_kw", "PV"),
    _power("genset_kw", "Gensets"),
    _power("storage_kw", "Storage"),
    Entity(topic=STATE, field="soc_pct", name="SoC", unit="%", device_class="battery", state_class="measurement"),
    Entity(topic=STATE, field="soc_floor_pct", name="SoC floor", unit="%", state_class="measurement"),
    Entity(
        topic=STATE, field="frequency_hz", name="Frequency", unit="Hz", device_class="frequency",
        state_class="measurement",
    ),
    Entity(
        topic=STATE, field="ambient_degc", name="Outdoor temperature", unit="°C", device_class="temperature",
        state_class="measurement",
    ),
    Entity(
        topic=STATE, field="tank_l", name="Fuel", unit="L", device_class="volume_storage", state_class="measurement"
    ),
    Entity(topic=READINESS, field="index_pct", name="Resilience index", unit="%", state_class="measurement"),
    _counter("import_kwh", "Imported energy"),
    _counter("export_kwh", "Exported energy"),
    _counter("pv_kwh", "PV energy"),
    _counter("genset_kwh", "Genset energy"),
    _counter("charge_kwh", "Energy into storage"),
    _counter("discharge_kwh", "Energy out of storage"),
    _counter("it_kwh", "IT energy"),
    Entity(topic=CARBON, field="interval_gco2e_per_kwh", name="Carbon intensity", unit="g/kWh",
           state_class="measurement"),
    Entity(topic=HEALTH, field="alarms.n_active", name="Alarms", state_class="measurement"),
    Entity(topic=HEALTH, field="alarms.first_out", name="First alarm"),
    Entity(topic=STATE, field="pcc_closed", name="Grid breaker closed", test="{field}"),
    Entity(topic=HEALTH, field="alarms.n_unacknowledged", name="Alarm", device_class="problem", test="{field} > 0"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """A discovery message; its topic is not below the site's root."""

    topic: str
    payload: bytes


def discovery(topics: Topics, *, prefix: str, site_name: str, version: str) -> Iterator[Discovery]:
    """Yield a message for each entity of a site."""
    for entity in ENTITIES:
        component = SENSOR if entity.test is None else BINARY_SENSOR
        object_id = f"{entity.topic}_{entity.field}".replace(".", "_")
        payload = _payload(entity, topics, object_id, site_name=site_name, version=version)
        yield Discovery(
            topic=f"{prefix}/{component}/{topics.site_id}/{object_id}/config",
            payload=json.dumps(payload, ensure_ascii=False).encode(),
        )


def _payload(entity: Entity, topics: Topics, object_id: str, *, site_name: str, version: str) -> dict[str, object]:
    value = f"value_json.{entity.field}"
    payload: dict[str, object] = {
        "name": entity.name,
        "unique_id": f"{topics.prefix}_{topics.site_id}_{object_id}".replace("/", "_"),
        "state_topic": topics.full(entity.topic),
        "value_template": f"{{{{ {value} }}}}"
        if entity.test is None
        else _switch(entity.test.format(field=value), value),
        "availability_topic": topics.full(STATUS),
        "payload_available": Presence.ONLINE.value,
        "payload_not_available": Presence.OFFLINE.value,
        "device": {
            "identifiers": [f"{topics.prefix}_{topics.site_id}".replace("/", "_")],
            "name": site_name,
            "model": "GPU microgrid EMS",
            "sw_version": version,
        },
        "origin": {"name": "gpu-microgrid-ems", "sw_version": version},
    }
    optional = {
        "unit_of_measurement": entity.unit, "device_class": entity.device_class, "state_class": entity.state_class
    }  # fmt: skip
    return payload | {key: text for key, text in optional.items() if text is not None}


def _switch(test: str, value: str) -> str:
    """Return a template that is ON or OFF, and `None` (unknown there) where the value is null."""
    return f"{{{{ 'None' if {value} is none else ('ON' if {test} else 'OFF') }}}}"
