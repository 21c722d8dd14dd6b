"""Spoils an answer on its way: numbers of another frame, turned bits, ends that are missing. Works on any framing."""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from drivers.sim.wire.faults import Faults
from drivers.sim.wire.framing import Frame

# what a web server in the wrong place would say: long enough to be no Modbus TCP header
GARBAGE: Final = b"HTTP/1.1 400 Bad Request\r\n\r\n"
_LAST_TRANSACTION: Final = 0xFFFF
_LAST_UNIT: Final = 247


def spoiled(
    frame: Frame, faults: Faults, *, encode: Callable[[Frame], bytes], dice: random.Random
) -> tuple[bytes, ...]:
    """Return the pieces in which an answer goes out; `encode` frames it, with its checksum if it has one."""
    if faults.garbage:
        return (GARBAGE,)
    if faults.wrong_transaction:
        # that of the request before
        frame = replace(frame, transaction=(frame.transaction - 1) % (_LAST_TRANSACTION + 1))
    if faults.wrong_unit:
        frame = replace(frame, unit=frame.unit % _LAST_UNIT + 1)
    data = encode(frame)
    if faults.bit_flip:
        data = _turned(data, dice.randrange(8 * len(data)))
    if faults.truncate:
        data = data[: dice.randrange(1, len(data))]
    if faults.doubled:
        data += data
    if faults.split:
        cut = dice.randrange(1, len(data))
        return data[:cut], data[cut:]
    return (data,)


def _turned(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)
