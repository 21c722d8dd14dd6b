"""How devices are reached: links (one TCP connection each) and the devices behind them."""

from dataclasses import dataclass
from enum import StrEnum


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


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSpec:
    """One Modbus TCP endpoint; every device behind it shares one connection and one request at a time."""

    id: str
    host: str
    port: int
    timeout_s: float
    connect_delay_s: float
    gap_s: float
    reconnect_min_s: float
    reconnect_max_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSpec:
    """One device: which driver speaks to it, over which link and map, and which asset it belongs to.

    `fast_s` and `slow_s` are poll periods of the map's fast and slow blocks; `watchdog_s` is the time after
    which the device falls back by itself when the controller goes silent.
    """

    id: str
    driver: str
    asset: str
    link: str
    unit: int
    map: str
    fast_s: float
    slow_s: float
    watchdog_s: float | None
    rated_kw: float | None
