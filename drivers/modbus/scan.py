"""Finds out what answers at a unit: SunSpec model chain, texts that name the device, maps that fit it.

Only reads. The layout of the common model is that of model 1 in the SunSpec Information Model Reference.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from drivers.device.jobs import NoAnswer
from drivers.device.values import Bad
from drivers.modbus.blocks import adjacent_blocks, plan_reads
from drivers.modbus.coding import Address, Table
from drivers.modbus.identity import identity_faults, identity_texts, known_texts
from drivers.modbus.inquiry import Inquiry
from drivers.modbus.layout import RegisterMap, Speed
from drivers.modbus.registers import decode_text
from drivers.modbus.requests import Answer, Answered, ExceptionAnswer, Read, Request
from drivers.modbus.sameness import same_registers
from drivers.modbus.sunspec.chain import (
    BASES,
    COMMON_ID,
    MARKER,
    BaseSearch,
    Chain,
    ChainScript,
    find_chain,
    read_holding,
)
from ems.ports import Clock

# first register within the common model and number of registers
_COMMON_TEXTS: Final[Mapping[str, tuple[int, int]]] = {
    "manufacturer": (2, 16),
    "model": (18, 16),
    "firmware": (42, 8),
    "serial": (50, 16),
}
_COMMON_REGISTERS: Final = 66
_STANDARD_BASES: Final = 3
# some devices swallow the first request of a connection
_FIRST_TRIES: Final = 2
# Some devices do not answer at all for registers that they have not. Whether there are any is asked with less patience,
# as shares of the limit of an answer: with the usual 1 s four times what a device needs that takes 50 ms.
_SHORT_WAIT: Final = 0.2
# and in answer times of the device, as soon as it has answered; but not less than this share
_PATIENCE: Final = 3.0
_LEAST_WAIT: Final = 0.1
# so long a unit may be silent in all, as a multiple of the limit of an answer
_MOST_SILENCE: Final = 6.0
_BUSY_TRIES: Final = 4
_BUSY_PAUSE_S: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitFound:
    """What a scan found at one unit; `texts` by name, `maps` by name, `errors` as sentences.

    `breaks_off`: `sunspec` is as far as its chain could be walked, `errors` say why no further.
    """

    unit: int
    answers: bool
    sunspec: Chain | None = None
    breaks_off: bool = False
    texts: Mapping[str, str] = field(default_factory=dict)
    maps: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


async def scan_unit(
    inquiry: Inquiry, maps: Sequence[RegisterMap], *, clock: Clock, bases: Sequence[int] = BASES
) -> UnitFound:
    """Return what answers at a unit, its SunSpec marker at one of `bases`. Never raises for what the device does."""
    return await Examination(inquiry, clock, bases).run(maps)


class Examination:
    """One unit under question; the same registers are asked for once only. Never raises for what the device does.

    `opens` is whether its first question is the first one of the connection.
    """

    def __init__(self, inquiry: Inquiry, clock: Clock, bases: Sequence[int] = BASES, *, opens: bool = True) -> None:
        self._inquiry = inquiry
        self._n_first_tries = _FIRST_TRIES if opens else 1
        self._clock = clock
        self._bases = bases
        self._markers = frozenset(read_holding(base, len(MARKER)) for base in bases)
        self._known: dict[Request, Answer] = {}
        self._errors: list[str] = []
        self._answers = False
        self._has_marker = False
        self._n_unanswered = 0
        self._n_hung_up = 0
        # a place of the marker each, and what opens the connection again: some devices refuse only that
        self._most_hung_up = _STANDARD_BASES + self._n_first_tries - 1
        self._silent_s = 0.0
        self._slowest_s = 0.0
        self._is_gone = False

    @property
    def answers(self) -> bool:
        """Return whether the unit has answered anything."""
        return self._answers

    @property
    def has_connected(self) -> bool:
        """Return whether there has been a connection to the endpoint."""
        return self._inquiry.has_connected

    async def has_marker(self) -> bool:
        """Return whether the unit shows the SunSpec marker at one of the places of the standard."""
        for base in self._bases[:_STANDARD_BASES]:
            answer = await self._ask(read_holding(base, len(MARKER)), may_be_missing=True)
            if isinstance(answer, Answered) and tuple(answer.registers) == MARKER:
                return True
        return False

    async def run(self, maps: Sequence[RegisterMap]) -> UnitFound:
        """Return everything that is found out about the unit."""
        chain, breaks_off = await self._find_chain()
        texts: Mapping[str, str] = {}
        if chain is not None:
            texts = await self._common_texts(chain)
        fitting = []
        for register_map in maps:
            found = await self._identity(register_map)
            if found is not None:
                fitting.append(register_map.id)
                texts = texts or found
        if chain is None and not fitting and (same := same_registers(self._words())) is not None:
            self._errors.append(same)
        return UnitFound(
            unit=self._inquiry.unit,
            answers=self._answers,
            sunspec=chain,
            breaks_off=breaks_off,
            texts=texts,
            maps=tuple(fitting),
            errors=tuple(dict.fromkeys(self._errors)),
        )

    def _words(self) -> Iterator[int]:
        """Yield all registers that were read."""
        for answer in self._known.values():
            if isinstance(answer, Answered):
                yield from answer.registers

    async def _find_chain(self) -> tuple[Chain | None, bool]:
        """Return the chain as far as it could be walked, and whether it breaks off there."""
        search = BaseSearch(self._bases)
        # a device that is silent where it has no registers is asked at the places of the standard only
        for _ in self._bases[:_STANDARD_BASES]:
            result = await self._played(find_chain(search))
            match result:
                case Chain():
                    return result, False
                case Bad(reason):
                    # a device without the marker is none of the standard's, which is no fault
                    if self._has_marker:
                        self._errors.append(f"SunSpec: {reason}")
                    break
                case NoAnswer():
                    if self._has_given_up():
                        break
        return search.walked, search.walked is not None

    async def _played(self, script: ChainScript) -> Chain | Bad | NoAnswer:
        """Ask what the script asks; without an answer it ends, and its search goes on elsewhere."""
        try:
            request = next(script)
            while True:
                answer = await self._ask(request, may_be_missing=request in self._markers)
                if isinstance(answer, NoAnswer):
                    return answer
                if isinstance(answer, Answered) and tuple(answer.registers) == MARKER:
                    self._has_marker = True
                request = script.send(answer)
        except StopIteration as end:
            result: Chain | Bad = end.value
            return result

    async def _common_texts(self, chain: Chain) -> dict[str, str]:
        if not chain.all_of(COMMON_ID):
            return {}
        at = Address(table=Table.HOLDING, register=chain.all_of(COMMON_ID)[0].at)
        answer = await self._ask(Read(at=at, count=_COMMON_REGISTERS))
        if not isinstance(answer, Answered):
            self._errors.append("SunSpec: model 1 cannot be read")
            return {}
        texts = {}
        for name, (first, length) in _COMMON_TEXTS.items():
            text = decode_text(answer.registers[first : first + length])
            if isinstance(text, Bad):
                self._errors.append(f"{name}: {text.reason}")
            elif text:
                texts[name] = text
        return texts

    async def _identity(self, register_map: RegisterMap) -> dict[str, str] | None:
        """Return the texts of a map's identity registers, None where the map does not fit the device."""
        points = tuple(register_map.identity.values())
        found: dict[str, str | Bad] = {}
        for planned in plan_reads(
            adjacent_blocks(points, speed=Speed.SLOW), points, max_registers=register_map.max_registers
        ):
            answer = await self._ask(Read(at=planned.at, count=planned.count), may_be_missing=True)
            if not isinstance(answer, Answered):
                return None
            found |= identity_texts(planned, answer.registers)
        if not found or identity_faults(register_map, found):
            return None
        texts = known_texts(found)
        return texts if register_map.expected or await self._has_blocks(register_map) else None

    async def _has_blocks(self, register_map: RegisterMap) -> bool:
        """Return whether the registers that are polled exist: a map that expects no text fits too easily."""
        points = register_map.points.values()
        for planned in plan_reads(register_map.blocks, points, max_registers=register_map.max_registers):
            answer = await self._ask(Read(at=planned.at, count=planned.count), may_be_missing=True)
            if not isinstance(answer, Answered):
                return False
        return True

    async def _ask(self, request: Request, *, may_be_missing: bool = False) -> Answer:
        if request not in self._known:
            self._known[request] = await self._fresh(request, may_be_missing=may_be_missing)
        return self._known[request]

    async def _fresh(self, request: Request, *, may_be_missing: bool) -> Answer:
        n_busy = 0
        while True:
            if self._has_given_up():
                return NoAnswer("not asked: the unit does not answer", self._clock.monotonic_s())
            is_first = not self._answers and self._n_unanswered == 0
            asked_s = self._clock.monotonic_s()
            is_doubtful = may_be_missing and not is_first
            answer = await self._inquiry.ask(request, within_s=self._short_s() if is_doubtful else None)
            took_s = self._clock.monotonic_s() - asked_s
            match answer:
                case NoAnswer(reason, hung_up=hung_up):
                    self._n_unanswered += 1
                    self._n_hung_up += hung_up
                    self._silent_s += took_s
                    if not is_doubtful or not self._inquiry.has_connected or self._has_given_up():
                        self._errors.append(reason)
                    if not is_first or self._n_first_tries == 1:
                        return answer
                case ExceptionAnswer() if answer.is_silence:
                    self._is_gone = True
                    self._errors.append(str(answer))
                    return answer
                case ExceptionAnswer() if answer.is_busy and n_busy < _BUSY_TRIES:
                    self._answers = True
                    n_busy += 1
                    await self._clock.sleep(_BUSY_PAUSE_S)
                case _:
                    if not self._answers:
                        # what went wrong before the first answer is no fault worth a line
                        self._errors.clear()
                    self._slowest_s = max(self._slowest_s, took_s)
                    self._answers = True
                    return answer

    def _short_s(self) -> float:
        """Return how long registers that the unit need not have are waited for."""
        limit_s = self._inquiry.timeout_s
        if not self._answers:
            return _SHORT_WAIT * limit_s
        return min(limit_s, max(_LEAST_WAIT * limit_s, _PATIENCE * self._slowest_s))

    def _has_given_up(self) -> bool:
        if not self._inquiry.has_connected and self._n_unanswered >= self._n_first_tries:
            return True
        # each costs a connection, of which there is one a second at most
        if self._n_hung_up >= self._most_hung_up:
            return True
        return self._is_gone or self._silent_s >= _MOST_SILENCE * self._inquiry.timeout_s
