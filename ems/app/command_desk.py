"""Signed commands in the daemon: taken from the broker, judged, audited, kept, and only then in force.

Control looks at what is in force and waits for nothing here. A command waits for the audit log and the state; where the
disk does not take them it is refused. An emergency stop alone is in force at once, and audited when the disk is back.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Final

import structlog

from ems.app.key_files import KeyFile
from ems.commands.authority import may_withdraw
from ems.commands.book import (
    MOST_IN_FORCE,
    InForce,
    document_of,
    in_force,
    requests_of,
    restored,
    superseded,
    with_modes,
    without_ended,
)
from ems.commands.flood import Bucket, RefusalSummary
from ems.commands.judge import Arrival, CommandRules, Denied, Granted, Judge, restored_sequences
from ems.commands.refusal import Refusal, RefusalKind
from ems.contract.command import SITE_TARGET, Answer, CommandInForcePart, CommandName, LimitsPart
from ems.contract.outgoing import Outgoing
from ems.contract.topics import ANY_COMMAND, COMMANDS, command_ack_topic
from ems.errors import StateError
from ems.gateway.messages.commands import CommandCounts, ack_message, commands_message
from ems.model.annunciation import ActionKind, AlarmAction, AlarmAnswer
from ems.model.hand import Hands
from ems.model.requests import OperatorRequests
from ems.model.site import Site
from ems.model.status import QueueStatus
from ems.ports import AuditTrail, Clock
from ems.runtime.cycle import CycleRecord
from ems.runtime.observer import Event
from ems.runtime.persistence import StateStore
from ems.runtime.planner import PlanningResult

_NAME: Final = "commands"
# kind of the events about `ems request`
_LOCAL: Final = "request"
_QUEUE_LENGTH: Final = 64
# what is looked at at all: beyond it even reading would cost control its time
_LOOK_EVERY_S: Final = 0.02
_LOOKS_AT_ONCE: Final = 100
# real seconds that a command waits for the disk
_DISK_WAIT_S: Final = 5.0
_PERIOD_S: Final = 1.0


class CommandDesk:
    """Takes commands; `connect` names where answers and events go before the daemon runs."""

    def __init__(
        self,
        site: Site,
        clock: Clock,
        store: StateStore,
        *,
        rules: CommandRules,
        in_hands: Mapping[str, tuple[str, ...]],
        keys: KeyFile,
        audit: AuditTrail,
    ) -> None:
        """Go on where the last run stopped: what has not ended is in force again.

        `in_hands` are the assets that people can take over, each with the values that it follows in MANUAL.
        """
        self._clock = clock
        self._store = store
        self._keys = keys
        self._audit = audit
        self._log = structlog.get_logger("commands")
        self._loop = asyncio.get_running_loop()
        self._judge = Judge(site=site, rules=rules, in_hands=in_hands, ring=keys.newest())
        self._in_force: tuple[InForce, ...] = ()
        self._inbox: deque[Arrival] = deque()
        self._news = asyncio.Event()
        self._gate = Bucket(period_s=_LOOK_EVERY_S, n_at_once=_LOOKS_AT_ONCE)
        self._stop_gate = Bucket(period_s=_LOOK_EVERY_S, n_at_once=_LOOKS_AT_ONCE)
        self._summary = RefusalSummary()
        self._counts: Counter[str] = Counter()
        self._n_dropped = 0
        self._audit_trouble: str | None = None
        self._publish: Callable[[Outgoing], None] = _to_nobody
        self._tell: Callable[[Event], None] = _to_nobody
        self._replan: Callable[[], None] = _nothing
        self._act: Callable[[AlarmAction], AlarmAnswer] = _no_list
        self._restore()

    def connect(
        self,
        *,
        publish: Callable[[Outgoing], None],
        tell: Callable[[Event], None],
        replan: Callable[[], None],
        act: Callable[[AlarmAction], AlarmAnswer],
    ) -> None:
        """Name who carries answers away, who hears of events, who plans anew, and who does things to alarms."""
        self._publish, self._tell, self._replan, self._act = publish, tell, replan, act
        for each in self._in_force:
            self._event(f"command {each.id} of {each.issuer} is in force again: {_what(each)}")

    def listeners(self) -> Mapping[str, Callable[[str, bytes, bool], None]]:
        """Return who takes what arrives on the topics of commands."""
        return {ANY_COMMAND: self.receive}

    def receive(self, name: str, payload: bytes, retained: bool) -> None:  # noqa: FBT001 - the gateway's receiver
        """Take a message; an emergency stop is judged at once, everything else in its turn."""
        is_stop = name == CommandName.E_STOP.value
        # a flood on the other topics takes nothing away from an emergency stop
        gate = self._stop_gate if is_stop else self._gate
        if not gate.takes(self._now_s()) or (len(self._inbox) >= _QUEUE_LENGTH and not is_stop):
            self._n_dropped += 1
            self._summary.dropped(1, self._now_s())
            return
        arrival = Arrival(name=name, payload=payload, retained=retained)
        if is_stop:
            self._stop_or_deny(arrival)
            return
        self._inbox.append(arrival)
        self._news.set()

    def requests(self, utc: datetime, now_s: float) -> OperatorRequests:
        """Return what is in force now."""
        return requests_of(without_ended(self._in_force, now_s), utc=utc, now_s=now_s)

    def on_cycle(self, record: CycleRecord) -> None:
        """See a cycle; commands do not depend on it."""

    def on_plan(self, result: PlanningResult) -> None:
        """See a plan; commands do not depend on it."""

    def on_event(self, event: Event) -> None:
        """Audit what people have asked for on the machine itself."""
        if event.kind == _LOCAL:
            self._write("request", {"text": event.text})

    def hands(self, before: Hands, now_s: float) -> Hands:
        """Return what is in hands, with the modes that were commanded."""
        return with_modes(before, self._in_force, now_s)

    def queue(self) -> QueueStatus:
        """Return how full its queue is."""
        return QueueStatus(name="commands", n_waiting=len(self._inbox), length=_QUEUE_LENGTH, n_dropped=self._n_dropped)

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_PERIOD_S):
                    await self._news.wait()
            self._news.clear()
            await self.turn()

    async def turn(self) -> None:
        """Look at the keys, judge what waits, end what has ended, and show what is in force."""
        await self._look_at_keys()
        while self._inbox:
            await self._handle(self._inbox.popleft())
            # links and control have their turn between two commands
            await asyncio.sleep(0)
        self._end_what_has_ended()
        self._sum_up(self._summary.due(self._now_s()))
        self._show()

    def close(self) -> None:
        """Write what is only counted yet."""
        self._sum_up(self._summary.rest())

    async def _handle(self, arrival: Arrival) -> None:
        verdict = self._judged(arrival)
        denied = await self._granted(verdict) if isinstance(verdict, Granted) else verdict
        if denied is not None:
            self._deny(denied)

    def _judged(self, arrival: Arrival) -> Granted | Denied:
        return self._judge.judge(arrival, self._clock.utc(), self._now_s())

    def _stop_or_deny(self, arrival: Arrival) -> None:
        """Put an emergency stop in force without waiting for any disk."""
        verdict = self._judged(arrival)
        if isinstance(verdict, Denied):
            self._deny(verdict)
            return
        self._put(verdict)
        self._save()
        self._write("command", self._row(verdict), self._note_audit)
        self._accept(verdict)

    async def _granted(self, granted: Granted) -> Denied | None:
        """Put a command in force once audit log and state are on the disk; return why not."""
        refusal = self._late_refusal(granted)
        if refusal is None and not await self._audited(granted):
            refusal = Refusal(kind=RefusalKind.AUDIT, reason="the audit log cannot be written; see the daemon's log")
        if refusal is not None:
            return _denied(granted, refusal)
        before = self._in_force
        self._in_force = superseded(before, granted.command)
        if granted.command.name is CommandName.ALARM:
            return self._done_to_alarm(granted)
        prepared = self._prepared(granted)
        if not await self._saved((*self._in_force, *prepared)):
            self._in_force = before
            return _denied(granted, Refusal(kind=RefusalKind.AUDIT, reason="the state cannot be written"))
        self._in_force = (*self._in_force, *prepared)
        self._accept(granted)
        return None

    def _done_to_alarm(self, granted: Granted) -> Denied | None:
        """Let the list of alarms carry an action out; return why it does not."""
        self._save()
        answer = self._act(alarm_action(granted))
        if not answer.accepted:
            return _denied(granted, Refusal(kind=RefusalKind.TARGET, reason=answer.text))
        self._accept(granted, said=answer)
        return None

    def _late_refusal(self, granted: Granted) -> Refusal | None:
        """Return what stands against a command among those that are in force."""
        command = granted.command
        if command.name is CommandName.WITHDRAW:
            meant = next((each for each in self._in_force if each.id == command.value), None)
            if meant is None:
                return Refusal(kind=RefusalKind.TARGET, reason=f"no command {command.value} is in force")
            if not may_withdraw(command.role, asked_as=meant.role):
                return Refusal(kind=RefusalKind.ROLE, reason=f"{meant.id} was asked for as {meant.role.value}")
        if any(each.id == command.id for each in self._in_force):
            return Refusal(kind=RefusalKind.REPLAY, reason="a command of this id is in force")
        if len(self._in_force) >= MOST_IN_FORCE:
            return Refusal(kind=RefusalKind.RANGE, reason=f"{MOST_IN_FORCE} commands are in force; withdraw some")
        return None

    def _prepared(self, granted: Granted) -> tuple[InForce, ...]:
        until, utc = granted.scope.until_utc, self._clock.utc()
        if until is None:
            return ()
        return (in_force(granted, until_utc=until, utc=utc, now_s=self._clock.monotonic_s()),)

    def _put(self, granted: Granted) -> None:
        self._in_force = (*superseded(self._in_force, granted.command), *self._prepared(granted))

    def _accept(self, granted: Granted, *, said: AlarmAnswer | None = None) -> None:
        """Answer and tell; `said` is what somebody else has to say of it."""
        command, scope = granted.command, granted.scope
        is_clipped = bool(scope.clips) if said is None else said.clipped
        answer = Answer.CLIPPED if is_clipped else Answer.ACCEPTED
        done = _DONE if scope.until_utc is None else _ACCEPTED
        reason = said.text if said is not None else "; ".join(scope.clips) or done
        self._counts[answer.value] += 1
        who = f"{command.issuer} ({', '.join(signer.name for signer in granted.signers)})"
        what = _what_of(command.name, command.target, scope.limits, scope.until_utc)
        self._event(f"command {command.id} of {who} {answer.value}: {what}", urgent=command.name is CommandName.E_STOP)
        self._ack(command.id, command.name.value, answer, reason, until=scope.until_utc, limits=scope.limits)
        if command.name not in (CommandName.E_STOP, CommandName.ALARM):
            self._replan()
        self._show()

    def _deny(self, denied: Denied) -> None:
        """Refuse: what is signed gets a row and an answer each, what anybody can send as far as there is room."""
        now_s, refusal = self._now_s(), denied.refusal
        self._counts[Answer.REJECTED.value] += 1
        if not self._summary.own_row(refusal.kind, now_s, verified=bool(denied.signers)):
            return
        self._write(
            "command_rejected",
            {
                "id": denied.id,
                "name": denied.name,
                "kind": refusal.kind.value,
                "reason": refusal.reason,
                "keys": [signer.key_id for signer in denied.signers],
            },
            self._note_audit,
        )
        self._event(f"command {denied.id or 'without id'} rejected ({refusal.kind.value}): {refusal.reason}")
        if denied.id is not None:
            self._ack(denied.id, denied.name, Answer.REJECTED, refusal.reason)

    def _ack(
        self,
        command_id: str,
        name: str | None,
        answer: Answer,
        reason: str,
        *,
        until: datetime | None = None,
        limits: LimitsPart | None = None,
    ) -> None:
        message = ack_message(
            self._clock.utc(),
            command_id=command_id,
            name=name,
            answer=answer,
            reason=reason,
            until=until,
            limits=limits,
        )
        self._publish(Outgoing(topic=command_ack_topic(command_id), message=message, retain=False))

    async def _audited(self, granted: Granted) -> bool:
        """Write a command's row and wait for the disk; a disk that does not answer is as good as none."""
        done: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self._write("command", self._row(granted), partial(_settle, done))
        number = await _within(done)
        self._note_audit(number)
        return number is not None

    async def _saved(self, commands: tuple[InForce, ...]) -> bool:
        done: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self._save(commands, on_disk=partial(self._from_thread, partial(_settle, done), 0))
        return await _within(done) is not None

    def _save(self, commands: tuple[InForce, ...] | None = None, on_disk: Callable[[], None] | None = None) -> None:
        document: dict[str, object] = {
            "in_force": document_of(self._in_force if commands is None else commands),
            "last_seq": dict(self._judge.last_seq),
        }
        self._store.save(_NAME, document, utc=self._clock.utc(), on_disk=on_disk)

    def _write(self, kind: str, fields: Mapping[str, object], told: Callable[[int | None], None] | None = None) -> None:
        """Hand a row to the audit log; `told` hears its number in the loop, None at once where it takes no more."""
        on_disk = None if told is None else partial(self._from_thread, told)
        try:
            self._audit.append(kind, fields, on_disk=on_disk)
        except StateError as error:
            self._log.error("audit_not_written", kind=kind, error=str(error))
            if told is not None:
                told(None)

    def _from_thread(self, take: Callable[[int | None], None], number: int | None) -> None:
        # a loop that has ended waits for nothing
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(take, number)

    def _note_audit(self, number: int | None) -> None:
        trouble = None if number is not None else "the last row did not get to the disk"
        if trouble is not None and self._audit_trouble is None:
            self._event("the audit log cannot be written: commands are refused, but for an emergency stop", urgent=True)
        self._audit_trouble = trouble

    def _row(self, granted: Granted) -> dict[str, object]:
        """Return a command as the audit log has it: what was signed to the byte, so that it can be verified again."""
        scope = granted.scope
        return {
            "id": granted.command.id,
            "signed": granted.signed.decode(),
            "signers": [
                {
                    "name": key.name,
                    "key_id": key.key_id,
                    "role": key.role.value,
                    "public": key.public.hex,
                    "sig": part.sig,
                }
                for key, part in zip(granted.signers, granted.command.sigs, strict=True)
            ],
            "answer": (Answer.CLIPPED if scope.clips else Answer.ACCEPTED).value,
            "reason": "; ".join(scope.clips),
            "until": None if scope.until_utc is None else scope.until_utc.isoformat(),
            "limits": None if scope.limits is None else scope.limits.model_dump(mode="json"),
        }

    async def _look_at_keys(self) -> None:
        ring = await asyncio.to_thread(self._keys.newest)
        before, self._judge.ring = self._judge.ring, ring
        if ring.trouble is not None and ring.trouble != before.trouble:
            self._event(f"no key of the site counts: {ring.trouble}", urgent=True)
        elif ring != before:
            n_valid = sum(key.revoked_utc is None for key in ring.keys.values())
            self._event(f"the file of keys is read again: {n_valid} keys count")
            self._write("keys", {"valid": sorted(k.key_id for k in ring.keys.values() if k.revoked_utc is None)})

    def _end_what_has_ended(self) -> None:
        left = without_ended(self._in_force, self._clock.monotonic_s())
        ended = [each for each in self._in_force if each not in left]
        if not ended:
            return
        self._in_force = left
        self._save()
        for each in ended:
            self._event(f"command {each.id} of {each.issuer} has ended: {_what(each)}")
        self._replan()

    def _sum_up(self, counts: Mapping[str, int] | None) -> None:
        """Write the refusals that have no row of their own as one."""
        if not counts:
            return
        self._write("commands_rejected", {"counts": dict(counts)})
        words = ", ".join(f"{number} {kind}" for kind, number in sorted(counts.items()))
        self._event(f"more commands rejected without a row of their own: {words}", urgent=True)

    def _show(self) -> None:
        counts = CommandCounts(
            n_accepted=self._counts["accepted"] + self._counts["clipped"],
            n_rejected=self._counts["rejected"],
            n_dropped=self._n_dropped,
            keys_trouble=self._judge.ring.trouble,
            audit_trouble=self._audit_trouble,
        )
        parts = [
            CommandInForcePart(
                id=each.id,
                name=each.name,
                target=each.target,
                issuer=each.issuer,
                keys=each.keys,
                start=each.start_utc,
                until=each.until_utc,
                limits=each.limits,
                mode=each.mode,
            )
            for each in self._in_force
        ]
        self._publish(Outgoing(topic=COMMANDS, message=commands_message(self._clock.utc(), parts, counts)))

    def _restore(self) -> None:
        found = self._store.load(_NAME)
        if found is None:
            return
        document, _ = found
        self._judge.last_seq = restored_sequences(document.get("last_seq"))
        try:
            self._in_force = restored(document.get("in_force"), utc=self._clock.utc(), now_s=self._clock.monotonic_s())
        except (ValueError, TypeError, KeyError) as error:
            self._log.warning("commands_not_restored", error=str(error))

    def _now_s(self) -> float:
        """Return real seconds: floods are the network's, not the site's."""
        return self._loop.time()

    def _event(self, text: str, *, urgent: bool = False) -> None:
        self._tell(Event(utc=self._clock.utc(), kind="command", text=text, urgent=urgent))


_ACCEPTED: Final = "in force as asked"
_DONE: Final = "done"


def alarm_action(granted: Granted) -> AlarmAction:
    """Return what a command does to the list of alarms; `site` means all that wait."""
    command = granted.command
    return AlarmAction(
        kind=ActionKind(str(command.value)),
        by=f"{command.issuer} ({granted.signers[0].name})",
        alarm_id=None if command.target == SITE_TARGET else command.target,
        until_utc=command.until,
        reason=command.reason,
    )


def _denied(granted: Granted, refusal: Refusal) -> Denied:
    command = granted.command
    return Denied(refusal=refusal, id=command.id, name=command.name.value, signers=granted.signers)


def _what(each: InForce) -> str:
    return _what_of(each.name, each.target, each.limits, each.until_utc)


def _what_of(name: CommandName, target: str, limits: LimitsPart | None, until: datetime | None) -> str:
    """Return a command in words."""
    given = {} if limits is None else limits.model_dump(exclude_none=True)
    words = [name.value, *(f"{key} {value}" for key, value in given.items()), f"for {target}"]
    return " ".join(words) + ("" if until is None else f" until {until:%Y-%m-%d %H:%M:%S} UTC")


def _settle(done: asyncio.Future[int | None], number: int | None) -> None:
    if not done.done():
        done.set_result(number)


async def _within(done: asyncio.Future[int | None]) -> int | None:
    """Return what the disk's thread says, None where it says nothing in time."""
    try:
        async with asyncio.timeout(_DISK_WAIT_S):
            return await done
    except TimeoutError:
        return None


def _to_nobody(_: object) -> None:
    """Carry nothing: the daemon does not run yet."""


def _no_list(_: AlarmAction) -> AlarmAnswer:
    """Do nothing to alarms: the daemon does not run yet."""
    return AlarmAnswer(accepted=False, text="the daemon does not run yet")


def _nothing() -> None:
    """Do nothing: the daemon does not run yet."""
