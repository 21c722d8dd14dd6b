"""Every published topic with its model, and the JSON Schema of each."""

import inspect
import json
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode

from ems.contract.accounts import CarbonMessage, EnergyMessage
from ems.contract.alarms import AlarmMessage
from ems.contract.cluster import AckMessage, EnvelopeMessage, FlexOfferMessage, ShedMessage, TelemetryMessage
from ems.contract.command import CommandAckMessage, CommandMessage, CommandsMessage
from ems.contract.comparison import ComparisonMessage
from ems.contract.control import ControlMessage
from ems.contract.daemon import EventMessage, HealthMessage
from ems.contract.devices import (
    BmsMessage,
    CduMessage,
    ChillerMessage,
    CoolingMessage,
    DryCoolerMessage,
    GensetMessage,
    LoadMessage,
    PccMessage,
    PcsMessage,
    PvMessage,
    SetpointMessage,
    TankMessage,
)
from ems.contract.links import LinkMessage
from ems.contract.planning import (
    CarbonForecastMessage,
    PlanMessage,
    PowerForecastMessage,
    TemperatureForecastMessage,
)
from ems.contract.racks import RacksMessage
from ems.contract.site import GuardMessage, ReadinessMessage, ReserveMessage, StateMessage
from ems.contract.standby import StandbyMessage
from ems.contract.status import StatusText


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One row of the contract. `pattern` is below the site's root; parts in angle brackets stand for names."""

    pattern: str
    model: type[BaseModel]
    schema: str
    retain: bool = True


TOPICS: Final = (
    Topic(pattern="status", model=StatusText, schema="status"),
    Topic(pattern="state", model=StateMessage, schema="state"),
    Topic(pattern="health", model=HealthMessage, schema="health"),
    Topic(pattern="plan", model=PlanMessage, schema="plan"),
    Topic(pattern="reserve", model=ReserveMessage, schema="reserve"),
    Topic(pattern="readiness", model=ReadinessMessage, schema="readiness"),
    Topic(pattern="energy", model=EnergyMessage, schema="energy"),
    Topic(pattern="carbon", model=CarbonMessage, schema="carbon"),
    Topic(pattern="guard", model=GuardMessage, schema="guard"),
    Topic(pattern="control", model=ControlMessage, schema="control"),
    Topic(pattern="device/<device>/pcs", model=PcsMessage, schema="device.pcs"),
    Topic(pattern="device/<device>/bms", model=BmsMessage, schema="device.bms"),
    Topic(pattern="device/<device>/racks", model=RacksMessage, schema="device.racks"),
    Topic(pattern="device/<device>/genset", model=GensetMessage, schema="device.genset"),
    Topic(pattern="device/<device>/pv", model=PvMessage, schema="device.pv"),
    Topic(pattern="device/<device>/pcc", model=PccMessage, schema="device.pcc"),
    Topic(pattern="device/<device>/load", model=LoadMessage, schema="device.load"),
    Topic(pattern="device/<device>/cooling", model=CoolingMessage, schema="device.cooling"),
    Topic(pattern="device/<device>/cdu", model=CduMessage, schema="device.cdu"),
    Topic(pattern="device/<device>/chiller", model=ChillerMessage, schema="device.chiller"),
    Topic(pattern="device/<device>/dry_cooler", model=DryCoolerMessage, schema="device.dry_cooler"),
    Topic(pattern="device/<device>/tank", model=TankMessage, schema="device.tank"),
    Topic(pattern="setpoint/<device>", model=SetpointMessage, schema="setpoint"),
    Topic(pattern="link/<link>", model=LinkMessage, schema="link"),
    Topic(pattern="forecast/it", model=PowerForecastMessage, schema="forecast.power"),
    Topic(pattern="forecast/pv_<plant>", model=PowerForecastMessage, schema="forecast.power"),
    Topic(pattern="forecast/ambient", model=TemperatureForecastMessage, schema="forecast.temperature"),
    Topic(pattern="forecast/carbon", model=CarbonForecastMessage, schema="forecast.carbon"),
    Topic(pattern="alarm/<id>", model=AlarmMessage, schema="alarm"),
    Topic(pattern="comparison", model=ComparisonMessage, schema="comparison"),
    Topic(pattern="event", model=EventMessage, schema="event", retain=False),
    Topic(pattern="record/energy", model=EnergyMessage, schema="energy", retain=False),
    Topic(pattern="record/carbon", model=CarbonMessage, schema="carbon", retain=False),
    Topic(pattern="record/alarm", model=AlarmMessage, schema="alarm", retain=False),
    Topic(pattern="commands", model=CommandsMessage, schema="commands"),
    Topic(pattern="ack/<id>", model=CommandAckMessage, schema="ack", retain=False),
    Topic(pattern="standby/<host>", model=StandbyMessage, schema="standby", retain=False),
    Topic(pattern="cluster/<id>/envelope", model=EnvelopeMessage, schema="cluster.envelope"),
    Topic(pattern="cluster/<id>/shed", model=ShedMessage, schema="cluster.shed", retain=False),
)
# what the daemon reads; nothing else that arrives is looked at
RECEIVED: Final = (
    Topic(pattern="cluster/<id>/offer", model=FlexOfferMessage, schema="cluster.offer"),
    Topic(pattern="cluster/<id>/ack", model=AckMessage, schema="cluster.ack", retain=False),
    Topic(pattern="cluster/<id>/telemetry", model=TelemetryMessage, schema="cluster.telemetry", retain=False),
    Topic(pattern="cmd/<name>", model=CommandMessage, schema="cmd", retain=False),
)


def schema_file_names() -> tuple[str, ...]:
    """Return the name of each schema file."""
    return tuple(dict.fromkeys(f"{topic.schema}.schema.json" for topic in (*TOPICS, *RECEIVED)))


def payload_schema(file_name: str) -> str:
    """Return the text of a schema file: what a published payload looks like, or one that is read must look like."""
    topics = [topic for topic in (*TOPICS, *RECEIVED) if f"{topic.schema}.schema.json" == file_name]
    model = topics[0].model
    mode: JsonSchemaMode = "validation" if topics[0] in RECEIVED else "serialization"
    schema: dict[str, Any] = model.model_json_schema(mode=mode, by_alias=True)  # JSON of any shape
    node = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_without_titles(schema),
        "title": ", ".join(topic.pattern for topic in topics),
        "description": inspect.cleandoc(model.__doc__ or ""),
    }
    return json.dumps(node, indent=2, ensure_ascii=False) + "\n"


def topic_of(name: str) -> Topic | None:
    """Return the row that a topic name belongs to, None for a name that is not in the contract."""
    parts = name.split("/")
    return next((topic for topic in TOPICS if _fits(topic.pattern.split("/"), parts)), None)


def _without_titles(node: dict[str, Any]) -> dict[str, Any]:  # JSON of any shape
    """Return a schema without the titles that pydantic makes of identifiers."""
    plain = {keyword: value for keyword, value in node.items() if keyword != "title"}
    for keyword in ("properties", "$defs"):
        if keyword in plain:
            plain[keyword] = {name: _without_titles(child) for name, child in plain[keyword].items()}
    return plain


def _fits(pattern: list[str], parts: list[str]) -> bool:
    return len(pattern) == len(parts) and all(_fits_part(*pair) for pair in zip(pattern, parts, strict=True))


def _fits_part(pattern: str, part: str) -> bool:
    before, bracket, _ = pattern.partition("<")
    return (part.startswith(before) and len(part) > len(before)) if bracket else part == pattern
