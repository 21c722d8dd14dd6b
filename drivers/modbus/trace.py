"""Recorded answers of a device: requests and answers with their times, in a file of one JSON object a line.

The first line says what the file is: `format`, `version`, `recorded` (UTC), `endpoint`, `framing`, and for each unit
the names of device and map. Every further line is one exchange: `t_s` since the recording began, `took_s`, `unit`,
`function`, `at` and `count` as in the request, and one of `words` (registers, or bits as 0 and 1), `exception` (its
code) and `silent` (why there was no answer).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from drivers.device.jobs import NoAnswer
from drivers.device.tracefile import TraceFormat, refused
from drivers.modbus.coding import READ_COILS, READ_DISCRETE, READ_HOLDING, READ_INPUT
from drivers.modbus.requests import Answer, Answered, ExceptionAnswer, Read, Request

FORMAT: Final = TraceFormat("ems-modbus-trace", 1)
READS: Final = frozenset({READ_COILS, READ_DISCRETE, READ_HOLDING, READ_INPUT})
_HIGHEST_WORD: Final = 0xFFFF
_HIGHEST_EXCEPTION: Final = 255
# the highest number of each field
_NUMBERS: Final[Mapping[str, int]] = {"unit": 255, "function": 127, "at": 0xFFFF, "count": 2000}
_RESULTS: Final = ("words", "exception", "silent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and what came of it; `words` is None where the device gave none."""

    t_s: float
    took_s: float
    unit: int
    function: int
    at: int
    count: int
    words: tuple[int, ...] | None = None
    exception: int | None = None
    silent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Everything that was recorded at one endpoint; `maps` and `devices` are names by unit."""

    recorded: str
    endpoint: str
    framing: str
    maps: Mapping[int, str] = field(default_factory=dict)
    devices: Mapping[int, str] = field(default_factory=dict)
    exchanges: tuple[Exchange, ...] = ()

    def text(self) -> str:
        """Return the file's text."""
        head = {
            "recorded": self.recorded,
            "endpoint": self.endpoint,
            "framing": self.framing,
            "maps": {str(unit): name for unit, name in self.maps.items()},
            "devices": {str(unit): name for unit, name in self.devices.items()},
        }
        return FORMAT.text(head, map(_line, self.exchanges))


class Recorder:
    """Witness of the questions to any number of units."""

    def __init__(self, began_s: float) -> None:
        self._began_s = began_s
        self._exchanges: list[Exchange] = []

    def __call__(self, unit: int, request: Request, answer: Answer, asked_s: float) -> None:
        """Keep one exchange."""
        count = request.count if isinstance(request, Read) else len(request.registers)
        words, exception, silent = None, None, None
        match answer:
            case Answered(registers):
                words = tuple(int(word) for word in registers) if isinstance(request, Read) else request.registers
            case ExceptionAnswer(code):
                exception = code
            case NoAnswer(reason):
                silent = reason
        self._exchanges.append(
            Exchange(
                t_s=round(asked_s - self._began_s, 6),
                took_s=round(answer.at_s - asked_s, 6),
                unit=unit,
                function=request.function,
                at=request.at.register,
                count=count,
                words=words,
                exception=exception,
                silent=silent,
            )
        )

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """Return what was seen, in the order of the answers."""
        return tuple(self._exchanges)


def load_trace(file: Path) -> Trace:
    """Return a recorded file.

    Raises:
        ConfigError: It cannot be read, or is no trace of this version; names the line.
    """
    head, lines = FORMAT.read(file)
    exchanges = tuple(_exchange(file, number, facts) for number, facts in lines)
    return Trace(
        recorded=str(head.get("recorded", "")),
        endpoint=str(head.get("endpoint", "")),
        framing=str(head.get("framing", "tcp")),
        maps=_names(file, head, "maps"),
        devices=_names(file, head, "devices"),
        exchanges=exchanges,
    )


def _line(exchange: Exchange) -> dict[str, object]:
    facts: dict[str, object] = {name: getattr(exchange, name) for name in ("t_s", "took_s", *_NUMBERS)}
    for name in _RESULTS:
        if (value := getattr(exchange, name)) is not None:
            facts[name] = list(value) if name == "words" else value
    return facts


def _names(file: Path, head: Mapping[str, Any], key: str) -> dict[int, str]:
    names = head.get(key, {})
    if not isinstance(names, dict) or not all(str(unit).isdecimal() for unit in names):
        raise refused(file, 1, f"'{key}' does not name units")
    return {int(unit): str(name) for unit, name in names.items()}


def _exchange(file: Path, line: int, facts: Mapping[str, Any]) -> Exchange:
    fault = _fault(facts)
    if fault is not None:
        raise refused(file, line, fault)
    words, silent = facts.get("words"), facts.get("silent")
    return Exchange(
        t_s=facts["t_s"],
        took_s=facts["took_s"],
        **{name: facts[name] for name in _NUMBERS},
        words=None if words is None else tuple(words),
        exception=facts.get("exception"),
        silent=None if silent is None else str(silent),
    )


def _fault(facts: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the facts of an exchange."""
    for name, highest in _NUMBERS.items():
        if not _is_whole(facts.get(name), highest):
            return f"'{name}' is no whole number from 0 to {highest}"
    for name in ("t_s", "took_s"):
        if not isinstance(facts.get(name), int | float) or not facts[name] >= 0.0:
            return f"'{name}' is no time in seconds"
    if sum(facts.get(name) is not None for name in _RESULTS) != 1:
        return f"an exchange has one of {', '.join(_RESULTS)}"
    words, exception = facts.get("words"), facts.get("exception")
    if words is not None and not (
        isinstance(words, list) and len(words) == facts["count"] and all(_is_whole(w, _HIGHEST_WORD) for w in words)
    ):
        return f"'words' are not {facts['count']} registers"
    if exception is not None and not _is_whole(exception, _HIGHEST_EXCEPTION):
        return "'exception' is no code"
    return None


def _is_whole(value: object, highest: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= highest
