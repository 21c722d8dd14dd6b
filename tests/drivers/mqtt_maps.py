"""Messages and topic maps for the tests of MQTT devices."""

import tomllib
from datetime import UTC, datetime
from pathlib import Path

from drivers.mqtt.messages import Message
from drivers.mqtt.topicmapfile import topic_map_of
from drivers.mqtt.topics import TopicMap

NOON = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC)
ARRIVED_S = 100.0
FILE = Path("site-pcs.toml")

SITE_MAP = """
[device]
id = "site-pcs"
source = "invented for this test, no document"
class = "pcs"

[messages]
stamp = "time"
stamp_format = "unix_ms"
most_off_s = 5.0
max_bytes = 400

[availability]
topic = "{device}/status"
online = "here"
offline = "gone"

[identity.serial]
topic = "{device}/info"
at = "serial"

[points.power_kw]
topic = "{device}/state"
at = "ac.power"
scale = 0.001
sign = "out_of_bus"
valid = [-100, 100]
invalid = [-32768]

[points.setpoint_kw]
topic = "{device}/state"
at = "ac.setpoint"
scale = 0.001
sign = "out_of_bus"

[points.remote]
topic = "{device}/state"
at = "mode"
enum = { 1 = "true", 2 = "false" }

[points.ready]
topic = "{device}/state"
at = "ready"
type = "flag"

[points.frequency_hz]
topic = "{device}/state"
at = "phases.1.hz"
optional = true

[points.charge_wh]
topic = "{device}/counter/charge"
scale = 1000
max_age_s = 60.0

[points.faults]
topic = "{device}/state"
at = "faults"
type = "names"
optional = true

[commands.power_kw]
topic = "{device}/set"
payload = { p = "{value}", until = "{valid_until_unix_ms}", ttl = "{valid_for_s}", n = "{request_id}", unit = "W" }
scale = 0.001
sign = "out_of_bus"
limits = [-100, 100]
resolution = 10.0
readback = "setpoint_kw"

[heartbeat]
topic = "{device}/alive"
payload = "{count}"

[keepalive]
topic = "{device}/wake"
payload = "please"
every_s = 30.0

[fallback]
text = "It goes to zero when the heartbeat stops."
"""


def site_map(*changes: tuple[str, str]) -> TopicMap:
    """Return the map of this module with some texts replaced."""
    text = SITE_MAP
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return topic_map_of(tomllib.loads(text), FILE)


def message(topic: str, payload: str | bytes, *, retained: bool = False) -> Message:
    """Return a message that arrives at noon."""
    data = payload.encode() if isinstance(payload, str) else payload
    return Message(topic=topic, payload=data, retained=retained, at_s=ARRIVED_S, utc=NOON)
