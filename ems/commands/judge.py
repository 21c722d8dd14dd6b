"""The judge of commands: everything that can be wrong with one, cheapest first.

Only a valid signature moves a key's sequence or uses up its rate: what anybody can send must not hold up who may.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from ems.commands.authority import role_refusal
from ems.commands.flood import Bucket
from ems.commands.keys import KeyEntry, KeyRing
from ems.commands.reading import Envelope, read_envelope, readable_id
from ems.commands.refusal import Refusal, RefusalKind
from ems.commands.scope import NOTHING, Scoped, scoped
from ems.contract.command import MAX_LIFE_S, CommandMessage, CommandName
from ems.model.site import Site

# clocks of two computers differ by less
_CLOCK_ERROR: Final = timedelta(seconds=60)
_PERIOD_S: Final = 1.0
_AT_ONCE: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A message as it came: the last part of its topic, and whether the broker had kept it."""

    name: str
    payload: bytes
    retained: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRules:
    """What the configuration says: two people for what needs them, and how long a bound may last."""

    two_person: bool = True
    longest: timedelta = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """A command that may take effect, with its signers; `signed` are the bytes that they signed."""

    command: CommandMessage
    signed: bytes
    signers: tuple[KeyEntry, ...]
    scope: Scoped


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """A command that may not; `signers` are empty where the signatures were not looked at or do not count.

    `id` is None where the message has none that can be answered.
    """

    refusal: Refusal
    id: str | None
    name: str | None
    signers: tuple[KeyEntry, ...] = ()


def _nothing() -> Mapping[str, tuple[str, ...]]:
    return NOTHING


@dataclass(slots=True)
class Judge:
    """Knows site, rules, keys and what people can take over, and remembers the last sequence number of each key."""

    site: Site
    rules: CommandRules
    in_hands: Mapping[str, tuple[str, ...]] = field(default_factory=_nothing)
    ring: KeyRing = field(default_factory=KeyRing)
    last_seq: dict[str, int] = field(default_factory=dict)
    _buckets: dict[str, Bucket] = field(default_factory=dict)

    def judge(self, arrival: Arrival, utc: datetime, now_s: float) -> Granted | Denied:
        """Return what may become of a message; `now_s` is the monotonic clock's."""
        envelope = _retained(arrival) or read_envelope(arrival.payload)
        if isinstance(envelope, Refusal):
            return Denied(refusal=envelope, id=readable_id(arrival.payload), name=None)
        command = envelope.command
        refusal = self._addressed(command, arrival) or _in_time(command, utc)
        if refusal is not None:
            return Denied(refusal=refusal, id=command.id, name=command.name.value)
        signers = self._signers(envelope)
        if isinstance(signers, Refusal):
            return Denied(refusal=signers, id=command.id, name=command.name.value)
        found = self._allowed(command, signers, now_s) or scoped(
            command, self.site, utc, longest=self.rules.longest, in_hands=self.in_hands
        )
        if isinstance(found, Refusal):
            return Denied(refusal=found, id=command.id, name=command.name.value, signers=signers)
        return Granted(command=command, signed=envelope.signed, signers=signers, scope=found)

    def _addressed(self, command: CommandMessage, arrival: Arrival) -> Refusal | None:
        if command.name.value != arrival.name:
            reason = f"the envelope says {command.name.value}, but it came on cmd/{arrival.name[:40]}"
            return Refusal(kind=RefusalKind.TOPIC, reason=reason)
        if command.site != self.site.id:
            return Refusal(kind=RefusalKind.SITE, reason=f"it is for site {command.site}, this is {self.site.id}")
        return None

    def _signers(self, envelope: Envelope) -> tuple[KeyEntry, ...] | Refusal:
        """Return the keys that signed, each once; every signature must hold."""
        parts = envelope.command.sigs
        if self.ring.trouble is not None:
            return Refusal(kind=RefusalKind.KEY, reason=f"no key counts: {self.ring.trouble}")
        if len({part.key_id for part in parts}) < len(parts):
            return Refusal(kind=RefusalKind.SIGNATURE, reason="one key has signed twice")
        signers = []
        for part in parts:
            key = self.ring.keys.get(part.key_id)
            if key is None:
                return Refusal(kind=RefusalKind.KEY, reason=f"key {part.key_id} is not known here")
            if key.revoked_utc is not None:
                return Refusal(kind=RefusalKind.KEY, reason=f"key {key.name} is revoked")
            if not key.public.verifies(envelope.signed, part.sig):
                return Refusal(kind=RefusalKind.SIGNATURE, reason=f"the signature is not that of key {key.name}")
            signers.append(key)
        return tuple(signers)

    def _allowed(self, command: CommandMessage, signers: tuple[KeyEntry, ...], now_s: float) -> Refusal | None:
        """Return why valid signatures are not enough: sent before, not theirs to ask, too many at once."""
        first = signers[0]
        last = self.last_seq.get(first.key_id, 0)
        if command.seq <= last:
            reason = f"seq {command.seq} is not above {last}, the last one of key {first.name}"
            return Refusal(kind=RefusalKind.REPLAY, reason=reason)
        self.last_seq[first.key_id] = command.seq
        bucket = self._buckets.setdefault(first.key_id, Bucket(period_s=_PERIOD_S, n_at_once=_AT_ONCE))
        # an emergency stop is never one too many
        if not bucket.takes(now_s) and command.name is not CommandName.E_STOP:
            reason = f"key {first.name} sends more than one command in {_PERIOD_S:g} s"
            return Refusal(kind=RefusalKind.FLOOD, reason=reason)
        return role_refusal(command, signers, two_person=self.rules.two_person)


def restored_sequences(document: object) -> dict[str, int]:
    """Return the last sequence numbers from a saved document; what is none of ours counts as nothing."""
    if not isinstance(document, Mapping):
        return {}
    return {str(key): seq for key, seq in document.items() if isinstance(seq, int) and not isinstance(seq, bool)}


def _retained(arrival: Arrival) -> Refusal | None:
    if not arrival.retained:
        return None
    return Refusal(kind=RefusalKind.RETAINED, reason="the broker had kept it; commands are never retained")


def _in_time(command: CommandMessage, utc: datetime) -> Refusal | None:
    if command.issued > utc + _CLOCK_ERROR:
        reason = f"it is issued {(command.issued - utc).total_seconds():.0f} s ahead of the site's clock"
    elif command.expires <= command.issued:
        reason = "expires is not after issued"
    elif (command.expires - command.issued).total_seconds() > MAX_LIFE_S:
        reason = f"expires is more than {MAX_LIFE_S / 60.0:.0f} min after issued"
    elif command.expires <= utc:
        reason = f"it expired {(utc - command.expires).total_seconds():.0f} s ago"
    else:
        return None
    return Refusal(kind=RefusalKind.TIME, reason=reason)
