"""The daemon's signs of life: feeds the watchdog after a cycle, and tells what is wrong with the process itself."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

from ems.model.status import DiskStatus, FootprintStatus, PulseStatus
from ems.ports import DeviceLink
from ems.runtime.cycle import CycleRecord
from ems.runtime.footprint import Footprint, ProcessLimits, QueueSource
from ems.runtime.notify import SystemdNotifier
from ems.runtime.observer import Event
from ems.runtime.pulse import LoopLag, PulseCheck
from ems.runtime.supervisor import Supervisor


class Vitals:
    """Looks at the process once a cycle; `speed` is that of the clock, limits are real time."""

    def __init__(
        self,
        links: Sequence[DeviceLink],
        notifier: SystemdNotifier,
        supervisor: Supervisor,
        *,
        limits: ProcessLimits,
        disk: Callable[[], DiskStatus],
        period_s: float,
        speed: float,
    ) -> None:
        self._links = links
        self._notifier = notifier
        self._supervisor = supervisor
        self._speed = speed
        self._pulse = PulseCheck(period_s=period_s / speed)
        self._lag = LoopLag()
        self._footprint = Footprint(limits, disk)
        self._withheld = False
        self._told: frozenset[str] = frozenset()

    async def run(self) -> None:
        """Measure until cancelled."""
        await self._lag.run()

    def watch(self, queues: Iterable[QueueSource]) -> None:
        """Look at these queues too."""
        self._footprint.watch(queues)

    def pulse(self) -> PulseStatus:
        """Return what the watchdog is fed by."""
        return self._pulse.status()

    def footprint(self) -> FootprintStatus:
        """Return what the process takes."""
        return self._footprint.status()

    def alarms(self) -> dict[str, str]:
        """Return by name what people have to look at: damaged files that were set aside and still lie there."""
        return {
            f"file_damaged:{name}": f"{name}: this file could not be read and was set aside, a new one was begun"
            for name in self._footprint.status().disk.set_aside
        }

    def look(self, record: CycleRecord, *, status: str) -> Iterator[Event]:
        """Feed the watchdog if the cycle earned it; yield what has begun or ended."""
        utc = record.snapshot.utc
        trouble = self._pulse.judge(
            (link.attempts() for link in self._links),
            guard_ran=_guarded(record),
            loop_lag_s=self._lag.take(),
            speed=self._speed,
        )
        if trouble is None:
            self._notifier.alive(status)
        else:
            self._notifier.waiting(f"watchdog not fed: {trouble}")
        if trouble is not None and not self._withheld:
            yield Event(utc=utc, kind="daemon", text=f"the watchdog is not fed: {trouble}", urgent=True)
        if trouble is None and self._withheld:
            yield Event(utc=utc, kind="daemon", text="the watchdog is fed again")
        self._withheld = trouble is not None
        yield from self._alarms(utc)

    def _alarms(self, utc: datetime) -> Iterator[Event]:
        now = {f"{name}: above its limit" for name in self._footprint.status().over}
        now |= {f"{name}: its task fails again and again" for name in self._supervisor.failing()}
        for text in sorted(now - self._told):
            yield Event(utc=utc, kind="daemon", text=text, urgent=True)
        for text in sorted(self._told - now):
            yield Event(utc=utc, kind="daemon", text=f"{text}; this is over")
        self._told = frozenset(now)


def _guarded(record: CycleRecord) -> bool:
    """Return whether the guard has seen every power, start and limit of the cycle."""
    setpoints = record.decision.setpoints
    return record.decision.context is not None or not (setpoints.blocks or setpoints.gensets or setpoints.pv)
