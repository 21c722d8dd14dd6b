"""Modbus as a server speaks it: functions 3, 4, 6 and 16, exception answers, and the frames of Modbus TCP.

From the Modbus Application Protocol V1.1b3 and the TCP/IP Implementation Guide V1.0b; the frames of serial lines
are in `rtu`.
"""

import asyncio
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Protocol

READ_HOLDING: Final = 3
READ_INPUT: Final = 4
WRITE_SINGLE: Final = 6
WRITE_MULTIPLE: Final = 16

_EXCEPTION_FLAG: Final = 0x80
_MOST_READ: Final = 125
_MOST_WRITTEN: Final = 123
# transaction, protocol, length of what follows, unit
_HEADER: Final = struct.Struct(">HHHB")
_LONGEST: Final = 254


class ExceptionCode(IntEnum):
    """Why a request is not done."""

    FUNCTION = 1
    ADDRESS = 2
    VALUE = 3
    FAILURE = 4
    BUSY = 6
    GATEWAY_SILENT = 11


@dataclass(frozen=True, slots=True)
class Frame:
    """One message: `pdu` is the function code and its data; only Modbus TCP numbers its transactions."""

    transaction: int
    unit: int
    pdu: bytes


class Framer(Protocol):
    """How messages lie in the bytes of one conversation."""

    async def read(self, reader: asyncio.StreamReader) -> Frame | None:
        """Return the next request of a client, None when it has gone or cannot be understood any more."""

    def encode(self, frame: Frame) -> bytes:
        """Return the bytes on the wire."""


@dataclass(frozen=True, slots=True)
class ReadRegisters:
    """A request to read."""

    function: int
    register: int
    count: int


@dataclass(frozen=True, slots=True)
class WriteRegisters:
    """A request to write."""

    function: int
    register: int
    words: tuple[int, ...]


class TcpFramer:
    """The frames of Modbus TCP, also inside TLS."""

    async def read(self, reader: asyncio.StreamReader) -> Frame | None:
        """Return the next request of a client, None when it has gone or does not speak Modbus TCP."""
        try:
            transaction, protocol, length, unit = _HEADER.unpack(await reader.readexactly(_HEADER.size))
            if protocol != 0 or not 2 <= length <= _LONGEST:
                return None
            return Frame(transaction, unit, await reader.readexactly(length - 1))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    def encode(self, frame: Frame) -> bytes:
        """Return the bytes on the wire."""
        return _HEADER.pack(frame.transaction, 0, len(frame.pdu) + 1, frame.unit) + frame.pdu


def parse_request(pdu: bytes) -> ReadRegisters | WriteRegisters | ExceptionCode:
    """Return what a client asks for, or the exception for a request that cannot be understood."""
    function, data = pdu[0], pdu[1:]
    if function in {READ_HOLDING, READ_INPUT}:
        return _parse_read(function, data)
    if function == WRITE_SINGLE:
        return WriteRegisters(function, *_single(data)) if len(data) == 4 else ExceptionCode.VALUE
    if function == WRITE_MULTIPLE:
        return _parse_write_multiple(data)
    return ExceptionCode.FUNCTION


def _parse_read(function: int, data: bytes) -> ReadRegisters | ExceptionCode:
    if len(data) != 4:
        return ExceptionCode.VALUE
    register, count = int.from_bytes(data[:2], "big"), int.from_bytes(data[2:], "big")
    return ReadRegisters(function, register, count) if 1 <= count <= _MOST_READ else ExceptionCode.VALUE


def _single(data: bytes) -> tuple[int, tuple[int, ...]]:
    return int.from_bytes(data[:2], "big"), (int.from_bytes(data[2:], "big"),)


def _parse_write_multiple(data: bytes) -> WriteRegisters | ExceptionCode:
    if len(data) < 5:
        return ExceptionCode.VALUE
    register, count, n_bytes = int.from_bytes(data[:2], "big"), int.from_bytes(data[2:4], "big"), data[4]
    if not 1 <= count <= _MOST_WRITTEN or n_bytes != 2 * count or len(data) != 5 + n_bytes:
        return ExceptionCode.VALUE
    words = tuple(int.from_bytes(data[i : i + 2], "big") for i in range(5, len(data), 2))
    return WriteRegisters(WRITE_MULTIPLE, register, words)


def read_answer(function: int, words: list[int]) -> bytes:
    """Return the PDU that answers a read."""
    return bytes((function, 2 * len(words))) + b"".join(word.to_bytes(2, "big") for word in words)


def write_answer(request: WriteRegisters) -> bytes:
    """Return the PDU that confirms a write: function 6 repeats the value, function 16 the number of registers."""
    second = request.words[0] if request.function == WRITE_SINGLE else len(request.words)
    return bytes((request.function,)) + request.register.to_bytes(2, "big") + second.to_bytes(2, "big")


def exception_answer(function: int, code: int) -> bytes:
    """Return the PDU of an exception."""
    return bytes((function | _EXCEPTION_FLAG, code))
