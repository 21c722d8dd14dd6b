"""Modbus as a server speaks it: functions 1 to 6, 15 and 16, exception answers, and the frames of Modbus TCP.

From the Modbus Application Protocol V1.1b3 and the TCP/IP Implementation Guide V1.0b; the frames of serial lines
are in `rtu`.
"""

import asyncio
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Protocol

READ_COILS: Final = 1
READ_DISCRETE: Final = 2
READ_HOLDING: Final = 3
READ_INPUT: Final = 4
WRITE_COIL: Final = 5
WRITE_SINGLE: Final = 6
WRITE_COILS: Final = 15
WRITE_MULTIPLE: Final = 16

_EXCEPTION_FLAG: Final = 0x80
_MOST_READ: Final = 125
_MOST_BITS_READ: Final = 2000
_MOST_WRITTEN: Final = 123
_MOST_BITS_WRITTEN: Final = 1968
_BIT_READS: Final = frozenset({READ_COILS, READ_DISCRETE})
# the two values of function 5
_ON: Final = 0xFF00
_OFF: Final = 0x0000
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
    """A request to read registers, or bits by functions 1 and 2."""

    function: int
    register: int
    count: int


@dataclass(frozen=True, slots=True)
class WriteRegisters:
    """A request to write registers, or coils (0 or 1 each) by functions 5 and 15."""

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
    match function:
        case _ if function in _BIT_READS:
            return _parse_read(function, data, most=_MOST_BITS_READ)
        case _ if function in {READ_HOLDING, READ_INPUT}:
            return _parse_read(function, data, most=_MOST_READ)
        case _ if function == WRITE_COIL:
            return _parse_coil(data)
        case _ if function == WRITE_SINGLE:
            return WriteRegisters(function, *_single(data)) if len(data) == 4 else ExceptionCode.VALUE
        case _ if function == WRITE_COILS:
            return _parse_coils(data)
        case _ if function == WRITE_MULTIPLE:
            return _parse_write_multiple(data)
    return ExceptionCode.FUNCTION


def _parse_read(function: int, data: bytes, *, most: int) -> ReadRegisters | ExceptionCode:
    if len(data) != 4:
        return ExceptionCode.VALUE
    register, count = int.from_bytes(data[:2], "big"), int.from_bytes(data[2:], "big")
    return ReadRegisters(function, register, count) if 1 <= count <= most else ExceptionCode.VALUE


def _single(data: bytes) -> tuple[int, tuple[int, ...]]:
    return int.from_bytes(data[:2], "big"), (int.from_bytes(data[2:], "big"),)


def _parse_coil(data: bytes) -> WriteRegisters | ExceptionCode:
    if len(data) != 4 or int.from_bytes(data[2:], "big") not in {_ON, _OFF}:
        return ExceptionCode.VALUE
    return WriteRegisters(WRITE_COIL, int.from_bytes(data[:2], "big"), (int(data[2] != 0),))


def _parse_coils(data: bytes) -> WriteRegisters | ExceptionCode:
    if len(data) < 6:
        return ExceptionCode.VALUE
    register, count, n_bytes = int.from_bytes(data[:2], "big"), int.from_bytes(data[2:4], "big"), data[4]
    if not 1 <= count <= _MOST_BITS_WRITTEN or n_bytes != -(-count // 8) or len(data) != 5 + n_bytes:
        return ExceptionCode.VALUE
    bits = tuple(data[5 + number // 8] >> number % 8 & 1 for number in range(count))
    return WriteRegisters(WRITE_COILS, register, bits)


def _parse_write_multiple(data: bytes) -> WriteRegisters | ExceptionCode:
    if len(data) < 5:
        return ExceptionCode.VALUE
    register, count, n_bytes = int.from_bytes(data[:2], "big"), int.from_bytes(data[2:4], "big"), data[4]
    if not 1 <= count <= _MOST_WRITTEN or n_bytes != 2 * count or len(data) != 5 + n_bytes:
        return ExceptionCode.VALUE
    words = tuple(int.from_bytes(data[i : i + 2], "big") for i in range(5, len(data), 2))
    return WriteRegisters(WRITE_MULTIPLE, register, words)


def read_answer(function: int, words: list[int]) -> bytes:
    """Return the PDU that answers a read; bits are packed eight to a byte, the first lowest."""
    if function in _BIT_READS:
        content = bytearray(-(-len(words) // 8))
        for number, bit in enumerate(words):
            content[number // 8] |= (bit & 1) << number % 8
        return bytes((function, len(content))) + content
    return bytes((function, 2 * len(words))) + b"".join(word.to_bytes(2, "big") for word in words)


def write_answer(request: WriteRegisters) -> bytes:
    """Return the PDU that confirms a write: functions 5 and 6 repeat the value, 15 and 16 the number."""
    second = len(request.words)
    if request.function == WRITE_SINGLE:
        second = request.words[0]
    elif request.function == WRITE_COIL:
        second = _ON if request.words[0] else _OFF
    return bytes((request.function,)) + request.register.to_bytes(2, "big") + second.to_bytes(2, "big")


def exception_answer(function: int, code: int) -> bytes:
    """Return the PDU of an exception."""
    return bytes((function | _EXCEPTION_FLAG, code))
