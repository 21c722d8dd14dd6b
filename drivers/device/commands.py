"""From a setpoint to a value that the device shows: one slot per command, and the outcome of what was commanded.

Newest wins: a slot holds the newest value that was not sent yet. A value that was written counts as accepted
only when the device's own read-back shows it.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

from drivers.device.budget import WriteBudget
from drivers.device.jobs import NEVER_S, Acknowledged, NoAnswer, Refused, Result, Urgency
from drivers.device.values import Bad, Value
from ems.model.setpoints import Outcome, WriteOutcome

# written values that wait for their read-back; a device follows with a delay while new ones are written
_MOST_UNVERIFIED: Final = 16
# a device that is heard and not asked may fall silent: then no reading tells whether it has taken a value
_SILENT_SETTLES: Final = 3.0
# a read-back may miss the last count by the rounding of its own scaling
_STEP_TOLERANCE: Final = 1.0 + 1e-6


class Outcomes:
    """What became of a device's commands: the newest end of each."""

    def __init__(self, device_id: str, *, power: str | None = None) -> None:
        """Take the name of the command that is a power."""
        self._device_id = device_id
        self._power = power
        self._newest: dict[str, WriteOutcome] = {}

    @property
    def newest(self) -> WriteOutcome | None:
        """Return the newest end; one that was not accepted goes before the others that were.

        So a refused start stays in sight while the power of the same device is accepted every second.
        """
        ends = reversed(self._newest.values())
        return max(ends, key=lambda end: (end.outcome is not Outcome.ACCEPTED, end.at_s), default=None)

    def record(self, command: str, outcome: Outcome, *, detail: str, at_s: float, written: float | None = None) -> None:
        """Note the end of a command, and the value that was written."""
        self._newest.pop(command, None)
        self._newest[command] = WriteOutcome(
            device_id=self._device_id,
            outcome=outcome,
            at_s=at_s,
            detail=f"{command}: {detail}",
            written_kw=written if command == self._power else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A command as it is sent: `value` is what it means after rounding, `step` the weight of one count.

    Two that are equal say the same to the device.
    """

    value: float
    step: float


# a command as it is sent, and one request or message with it
E = TypeVar("E", bound=Encoded)
W = TypeVar("W")
W_co = TypeVar("W_co", covariant=True)


@dataclass(frozen=True, slots=True)
class _Order(Generic[E]):
    """A value to write; `note` says why it is not the value that was asked for."""

    encoded: E
    note: str = ""

    def told(self, text: str) -> str:
        return f"{text} ({self.note})" if self.note else text


@dataclass(frozen=True, slots=True)
class _Written(Generic[E]):
    order: _Order[E]
    at_s: float


class Recipe(Protocol[E, W_co]):
    """How a value of one command is written, in as many requests or messages as the device needs.

    `readback` names the value of a reading that shows what the device has taken, `factor` that with the scale factor.
    """

    @property
    def name(self) -> str:
        """Return the name of the command."""

    @property
    def readback(self) -> str:
        """Return what shows the value that the device has taken."""

    @property
    def factor(self) -> str | None:
        """Return what shows the scale factor, None for a command without one."""

    def encode(self, value: float) -> E | Bad:
        """Return a value as it is sent, or why it cannot be written."""

    def scaled_by(self, power: int | None) -> None:
        """Take the scale factor just read, None if it is unknown."""

    def writes(self, encoded: E) -> Sequence[W_co]:
        """Return the requests that bring a value about, in their order."""

    def refused(self) -> None:
        """Take note that the device has refused a write."""


class CommandSlot(Generic[E, W]):
    """The job that writes one command of a device.

    An unchanged value is not written again before `refresh_s` has passed, as long as the device still shows it.
    `settle_s` is the time after a write within which the read-back must show the value. `budget` counts the writes
    to a register in non-volatile memory.
    """

    urgency = Urgency.COMMAND
    patience_s = 0.0

    def __init__(
        self,
        recipe: Recipe[E, W],
        *,
        outcomes: Outcomes,
        blocked: Callable[[], str | None],
        refresh_s: float,
        settle_s: float,
        budget: WriteBudget | None = None,
    ) -> None:
        self.due_s = NEVER_S
        self.valid_until_s = -NEVER_S
        self.readback = recipe.readback
        self._recipe = recipe
        self._power: int | None = None
        self._outcomes = outcomes
        self._blocked = blocked
        self._refresh_s = refresh_s
        self._settle_s = settle_s
        self._budget = budget
        self._open = False
        # the newest command in force; what of it is still to be sent is pending
        self._wanted: _Order[E] | None = None
        self._pending: _Order[E] | None = None
        self._in_flight: _Order[E] | None = None
        # what is still to be written of the order in flight
        self._rest: deque[W] = deque()
        self._unverified: deque[_Written[E]] = deque(maxlen=_MOST_UNVERIFIED)
        self._confirmed: _Written[E] | None = None
        # what the device showed last
        self._shown: float | None = None

    @property
    def factor(self) -> str | None:
        """Return the point with the scale factor, None for a command without one."""
        return self._recipe.factor

    def offer(self, value: float, *, valid_until_s: float, now_s: float, note: str = "") -> None:
        """Take a new value in the place of one that was not sent yet; it counts until `valid_until_s`.

        `note` says why it is not the value that was asked for.
        """
        encoded = self._recipe.encode(value)
        if isinstance(encoded, Bad):
            self._record(Outcome.REFUSED, encoded.reason, now_s)
            return
        if (reason := self._blocked()) is not None:
            self.refuse(reason, now_s)
            return
        order = self._wanted = _Order(encoded, note)
        self.valid_until_s = valid_until_s
        if self._stands(encoded, now_s):
            self._pending = None
            self._record(Outcome.ACCEPTED, order.told(f"{encoded.value:g} stands"), now_s, written=encoded)
            return
        self._pending = order
        self.due_s = now_s if self._open else NEVER_S

    def _stands(self, encoded: E, now_s: float) -> bool:
        """Return whether the device shows this value and was written recently; where writes wear, it need not be."""
        if self._in_flight is not None or self._unverified:
            return False
        if self._budget is not None:
            return _shows(self._shown, encoded)
        confirmed = self._confirmed
        return confirmed is not None and confirmed.order.encoded == encoded and now_s - confirmed.at_s < self._refresh_s

    def scaled_by(self, power: Value | None, now_s: float) -> None:
        """Take the scale factor just read, None if it is unknown; what is to be sent is encoded anew with it."""
        if power == self._power:
            return
        self._power = int(power) if isinstance(power, int | float) else None
        self._recipe.scaled_by(self._power)
        # whatever the device was sent means another value now
        self._confirmed = None
        self._unverified.clear()
        wanted, self._wanted, self._pending = self._wanted, None, None
        if wanted is not None and now_s < self.valid_until_s:
            self.offer(wanted.encoded.value, valid_until_s=self.valid_until_s, now_s=now_s, note=wanted.note)

    def open(self, now_s: float) -> None:
        """Allow writes: the device has been read on this connection. A command in force is written anew."""
        self._open = True
        if now_s < self.valid_until_s:
            wanted = self._wanted
            self._pending = None if wanted is not None and self._stands(wanted.encoded, now_s) else wanted
        if self._pending is not None:
            self.due_s = now_s

    def close(self, reason: str, now_s: float) -> None:
        """Forbid writes: the connection is gone, and what was written can no longer be read back on it."""
        self._open = False
        self.due_s = NEVER_S
        self._confirmed = None
        self._shown = None
        # a device behind a broker may go while its command is still on the way there
        is_open_ended = self._in_flight is not None or bool(self._unverified)
        self._in_flight = None
        self._rest.clear()
        if is_open_ended:
            self._unverified.clear()
            self._record(Outcome.LOST, f"not read back ({reason})", now_s)

    def expire(self, now_s: float) -> None:
        """Drop a value that was not sent in time, and give up one whose device shows nothing any more."""
        if self._pending is not None and now_s >= self.valid_until_s:
            self._pending = None
            self.due_s = NEVER_S
            self._record(Outcome.LOST, "expired", now_s)
        while self._unverified and self._unverified[0].at_s + _SILENT_SETTLES * self._settle_s <= now_s:
            written = self._unverified.popleft()
            text = f"{written.order.encoded.value:g} written, nothing read back since"
            self._record(Outcome.LOST, written.order.told(text), now_s, written=written.order.encoded)

    def refuse(self, reason: str, at_s: float) -> None:
        """Give up what is wanted without writing it."""
        self._wanted = self._pending = None
        self._record(Outcome.REFUSED, reason, at_s)

    def request(self, now_s: float) -> W | None:
        """Return the write of the newest value, None if it has expired or may not be written any more."""
        self.expire(now_s)
        self.due_s = NEVER_S
        if (reason := self._blocked()) is not None and (self._rest or self._pending is not None):
            self._rest.clear()
            self._in_flight = None
            self.refuse(reason, now_s)
            return None
        if self._rest:
            # a value is written as a whole before a newer one begins
            return self._rest.popleft()
        self._in_flight, self._pending = self._pending, None
        if self._in_flight is None:
            return None
        if self._budget is not None and (spent := self._budget.spend(now_s)) is not None:
            self._in_flight = None
            self.refuse(spent, now_s)
            return None
        self._rest.extend(self._recipe.writes(self._in_flight.encoded))
        return self._rest.popleft()

    def done(self, answer: Result) -> None:
        """Take the answer to the write; a write that was acknowledged still has to be read back."""
        self._confirmed = None
        if isinstance(answer, Acknowledged) and self._rest:
            self.due_s = answer.at_s
            return
        order, self._in_flight = self._in_flight, None
        self._rest.clear()
        if self._pending is not None and not isinstance(answer, NoAnswer):
            self.due_s = answer.at_s
        match answer:
            case Acknowledged(at_s=at_s):
                if order is not None:
                    self._unverified.append(_Written(order, at_s))
            case Refused(at_s=at_s):
                # a newer command that waits is not what was refused
                self._wanted = self._pending
                self._recipe.refused()
                self._record(Outcome.REFUSED, str(answer), at_s)
            case NoAnswer(reason, at_s):
                self._record(Outcome.LOST, f"no answer ({reason})", at_s)

    def verify(self, value: Value | None, at_s: float) -> None:
        """Compare the read-back of a reading taken at `at_s` with what was written before."""
        shown = self._shown = float(value) if isinstance(value, int | float) else None
        for index in range(len(self._unverified) - 1, -1, -1):
            written = self._unverified[index]
            if written.at_s <= at_s and _shows(shown, written.order.encoded):
                self._accept(index, at_s)
                return
        if self._unverified and self._unverified[0].at_s + self._settle_s <= at_s:
            self._give_up(self._unverified.popleft(), shown, at_s)
        elif self._confirmed is not None and not _shows(shown, self._confirmed.order.encoded):
            self._confirmed = None

    def _accept(self, index: int, at_s: float) -> None:
        """Count a written value and those before it as done: the device may follow with a delay."""
        written = self._confirmed = self._unverified[index]
        for _ in range(index + 1):
            self._unverified.popleft()
        encoded = written.order.encoded
        self._record(Outcome.ACCEPTED, written.order.told(f"{encoded.value:g} read back"), at_s, written=encoded)

    def _give_up(self, written: _Written[E], shown: float | None, at_s: float) -> None:
        encoded = written.order.encoded
        if shown is None:
            text = f"{encoded.value:g} written, the read-back is unknown"
            self._record(Outcome.LOST, written.order.told(text), at_s, written=encoded)
        else:
            text = f"{encoded.value:g} written, {shown:g} read back"
            self._record(Outcome.FAILED, written.order.told(text), at_s, written=encoded)

    def _record(self, outcome: Outcome, detail: str, at_s: float, *, written: Encoded | None = None) -> None:
        value = None if written is None else written.value
        self._outcomes.record(self._recipe.name, outcome, detail=detail, at_s=at_s, written=value)


def _shows(shown: float | None, encoded: Encoded) -> bool:
    return shown is not None and abs(shown - encoded.value) <= encoded.step * _STEP_TOLERANCE
