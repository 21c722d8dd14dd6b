"""Topic names. Every topic of a site lies below `<prefix>/<site>/`; names here are given below that root."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

STATUS: Final = "status"
STATE: Final = "state"
HEALTH: Final = "health"
PLAN: Final = "plan"
RESERVE: Final = "reserve"
READINESS: Final = "readiness"
ENERGY: Final = "energy"
CARBON: Final = "carbon"
GUARD: Final = "guard"
CONTROL: Final = "control"
EVENT: Final = "event"
# below the root of a controller in shadow mode only
COMPARISON: Final = "comparison"
SHADOW: Final = "shadow"
RECORD_ENERGY: Final = "record/energy"
RECORD_CARBON: Final = "record/carbon"
RECORD_ALARM: Final = "record/alarm"
COMMANDS: Final = "commands"
# every command, as a subscription
ANY_COMMAND: Final = "cmd/+"


class DeviceGroup(StrEnum):
    """Groups of measured values, by what the device is."""

    PCS = "pcs"
    BMS = "bms"
    RACKS = "racks"
    GENSET = "genset"
    PV = "pv"
    PCC = "pcc"
    LOAD = "load"
    COOLING = "cooling"
    CDU = "cdu"
    CHILLER = "chiller"
    DRY_COOLER = "dry_cooler"
    TANK = "tank"


@dataclass(frozen=True, slots=True, kw_only=True)
class Topics:
    """The topics of one site."""

    prefix: str
    site_id: str

    @property
    def root(self) -> str:
        """Return what all topics of the site begin with, without the slash at the end."""
        return f"{self.prefix}/{self.site_id}"

    def full(self, name: str) -> str:
        """Return the whole topic of a name below the root."""
        return f"{self.root}/{name}"

    def name(self, topic: str) -> str | None:
        """Return the name below the root, None for a topic that is not the site's."""
        beginning = f"{self.root}/"
        return topic.removeprefix(beginning) if topic.startswith(beginning) else None


def device_topic(device_id: str, group: DeviceGroup) -> str:
    """Return the topic of one group of a device's measured values."""
    return f"device/{device_id}/{group.value}"


def alarm_topic(alarm_id: str) -> str:
    """Return the topic of an alarm."""
    return f"alarm/{alarm_id}"


def link_topic(link_id: str) -> str:
    """Return the topic of a connection to devices."""
    return f"link/{link_id}"


def setpoint_topic(device_id: str) -> str:
    """Return the topic of what a device is commanded."""
    return f"setpoint/{device_id}"


def forecast_topic(name: str) -> str:
    """Return the topic of a forecast."""
    return f"forecast/{name}"


def standby_topic(host: str) -> str:
    """Return the topic on which a controller says that it does not command."""
    return f"standby/{host}"


def offer_topic(cluster_id: str) -> str:
    """Return the topic on which a cluster makes its offers."""
    return f"cluster/{cluster_id}/offer"


def ack_topic(cluster_id: str) -> str:
    """Return the topic on which a cluster answers envelopes and sheds."""
    return f"cluster/{cluster_id}/ack"


def telemetry_topic(cluster_id: str) -> str:
    """Return the topic on which a cluster tells of itself."""
    return f"cluster/{cluster_id}/telemetry"


def shed_topic(cluster_id: str) -> str:
    """Return the topic on which load is asked to go at once."""
    return f"cluster/{cluster_id}/shed"


def envelope_topic(cluster_id: str) -> str:
    """Return the topic of a cluster's power envelope."""
    return f"cluster/{cluster_id}/envelope"


def command_topic(name: str) -> str:
    """Return the topic on which a command comes."""
    return f"cmd/{name}"


def command_ack_topic(command_id: str) -> str:
    """Return the topic on which a command is answered."""
    return f"ack/{command_id}"
