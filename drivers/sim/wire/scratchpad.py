"""A unit whose holding registers only keep what is written to them, as a PLC's free registers do."""

from collections.abc import Sequence
from typing import Final

from drivers.sim.wire.faults import NO_FAULTS, Faults
from drivers.sim.wire.framing import READ_HOLDING, WRITE_MULTIPLE, WRITE_SINGLE, ExceptionCode

_WRITES: Final = frozenset({WRITE_SINGLE, WRITE_MULTIPLE})


class Scratchpad:
    """Registers from a first one on, all zero at the start."""

    def __init__(self, first: int, *, n_registers: int) -> None:
        self._first = first
        self._words = [0] * n_registers

    def read(
        self,
        function: int,
        register: int,
        count: int,
        faults: Faults = NO_FAULTS,  # noqa: ARG002 - those of devices mean nothing here
    ) -> list[int] | ExceptionCode:
        """Return registers."""
        if function != READ_HOLDING or not self._has(register, count):
            return ExceptionCode.ADDRESS
        begin = register - self._first
        return self._words[begin : begin + count]

    def write(
        self,
        function: int,
        register: int,
        words: Sequence[int],
        faults: Faults = NO_FAULTS,  # noqa: ARG002 - those of devices mean nothing here
    ) -> ExceptionCode | None:
        """Take registers, all of one request at once."""
        if function not in _WRITES or not self._has(register, len(words)):
            return ExceptionCode.ADDRESS
        begin = register - self._first
        self._words[begin : begin + len(words)] = words
        return None

    def _has(self, register: int, count: int) -> bool:
        return self._first <= register and register + count <= self._first + len(self._words)
