"""From a wish to a verified state, for commands that are sequences of control keys: start, close the breaker, stop.

A key that was acknowledged proves nothing: the command has come about when the reading shows it. What sets a
machine in motion is sent once. A start that failed stays failed until the command changes or the device has been
reset, whatever control asks for in between.
"""

from collections.abc import Callable
from enum import Enum
from typing import Final

from drivers.device.commands import Outcomes
from drivers.device.jobs import NEVER_S, NoAnswer, Urgency
from drivers.modbus.conditions import holds, shown
from drivers.modbus.keys import SequenceCommand, Wait
from drivers.modbus.keyscript import Refusal, Script, UsableAnswer, sequence_steps
from drivers.modbus.requests import Answer, Request
from ems.model.readings import Reading
from ems.model.setpoints import Outcome

_ON: Final = 0.5
_WORDS: Final = {True: "true", False: "false"}


class _Stage(Enum):
    """How far the newest command has come."""

    # nothing was sent for it, or it is not known whether that arrived
    OPEN = "open"
    SENDING = "sending"
    WAITING = "waiting"
    PROVING = "proving"
    DONE = "done"
    FAILED = "failed"


class SequenceSlot:
    """The job that brings about one command of a device by its control keys.

    `retry_s` is the pause after a refusal, and before a command that may be repeated is sent again; `least_s`
    the least time that the device gets to show something, however short the map's own times are.
    """

    urgency = Urgency.COMMAND
    patience_s = 0.0

    def __init__(
        self,
        command: SequenceCommand,
        *,
        outcomes: Outcomes,
        blocked: Callable[[], str | None],
        retry_s: float,
        least_s: float = 0.0,
    ) -> None:
        self.due_s = NEVER_S
        self.valid_until_s = -NEVER_S
        self._command = command
        self._outcomes = outcomes
        self._blocked = blocked
        self._retry_s = retry_s
        self._least_s = least_s
        self._settle_s = max(command.settle_s, least_s)
        self._is_open = False
        self._reading: Reading | None = None
        self._wanted: bool | None = None
        self._stage = _Stage.OPEN
        self._failure = ""
        # while FAILED: whether the device itself keeps the failure until it is reset
        self._latched = False
        # whether the last request of a sequence may have arrived without an answer
        self._unclear = False
        self._retry_at_s = -NEVER_S
        self._script: Script | None = None
        self._request: Request | None = None
        self._wait: Wait | None = None
        self._deadline_s = NEVER_S
        self._acknowledged_s = -NEVER_S

    def offer(self, value: float, *, valid_until_s: float, now_s: float) -> None:
        """Take a command, or its renewal; it counts until `valid_until_s`."""
        wanted = value > _ON
        if (reason := self._blocked()) is not None:
            self._forget()
            self._record(Outcome.REFUSED, reason, now_s)
            return
        # a key that nothing takes back is pressed anew once the press before counts no more
        is_new_press = not self._command.actions[False] and now_s >= self.valid_until_s
        if wanted is not self._wanted or is_new_press:
            self._forget()
            self._wanted = wanted
        self.valid_until_s = valid_until_s
        match self._stage:
            case _Stage.OPEN:
                self._begin(now_s)
            case _Stage.DONE:
                self._renew(now_s, wanted=wanted)
            case _Stage.FAILED:
                self._repeat(now_s, wanted=wanted)

    def _renew(self, now_s: float, *, wanted: bool) -> None:
        if shown(self._command, self._reading) is wanted:
            self._record(Outcome.ACCEPTED, f"{_WORDS[wanted]} stands", now_s)
        else:
            self._fail(f"{_WORDS[wanted]} was done and is shown no more", now_s)

    def _repeat(self, now_s: float, *, wanted: bool) -> None:
        if wanted in self._command.once:
            self._record(Outcome.FAILED, f"{self._failure}; not sent again until it is reset or changed", now_s)
        elif now_s >= self._retry_at_s:
            self._stage = _Stage.OPEN
            self._begin(now_s)

    def open(self, now_s: float) -> None:
        """Allow writes: the device has been read on this connection. A command in force goes on."""
        self._is_open = True
        if self._stage is _Stage.OPEN and self._wanted is not None and now_s < self.valid_until_s:
            self._begin(now_s)

    def close(self, reason: str, now_s: float) -> None:
        """Forbid writes: the connection is gone. What was under way is judged anew by what the device shows then."""
        self._is_open = False
        self._reading = None
        if self._stage in {_Stage.SENDING, _Stage.WAITING}:
            self._give_up(f"the connection was lost ({reason})", now_s)
        elif self._stage is _Stage.PROVING:
            # the device goes on by itself; its proof has the same time again on the next connection
            self._deadline_s = NEVER_S

    def expire(self, now_s: float) -> None:
        """Stop a sequence that was not renewed in time."""
        if now_s < self.valid_until_s:
            return
        if self._stage in {_Stage.SENDING, _Stage.WAITING}:
            self._give_up("expired", now_s)
        elif self._stage is _Stage.OPEN and self._wanted is not None and not self._is_open:
            self._forget()
            self._record(Outcome.LOST, "expired", now_s)

    def request(self, now_s: float) -> Request | None:
        """Return the request at which the sequence stands, None if it may not go on."""
        self.expire(now_s)
        if self._script is None or self._request is None:
            self.due_s = NEVER_S
            return None
        if (reason := self._blocked()) is not None:
            self._forget()
            self._record(Outcome.REFUSED, reason, now_s)
            return None
        return self._request

    def done(self, answer: Answer) -> None:
        """Take the answer to the request at which the sequence stands."""
        if self._script is None:
            return
        if isinstance(answer, NoAnswer):
            self._give_up(f"no answer ({answer.reason})", answer.at_s)
        else:
            self._resume(answer, answer.at_s)

    def seen(self, reading: Reading, at_s: float) -> None:
        """Take a new reading: it proves commands, lets sequences go on, and shows failures and their reset."""
        self._reading = reading
        if self._blocked() is not None:
            # someone at the device has taken over: what was commanded before counts no more
            self._forget()
            return
        failed = self._command.latched is not None and holds(self._command.latched, reading)
        if self._stage is _Stage.FAILED:
            if self._latched and failed is False:
                self._reset()
            self._latched = self._latched or failed is True
            return
        if failed and self._wanted and self._stage is not _Stage.OPEN:
            self._fail(f"it shows {self._command.latched}", at_s, latched=True)
            return
        match self._stage:
            case _Stage.WAITING if self._wait is not None:
                self._look(self._wait, at_s)
            case _Stage.PROVING:
                self._prove(at_s)

    def _look(self, wait: Wait, at_s: float) -> None:
        if holds(wait.condition, self._reading):
            self._resume(None, at_s)
        elif at_s >= self._deadline_s:
            self._fail(f"{wait.condition} not reached in {wait.within_s:g} s", at_s)

    def _prove(self, at_s: float) -> None:
        wanted = bool(self._wanted)
        if at_s < self._acknowledged_s:
            # this was read before the last key was sent
            return
        if self._deadline_s == NEVER_S:
            self._deadline_s = at_s + self._settle_s
        if shown(self._command, self._reading) is wanted:
            self._stage = _Stage.DONE
            self._record(Outcome.ACCEPTED, f"{_WORDS[wanted]} shown", at_s)
        elif at_s >= self._deadline_s:
            self._fail(f"{_WORDS[wanted]} acknowledged, not shown in {self._settle_s:g} s", at_s)

    def _begin(self, now_s: float) -> None:
        """Begin the sequence, once the device has been read and unless it has failed before."""
        if not self._is_open or now_s < self._retry_at_s:
            return
        if self._wanted and self._command.latched is not None:
            failed = holds(self._command.latched, self._reading)
            if failed is not False:
                shown_text = f"it shows {self._command.latched}: reset it at the device first"
                unknown = f"it does not show whether it is {self._command.latched}"
                self._record(Outcome.REFUSED, shown_text if failed else unknown, now_s)
                return
        if self._unclear and shown(self._command, self._reading) is self._wanted:
            # what got no answer had arrived after all
            self._stage, self._acknowledged_s, self._deadline_s = _Stage.PROVING, now_s, now_s + self._settle_s
            return
        self._unclear = False
        self._script = sequence_steps(self._command, wanted=bool(self._wanted), seen=lambda: self._reading)
        self._stage = _Stage.SENDING
        self._resume(None, now_s)

    def _resume(self, answer: UsableAnswer | None, now_s: float) -> None:
        """Go on to the next request or wait of the sequence, or to its end."""
        if self._script is None:
            return
        self._request, self._wait = None, None
        try:
            step = self._script.send(answer)
        except StopIteration as end:
            self._finish(end.value, now_s)
            return
        if isinstance(step, Wait):
            self._stage, self._wait = _Stage.WAITING, step
            self._deadline_s = now_s + max(step.within_s, self._least_s)
            self.due_s = NEVER_S
        else:
            self._stage, self._request = _Stage.SENDING, step
            self.due_s = now_s

    def _finish(self, refused: Refusal | None, now_s: float) -> None:
        self._stop()
        if refused is None:
            self._stage, self._acknowledged_s = _Stage.PROVING, now_s
            self._deadline_s = now_s + self._settle_s
        else:
            # nothing moves: it may be asked again after a pause
            self._stage = _Stage.OPEN
            self._retry_at_s = now_s + self._retry_s
            self._record(Outcome.REFUSED, refused.reason, now_s)

    def _give_up(self, reason: str, now_s: float) -> None:
        """Drop a sequence of which it is not known how far the device has followed."""
        self._stop()
        self._unclear = True
        self._stage = _Stage.OPEN
        self._record(Outcome.LOST, reason, now_s)

    def _fail(self, reason: str, now_s: float, *, latched: bool = False) -> None:
        self._stop()
        self._stage, self._failure, self._latched = _Stage.FAILED, reason, latched
        self._retry_at_s = now_s + self._retry_s
        self._record(Outcome.FAILED, reason, now_s)

    def _reset(self) -> None:
        """Count the command as new: the device no longer shows the failure."""
        self._stage, self._latched, self._unclear = _Stage.OPEN, False, False
        self._retry_at_s = -NEVER_S

    def _forget(self) -> None:
        """Drop the command in force."""
        self._stop()
        self._wanted = None
        self._reset()

    def _stop(self) -> None:
        self.due_s = NEVER_S
        self._script, self._request, self._wait = None, None, None

    def _record(self, outcome: Outcome, detail: str, at_s: float) -> None:
        self._outcomes.record(self._command.name, outcome, detail=detail, at_s=at_s)
