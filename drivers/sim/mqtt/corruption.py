"""What faults make of a message. Pure but for the dice."""

import random
from collections.abc import Mapping
from typing import Final

from drivers.sim.mqtt.encoding import Value
from drivers.sim.wire.faults import NO_FAULTS, WHEN, Faults

# kinds that a message can have; the others are faults of registers and their frames
_OF_MESSAGES: Final = frozenset(
    {
        *("refuse", "disconnect", "mute", "late_s", "delay_s", "missing_registers", "zero", "sentinel", "frozen"),
        *("ignore_writes", "deaf", "local", "garbage", "truncate", "doubled", "bit_flip", "retained", "old_s"),
    }
)
_GARBAGE_BYTES: Final = 60
_LOCAL_SWITCH: Final = "remote"


def strangers(faults: Faults) -> list[str]:
    """Return the kinds that mean nothing for a device behind a broker."""
    return [
        kind
        for kind in Faults.__slots__
        if kind not in _OF_MESSAGES | WHEN and getattr(faults, kind) != getattr(NO_FAULTS, kind)
    ] + (["units"] if faults.units is not None else [])


def shown(values: Mapping[str, Value], faults: Faults) -> Mapping[str, Value]:
    """Return what a device shows of its values."""
    if faults.sentinel:
        return dict.fromkeys(values)
    if faults.zero:
        return {name: _zero(value) for name, value in values.items()}
    if faults.missing_registers:
        return dict(list(values.items())[faults.missing_registers :])
    return {**values, _LOCAL_SWITCH: False} if faults.local else values


def _zero(value: Value) -> Value:
    return value if isinstance(value, bool | str | tuple) or value is None else 0


def on_the_wire(text: str, faults: Faults, dice: random.Random) -> list[bytes]:
    """Return the payloads that leave the device for one message."""
    data = text.encode()
    if faults.garbage:
        data = dice.randbytes(_GARBAGE_BYTES)
    if faults.truncate:
        data = data[: len(data) // 2]
    if faults.bit_flip and data:
        place = dice.randrange(len(data) * 8)
        flipped = bytearray(data)
        flipped[place // 8] ^= 1 << place % 8
        data = bytes(flipped)
    return [data, data] if faults.doubled else [data]
