"""What the answer to a request must look like, and what is wrong with one that does not. Pure, for every framing."""

from dataclasses import dataclass
from typing import Final, Self

from drivers.modbus.coding import WRITE_COIL, WRITE_SINGLE
from drivers.modbus.requests import Read, Request, Write
from drivers.modbus.statistics import ErrorKind

EXCEPTION_FLAG: Final = 0x80
# function and exception code
_EXCEPTION_LENGTH: Final = 2
# bytes of a register, bits of a byte
_REGISTER: Final = 2
_BYTE: Final = 8
# how function 5 writes "on"
_ON: Final = 0xFF00


@dataclass(frozen=True, slots=True)
class Fault:
    """Why an answer cannot be used."""

    kind: ErrorKind
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The answer to one request: `n_bytes` of data to a read, `echo` of register and value (or count) to a write."""

    unit: int
    function: int
    n_bytes: int | None
    echo: bytes

    @classmethod
    def of(cls, unit: int, request: Request) -> Self:
        """Return what answers a request."""
        match request:
            case Read(count=count):
                n_bytes = -(-count // _BYTE) if request.at.table.holds_bits else _REGISTER * count
                return cls(unit=unit, function=request.function, n_bytes=n_bytes, echo=b"")
            case Write(at=at, registers=registers):
                second = _second(request.function, registers)
                echo = at.register.to_bytes(2, "big") + second.to_bytes(2, "big")
                return cls(unit=unit, function=request.function, n_bytes=None, echo=echo)

    def is_like(self, unit: int, pdu: bytes) -> bool:
        """Return whether an answer could be the one to this request; an exception could always be."""
        if unit != self.unit:
            return False
        if pdu[0] == self.function | EXCEPTION_FLAG:
            return True
        return pdu[0] == self.function and (pdu[1:] == self.echo if self.n_bytes is None else pdu[1] == self.n_bytes)

    def fault(self, unit: int, pdu: bytes) -> Fault | None:
        """Return why a complete message does not answer the request, None if it does (an exception does)."""
        if unit != self.unit:
            return Fault(ErrorKind.WRONG_UNIT, f"an answer of unit {unit}")
        function = pdu[0]
        if function == self.function | EXCEPTION_FLAG:
            wrong = len(pdu) != _EXCEPTION_LENGTH
            return Fault(ErrorKind.MALFORMED, f"an exception answer of {len(pdu)} bytes") if wrong else None
        if function != self.function:
            reason = f"an answer to function {function}, asked for {self.function}"
            return Fault(ErrorKind.WRONG_FUNCTION, reason)
        return self._write_fault(pdu) if self.n_bytes is None else self._read_fault(pdu, self.n_bytes)

    def _read_fault(self, pdu: bytes, n_bytes: int) -> Fault | None:
        announced = pdu[1] if len(pdu) > 1 else 0
        if len(pdu) - 2 != announced:
            return Fault(ErrorKind.MALFORMED, f"{announced} bytes of registers in an answer of {len(pdu)}")
        if announced == n_bytes:
            return None
        return Fault(ErrorKind.SHORT, f"{announced} bytes of values instead of {n_bytes}")

    def _write_fault(self, pdu: bytes) -> Fault | None:
        if len(pdu) != 1 + len(self.echo):
            return Fault(ErrorKind.MALFORMED, f"an answer to a write of {len(pdu)} bytes")
        # what was taken is seen in the read-back: some devices repeat the value that they made of ours
        if pdu[1:3] == self.echo[:2]:
            return None
        written, asked = int.from_bytes(pdu[1:3], "big"), int.from_bytes(self.echo[:2], "big")
        return Fault(ErrorKind.MALFORMED, f"wrote {written} instead of {asked}")


def _second(function: int, values: tuple[int, ...]) -> int:
    """Return what the confirmation of a write says beside the address: the value, or how many there were."""
    if function == WRITE_COIL:
        return _ON if values[0] else 0
    return values[0] if function == WRITE_SINGLE else len(values)
