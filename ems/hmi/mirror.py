"""What a client knows of a site from its messages alone."""

from collections import deque
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic import BaseModel, ValidationError

from ems.contract.accounts import CarbonMessage, EnergyMessage
from ems.contract.catalogue import topic_of
from ems.contract.control import ControlMessage
from ems.contract.daemon import EventMessage, HealthMessage
from ems.contract.planning import PlanMessage
from ems.contract.site import GuardMessage, ReserveMessage, StateMessage
from ems.contract.status import Presence
from ems.contract.topics import CARBON, CONTROL, ENERGY, EVENT, GUARD, HEALTH, PLAN, RESERVE, STATE, STATUS

_KEPT_LINES: Final = 200
_FOLLOWED: Final = frozenset({STATE, PLAN, RESERVE, GUARD, CONTROL, HEALTH, ENERGY, CARBON})


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that happened; `utc` None for what the client itself noticed."""

    utc: datetime | None
    kind: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """The last counts of one run of the daemon."""

    reserve: ReserveMessage
    guard: GuardMessage
    control: ControlMessage
    health: HealthMessage


class SiteMirror:
    """Keeps the newest message of each topic; one that does not fit the contract is counted and left out."""

    def __init__(self) -> None:
        self.connected_to_broker = False
        self.online: bool | None = None
        self.lines: deque[Line] = deque(maxlen=_KEPT_LINES)
        self.n_lines = 0
        self.n_misfits = 0
        self._newest: dict[str, BaseModel] = {}
        self._ended: list[RunRecord] = []

    def feed(self, topic: str, payload: bytes) -> None:
        """Take one message."""
        if topic == STATUS:
            self._take_status(payload)
            return
        if topic not in _FOLLOWED and topic != EVENT:
            return
        row = topic_of(topic)
        if row is None:
            return
        try:
            message = row.model.model_validate_json(payload)
        except ValidationError:
            self.n_misfits += 1
            return
        if isinstance(message, EventMessage):
            self._add(Line(utc=message.ts, kind=message.kind, text=message.text))
            return
        if isinstance(message, GuardMessage):
            self._drop_if_it_went_on(message)
        self._newest[topic] = message

    def connected(self, *, is_connected: bool) -> None:
        """Learn whether the broker can be reached."""
        if self.connected_to_broker and not is_connected:
            self.note("the broker cannot be reached")
        self.connected_to_broker = is_connected

    def note(self, text: str) -> None:
        """Keep something that the client itself noticed."""
        self._add(Line(utc=None, kind="demo", text=text))

    def runs(self) -> tuple[RunRecord, ...]:
        """Return the counts of every run of the daemon that was seen, oldest first."""
        present = self._present()
        return tuple(self._ended) if present is None else (*self._ended, present)

    @property
    def state(self) -> StateMessage | None:
        """Return the newest `state`."""
        message = self._newest.get(STATE)
        return message if isinstance(message, StateMessage) else None

    @property
    def plan(self) -> PlanMessage | None:
        """Return the newest `plan`."""
        message = self._newest.get(PLAN)
        return message if isinstance(message, PlanMessage) else None

    @property
    def reserve(self) -> ReserveMessage | None:
        """Return the newest `reserve`."""
        message = self._newest.get(RESERVE)
        return message if isinstance(message, ReserveMessage) else None

    @property
    def health(self) -> HealthMessage | None:
        """Return the newest `health`."""
        message = self._newest.get(HEALTH)
        return message if isinstance(message, HealthMessage) else None

    @property
    def energy(self) -> EnergyMessage | None:
        """Return the newest `energy`."""
        message = self._newest.get(ENERGY)
        return message if isinstance(message, EnergyMessage) else None

    @property
    def carbon(self) -> CarbonMessage | None:
        """Return the newest `carbon`."""
        message = self._newest.get(CARBON)
        return message if isinstance(message, CarbonMessage) else None

    def _take_status(self, payload: bytes) -> None:
        online = payload == Presence.ONLINE.value.encode()
        if self.online and not online:
            self.note("the daemon is offline")
            self._end_run()
        self.online = online

    def _present(self) -> RunRecord | None:
        guard, control = self._newest.get(GUARD), self._newest.get(CONTROL)
        reserve, health = self.reserve, self.health
        if reserve is None or health is None:
            return None
        if not isinstance(guard, GuardMessage) or not isinstance(control, ControlMessage):
            return None
        return RunRecord(reserve=reserve, guard=guard, control=control, health=health)

    def _end_run(self) -> None:
        """Put the counts of a daemon that has gone aside: the next one begins at zero."""
        present = self._present()
        if present is not None:
            self._ended.append(present)
        for topic in (GUARD, CONTROL, RESERVE, HEALTH):
            self._newest.pop(topic, None)

    def _drop_if_it_went_on(self, message: GuardMessage) -> None:
        """Forget an ended run that has not ended: only the connection had been lost."""
        fresh = GUARD not in self._newest
        if fresh and self._ended and message.n_ticks >= self._ended[-1].guard.n_ticks:
            self._ended.pop()

    def _add(self, line: Line) -> None:
        self.lines.append(line)
        self.n_lines += 1
