"""Finds out what answers at a unit: SunSpec model chain, texts that name the device, maps that fit it.

Only reads. The order and the addresses of the SunSpec search, and the layout of its common model, are those of the
SunSpec Device Information Model Specification (version 1.1, sections 4 and 6.2).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from drivers.modbus.blocks import adjacent_blocks, plan_reads
from drivers.modbus.identity import identity_faults, identity_texts
from drivers.modbus.inquiry import Inquiry
from drivers.modbus.layout import Address, RegisterMap, Speed, Table
from drivers.modbus.registers import decode_text
from drivers.modbus.requests import Answer, Answered, ExceptionAnswer, NoAnswer, Read
from drivers.modbus.values import Bad
from ems.ports import Clock

_BASES: Final = (40000, 0, 50000)
_MARKER: Final = [0x5375, 0x6E53]
_END: Final = 0xFFFF
_COMMON: Final = 1
_MOST_MODELS: Final = 100
_N_ADDRESSES: Final = 0x10000
# first register within the common model and number of registers
_COMMON_TEXTS: Final[Mapping[str, tuple[int, int]]] = {
    "manufacturer": (2, 16),
    "model": (18, 16),
    "firmware": (42, 8),
    "serial": (50, 16),
}
_COMMON_REGISTERS: Final = 66
# some devices swallow the first request of a connection
_FIRST_TRIES: Final = 2
_MOST_UNANSWERED: Final = 3
_BUSY_TRIES: Final = 4
_BUSY_PAUSE_S: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChain:
    """The SunSpec models of a unit in their order; `base` is the register of the marker."""

    base: int
    models: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitFound:
    """What a scan found at one unit; `texts` by name, `maps` by name, `errors` as sentences."""

    unit: int
    answers: bool
    sunspec: ModelChain | None = None
    texts: Mapping[str, str] = field(default_factory=dict)
    maps: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


async def scan_unit(inquiry: Inquiry, maps: Sequence[RegisterMap], *, clock: Clock) -> UnitFound:
    """Return what answers at a unit. Never raises for what the device does."""
    return await _Examination(inquiry, clock).run(maps)


class _Examination:
    """One unit under question; the same registers are asked for once only."""

    def __init__(self, inquiry: Inquiry, clock: Clock) -> None:
        self._inquiry = inquiry
        self._clock = clock
        self._known: dict[Read, Answer] = {}
        self._errors: list[str] = []
        self._answers = False
        self._n_unanswered = 0

    async def run(self, maps: Sequence[RegisterMap]) -> UnitFound:
        chain = await self._find_chain()
        texts: Mapping[str, str] = {}
        if chain is not None:
            texts = await self._common_texts(chain)
        fitting = []
        for register_map in maps if self._answers else ():
            found = await self._identity(register_map)
            if found is not None:
                fitting.append(register_map.id)
                texts = texts or found
        return UnitFound(
            unit=self._inquiry.unit,
            answers=self._answers,
            sunspec=chain,
            texts=texts,
            maps=tuple(fitting),
            errors=tuple(self._errors),
        )

    async def _find_chain(self) -> ModelChain | None:
        for base in _BASES:
            if await self._holding(base, len(_MARKER)) == _MARKER:
                return ModelChain(base=base, models=await self._models(base))
        return None

    async def _models(self, base: int) -> tuple[int, ...]:
        """Walk the chain; a chain that does not end is cut and said to be wrong."""
        models: list[int] = []
        register = base + len(_MARKER)
        while len(models) < _MOST_MODELS and register + 1 < _N_ADDRESSES:
            head = await self._holding(register, 2)
            if head is None:
                self._errors.append(f"SunSpec: no answer to the head of a model at holding:{register}")
                return tuple(models)
            model, length = head
            if model == _END:
                return tuple(models)
            models.append(model)
            register += 2 + length
        self._errors.append(f"SunSpec: the chain of models has no end behind {len(models)} models")
        return tuple(models)

    async def _common_texts(self, chain: ModelChain) -> dict[str, str]:
        start = chain.base + len(_MARKER)
        if chain.models[:1] != (_COMMON,):
            self._errors.append("SunSpec: the chain does not begin with model 1")
            return {}
        words = await self._holding(start, _COMMON_REGISTERS)
        if words is None:
            self._errors.append("SunSpec: model 1 cannot be read")
            return {}
        texts = {name: decode_text(words[at : at + length]) for name, (at, length) in _COMMON_TEXTS.items()}
        return {name: text for name, text in texts.items() if not isinstance(text, Bad) and text}

    async def _identity(self, register_map: RegisterMap) -> dict[str, str] | None:
        """Return the texts of a map's identity registers, None where the map does not fit the device."""
        points = tuple(register_map.identity.values())
        found: dict[str, str] = {}
        for planned in plan_reads(
            adjacent_blocks(points, speed=Speed.SLOW), points, max_registers=register_map.max_registers
        ):
            answer = await self._ask(Read(at=planned.at, count=planned.count))
            if not isinstance(answer, Answered):
                return None
            found |= identity_texts(planned, answer.registers)
        if not found or identity_faults(register_map, found):
            return None
        return found if register_map.expected or await self._has_blocks(register_map) else None

    async def _has_blocks(self, register_map: RegisterMap) -> bool:
        """Return whether the registers that are polled exist: a map that expects no text fits too easily."""
        points = register_map.points.values()
        for planned in plan_reads(register_map.blocks, points, max_registers=register_map.max_registers):
            if not isinstance(await self._ask(Read(at=planned.at, count=planned.count)), Answered):
                return False
        return True

    async def _holding(self, register: int, count: int) -> list[int] | None:
        if register + count > _N_ADDRESSES:
            return None
        answer = await self._ask(Read(at=Address(table=Table.HOLDING, register=register), count=count))
        return list(answer.registers) if isinstance(answer, Answered) else None

    async def _ask(self, request: Read) -> Answer:
        if request not in self._known:
            self._known[request] = await self._fresh(request)
        return self._known[request]

    async def _fresh(self, request: Read) -> Answer:
        n_busy = 0
        while True:
            if self._has_given_up():
                return NoAnswer("not asked: the unit does not answer", self._clock.monotonic_s())
            answer = await self._inquiry.ask(request)
            match answer:
                case NoAnswer(reason):
                    self._n_unanswered += 1
                    self._errors.append(reason)
                    if self._answers:
                        return answer
                case ExceptionAnswer() if answer.is_silence:
                    self._n_unanswered = _MOST_UNANSWERED
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
                    self._answers = True
                    return answer

    def _has_given_up(self) -> bool:
        return self._n_unanswered >= (_MOST_UNANSWERED if self._answers else _FIRST_TRIES)
