"""mqtt.toml: the broker through which SCADA and the operator's page see the site."""

from typing import Annotated, Literal

from pydantic import Field

from ems.config.schema.fields import WORDS, ClientId, Count, Host, Port, RelativePath, ShortS, Table, Text

TopicPrefix = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9_-]+(/[a-z0-9_-]+)*$",
        max_length=60,
        json_schema_extra={WORDS: "topic levels of lower-case letters, digits, - and _, joined by /"},
    ),
]


class MqttTable(Table):
    """Connection and publishing."""

    host: Host = Field(description="Address of the broker.")
    port: Port = Field(1883, description="Port of the broker.")
    prefix: TopicPrefix = Field("ems", description="First part of every topic.")
    client_id: ClientId = Field("ems", description="MQTT client identifier; the site's id is appended.")
    protocol: Literal["3.1.1", "5"] = Field("5", description="MQTT version.")
    username: Text | None = Field(None, description="User, where the broker asks for one.")
    password_file: RelativePath | None = Field(None, description="File that holds the password alone.")
    ca_file: RelativePath | None = Field(None, description="CA certificate; switches TLS on.")
    cert_file: RelativePath | None = Field(None, description="Client certificate.")
    key_file: RelativePath | None = Field(None, description="Key of the client certificate.")
    keepalive_s: Annotated[int, Field(ge=5, le=600)] = Field(15, description="MQTT keep-alive.")
    publish_s: ShortS = Field(1.0, description="State topics are published this often.")
    timeout_s: ShortS = Field(5.0, description="A publish that is not confirmed by then has failed.")
    reconnect_max_s: ShortS = Field(30.0, description="Longest pause before reconnecting.")
    queue_events: Count = Field(500, description="Events kept while the broker is away; the oldest go first.")
    queue_records: Count = Field(
        1000,
        description="Records kept for the broker of energy, of carbon and of alarms each, also over a restart; the "
        "oldest go first. A day without a broker has 96 intervals of 15 min.",
    )


class CommandsTable(Table):
    """Signed commands on `cmd/<name>`; whose keys count says `keys.json` beside these files (docs/commands.md)."""

    enabled: bool = Field(True, description="Whether commands are taken from the broker at all.")
    two_person: bool = Field(
        True, description="Planned islanding, black start and the end of an emergency stop need two different keys."
    )
    max_bound_h: Annotated[float, Field(ge=0.1, le=168.0)] = Field(
        24.0, description="A limit that is asked for longer ends after this time."
    )


SparkplugName = Annotated[
    str,
    Field(
        pattern=r"^[^/+#\s]+$",
        max_length=60,
        json_schema_extra={WORDS: "a name without /, +, # and blanks"},
    ),
]


class SparkplugTable(Table):
    """A second publisher for hosts that speak Sparkplug B 3.0; without this table there is none."""

    group: SparkplugName = Field(description="Sparkplug group id.")
    node: SparkplugName | None = Field(None, description="Edge node id; the site's id by default.")
    primary_host: SparkplugName | None = Field(
        None, description="Host id of the primary host application: the node is born while that is online only."
    )


class HomeAssistantTable(Table):
    """Discovery messages for Home Assistant; without this table there are none."""

    prefix: TopicPrefix = Field("homeassistant", description="Discovery prefix, as set in Home Assistant.")


class MqttFile(Table):
    """mqtt.toml."""

    mqtt: MqttTable
    commands: CommandsTable = Field(default_factory=CommandsTable)
    sparkplug: SparkplugTable | None = None
    home_assistant: HomeAssistantTable | None = None
