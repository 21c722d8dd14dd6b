"""Which messages are records: the counters of every closed interval, and every change of an alarm."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from ems.contract.outgoing import Outgoing
from ems.contract.topics import RECORD_ALARM, RECORD_CARBON, RECORD_ENERGY
from ems.gateway.messages.alarms import alarm_message
from ems.gateway.messages.daemon import carbon_message, energy_message
from ems.gateway.records import RecordQueue
from ems.model.annunciation import Alarm
from ems.model.status import CarbonTotals, EnergyTotals
from ems.ports import Clock
from ems.runtime.persistence import StateStore

DOCUMENT: Final = "records"
# a crash loses what has come since the last save; an interval closes every quarter of an hour
_SAVE_EVERY_S: Final = 60.0


class RecordBook:
    """Notices what is new since the last look; a run begins with the counters and alarms as they are."""

    def __init__(self, *, currency: str) -> None:
        self._currency = currency
        self._energy_until: datetime | None = None
        self._carbon_until: datetime | None = None
        self._alarms: dict[str, Alarm] = {}

    def news(
        self, utc: datetime, *, energy: EnergyTotals | None, carbon: CarbonTotals | None, alarms: Iterable[Alarm]
    ) -> Iterator[Outgoing]:
        """Yield a record of every interval that has closed and of every alarm that has changed."""
        if energy is not None and energy.until_utc != self._energy_until:
            self._energy_until = energy.until_utc
            message = energy_message(utc, energy, currency=self._currency)
            yield Outgoing(topic=RECORD_ENERGY, message=message, retain=False)
        if carbon is not None and carbon.until_utc != self._carbon_until:
            self._carbon_until = carbon.until_utc
            yield Outgoing(topic=RECORD_CARBON, message=carbon_message(utc, carbon), retain=False)
        now = {alarm.id: alarm for alarm in alarms}
        for name, alarm in now.items():
            if self._alarms.get(name) != alarm:
                yield Outgoing(topic=RECORD_ALARM, message=alarm_message(utc, alarm), retain=False)
        self._alarms = now


class RecordKeeper:
    """Brings what waits for the broker to the disk, and back after a restart; never waits for the disk."""

    def __init__(self, queue: RecordQueue, store: StateStore, clock: Clock) -> None:
        """Take up what the run before has left."""
        self._queue = queue
        self._store = store
        self._clock = clock
        if (found := store.load(DOCUMENT)) is not None:
            queue.restore(found[0])
        self._n_saved = queue.n_changes
        self._saved_s = clock.monotonic_s()

    def look(self) -> None:
        """Save what waits, if it has changed and the last save is long enough ago."""
        if self._clock.monotonic_s() - self._saved_s >= _SAVE_EVERY_S:
            self.save()

    def save(self) -> None:
        """Save what waits, if it has changed."""
        if self._queue.n_changes == self._n_saved:
            return
        self._n_saved, self._saved_s = self._queue.n_changes, self._clock.monotonic_s()
        self._store.save(DOCUMENT, self._queue.document(), utc=self._clock.utc())
