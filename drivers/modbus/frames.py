"""Finds the answer to a request in the bytes of a Modbus TCP connection, before the library decodes it.

pymodbus waits for more after a wrong header, hands over short answers without a word, and a frame that it cannot
decode ends in the event loop's error log. Looking first turns each into an error of the request at once.
"""

from typing import Final, Protocol

from drivers.modbus.expected import Expected, Fault
from drivers.modbus.requests import Read, Request
from drivers.modbus.statistics import ErrorKind

# transaction (2), protocol (2, always 0), length of what follows (2)
_PREFIX: Final = 6
# unit, function and one byte of data; the protocol's longest PDU is 253 bytes after the unit
_SHORTEST: Final = 3
_LONGEST: Final = 254


class Answers(Protocol):
    """The incoming bytes of one connection.

    `n_dropped` counts frames (or pieces, where frames cannot be told apart) that answered nothing under way.
    """

    n_dropped: int

    def expect(self, expected: Expected, request: Request, sent: bytes) -> None:
        """Begin to wait for what is expected as the answer to a request, which went out as `sent`."""

    def feed(self, data: bytes) -> bytes | Fault | None:
        """Take bytes; return the frame of the answer, why there will be none, or None while more must come."""

    def give_up(self) -> None:
        """End the wait: the answer has come, or none is waited for any more."""

    def probe(self, unit: int, request: Request) -> Read | None:
        """Return what must be read first, so that no late answer can be taken for the one to this request."""


class TcpAnswers:
    """Frames with a transaction number: what carries another one is dropped, whatever it says."""

    def __init__(self) -> None:
        self.n_dropped = 0
        self._buffer = b""
        self._expected: Expected | None = None
        self._transaction = b""

    def expect(self, expected: Expected, request: Request, sent: bytes) -> None:  # noqa: ARG002 - for lines
        """Begin to wait for what is expected as the answer to a request, which went out as `sent`."""
        self._expected = expected
        self._transaction = sent[:2]

    def feed(self, data: bytes) -> bytes | Fault | None:
        """Take bytes; return the frame of the answer, why there will be none, or None while more must come."""
        self._buffer += data
        while (length := self._frame_length()) is not None:
            if isinstance(length, Fault):
                self._buffer = b""
                return length if self._expected is not None else None
            if len(self._buffer) < length:
                return None
            frame, self._buffer = self._buffer[:length], self._buffer[length:]
            if self._expected is not None and frame[:2] == self._transaction:
                return self._expected.fault(frame[_PREFIX], frame[_PREFIX + 1 :]) or frame
            self.n_dropped += 1
        return None

    def give_up(self) -> None:
        """End the wait: the answer has come, or none is waited for any more."""
        self._expected = None

    def probe(self, _unit: int, _request: Request) -> Read | None:
        """Return None: the number tells answers apart."""
        return None

    def _frame_length(self) -> int | Fault | None:
        data = self._buffer
        if len(data) >= 4 and data[2:4] != b"\0\0":
            return Fault(ErrorKind.MALFORMED, "this is no Modbus TCP")
        if len(data) < _PREFIX:
            return None
        length = int.from_bytes(data[4:6], "big")
        if not _SHORTEST <= length <= _LONGEST:
            return Fault(ErrorKind.MALFORMED, f"a frame of {length} bytes")
        return _PREFIX + length
