"""Frames of serial lines, as a server speaks them: unit, function, data, CRC; also carried over TCP.

From "MODBUS over Serial Line, Specification and Implementation Guide V1.02", sections 2.5.1 and 6.2.2. The CRC is
computed bit by bit as that guide describes it.
"""

import asyncio
from typing import Final

from drivers.sim.wire.framing import WRITE_MULTIPLE, Frame

_POLYNOMIAL: Final = 0xA001
_CRC_LENGTH: Final = 2
# unit, function, CRC
_SHORTEST: Final = 4
# unit, function, two words, CRC: the requests of functions 1 to 6
_FIXED: Final = 8
_FIXED_FUNCTIONS: Final = range(1, 7)
# function 15, 16: unit, function, two words, number of bytes; then these bytes and the CRC
_WRITE_MULTIPLE_BITS: Final = 15
_COUNT_AT: Final = 6
_CHUNK: Final = 512


def crc16(data: bytes) -> bytes:
    """Return the CRC as it follows the data on the line, low byte first."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ _POLYNOMIAL if crc & 1 else crc >> 1
    return crc.to_bytes(_CRC_LENGTH, "little")


class RtuFramer:
    """The frames of one serial line.

    A real server finds the end of a frame by the silence after it. Here a frame ends where its function says, and
    bytes that are no frame are dropped with all that came with them, as a server does that waits for the silence.
    """

    def __init__(self) -> None:
        self._received = b""

    async def read(self, reader: asyncio.StreamReader) -> Frame | None:
        """Return the next request with a right CRC, None when the client has gone."""
        while True:
            if (frame := self._next()) is not None:
                return frame
            try:
                chunk = await reader.read(_CHUNK)
            except ConnectionError:
                return None
            if not chunk:
                return None
            self._received += chunk

    def encode(self, frame: Frame) -> bytes:
        """Return the bytes on the wire."""
        body = bytes((frame.unit,)) + frame.pdu
        return body + crc16(body)

    def _next(self) -> Frame | None:
        length = _request_length(self._received)
        if length is None or len(self._received) < length:
            return None
        data, self._received = self._received[:length], self._received[length:]
        if crc16(data[:-_CRC_LENGTH]) != data[-_CRC_LENGTH:]:
            self._received = b""
            return None
        return Frame(0, data[0], data[1:-_CRC_LENGTH])


def _request_length(data: bytes) -> int | None:
    """Return how many bytes the request has that begins here, None while this cannot be seen yet."""
    if len(data) < _SHORTEST:
        return None
    function = data[1]
    if function in _FIXED_FUNCTIONS:
        return _FIXED
    if function in {_WRITE_MULTIPLE_BITS, WRITE_MULTIPLE}:
        return None if len(data) <= _COUNT_AT else _COUNT_AT + 1 + data[_COUNT_AT] + _CRC_LENGTH
    # of other functions the length is unknown: what has come is taken for the whole
    return len(data)
