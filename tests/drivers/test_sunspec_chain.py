"""The walk along a device's SunSpec models, and what becomes of chains that are wrong."""

from collections.abc import Mapping

import pytest

from drivers.device.values import Bad
from drivers.modbus.requests import Answered, ExceptionAnswer, Read
from drivers.modbus.sunspec.chain import BASES, MARKER, BaseSearch, Chain, FoundModel, find_chain

MISSING = ExceptionAnswer(2, 0.0)
BUSY = ExceptionAnswer(6, 0.0)
NEVER_ENDING = 10_000


class Memory:
    """Holding registers of a device; what it has not is answered with exception 2, or as the test says."""

    def __init__(self, registers: Mapping[int, int], *, elsewhere: ExceptionAnswer = MISSING) -> None:
        self.registers = registers
        self.elsewhere = elsewhere
        self.reads: list[tuple[int, int]] = []

    def answer(self, request: Read) -> Answered | ExceptionAnswer:
        start = request.at.register
        self.reads.append((start, request.count))
        wanted = range(start, start + request.count)
        if any(number not in self.registers for number in wanted):
            return self.elsewhere
        return Answered([self.registers[number] for number in wanted], 0.0)


def chain_registers(base: int, *models: tuple[int, int], end: tuple[int, ...] = (0xFFFF, 0)) -> dict[int, int]:
    """Return the registers of a chain; contents of the models are zeros."""
    words = list(MARKER)
    for model_id, length in models:
        words += [model_id, length, *[0] * length]
    return dict(enumerate([*words, *end], start=base))


def search(memory: Memory, bases: BaseSearch | None = None) -> Chain | Bad:
    script = find_chain(bases or BaseSearch())
    try:
        request = next(script)
        for _ in range(NEVER_ENDING):
            assert isinstance(request, Read)
            request = script.send(memory.answer(request))
    except StopIteration as end:
        found: Chain | Bad = end.value
        return found
    raise AssertionError("the walk does not end")


@pytest.mark.parametrize("base", BASES)
def test_the_chain_is_found_at_every_base_address(base: int) -> None:
    found = search(Memory(chain_registers(base, (1, 66), (103, 50), (123, 24))))

    assert found == Chain(
        base=base,
        models=(
            FoundModel(id=1, at=base + 2, length=66),
            FoundModel(id=103, at=base + 70, length=50),
            FoundModel(id=123, at=base + 122, length=24),
        ),
    )


def test_unknown_models_are_passed_over_and_one_id_may_occur_several_times() -> None:
    found = search(Memory(chain_registers(0, (1, 65), (64001, 7), (803, 26), (803, 26))))

    assert isinstance(found, Chain)
    assert found.ids == (1, 64001, 803, 803)
    assert [model.at for model in found.all_of(803)] == [78, 106]


def test_an_end_mark_without_a_length_behind_it_is_enough() -> None:
    found = search(Memory(chain_registers(40000, (1, 66), end=(0xFFFF,))))

    assert isinstance(found, Chain)
    assert found.ids == (1,)


@pytest.mark.parametrize(
    ("registers", "reason"),
    [
        (chain_registers(40000, (1, 66), (103, 0xFFFF)), "model 103 at register 40070 claims 65535 registers"),
        (chain_registers(40000, (1, 66), (103, 50), end=()), "breaks off after model 103, at register 40122"),
        (chain_registers(40000, end=()), "breaks off behind the marker"),
        (chain_registers(0, *[(1, 66)] * 150), "no end within 100 models"),
        (chain_registers(0, *[(7, 0)] * 150), "no end within 100 models"),
        (chain_registers(40000), "is empty"),
        (chain_registers(40000, (103, 50)), "begins with model 103 instead of 1"),
        ({40000: 0, 40001: 0}, "no SunSpec device"),
        ({}, "no SunSpec device"),
    ],
)
def test_a_chain_that_is_wrong_ends_with_its_reason(registers: Mapping[int, int], reason: str) -> None:
    found = search(Memory(registers))

    assert isinstance(found, Bad)
    assert reason in found.reason


def test_a_busy_device_is_not_taken_for_one_without_a_chain() -> None:
    memory = Memory({}, elsewhere=BUSY)

    found = search(memory)

    assert found == Bad("its SunSpec marker cannot be read: exception 6 (busy)")
    assert memory.reads == [(40000, 2)]


def test_a_device_that_keeps_silent_is_asked_at_the_next_address_after_the_reconnect() -> None:
    bases = BaseSearch()
    first = next(find_chain(bases))
    second = next(find_chain(bases))

    assert isinstance(first, Read)
    assert isinstance(second, Read)
    assert (first.at.register, second.at.register) == (40000, 0)


def test_the_address_that_was_found_is_the_first_the_next_time() -> None:
    memory, bases = Memory(chain_registers(50000, (1, 66))), BaseSearch()
    search(memory, bases)
    memory.reads.clear()

    search(memory, bases)

    assert memory.reads[0] == (50000, 2)
