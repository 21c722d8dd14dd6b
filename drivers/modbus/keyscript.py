"""The requests and waits that bring about a command made of control keys, one after the other."""

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace

from drivers.modbus.conditions import holds
from drivers.modbus.keys import Action, Condition, SequenceCommand, Wait
from drivers.modbus.requests import Answered, ExceptionAnswer, Read, Request, Write
from ems.model.readings import Reading


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the device does not do it."""

    reason: str


UsableAnswer = Answered | ExceptionAnswer
Script = Generator[Request | Wait, UsableAnswer | None, Refusal | None]
Sending = Generator[Request, UsableAnswer | None, Refusal | None]


def sequence_steps(command: SequenceCommand, *, wanted: bool, seen: Callable[[], Reading | None]) -> Script:
    """Yield what brings a command about, request by request, with waits between; `seen` gives the newest reading."""
    needs = command.needs
    if needs is not None and not holds(needs.wait.condition, seen()):
        if needs.ask is None or needs.ask_from is None or not holds(needs.ask_from, seen()):
            return Refusal(f"it needs {needs.wait.condition}")
        if refused := (yield from _send(needs.ask)):
            return refused
        yield needs.wait
    for action in command.actions[wanted]:
        if action.unless is not None and holds(action.unless, seen()):
            continue
        if action.after is not None and not holds(action.after.condition, seen()):
            yield _until(action.after, action.unless)
            if action.unless is not None and holds(action.unless, seen()):
                continue
        if refused := (yield from _send(action)):
            return refused
    return None


def _send(action: Action) -> Sending:
    """Write an action and read its result, if the device gives one."""
    for write in action.writes:
        answer = yield Write(at=write.at, registers=write.words, function=write.function)
        if isinstance(answer, ExceptionAnswer):
            return Refusal(f"{action.name}: {answer}")
    if action.returns is None:
        return None
    answer = yield Read(at=action.returns.at, count=len(action.returns.words))
    if not isinstance(answer, Answered):
        return Refusal(f"{action.name}: its result cannot be read ({answer})")
    words = tuple(answer.registers)
    if words == action.returns.words:
        return None
    number = _number(words)
    return Refusal(f"{action.name}: {action.returns.errors.get(number, f'it returns 0x{number:X}')}")


def _until(wait: Wait, unless: Condition | None) -> Wait:
    """Return a wait that also ends when the effect of the action has come about without it."""
    if unless is None or unless.field != wait.condition.field:
        return wait
    return replace(wait, condition=replace(wait.condition, labels=wait.condition.labels | unless.labels))


def _number(words: tuple[int, ...]) -> int:
    number = 0
    for word in words:
        number = number << 16 | word
    return number
