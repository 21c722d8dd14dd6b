"""devices.toml: links and brokers (one connection each) and the devices behind them.

A table with `count` stands for that many, numbered from 1; `{n}` in a name is the number, `{n:02}` with a
leading zero. Behind a link, `per_link` devices take unit numbers from `unit` upwards.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from ems.config.schema.fields import (
    WORDS,
    ClientId,
    Count,
    Host,
    Name,
    Port,
    PowerKw,
    RelativePath,
    ShortOrZeroS,
    ShortS,
    Table,
    TemperatureDegC,
    Text,
    UnitId,
)

Pattern = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9][a-z0-9_-]*(\{n(:0[1-9])?\}[a-z0-9_-]*)?$",
        max_length=60,
        json_schema_extra={WORDS: "a name of lower-case letters, digits, - and _, with {n} or {n:02} for the number"},
    ),
]
LinkPattern = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9][a-z0-9_-]*(\{l(:0[1-9])?\}[a-z0-9_-]*)?$",
        max_length=60,
        json_schema_extra={WORDS: "the id of a link, with {l} or {l:02} for the number of a numbered link"},
    ),
]
DriverName = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)*$",
        max_length=60,
        json_schema_extra={WORDS: "the name of a driver, such as battery.pcs"},
    ),
]


TopicName = Annotated[
    str,
    Field(
        pattern=r"^[^+#{}\x00-\x1f]*(\{n(:0[1-9])?\}[^+#{}\x00-\x1f]*)?$",
        min_length=1,
        max_length=120,
        json_schema_extra={WORDS: "parts of a topic joined by /, without + and #, with {n} or {n:02} for the number"},
    ),
]
SerialDevice = Annotated[
    str,
    Field(
        pattern=r"^/dev/[A-Za-z0-9._:/-]*(\{n(:0[1-9])?\}[A-Za-z0-9._:/-]*)?$",
        max_length=200,
        json_schema_extra={WORDS: "a device below /dev, with {n} or {n:02} for the number of a numbered link"},
    ),
]
# serial adapters of the field run at 1200 to 115200, a few at more
BitRate = Annotated[int, Field(ge=1200, le=1_000_000)]
# a time of the clock: nobody is called more often than once a second
AttemptS = Annotated[float, Field(ge=1.0, le=600.0)]


class LinkTable(Table):
    """One endpoint, or `count` of them on consecutive ports or serial devices."""

    id: Pattern = Field(description="Name, or pattern with `{n}`.")
    count: Count = Field(1, description="How many.")
    framing: Literal["tcp", "rtu-over-tcp", "rtu", "tls"] = Field(
        "tcp",
        description="Modbus TCP, serial frames through a serial server (`rtu-over-tcp`), a serial port of this "
        "computer (`rtu`), or Modbus/TCP Security (`tls`).",
    )
    host: Host | None = Field(None, description="Address; every framing but `rtu` needs it.")
    port: Port | None = Field(
        None,
        description="Port of the first; the following ones count up. Usual are 502 and, with `tls`, 802. "
        "Every framing but `rtu` needs it.",
    )
    device: SerialDevice | None = Field(None, description="Serial port; `rtu` needs it.")
    baud: BitRate = Field(19_200, description="`rtu`: bits per second.")
    parity: Literal["none", "even", "odd"] = Field("even", description="`rtu`: parity bit.")
    stop_bits: Annotated[int, Field(ge=1, le=2)] = Field(1, description="`rtu`: stop bits; 2 is usual without parity.")
    ca_file: RelativePath | None = Field(None, description="`tls` needs it: certificate that signs the device's.")
    cert_file: RelativePath | None = Field(None, description="`tls`: our certificate, for devices that ask for it.")
    key_file: RelativePath | None = Field(None, description="`tls`: key of our certificate.")
    server_name: Host | None = Field(None, description="`tls`: name in the device's certificate; left out: the host.")
    timeout_s: ShortS = Field(1.0, description="An answer later than this is lost.")
    connect_delay_s: ShortOrZeroS = Field(0.0, description="Pause after connecting, for devices that need it.")
    gap_s: ShortOrZeroS = Field(
        0.0, description="Pause between two requests; serial frames keep the silence that they need in any case."
    )
    reconnect_min_s: AttemptS = Field(1.0, description="First pause before reconnecting.")
    reconnect_max_s: AttemptS = Field(4.0, description="Longest pause before reconnecting.")


class BrokerTable(Table):
    """One MQTT broker, or `count` of them on consecutive ports, through which devices are reached."""

    id: Pattern = Field(description="Name, or pattern with `{n}`; devices name it as their `link`.")
    count: Count = Field(1, description="How many.")
    host: Host = Field(description="Address.")
    port: Port = Field(
        1883, description="Port of the first; the following ones count up. Usual are 1883 and, with TLS, 8883."
    )
    protocol: Literal["3.1.1", "5"] = Field("5", description="MQTT version.")
    client_id: ClientId = Field(
        "ems-devices",
        description="MQTT client identifier; the broker's id is appended. No other client may have it.",
    )
    username: Text | None = Field(None, description="User, where the broker asks for one.")
    password_file: RelativePath | None = Field(None, description="File that holds the password alone.")
    ca_file: RelativePath | None = Field(None, description="CA certificate; switches TLS on.")
    cert_file: RelativePath | None = Field(None, description="Our certificate, for brokers that ask for it.")
    key_file: RelativePath | None = Field(None, description="Key of our certificate.")
    keepalive_s: Annotated[int, Field(ge=5, le=600)] = Field(
        10, description="MQTT keep-alive: a broker that stays silent for about twice this is given up."
    )
    timeout_s: ShortS = Field(2.0, description="A message that the broker has not confirmed by then is lost.")
    reconnect_min_s: AttemptS = Field(1.0, description="First pause before reconnecting.")
    reconnect_max_s: AttemptS = Field(30.0, description="Longest pause before reconnecting.")
    max_queued: Count = Field(1000, description="Messages that may wait to be read; the oldest go first.")


class SunSpecTable(Table):
    """[device.sunspec]: what the SunSpec models of a device do not say."""

    shows: Literal["pcs", "bms", "load_meter", "pcc_meter"] | None = Field(
        None,
        description="Reading of the device: `pcs` or `bms` of `sunspec.storage`, `load_meter` or `pcc_meter` of "
        "`sunspec.meter`. Left out: `pcs`, `load_meter`.",
    )
    family: Literal["auto", "100", "700"] = Field(
        "auto", description="Models that are used: 10x and 12x, or 70x; `auto` takes 70x where the device has them."
    )
    instance: Annotated[int, Field(ge=1, le=100)] | None = Field(
        None, description="Which one of several models of the same id; required where a device has several."
    )
    power_sign: Literal["into_bus", "out_of_bus"] | None = Field(
        None,
        description="What a meter counts as positive: power into the site bus (import) or out of it (load, export). "
        "Required for meters, whose sign follows their wiring; PV and storage count by the standard.",
    )
    swapped_counters: bool = Field(False, description="The meter's import counter counts export, and the other way.")
    pcc_breaker: Literal["separate", "none"] = Field(
        "separate",
        description="`none`: nothing opens between the meter and the grid, so it counts as closed while the meter "
        "answers. A SunSpec meter reads no breaker: with `separate` its position is unknown.",
    )
    nominal_v: Annotated[float, Field(gt=0.0, le=500_000.0)] | None = Field(
        None, description="Nominal line-to-line voltage at the PCC meter; without it the voltages are unknown."
    )
    base: Annotated[int, Field(ge=0, le=65_000)] | None = Field(
        None, description="Register of the marker `SunS`; left out: 40000, 0, 50000, 39999 and 1 are tried."
    )
    max_registers: Annotated[int, Field(ge=8, le=125)] = Field(125, description="Most registers in one request.")
    fallback_kw: Annotated[float, Field(ge=-1e6, le=1e6)] = Field(
        0.0, description="Power of a storage unit after its revert timer has run out; positive discharges."
    )
    revert_timer: bool = Field(
        True,
        description="`false` for a device without revert timers that falls back by itself when the controller's "
        "heartbeat stops, after `watchdog_s` as set at the device.",
    )


class DeviceTable(Table):
    """One device, or `count` of them."""

    id: Pattern = Field(description="Name, or pattern with `{n}`.")
    count: Count = Field(1, description="How many.")
    driver: DriverName = Field(description="Entry point of group `ems.drivers`.")
    map: Name | None = Field(
        None,
        description="Register map: a shipped one, or a file `maps/<name>.toml` of this directory; for `mqtt.*` a topic "
        "map, shipped or `maps/mqtt/<name>.toml`. None for `sunspec.*`, whose devices describe themselves.",
    )
    name: TopicName | None = Field(
        None,
        description="`mqtt.*` needs it: what the device is called in its topics, the parts of the topic map's "
        "`name_parts` divided by `/`; with `{n}` for the number.",
    )
    registers: dict[str, Any] | None = Field(
        None,
        description="A register map written here instead of in a file of its own: the tables of docs/register-maps.md, "
        "as `[device.registers.points.power_kw]`.",
        json_schema_extra={WORDS: "the tables of a register map"},
    )
    topics: dict[str, Any] | None = Field(
        None,
        description="For drivers `mqtt.*`: a topic map written here instead of in a file of its own, the tables of "
        "docs/mqtt-devices.md, as `[device.topics.points.power_kw]`.",
        json_schema_extra={WORDS: "the tables of a topic map"},
    )
    asset: Pattern = Field(description="The asset it belongs to, or pattern with `{n}`.")
    link: LinkPattern = Field(description="Link or broker, or pattern with `{l}` for the number of it.")
    per_link: Count = Field(1, description="Devices behind each link.")
    unit: UnitId = Field(1, description="Modbus unit of the first device behind a link.")
    fast_s: ShortS = Field(
        1.0, description="Poll period of the map's fast blocks; behind a broker, how often the device sends."
    )
    slow_s: ShortS = Field(5.0, description="Poll period of the map's slow blocks.")
    watchdog_s: ShortS | None = Field(
        None,
        description="The device falls back by itself after this silence; required for devices that are commanded.",
    )
    rated_kw: PowerKw | None = Field(None, description="Nameplate of the device, if it differs from its asset's.")
    ramp_frac_per_s: Annotated[float, Field(gt=0.0, le=1.0)] | None = Field(
        None,
        description="Its setpoint is moved at most this fast, share of rating per s; left out: at once.",
    )
    setpoint_every_s: Annotated[float, Field(ge=1.0, le=86_400.0)] | None = Field(
        None,
        description="Least time between two changes of its power or limit, for a setpoint in non-volatile memory; left "
        "out: it may change with every fast poll. 0 kW, and what the device itself no longer allows, do not wait.",
    )
    local_supply_degc: TemperatureDegC | None = Field(
        None,
        description="Cooling units that are commanded: supply temperature that is given back when no command counts "
        "any more; left out: the unit keeps the last one, or falls back by itself.",
    )
    sunspec: SunSpecTable | None = Field(
        None, description="For drivers `sunspec.*`: what the device's models leave open."
    )


class LeaseTable(Table):
    """A place for the lease that decides which of several controllers commands: four free holding registers."""

    id: Name = Field(description="Name of the place.")
    link: Name = Field(description="Link of the unit; every controller must reach it.")
    unit: UnitId = Field(1, description="Modbus unit; none of the devices.")
    first_register: Annotated[int, Field(ge=0, le=65532)] = Field(
        description="First of four holding registers that nothing else uses: epoch, holder (two), counter."
    )


class DevicesFile(Table):
    """devices.toml."""

    link: list[LinkTable] = Field(default_factory=list, description="Endpoints.")
    broker: list[BrokerTable] = Field(default_factory=list, description="MQTT brokers of devices.")
    device: list[DeviceTable] = Field(min_length=1, description="Devices.")
    lease: list[LeaseTable] = Field(
        default_factory=list,
        description="Places of the lease, for a site with a standby controller: one, better three in different units.",
    )
