"""How devices are reached: links (one connection or serial line each) and the devices behind them."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Framing(StrEnum):
    """How Modbus messages lie in the bytes of a connection."""

    TCP = "tcp"
    RTU_OVER_TCP = "rtu-over-tcp"
    RTU = "rtu"
    TLS = "tls"

    @property
    def is_rtu(self) -> bool:
        """Return whether messages have a check sum and no transaction number."""
        return self in {Framing.RTU, Framing.RTU_OVER_TCP}


class Parity(StrEnum):
    """The parity bit of a serial line."""

    NONE = "none"
    EVEN = "even"
    ODD = "odd"


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """What a TLS connection is made with.

    `ca_file` signs the device; `cert_file` with `key_file` says who we are, for devices that ask for it.
    `server_name` is the name in the device's certificate where that is not the host of the link.
    """

    ca_file: Path
    cert_file: Path | None = None
    key_file: Path | None = None
    server_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpEndpoint:
    """A device, gateway or serial server that listens on a TCP port."""

    host: str
    port: int
    framing: Framing = Framing.TCP
    tls: TlsFiles | None = None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialLine:
    """A serial port of this computer with 8 data bits; `baud` are bits per second."""

    device: str
    baud: int
    parity: Parity
    stop_bits: int

    @property
    def framing(self) -> Framing:
        """Return how messages lie on the line."""
        return Framing.RTU

    def __str__(self) -> str:
        return self.device


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSpec:
    """One endpoint; every device behind it shares one connection and one request at a time."""

    id: str
    endpoint: TcpEndpoint | SerialLine
    timeout_s: float
    connect_delay_s: float
    gap_s: float
    reconnect_min_s: float
    reconnect_max_s: float


class MqttVersion(StrEnum):
    """Which version of MQTT a broker speaks."""

    V311 = "3.1.1"
    V5 = "5"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSpec:
    """An MQTT broker through which devices are reached; all of them share one connection.

    A message that the broker has not confirmed after `timeout_s` is lost, and so is the connection. `max_queued` is
    how many messages may wait to be read; beyond it the oldest are dropped.
    """

    id: str
    host: str
    port: int
    version: MqttVersion
    client_id: str
    username: str | None
    password_file: Path | None
    tls: TlsFiles | None
    keepalive_s: int
    timeout_s: float
    reconnect_min_s: float
    reconnect_max_s: float
    max_queued: int

    @property
    def framing(self) -> str:
        """Return what is spoken on the connection."""
        return "mqtt" if self.tls is None else "mqtts"

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class ModelFamily(StrEnum):
    """Which of a device's SunSpec models are used: the old ones, those of IEEE 1547, or these where it has them."""

    AUTO = "auto"
    OLD = "100"
    DER = "700"


@dataclass(frozen=True, slots=True, kw_only=True)
class SunSpecSpec:
    """What the SunSpec models of a device do not say.

    `shows` is the class of reading that it gives (None: that of its driver); `instance` counts among models of one
    id. `power_sign` is 1 where a meter counts power into the site bus as positive, -1 where it counts power out of it;
    `swapped_counters` means that its import counter counts export. `separate_breaker` is false where nothing opens
    between the meter and the grid. `fallback_kw` is the power of a storage unit after its revert timer has run out;
    without `revert_timer` the device falls back by a time of its own when the heartbeat stops.
    """

    shows: str | None = None
    family: ModelFamily = ModelFamily.AUTO
    instance: int | None = None
    power_sign: int | None = None
    swapped_counters: bool = False
    separate_breaker: bool = True
    nominal_v: float | None = None
    base: int | None = None
    max_registers: int = 125
    fallback_kw: float = 0.0
    revert_timer: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSpec:
    """One device: which driver speaks to it, over which link, and which asset it belongs to.

    `map` is its register map or topic map; a device that describes itself has none, and `sunspec` for what its models
    leave open. `fast_s` and `slow_s` are poll periods of the map's fast and slow blocks, or how often a device sends
    its messages. `watchdog_s` is the time after which the device falls back by itself when the controller goes silent.
    `ramp_frac_per_s` is how fast its setpoint may be moved, as a share of the rating; None: at once. `setpoint_every_s`
    is the least time between two changes of its power, for setpoints in memory that wears out; None: with every poll.
    `local_supply_degc` is the supply temperature that a cooling unit is given back when no command counts any more;
    None: it keeps the last one. `by_hand`: commands come from a person only, one at a time.
    """

    id: str
    driver: str
    asset: str
    link: str
    unit: int
    map: str | None
    fast_s: float
    slow_s: float
    watchdog_s: float | None
    rated_kw: float | None
    sunspec: SunSpecSpec = SunSpecSpec()
    # a register map written beside the device, as its file would hold it
    registers: Mapping[str, object] | None = None
    ramp_frac_per_s: float | None = None
    # what a device behind a broker is called in its topics, and a topic map written beside it
    name: str | None = None
    topics: Mapping[str, object] | None = None
    local_supply_degc: float | None = None
    setpoint_every_s: float | None = None
    by_hand: bool = False
