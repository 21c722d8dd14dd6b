"""Judges the bytes of an answer before the library decodes them: is this still the answer to our request?

pymodbus waits for more after a wrong header, and a frame that it cannot decode ends in the event loop's error
log. Looking first turns both into an error of the request at once.
"""

from typing import Final

from drivers.modbus.layout import READ_COILS, READ_DISCRETE, READ_HOLDING, READ_INPUT

_EXCEPTION_FLAG: Final = 0x80
# unit, function and one byte of data; the protocol's longest PDU is 253 bytes after the unit
_SHORTEST: Final = 3
_LONGEST: Final = 254
# lengths (with the unit) of an exception answer and of an answer to a write
_EXCEPTION_LENGTH: Final = 3
_WRITE_LENGTH: Final = 6
_READS: Final = frozenset({READ_COILS, READ_DISCRETE, READ_HOLDING, READ_INPUT})


def frame_fault(data: bytes, *, function: int) -> str | None:
    """Return what is wrong with the bytes received so far, None while they may become the answer.

    Layout: transaction (2), protocol (2, always 0), length of what follows (2), unit, function, data.
    """
    if len(data) >= 4 and data[2:4] != b"\0\0":
        return "this is no Modbus TCP"
    if len(data) < 6:
        return None
    length = int.from_bytes(data[4:6], "big")
    if not _SHORTEST <= length <= _LONGEST:
        return f"a frame of {length} bytes"
    if len(data) < 8:
        return None
    if data[7] == function | _EXCEPTION_FLAG:
        return None if length == _EXCEPTION_LENGTH else f"an exception answer of {length} bytes"
    if data[7] != function:
        return f"an answer to function {data[7]}, asked for {function}"
    if function not in _READS:
        return None if length == _WRITE_LENGTH else f"an answer to a write of {length} bytes"
    if len(data) >= 9 and data[8] + 3 != length:
        return f"{data[8]} bytes of registers in a frame of {length}"
    return None
