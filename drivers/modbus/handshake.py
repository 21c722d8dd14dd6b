"""What is done first on every new connection: ask who is there, and set how long it waits for us.

The steps are a script: a generator that yields requests and is sent the answers.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from functools import partial

from drivers.device.jobs import NEVER_S, NoAnswer, Urgency
from drivers.device.values import Bad
from drivers.modbus.blocks import adjacent_blocks, plan_reads
from drivers.modbus.identity import identity_faults, identity_texts, known_texts
from drivers.modbus.layout import Command, RegisterMap, Speed
from drivers.modbus.registers import decode_number, encode
from drivers.modbus.requests import Answer, Answered, ExceptionAnswer, Read, Request, Write


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """The device has named itself; `watchdog_fault` says why its watchdog time is not the one configured.

    `watchdog_armed` is true once the time has been set and read back, None where there is none to set.
    """

    identity: Mapping[str, str]
    watchdog_fault: str | None
    watchdog_armed: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """The device did not say who it is, so its registers mean nothing: it still boots, or the map is wrong."""

    reason: str


UsableAnswer = Answered | ExceptionAnswer
Script = Generator[Request, UsableAnswer, Met | Unknown]
IdentityScript = Generator[Request, UsableAnswer, dict[str, str] | Bad]
WatchdogScript = Generator[Request, UsableAnswer, str | None]


class Handshake:
    """The job that goes through the script once per connection, and again after a pause while it fails."""

    urgency = Urgency.FAST
    patience_s = 0.0

    def __init__(
        self,
        script: Callable[[], Script],
        *,
        retry_s: float,
        finished: Callable[[Met | Unknown, float], None],
    ) -> None:
        """Take the function that begins the script anew, and what is told its result."""
        self.due_s = NEVER_S
        self._begin = script
        self._retry_s = retry_s
        self._finished = finished
        self._script: Script | None = None
        self._request: Request | None = None

    def start(self, now_s: float) -> None:
        """Go through the script from its beginning."""
        self.due_s = now_s
        script = self._script = self._begin()
        self._resume(partial(next, script), now_s)

    def stop(self) -> None:
        """Give up; there is no connection."""
        self.due_s = NEVER_S
        self._script = None

    def request(self, now_s: float) -> Request | None:
        """Return the request at which the script stands."""
        if self._script is None:
            self.start(now_s)
        return self._request

    def done(self, answer: Answer) -> None:
        """Take the answer to the request at which the script stands."""
        if isinstance(answer, NoAnswer) or self._script is None:
            self.stop()
        else:
            self._resume(partial(self._script.send, answer), answer.at_s)

    def _resume(self, step: Callable[[], Request], now_s: float) -> None:
        try:
            self._request = step()
        except StopIteration as end:
            result: Met | Unknown = end.value
            self._script, self._request = None, None
            self.due_s = NEVER_S if isinstance(result, Met) else now_s + self._retry_s
            self._finished(result, now_s)


class MapScript:
    """The script for a register map: its identity texts, then its watchdog time.

    `may_write` is asked whether a device with these texts may be written to; `spend` counts a write of the watchdog
    time, and says why it must not be done where its register bears no more of them today.
    """

    def __init__(
        self,
        register_map: RegisterMap,
        *,
        watchdog_s: float | None,
        may_write: Callable[[Mapping[str, str]], bool] = lambda _: True,
        spend: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._map = register_map
        texts = tuple(register_map.identity.values())
        blocks = adjacent_blocks(texts, speed=Speed.SLOW)
        self._reads = plan_reads(
            blocks, texts, max_registers=register_map.max_registers, forbidden=register_map.forbidden
        )
        self._watchdog_s = watchdog_s
        self._may_write = may_write
        self._spend = spend

    def run(self) -> Script:
        """Begin the script."""
        identity = yield from self._identify()
        if isinstance(identity, Bad):
            return Unknown(reason=identity.reason)
        if self._map.watchdog is None or self._watchdog_s is None or not self._may_write(identity):
            return Met(identity=identity, watchdog_fault=None)
        fault = yield from self._set_watchdog(self._map.watchdog, self._watchdog_s)
        return Met(identity=identity, watchdog_fault=fault, watchdog_armed=fault is None)

    def _identify(self) -> IdentityScript:
        identity: dict[str, str | Bad] = {}
        for read in self._reads:
            answer = yield Read(at=read.at, count=read.count)
            if isinstance(answer, ExceptionAnswer):
                return Bad(f"its identity cannot be read: {answer}")
            identity |= identity_texts(read, answer.registers)
        faults = identity_faults(self._map, identity)
        return Bad("; ".join(faults)) if faults else known_texts(identity)

    def _set_watchdog(self, command: Command, watchdog_s: float) -> WatchdogScript:
        """Write the watchdog time where it differs, and read it back: the register may be a non-volatile one."""
        wanted = encode(watchdog_s, command.coding)
        if isinstance(wanted, Bad):
            return f"the watchdog time cannot be set: {wanted.reason}"
        if wanted.value <= 0.0:
            return f"the watchdog time cannot be set: {watchdog_s:g} s is less than the device can count"
        read = Read(at=command.at, count=command.n_registers)
        answer = yield read
        if isinstance(answer, Answered) and tuple(answer.registers) == wanted.registers:
            return None
        if (spent := self._spend()) is not None:
            return f"the watchdog time cannot be set: {spent}"
        answer = yield Write(at=command.at, registers=wanted.registers, function=command.function)
        if isinstance(answer, ExceptionAnswer):
            return f"the watchdog time cannot be set: {answer}"
        answer = yield read
        if isinstance(answer, ExceptionAnswer):
            return f"the watchdog time cannot be read back: {answer}"
        taken_s = decode_number(answer.registers, command.coding)
        if taken_s == wanted.value:
            return None
        return f"the watchdog time reads {taken_s:g} s instead of {wanted.value:g} s"
