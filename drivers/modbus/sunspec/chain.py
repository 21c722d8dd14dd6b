"""Finds the models of a SunSpec device: the marker, then one model behind the other to the end mark.

From the SunSpec Device Information Model Specification, "Device Modbus map" and "Model discovery". The walk is a
script: a generator that yields reads and is sent the answers. A device that describes itself wrongly ends it with a
reason, never with an exception or without end.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from drivers.device.values import Bad
from drivers.modbus.coding import Address, Table
from drivers.modbus.requests import Answered, ExceptionAnswer, Read, Request

# the three of the standard; devices that took the document's 40001 or 1 for it are said to sit one below (believed)
BASES: Final = (40000, 0, 50000, 39999, 1)
# "SunS"
MARKER: Final = (0x5375, 0x6E53)
END_ID: Final = 0xFFFF
COMMON_ID: Final = 1
# no device has as many; a chain that runs in circles ends here
_MOST_MODELS: Final = 100
_N_REGISTERS: Final = 0x10000
_HEADER: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundModel:
    """A model of a device: the address of its id register, and its length without id and length registers."""

    id: int
    at: int
    length: int

    @property
    def n_registers(self) -> int:
        """Return the length with id and length registers, as offsets count."""
        return self.length + _HEADER

    @property
    def end(self) -> int:
        """Return the first register behind the model."""
        return self.at + self.n_registers


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The models of a device in their order."""

    base: int
    models: tuple[FoundModel, ...]

    def all_of(self, model_id: int) -> tuple[FoundModel, ...]:
        """Return every model with this id: a device may have several, one per inverter or bank."""
        return tuple(model for model in self.models if model.id == model_id)

    @property
    def ids(self) -> tuple[int, ...]:
        """Return the ids in the order of the chain."""
        return tuple(model.id for model in self.models)


UsableAnswer = Answered | ExceptionAnswer
ChainScript = Generator[Request, UsableAnswer, Chain | Bad]


class BaseSearch:
    """Which addresses are tried for the marker, and in which order.

    A device that does not answer at all for registers that it has not ends the connection. The next attempt then
    goes on with the next address; the one where the marker was found stays the first.
    """

    def __init__(self, bases: Sequence[int] = BASES) -> None:
        self._bases = tuple(bases)
        self._first = 0
        self._walked: Chain | None = None

    @property
    def walked(self) -> Chain | None:
        """Return what has been seen of the chain behind the last marker, whole or not; None without a marker."""
        return self._walked

    def order(self) -> Iterator[int]:
        """Yield the addresses, each counted as tried when it is taken."""
        first = self._first
        for step in range(len(self._bases)):
            self._first = (first + step + 1) % len(self._bases)
            yield self._bases[(first + step) % len(self._bases)]

    def found(self, base: int) -> None:
        """Begin with this address from now on."""
        self._first = self._bases.index(base)

    def passed(self, base: int, models: Sequence[FoundModel]) -> None:
        """Note the models that a walk has passed."""
        self._walked = Chain(base=base, models=tuple(models))


def find_chain(search: BaseSearch) -> ChainScript:
    """Look for the marker, then walk along the models; the result says why there is no chain."""
    refusals = []
    for base in search.order():
        answer = yield read_holding(base, len(MARKER))
        if isinstance(answer, ExceptionAnswer):
            if answer.is_busy or answer.is_silence:
                search.found(base)
                return Bad(f"its SunSpec marker cannot be read: {answer}")
            refusals.append(f"{base}: {answer}")
        elif tuple(answer.registers) == MARKER:
            search.found(base)
            return (yield from _walk(base, search))
        else:
            refusals.append(f"{base}: no marker")
    return Bad(f"it is no SunSpec device ({', '.join(refusals)})")


def _walk(base: int, search: BaseSearch) -> ChainScript:
    """Walk along the models behind a marker that has been seen."""
    models: list[FoundModel] = []
    search.passed(base, models)
    at = base + len(MARKER)
    while len(models) < _MOST_MODELS:
        header = yield from _header(at)
        place = f"after model {models[-1].id}" if models else "behind the marker"
        if isinstance(header, ExceptionAnswer):
            return Bad(f"its SunSpec chain breaks off {place}, at register {at}: {header}")
        model_id, length = header
        if model_id == END_ID:
            return _checked(Chain(base=base, models=tuple(models)))
        model = FoundModel(id=model_id, at=at, length=length)
        # the end mark needs a register of its own
        if model.end >= _N_REGISTERS:
            return Bad(f"its SunSpec chain is wrong: model {model_id} at register {at} claims {length} registers")
        models.append(model)
        search.passed(base, models)
        at = model.end
    return Bad(f"its SunSpec chain has no end within {_MOST_MODELS} models")


def _header(at: int) -> Generator[Request, UsableAnswer, tuple[int, int] | ExceptionAnswer]:
    """Return id and length of the model at a register; an end mark need not have a length behind it."""
    answer = yield read_holding(at, _HEADER)
    if isinstance(answer, Answered):
        return answer.registers[0], answer.registers[1]
    if answer.is_busy or answer.is_silence:
        return answer
    alone = yield read_holding(at, 1)
    if isinstance(alone, Answered) and alone.registers[0] == END_ID:
        return END_ID, 0
    return answer


def _checked(chain: Chain) -> Chain | Bad:
    if not chain.models:
        return Bad("its SunSpec chain is empty")
    if chain.models[0].id != COMMON_ID:
        return Bad(f"its SunSpec chain begins with model {chain.models[0].id} instead of {COMMON_ID}")
    return chain


def read_holding(register: int, count: int) -> Read:
    """Return the request for holding registers, where SunSpec keeps everything."""
    return Read(at=Address(table=Table.HOLDING, register=register), count=count)
