"""The edge node without its connection: births, data on change, deaths, sequence numbers. No I/O here.

Requirements in brackets are the identifiers of the Sparkplug 3.0 specification, without `tck-id-`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ems.contract.outgoing import Outgoing
from ems.gateway.sparkplug.encoding import DataType, Metric, Property, encoded, orders
from ems.gateway.sparkplug.metrics import GOOD, MetricValue, device_of, readings, unit_of

NAMESPACE: Final = "spBv1.0"
REBIRTH: Final = "Node Control/Rebirth"
_BD_SEQ: Final = "bdSeq"
_NUMBERS: Final = 256

# a metric: its device, None for the node itself, and its name
_Key = tuple[str | None, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """A message to send; all but the will go out with QoS 0 and are not retained."""

    topic: str
    payload: bytes


class EdgeNode:
    """Collects readings with `see`; `born` and `news` return what to send."""

    def __init__(self, *, group: str, node: str) -> None:
        self._group = group
        self._node = node
        self._now: dict[_Key, MetricValue] = {}
        self._told: dict[_Key, MetricValue] = {}
        self._aliases: dict[_Key, int] = {}
        self._alive: set[str] = set()
        self._changed: set[_Key] = set()
        self._at_ms = 0
        self._seq = 0
        self._bd_seq = -1
        self._wants_birth = False

    @property
    def is_ready(self) -> bool:
        """Return whether there is something to be born with."""
        return any(name.startswith("state/") for device, name in self._now if device is None)

    def topic(self, kind: str, device: str | None = None) -> str:
        """Return the topic of a kind of message."""
        parts = (NAMESPACE, self._group, kind, self._node)
        return "/".join(parts if device is None else (*parts, device))

    def see(self, outgoing: Outgoing) -> None:
        """Take the values of a message of the contract."""
        device = device_of(outgoing.topic)
        for name, reading in readings(outgoing):
            key = (device, name)
            self._at_ms = max(self._at_ms, reading.at_ms)
            before = self._now.get(key)
            self._now[key] = reading
            if before is None or (before.value, before.quality) != (reading.value, reading.quality):
                self._changed.add(key)

    def will(self) -> bytes:
        """Begin a connection and return its death; the birth that follows has its number [payloads-ndeath-bdseq]."""
        self._bd_seq = (self._bd_seq + 1) % _NUMBERS
        return self.death()

    def death(self) -> bytes:
        """Return the death of this connection."""
        return encoded((self._bd_metric(),), at_ms=self._at_ms, seq=None)

    def born(self) -> Iterator[Sending]:
        """Yield the birth of the node and of every device that is there, with every metric there is."""
        self._seq = 0
        self._wants_birth = False
        self._aliases = {key: number for number, key in enumerate(sorted(self._now, key=_order), start=1)}
        self._told = {}
        self._changed.clear()
        self._alive = {device for device in self._devices() if self._is_alive(device)}
        control = Metric(name=REBIRTH, kind=DataType.BOOLEAN, value=False, at_ms=self._at_ms)
        metrics = (self._bd_metric(), control, *self._births(None))
        yield Sending(topic=self.topic("NBIRTH"), payload=encoded(metrics, at_ms=self._at_ms, seq=self._next()))
        for device in sorted(self._alive):
            yield self._device_born(device)

    def news(self) -> Iterator[Sending]:
        """Yield what has changed since the last call; where a metric is new or a birth was asked for, all births."""
        if self._wants_birth or any(key not in self._aliases for key in self._changed):
            yield from self.born()
            return
        changed, self._changed = self._changed, set()
        by_device: dict[str | None, list[_Key]] = {}
        for key in sorted(changed, key=_order):
            by_device.setdefault(key[0], []).append(key)
        for device, keys in by_device.items():
            if device is None:
                yield self._data("NDATA", None, keys)
            elif not self._is_alive(device):
                yield from self._device_dead(device)
            elif device not in self._alive:
                self._alive.add(device)
                yield self._device_born(device)
            else:
                yield self._data("DDATA", device, keys)

    def command(self, payload: bytes) -> str | None:
        """Take a command of the node: a rebirth is all there is; return why it was refused, None where it was not.

        Raises:
            ValueError: The bytes are no payload.
        """
        asked = orders(payload)
        if any(order.name == REBIRTH and order.is_true for order in asked):
            self._wants_birth = True
            return None
        names = ", ".join(order.name or f"alias {order.alias}" for order in asked) or "nothing"
        return f"{names}: no command but {REBIRTH} is taken"

    def _devices(self) -> set[str]:
        return {device for device, _ in self._now if device is not None}

    def _is_alive(self, device: str) -> bool:
        """Return whether anything that it measures is known."""
        return any(
            reading.value is not None
            for (owner, name), reading in self._now.items()
            if owner == device and not name.startswith("setpoint/") and not name.endswith("/trouble")
        )

    def _device_born(self, device: str) -> Sending:
        metrics = tuple(self._births(device))
        return Sending(
            topic=self.topic("DBIRTH", device), payload=encoded(metrics, at_ms=self._at_ms, seq=self._next())
        )

    def _device_dead(self, device: str) -> Iterator[Sending]:
        if device in self._alive:
            self._alive.discard(device)
            payload = encoded((), at_ms=self._at_ms, seq=self._next())
            yield Sending(topic=self.topic("DDEATH", device), payload=payload)

    def _data(self, kind: str, device: str | None, keys: list[_Key]) -> Sending:
        metrics = tuple(self._metric(key, in_birth=False) for key in keys)
        return Sending(topic=self.topic(kind, device), payload=encoded(metrics, at_ms=self._at_ms, seq=self._next()))

    def _births(self, device: str | None) -> Iterator[Metric]:
        for key in self._aliases:
            if key[0] == device:
                yield self._metric(key, in_birth=True)

    def _metric(self, key: _Key, *, in_birth: bool) -> Metric:
        reading, before = self._now[key], self._told.get(key)
        self._told[key] = reading
        properties = {}
        unit = unit_of(key[1]) if in_birth else None
        if unit is not None:
            properties["engUnit"] = Property(kind=DataType.STRING, value=unit)
        # a quality is told in every birth, and when it has changed
        if in_birth or before is None or before.quality != reading.quality or reading.quality != GOOD:
            properties["Quality"] = Property(kind=DataType.INT32, value=reading.quality)
        return Metric(
            kind=reading.kind,
            value=reading.value,
            at_ms=reading.at_ms,
            name=key[1] if in_birth else None,
            alias=self._aliases[key],
            properties=properties,
        )

    def _bd_metric(self) -> Metric:
        return Metric(name=_BD_SEQ, kind=DataType.INT64, value=self._bd_seq, at_ms=self._at_ms)

    def _next(self) -> int:
        """Return the next sequence number: births of the node begin with 0, and node and devices share them."""
        seq, self._seq = self._seq, (self._seq + 1) % _NUMBERS
        return seq


def _order(key: _Key) -> tuple[str, str]:
    return (key[0] or "", key[1])
