"""The lease of the site's controllers in four holding registers of a unit: read twice a second, written when asked."""

from collections.abc import Sequence
from typing import Final

from drivers.device.jobs import NEVER_S, Urgency
from drivers.modbus.coding import Address, Table
from drivers.modbus.link import ModbusLink
from drivers.modbus.requests import Answer, Answered, Job, Read, Request, Write
from ems.model.lease import LeaseRecord, LeaseSpec, SeenLease

_N_REGISTERS: Final = 4
_WRITE_REGISTERS: Final = 16
_POLL_S: Final = 0.5
_WORD: Final = 0x10000


class _Poll:
    """Reads the record again and again."""

    urgency = Urgency.FAST
    patience_s = _POLL_S

    def __init__(self, at: Address) -> None:
        self.due_s = NEVER_S
        self.seen: SeenLease | None = None
        self._at = at

    def request(self, now_s: float) -> Request | None:
        """Return the request."""
        self.due_s = now_s + _POLL_S
        return Read(at=self._at, count=_N_REGISTERS)

    def done(self, answer: Answer) -> None:
        """Keep what was read."""
        if isinstance(answer, Answered):
            epoch, high, low, counter = answer.registers
            record = LeaseRecord(epoch=epoch, holder=high * _WORD + low, counter=counter)
            self.seen = SeenLease(record=record, at_s=answer.at_s)


class _Put:
    """Writes the newest record, unless it is too old by its turn."""

    urgency = Urgency.COMMAND
    patience_s = 0.0

    def __init__(self, at: Address) -> None:
        self.due_s = NEVER_S
        self._at = at
        self._record: LeaseRecord | None = None
        self._valid_until_s = 0.0

    def put(self, record: LeaseRecord, *, valid_until_s: float) -> None:
        """Replace what is to be written."""
        self._record, self._valid_until_s = record, valid_until_s
        self.due_s = 0.0

    def request(self, now_s: float) -> Request | None:
        """Return the request, None once the record has expired; it is written once, not again."""
        record, self._record, self.due_s = self._record, None, NEVER_S
        if record is None or now_s > self._valid_until_s:
            return None
        words = (record.epoch, record.holder // _WORD, record.holder % _WORD, record.counter)
        return Write(at=self._at, registers=words, function=_WRITE_REGISTERS)

    def done(self, answer: Answer) -> None:
        """Do nothing: whether it stands is read."""

    def forget(self) -> None:
        """Drop what waits."""
        self._record, self.due_s = None, NEVER_S


class RegisterLease:
    """A station of a link, and a place of the lease."""

    def __init__(self, spec: LeaseSpec, link: ModbusLink) -> None:
        at = Address(table=Table.HOLDING, register=spec.register)
        self._spec = spec
        self._link = link
        self._poll = _Poll(at)
        self._put = _Put(at)
        link.attach(self)

    @property
    def place_id(self) -> str:
        """Return the name of the place in the configuration."""
        return self._spec.id

    @property
    def unit(self) -> int:
        """Return the unit number."""
        return self._spec.unit

    @property
    def jobs(self) -> Sequence[Job]:
        """Return all jobs of the unit."""
        return (self._poll, self._put)

    def seen(self) -> SeenLease | None:
        """Return the newest record that was read, None before the first."""
        return self._poll.seen

    def put(self, record: LeaseRecord, *, valid_until_s: float) -> None:
        """Write a record, unless it cannot be sent by then."""
        self._put.put(record, valid_until_s=valid_until_s)
        self._link.wake()

    def connected(self, now_s: float) -> None:
        """Read at once."""
        self._poll.due_s = now_s

    def lost(self, reason: str, now_s: float) -> None:  # noqa: ARG002 - what was read keeps its time
        """Drop what waits: it would be late on the next connection."""
        self._poll.due_s = NEVER_S
        self._put.forget()
