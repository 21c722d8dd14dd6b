"""A device that answers what another one has answered before: a recorded trace as the registers of a unit."""

from collections.abc import Iterable, Mapping
from typing import Final

from drivers.modbus.trace import READS, Exchange, Trace
from drivers.sim.wire.faults import NO_FAULTS, Faults
from drivers.sim.wire.framing import ExceptionCode
from ems.ports import Clock

# a pause between the last recorded answer and the first one played again
_BETWEEN_RUNS_S: Final = 1.0


class ReplayedUnit:
    """The registers of one recorded unit; they change as they did, and begin again at the end.

    A request that was never recorded is answered from the registers that others have shown; registers that nobody
    has asked for do not exist. Nothing can be written.
    """

    def __init__(self, exchanges: Iterable[Exchange], *, clock: Clock) -> None:
        self._exchanges = sorted(
            (each for each in exchanges if each.function in READS and each.silent is None),
            key=lambda each: each.t_s + each.took_s,
        )
        self._clock = clock
        self._began_s = clock.monotonic_s()
        last = self._exchanges[-1] if self._exchanges else None
        self._run_s = _BETWEEN_RUNS_S if last is None else last.t_s + last.took_s + _BETWEEN_RUNS_S
        # what each register has shown first: before its time comes it already exists
        self._first: dict[tuple[int, int], int] = {}
        for each in reversed(self._exchanges):
            self._first |= _registers(each)

    def read(
        self,
        function: int,
        register: int,
        count: int,
        faults: Faults = NO_FAULTS,  # noqa: ARG002 - the twin's faults of values are none of a recording's
    ) -> list[int] | ExceptionCode:
        """Return what the device showed at this moment of its recording."""
        refusal, image = self._shown(function, register, count)
        if refusal is not None:
            return refusal
        wanted = [(function, number) for number in range(register, register + count)]
        if any(key not in image for key in wanted):
            return ExceptionCode.ADDRESS
        return [image[key] for key in wanted]

    def write(
        self,
        function: int,  # noqa: ARG002
        register: int,  # noqa: ARG002
        words: tuple[int, ...],  # noqa: ARG002
        faults: Faults = NO_FAULTS,  # noqa: ARG002
    ) -> ExceptionCode | None:
        """Refuse: a recording takes no commands."""
        return ExceptionCode.FUNCTION

    def _shown(
        self, function: int, register: int, count: int
    ) -> tuple[ExceptionCode | None, Mapping[tuple[int, int], int]]:
        """Return how this very request was refused last, if it was, and all registers as they stand."""
        now_s = (self._clock.monotonic_s() - self._began_s) % self._run_s
        image = dict(self._first)
        refusal: ExceptionCode | None = None
        for each in self._exchanges:
            is_same = (each.function, each.at, each.count) == (function, register, count)
            if each.t_s + each.took_s > now_s and not (is_same and each.exception is not None):
                continue
            image |= _registers(each)
            if is_same:
                refusal = _code(each.exception)
        return refusal, image


def replayed_units(trace: Trace, *, clock: Clock) -> dict[int, ReplayedUnit]:
    """Return every recorded unit by its number."""
    units = sorted({each.unit for each in trace.exchanges if each.silent is None})
    return {unit: ReplayedUnit((each for each in trace.exchanges if each.unit == unit), clock=clock) for unit in units}


def _registers(exchange: Exchange) -> dict[tuple[int, int], int]:
    words = enumerate(exchange.words or (), exchange.at)
    return {(exchange.function, number): word for number, word in words}


def _code(code: int | None) -> ExceptionCode | None:
    if code is None:
        return None
    return ExceptionCode(code) if code in set(ExceptionCode) else ExceptionCode.FAILURE
