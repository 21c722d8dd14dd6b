"""Records the message traces of the tests: `python -m tests.commissioning.record_message_traces [MAP...]`.

For each shipped topic map without a trace, or for those named: what a simulated device with the values below publishes,
and beside it the values themselves. A trace of a real device is put here the same way: `ems devices trace record`, and
the values that its display showed.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Final

from drivers.device.fields import DeviceClass, FieldKind, reading_fields
from drivers.mqtt.link import MqttLink
from drivers.mqtt.topicmapfile import load_topic_map, topic_map_names
from drivers.mqtt.topics import TopicMap, TopicPoint
from drivers.mqtt.trace import MessageRecorder, MessageTrace, RecordedDevice
from drivers.sim.mqtt.station import MqttStation
from tests.drivers.clock import SteppedClock
from tests.drivers.mqtt_broker import MemoryBroker
from tests.drivers.mqtt_rig import BROKER, broker_spec, mqtt_spec
from tests.drivers.rig import IDENTITY, PlantDevice, Value, background, build

HOME: Final = Path(__file__).parent / "traces" / "mqtt"
DRIVERS: Final = {
    DeviceClass.PCS: "mqtt.pcs",
    DeviceClass.BMS: "mqtt.bms",
    DeviceClass.PV: "mqtt.pv",
    DeviceClass.LOAD_METER: "mqtt.load_meter",
    DeviceClass.PCC_METER: "mqtt.pcc_meter",
}
# what the ranges of maps allow, where 12.5 is not in them
_NUMBERS: Final = {"frequency_hz": 50.0, "cell_max_v": 3.4, "cell_min_v": 3.2, "power_kw": -12.5, "setpoint_kw": -12.5}
# two slow periods of the device
_RECORDED_S: Final = 11.0


def own_name(topic_map: TopicMap) -> str:
    """Return what the recorded device is called in its topics."""
    return "/".join(f"{part}1" for part in topic_map.name_parts)


def shown_values(topic_map: TopicMap) -> dict[str, Value]:
    """Return plausible values for every field that a map tells."""
    kinds = reading_fields(topic_map.device_class)
    return {
        point.field: _value(point, kinds[point.field].kind)
        for point in topic_map.points.values()
        if point.field in kinds
    }


def _value(point: TopicPoint, kind: FieldKind) -> Value:
    low, high = point.valid or (0.0, 60.0)
    match kind:
        case FieldKind.NUMBER:
            return _NUMBERS.get(point.name) or (12.5 if low <= 12.5 <= high else (low + high) / 2.0)
        case FieldKind.INTEGER:
            return 123_400
        case FieldKind.FLAG:
            return True
        case FieldKind.NAMES:
            return ("fan", "door")
        case FieldKind.LABEL | FieldKind.TEXT:
            return next(iter((point.labels or {"": ""}).values()))


async def record(name: str) -> None:
    """Write the trace and the values of one map."""
    clock, broker, topic_map = SteppedClock(), MemoryBroker(), load_topic_map(name, ())
    values = shown_values(topic_map)
    called = own_name(topic_map)
    spec = mqtt_spec(name, driver=DRIVERS[topic_map.device_class], name=called)
    station = MqttStation(
        spec, broker_spec(), topic_map, PlantDevice({**IDENTITY, **values}), clock=clock, dial=broker.dial
    )
    link = MqttLink(broker_spec(), clock=clock, connect=broker.connect)
    device = build(spec, clock=clock, links={BROKER: link})
    began_s, began = clock.monotonic_s(), clock.utc()
    recorder = MessageRecorder(getattr(device, "topics"), began_s=began_s)  # noqa: B009 - every MQTT driver has them
    link.attach(recorder)
    async with background(station.run()), background(link.run()):
        await clock.run(_RECORDED_S)
    trace = MessageTrace(
        recorded=began,
        endpoint="the simulated device of this project",
        devices={spec.id: RecordedDevice(map=name, name=called)},
        messages=recorder.messages,
    )
    HOME.mkdir(parents=True, exist_ok=True)
    (HOME / f"{name}.jsonl").write_text(trace.text(), encoding="utf-8")
    (HOME / f"{name}.values.json").write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def main() -> None:
    """Record what is asked for, else what is missing."""
    missing = [name for name in topic_map_names(()) if not (HOME / f"{name}.jsonl").is_file()]
    for name in sys.argv[1:] or missing:
        asyncio.run(record(name))


if __name__ == "__main__":
    main()
