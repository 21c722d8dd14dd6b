"""Finds the answer to a request in the bytes of a serial line: unit, function, data, CRC; no transaction number.

The layout is that of "MODBUS over Serial Line, Specification and Implementation Guide V1.02", section 2.5.1. Without
a number a late answer looks like the one that is waited for, if both have the same unit, function and length. So a
request whose answer did not come is remembered as owed. A device answers in the order in which it was asked: once it
has answered anything that cannot be mistaken for the owed answer, that one will not come any more. Until then a
request whose answer would look alike is preceded by a probe, a read of another length.
"""

import struct
from array import array
from collections.abc import Sequence
from functools import cache
from typing import Final

from drivers.modbus.expected import EXCEPTION_FLAG, Expected, Fault
from drivers.modbus.requests import Read, Request
from drivers.modbus.statistics import ErrorKind

CRC_LENGTH: Final = 2
# x^16 + x^15 + x^2 + 1, the lowest bit first
_POLYNOMIAL: Final = 0xA001
# unit, function, number of bytes: then these bytes and the CRC
_READ_HEAD: Final = 3
_EXCEPTION_LENGTH: Final = 5
_WRITE_LENGTH: Final = 8
_READS: Final = frozenset({1, 2, 3, 4})
_WRITES: Final = frozenset({5, 6, 15, 16})
_KNOWN: Final = _READS | _WRITES
# lengths of probes: one after the other, so that a probe that is answered late is no riddle either
_PROBE_COUNTS: Final = (1, 2, 3, 4)
_BIT_PROBE_COUNTS: Final = (1, 9, 17, 25)


def _step(crc: int) -> int:
    """Return a register of the CRC after eight shifts without input."""
    for _ in range(8):
        crc = crc >> 1 ^ _POLYNOMIAL if crc & 1 else crc >> 1
    return crc


@cache
def _crc_table() -> "array[int]":
    """Return the register after a pair of bytes by what it held before, with the pair added (low byte first).

    Pairs halve the steps per frame; the table is made when the first line is opened.
    """
    after = [_step(byte) for byte in range(256)]
    return array("H", [_two_steps(low, high, after) for high in range(256) for low in range(256)])


def _two_steps(low: int, high: int, after: Sequence[int]) -> int:
    crc = after[low] ^ high
    return after[crc & 0xFF] ^ crc >> 8


def crc_bytes(data: bytes) -> bytes:
    """Return the CRC of a frame as it follows on the line, low byte first (section 6.2.2 of the guide)."""
    table = _crc_table()
    crc = 0xFFFF
    n_pairs = len(data) // 2
    for pair in struct.unpack_from(f"<{n_pairs}H", data):
        crc = table[crc ^ pair]
    if len(data) % 2:
        crc = _step((crc ^ data[-1]) & 0xFF) ^ crc >> 8
    return crc.to_bytes(CRC_LENGTH, "little")


class RtuAnswers:
    """Frames of a serial line, with those that may still come late."""

    def __init__(self) -> None:
        self.n_dropped = 0
        self._buffer = b""
        self._expected: Expected | None = None
        self._request: Request | None = None
        self._owed: dict[Expected, Request] = {}

    def expect(self, expected: Expected, request: Request, sent: bytes) -> None:  # noqa: ARG002 - there is no number in it
        """Begin to wait for the answer to a request."""
        self._buffer = b""
        self._request = request
        self._expected = expected

    def feed(self, data: bytes) -> bytes | Fault | None:
        """Take bytes; return the frame of the answer, why there will be none, or None while more must come."""
        if self._expected is None:
            # where a frame begins that nobody asked for is not known
            self.n_dropped += 1
            return None
        self._buffer += data
        while (length := _answer_length(self._buffer)) is not None and len(self._buffer) >= length:
            if length == 0:
                return Fault(ErrorKind.MALFORMED, f"bytes {self._buffer[:8].hex(' ')} begin no answer")
            frame, self._buffer = self._buffer[:length], self._buffer[length:]
            verdict = self._verdict(frame, self._expected)
            if verdict is not None:
                return verdict
            self.n_dropped += 1
        return None

    def give_up(self) -> None:
        """End the wait; an answer that did not come is owed."""
        if self._expected is not None and self._request is not None:
            self._owed[self._expected] = self._request
        self._expected = None

    def probe(self, unit: int, request: Request) -> Read | None:
        """Return what must be read first, so that no late answer can be taken for the one to this request."""
        late_request = self._owed.get(Expected.of(unit, request))
        if late_request is None:
            return None
        counts = _BIT_PROBE_COUNTS if late_request.at.table.holds_bits else _PROBE_COUNTS
        probes = [Read(at=late_request.at, count=count) for count in counts]
        for probe in probes:
            if Expected.of(unit, probe) not in self._owed:
                return probe
        # the unit was held back several time-outs before each of them: what was asked first will not be answered now
        del self._owed[Expected.of(unit, probes[0])]
        return self.probe(unit, request)

    def _verdict(self, frame: bytes, expected: Expected) -> bytes | Fault | None:
        """Return the frame if it is the answer, its fault, or None for an answer to an earlier request."""
        if crc_bytes(frame[:-CRC_LENGTH]) != frame[-CRC_LENGTH:]:
            return Fault(ErrorKind.CHECKSUM, "the check sum of the answer is wrong")
        unit, pdu = frame[0], frame[1:-CRC_LENGTH]
        fault = expected.fault(unit, pdu)
        if fault is None and not self._is_late_echo(unit, pdu, expected):
            self._settle(expected, is_exception=bool(pdu[0] & EXCEPTION_FLAG))
            return frame
        late = next((owed for owed in self._owed if owed.is_like(unit, pdu)), None)
        if late is None:
            return fault
        del self._owed[late]
        return None

    def _is_late_echo(self, unit: int, pdu: bytes, expected: Expected) -> bool:
        """Return whether this confirms the earlier one of two writes to the same register."""
        if expected.n_bytes is not None or pdu[1:] == expected.echo:
            return False
        return any(owed.unit == unit and owed.echo == pdu[1:] for owed in self._owed)

    def _settle(self, expected: Expected, *, is_exception: bool) -> None:
        """Note that a unit has answered: nothing earlier will come, unless this was an earlier exception."""
        earlier = [owed for owed in self._owed if owed.unit == expected.unit]
        for owed in earlier:
            del self._owed[owed]
        if is_exception and self._request is not None and any(owed.function == expected.function for owed in earlier):
            self._owed[expected] = self._request
        self._expected = None


def _answer_length(data: bytes) -> int | None:
    """Return how long the answer is that begins here: None while this cannot be seen, 0 if none begins here."""
    if len(data) < _READ_HEAD:
        return None if len(data) < 2 or data[1] & ~EXCEPTION_FLAG in _KNOWN else 0
    function = data[1]
    if function & EXCEPTION_FLAG:
        return _EXCEPTION_LENGTH if function & ~EXCEPTION_FLAG in _KNOWN else 0
    if function in _READS:
        return _READ_HEAD + data[2] + CRC_LENGTH
    return _WRITE_LENGTH if function in _WRITES else 0
