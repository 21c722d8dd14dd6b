"""Polling: a round reads all blocks of one speed, one after the other, and hands over what they held."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from drivers.device.jobs import NEVER_S, NoAnswer, Urgency
from drivers.device.named import Joint
from drivers.device.sample import Sample
from drivers.modbus.blocks import PlannedRead
from drivers.modbus.registers import BlockDecoder, Decoded
from drivers.modbus.requests import Answer, Answered, ExceptionAnswer, Read
from drivers.modbus.words import bytes_of

# what a device that starts, or the gateway before it, shows in every register
_BLANKS: Final = {b"\x00": 0x0000, b"\xff": 0xFFFF}


def _only_word(registers: Sequence[int]) -> int | None:
    """Return the word that fills an answer."""
    data = bytes_of(registers)
    first = data[:1]
    return _BLANKS.get(first) if data.count(first) == len(data) else None


class Decoder(Protocol):
    """Gives the points of one answer."""

    def decode(self, registers: Sequence[int]) -> Decoded:
        """Return the points of an answer that has exactly the registers asked for."""

    def all_bad(self, reason: str) -> Decoded:
        """Return the points of an answer that never came: a block fails as a whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One request of a round and what reads its answer."""

    request: Read
    decoder: Decoder


def planned_parts(reads: Iterable[PlannedRead], *, integers: Iterable[str]) -> tuple[Part, ...]:
    """Return the parts of a round for the planned reads of a register map."""
    integers = frozenset(integers)
    return tuple(
        Part(request=Read(at=read.at, count=read.count), decoder=BlockDecoder(read, integers=integers))
        for read in reads
    )


class Round:
    """The job that polls the blocks of one speed, once per period.

    A block that the device refuses for good makes its points bad and the round goes on; a busy device ends the
    round, so that the last values keep their age. `parts` may be replaced while it stands still.
    """

    def __init__(
        self,
        parts: Sequence[Part] = (),
        *,
        period_s: float,
        urgency: Urgency = Urgency.FAST,
        finished: Callable[[Sample], None],
        failed: Callable[[str], None],
    ) -> None:
        self.urgency = urgency
        self.due_s = NEVER_S
        self.patience_s = period_s
        self.parts: Sequence[Part] = parts
        self._finished = finished
        self._failed = failed
        self._decoded: list[Decoded] = []
        self._joint = Joint()
        # for each answer of this round the word that fills it, None for a mixture
        self._words: set[int | None] = set()
        self._oldest_s = NEVER_S
        self._refusal: ExceptionAnswer | None = None

    def start(self, now_s: float) -> None:
        """Begin a round at once; without blocks there is nothing to do, ever."""
        self._clear()
        if self.parts:
            self.due_s = now_s

    def stop(self) -> None:
        """Give up; there is no connection."""
        self.due_s = NEVER_S

    def request(self, _now_s: float) -> Read:
        """Return the read of the next block."""
        return self.parts[len(self._decoded)].request

    def done(self, answer: Answer) -> None:
        """Take the answer to the block that was asked for."""
        part = self.parts[len(self._decoded)]
        decoder = part.decoder
        match answer:
            case NoAnswer(reason):
                self.stop()
                self._failed(reason)
                return
            case ExceptionAnswer() if answer.is_busy or answer.is_silence:
                self._abandon(answer)
                return
            case ExceptionAnswer():
                self._refusal = answer
                self._decoded.append(decoder.all_bad(str(answer)))
            case Answered(registers, at_s):
                self._oldest_s = min(self._oldest_s, at_s)
                if not part.request.at.table.holds_bits:
                    self._words.add(_only_word(registers))
                self._decoded.append(decoder.decode(registers))
        if len(self._decoded) == len(self.parts):
            self._finish(answer.at_s)

    def _finish(self, now_s: float) -> None:
        decoded, oldest_s, refusal = self._decoded, self._oldest_s, self._refusal
        monotone = next((word for word in _BLANKS.values() if self._words == {word}), None)
        self._next_round(now_s)
        values = self._joint.values([block.values for block in decoded])
        bad: dict[str, str] = {}
        for block in decoded:
            bad |= block.bad
        if oldest_s < NEVER_S:
            self._finished(Sample(values=values, bad=bad, at_s=oldest_s, monotone=monotone))
        else:
            self._finished(Sample(values=values, bad=bad, at_s=now_s, refusal=str(refusal)))

    def _abandon(self, answer: ExceptionAnswer) -> None:
        self._next_round(answer.at_s)
        self._failed(str(answer))

    def _next_round(self, now_s: float) -> None:
        """Keep the period's phase; a line that is too slow gets the next round at once, not a burst of missed ones."""
        self._clear()
        self.due_s = max(self.due_s + self.patience_s, now_s)

    def _clear(self) -> None:
        self._decoded = []
        self._words = set()
        self._oldest_s = NEVER_S
        self._refusal = None
