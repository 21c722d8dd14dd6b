"""What has begun and ended since the last cycle, as events: lost devices, missed setpoints, other devices."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from ems.model.site import Site
from ems.ports import Clock, Device
from ems.runtime.cycle import CycleRecord
from ems.runtime.identities import IdentityBook
from ems.runtime.observer import Event

# connecting to everything takes its time; counted in limits of slow values, which an accelerated run stretches
_FIRST_READ_SLOW_LIMITS = 2.0


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that has begun or is over, with its words: those of its beginning where it is over."""

    name: str
    text: str
    began: bool


class Standing:
    """Things that stand for a while, by name, with the words that they began with."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def changes(self, found: Mapping[str, str]) -> tuple[Change, ...]:
        """Take what stands now, and return what has begun and then what is over, each in the order of names."""
        begun = [Change(name, found[name], began=True) for name in sorted(found.keys() - self.texts.keys())]
        over = [Change(name, self.texts[name], began=False) for name in sorted(self.texts.keys() - found.keys())]
        self.texts = dict(found)
        return (*begun, *over)


class Announcements:
    """Compares each cycle with the one before."""

    def __init__(self, site: Site, devices: Mapping[str, Device], clock: Clock, identities: IdentityBook) -> None:
        self._stale_s = site.control.stale_slow_s
        self._devices = devices
        self._clock = clock
        self._identities = identities
        self._began_s = clock.monotonic_s()
        self._lost, self._missed = Standing(), Standing()

    @property
    def lost_devices(self) -> Mapping[str, str]:
        """Return the devices that do not answer, with their trouble."""
        return self._lost.texts

    def is_fresh(self, now_s: float) -> bool:
        """Return whether the run is so young that devices may not have been read yet."""
        return now_s - self._began_s < _FIRST_READ_SLOW_LIMITS * self._stale_s

    def lost(self, utc: datetime) -> Iterator[Event]:
        """Yield devices that have stopped answering, and those that answer again.

        A device is lost when it is in trouble and its last reading is too old to be used; the first seconds of a
        run, in which nothing has been read yet, are nobody's loss.
        """
        now_s = self._clock.monotonic_s()
        if self.is_fresh(now_s):
            return
        lost = {
            device.device_id: trouble
            for device in self._devices.values()
            if (trouble := device.trouble()) is not None and _is_old(device, now_s, self._stale_s)
        }
        for change in self._lost.changes(lost):
            text = f"{change.name} does not answer: {change.text}" if change.began else f"{change.name} answers"
            yield Event(utc=utc, kind="device", text=text)

    def missed(self, record: CycleRecord) -> tuple[Event, ...]:
        """Return units that control goes on without because they miss their setpoints, and their return."""
        return tuple(
            Event(
                utc=record.snapshot.utc,
                kind="setpoint",
                text=f"{change.name} misses its setpoint: {change.text}"
                if change.began
                else f"{change.name} follows its setpoint again",
            )
            for change in self._missed.changes(dict(record.missed))
        )

    def identities(self, utc: datetime) -> Iterator[Event]:
        """Yield devices that are not those that were there before, and confirmations."""
        for text in self._identities.look(self._devices.values(), utc=utc):
            yield Event(utc=utc, kind="device", text=text)


def _is_old(device: Device, now_s: float, limit_s: float) -> bool:
    reading = device.reading()
    return reading is None or now_s - reading.at_s > limit_s
