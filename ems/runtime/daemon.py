"""The daemon: links poll, the control cycle decides, the planner plans, observers look on."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial

import structlog

from ems.control.bounds import bounded
from ems.control.state import Mode
from ems.model.annunciation import Alarm, AlarmAction, AlarmAnswer, AlarmCounts
from ems.model.condition import SiteCondition
from ems.model.hand import Hands
from ems.model.link_status import LinkStatus
from ems.model.readings import no_faults
from ems.model.requests import OperatorRequests, both
from ems.model.site import Site
from ems.model.status import DiskStatus, HealthStatus, PlanCounts
from ems.ports import Cluster, Commands, Device, DeviceLink
from ems.runtime.accounts import Accounts
from ems.runtime.alarm_desk import AlarmDesk, FindingSource
from ems.runtime.alarm_sources import OwnState, cycle_findings, own_findings
from ems.runtime.alarms import AlarmWatch
from ems.runtime.announcements import Announcements
from ems.runtime.condition import condition_of
from ems.runtime.counters import CounterBook
from ems.runtime.cycle import ControlCycle, CycleRecord
from ems.runtime.footprint import ProcessLimits, QueueSource
from ems.runtime.forecasts import ForecastMemory
from ems.runtime.handback import hand_back
from ems.runtime.hands import HandBook
from ems.runtime.identities import IdentityBook
from ems.runtime.keeping import StateKeeper
from ems.runtime.lease import Hold, Lease
from ems.runtime.notify import SystemdNotifier
from ems.runtime.observer import Event, Observer, cycle_events
from ems.runtime.persistence import StateStore
from ems.runtime.planner import Planner, PlanningResult
from ems.runtime.requests import RequestBook
from ems.runtime.shadow_books import ShadowBooks
from ems.runtime.shadow_site import ShadowSite
from ems.runtime.statistics import RunStatistics
from ems.runtime.steady import SteadyClock
from ems.runtime.supervisor import Supervisor
from ems.runtime.vitals import Vitals
from ems.runtime.wear import WriteBook
from ems.runtime.worker_client import WorkerClient

# a watchdog that is not fed for this long after the start says that the plant does not answer
_READY_WAIT_S = 20.0
# two plans that events ask for lie at least this far apart
_REPLAN_PAUSE_S = 30.0
_LATE_WINDOW = 120
# a fault that comes every cycle fills no disk
_LOGGED_FAILURES = frozenset(10**power for power in range(9))


class Ending(StrEnum):
    """Why a run of the daemon has ended."""

    STOP = "stop"
    RELOAD = "reload"
    # another controller commands now
    PASSIVE = "passive"


@dataclass(frozen=True, slots=True)
class Shadow:
    """The model that is controlled in the place of the site, and the books that compare both."""

    site: ShadowSite
    books: ShadowBooks


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonParts:
    """Everything that the composition root puts together; `devices` by the asset that they serve."""

    site: Site
    clock: SteadyClock
    devices: Mapping[str, Device]
    links: Sequence[DeviceLink]
    planner: Planner
    worker: WorkerClient
    memory: ForecastMemory
    cluster: Cluster | None
    accounts: Accounts
    store: StateStore
    identities: IdentityBook
    wear: WriteBook
    counters: CounterBook
    requests: RequestBook
    alarms: AlarmDesk
    hands: HandBook
    notifier: SystemdNotifier
    version: str
    pid: int
    speed: float
    stretch: float
    limits: ProcessLimits = field(default_factory=ProcessLimits)
    disk: Callable[[], DiskStatus] = DiskStatus
    # None for a site without a standby controller
    lease: Lease | None = None
    # dangerous values of the configuration that were accepted, by the name of their alarm
    risks: Mapping[str, str] = field(default_factory=no_faults)
    # None where no commands are taken from the broker
    commands: Commands | None = None
    # what stands in the place of the devices in shadow mode, and its books
    shadow: Shadow | None = None


class Daemon:
    """One run from start to stop or reload."""

    def __init__(self, parts: DaemonParts, observers: Sequence[Observer]) -> None:
        self._parts = parts
        self._observers = observers
        self._log = structlog.get_logger("daemon")
        self.supervisor = Supervisor()
        self._vitals = Vitals(
            parts.links,
            parts.notifier,
            self.supervisor,
            limits=parts.limits,
            disk=parts.disk,
            period_s=parts.site.control.period_s,
            speed=parts.speed,
        )
        self._ending: asyncio.Future[Ending] | None = None
        self._replan = asyncio.Event()
        self._keeper = StateKeeper(
            parts.store,
            parts.clock,
            accounts=parts.accounts,
            memory=parts.memory,
            counters=parts.counters,
            devices=parts.devices.values(),
        )
        shadow = None if parts.shadow is None else parts.shadow.site
        self._cycle = ControlCycle(
            parts.site,
            parts.devices if shadow is None else shadow.devices,
            parts.clock,
            state=self._keeper.restored(),
            journal=self._keeper,
            cluster=parts.cluster,
            image=shadow,
        )
        # before any device is met: what is OFF is not even armed
        self._cycle.silence(self._hands(), parts.clock.monotonic_s())
        self.statistics = RunStatistics(parts.site, price_per_kwh=parts.accounts.import_price_per_kwh)
        self._began = parts.clock.utc()
        self._announcements = Announcements(parts.site, parts.devices, parts.clock, parts.identities)
        self._late_s: list[float] = []
        self._troubles: tuple[str, ...] = ()
        self._device_alarms = AlarmWatch(parts.site)
        self._n_unsaved = 0
        self._books_failed: str | None = None
        self._n_worker_restarts = 0
        self._n_unsaved_acts = 0
        self._epoch = 0
        self._n_observer_failures = 0
        self._n_account_failures = 0
        self._n_alarm_failures = 0
        self._record: CycleRecord | None = None

    async def run(self) -> Ending:
        """Run until asked to end."""
        self._ending = asyncio.get_running_loop().create_future()
        mode = "" if self._parts.shadow is None else ", in shadow mode: nothing is written to any device"
        self._event("daemon", f"started, version {self._parts.version}{mode}")
        async with asyncio.TaskGroup() as group:
            links = [
                group.create_task(self.supervisor.keep(link.link_id, link.run), name=link.link_id)
                for link in self._parts.links
            ]
            tasks = [group.create_task(self._control(), name="control")]
            tasks.append(group.create_task(self.supervisor.keep("planner", self._plan), name="planner"))
            tasks.append(group.create_task(self._vitals.run(), name="vitals"))
            tasks.append(group.create_task(self.supervisor.keep("requests", self._follow_requests), name="requests"))
            tasks.append(group.create_task(self.supervisor.keep("alarms", self._follow_alarms), name="alarms"))
            tasks.append(group.create_task(self._ready_at_last(), name="readiness"))
            ending = await self._ending
            if ending is Ending.STOP:
                # after this word systemd waits for the process to be gone: not what a reload means
                self._parts.notifier.stopping()
            for task in tasks:
                task.cancel()
            if ending is Ending.STOP and self._parts.shadow is None:
                await self._hand_back()
            for link in links:
                link.cancel()
        self._keeper.save(self._cycle.state)
        await self._parts.worker.close()
        self._event("daemon", f"ended: {ending.value}")
        return ending

    async def _hand_back(self) -> None:
        """Give devices their own setpoints back that would keep our last ones; nobody renews those any more."""
        parts = self._parts
        for text in await hand_back(parts.devices.values(), parts.clock, stretch=parts.stretch):
            self._event("setpoint", text)

    def end(self, ending: Ending) -> None:
        """Ask the daemon to end; called by signal handlers."""
        if self._ending is not None and not self._ending.done():
            self._ending.set_result(ending)

    def tell(self, event: Event) -> None:
        """Tell all observers of an event of another part of the daemon."""
        self._tell(event)

    def replan(self) -> None:
        """Plan soon: what a plan rests on has changed."""
        self._replan.set()

    def health(self) -> HealthStatus:
        """Return the daemon's own state."""
        parts = self._parts
        return HealthStatus(
            version=parts.version,
            started_utc=self._began,
            pid=parts.pid,
            solver_pid=parts.worker.pid,
            n_solver_restarts=parts.worker.n_restarts,
            speed_frac=parts.speed,
            stretch_frac=parts.stretch,
            n_ticks=self.statistics.n_ticks,
            tick_late_s=max(self._late_s, default=0.0),
            n_devices=len(parts.devices),
            lost_devices=tuple(sorted(self._announcements.lost_devices)),
            troubles=self._troubles,
            pulse=self._vitals.pulse(),
            footprint=self._vitals.footprint(),
            failing_tasks=self.supervisor.failing(),
            epoch=None if parts.lease is None else self._epoch,
            shadow=parts.shadow is not None,
        )

    def watch(self, queues: Iterable[QueueSource]) -> None:
        """Look at these queues too."""
        self._vitals.watch(queues)

    def watch_alarms(self, source: FindingSource) -> None:
        """Ask this too, in every cycle, for what is wrong."""
        self._parts.alarms.watch(source)

    def alarms(self) -> tuple[Alarm, ...]:
        """Return the list of alarms."""
        return self._parts.alarms.alarms()

    def alarm_counts(self) -> AlarmCounts:
        """Return the list of alarms in numbers."""
        return self._parts.alarms.counts()

    def act_on_alarm(self, action: AlarmAction) -> AlarmAnswer:
        """Acknowledge, shelve or take out of service, as somebody asks who may."""
        return self._parts.alarms.act(action, utc=self._parts.clock.utc())

    def links(self) -> tuple[LinkStatus, ...]:
        """Return how the connections to the devices do."""
        return tuple(link.status() for link in self._parts.links)

    def plan_counts(self) -> PlanCounts:
        """Return how planning went so far."""
        return self._parts.planner.statistics.counts()

    async def _control(self) -> None:
        """Run the cycle on a fixed grid of the monotonic clock; ticks that were missed are not made up."""
        clock, period_s = self._parts.clock, self._parts.site.control.period_s
        next_s = clock.monotonic_s()
        while True:
            late_s = clock.monotonic_s() - next_s
            self._late_s = [*self._late_s[-_LATE_WINDOW:], late_s / self._parts.speed]
            self._tick()
            next_s += period_s
            if (behind := clock.monotonic_s() - next_s) > 0.0:
                next_s += period_s * (1 + behind // period_s)
            await clock.sleep(next_s - clock.monotonic_s())

    def _tick(self) -> None:
        self._look_at_the_clock()
        if not self._commands():
            return
        requests = self._requests()
        hands = self._hands()
        record = self._cycle.run(self._parts.planner.latest, requests, hands)
        self._record = record
        closed = self._account(record)
        events = cycle_events(record)
        self._tell_all(self._announcements.lost(record.snapshot.utc))
        if missed := self._announcements.missed(record):
            self._tell_all(missed)
            self._replan.set()
        self._tell_unsaved_acts()
        for text in self._parts.requests.changes(record.snapshot.utc):
            self._tell(Event(utc=record.snapshot.utc, kind="request", text=text))
        for text in self._parts.hands.changes(record.snapshot.at_s):
            self._tell(Event(utc=record.snapshot.utc, kind="hand", text=text, urgent=True))
            self._replan.set()
        self._show(lambda observer: observer.on_cycle(record))
        self._tell_all(events)
        if events:
            self._replan.set()
        if events or closed or self._keeper.due:
            self._keeper.save(self._cycle.state)
        if record.decision.state.mode is not Mode.INIT:
            self._parts.notifier.ready()
        status = f"{record.decision.state.mode.value}, tick {self.statistics.n_ticks}"
        self._tell_all(self._vitals.look(record, status=status))
        self._look_at_alarms(record, requests)

    def _requests(self) -> OperatorRequests:
        """Return what people ask for, here on the machine and by signed commands."""
        clock, commands = self._parts.clock, self._parts.commands
        here = self._parts.requests.in_force(clock.utc())
        return here if commands is None else both(here, commands.requests(clock.utc(), clock.monotonic_s()))

    def _hands(self) -> Hands:
        """Return what people have taken over, here on the machine and by signed commands."""
        clock, commands = self._parts.clock, self._parts.commands
        here = self._parts.hands.in_force(clock)
        return here if commands is None else commands.hands(here, clock.monotonic_s())

    def _commands(self) -> bool:
        """Return whether this controller commands; one that does not any more ends its run without another write."""
        lease = self._parts.lease
        if lease is None:
            return True
        verdict = lease.step(self._parts.clock.monotonic_s())
        if verdict.hold is Hold.STANDBY and self._ending is not None and not self._ending.done():
            self._event("daemon", f"this controller is passive: {verdict.reason}")
            self.end(Ending.PASSIVE)
        if not verdict.may_write:
            self._parts.notifier.alive(f"not in command: {verdict.reason}")
        self._epoch = verdict.epoch
        return verdict.may_write

    def _account(self, record: CycleRecord) -> bool:
        """Remember, count and account for a cycle; return whether an interval closed. None of it may stop control."""
        try:
            self._tell_all(self._announcements.identities(record.snapshot.utc))
            self._parts.wear.look(self._parts.devices.values())
            self._parts.memory.observe(record.snapshot)
            self.statistics.add(record)
            self._compare(record)
            self._books_failed = None
            return self._parts.accounts.observe(record)
        except Exception as error:  # noqa: BLE001 - control must outlive any fault of the books
            self._books_failed = str(error)
            self._n_account_failures += 1
            if self._n_account_failures in _LOGGED_FAILURES:
                self._log.exception("accounting_failed", failures=self._n_account_failures)
                self._event("daemon", f"the books could not take a cycle: {error}")
            return False

    def _compare(self, record: CycleRecord) -> None:
        """In shadow mode: keep the books of what the controller would have saved."""
        shadow = self._parts.shadow
        if shadow is not None and (text := shadow.books.observe(at_s=record.snapshot.at_s)) is not None:
            self._tell(Event(utc=record.snapshot.utc, kind="shadow", text=text))

    async def _follow_requests(self) -> None:
        """Keep up with what people ask for."""
        period_s = self._parts.site.control.period_s
        async with asyncio.TaskGroup() as group:
            group.create_task(self._parts.requests.run(self._parts.clock, period_s=period_s))
            group.create_task(self._parts.hands.run(self._parts.clock, period_s=period_s))

    async def _follow_alarms(self) -> None:
        """Keep up with what people do to alarms."""
        await self._parts.alarms.inbox.run(self._parts.clock, period_s=self._parts.site.control.period_s)

    async def _plan(self) -> None:
        """Plan every period, and soon after an event."""
        clock, site = self._parts.clock, self._parts.site
        while True:
            record = self._record
            if record is None or record.decision.state.mode is Mode.INIT:
                await clock.sleep(site.control.period_s)
                continue
            began_s = clock.monotonic_s()
            self._replan.clear()
            result = await self._parts.planner.make(self._condition(record))
            self._adopt_time(result)
            self._troubles = result.trouble
            self._show(partial(_on_plan, result=result))
            for trouble in result.trouble:
                self._event("planning", trouble)
            self._tell_worker_restarts()
            await self._wait_for_plan(began_s)

    def _condition(self, record: CycleRecord) -> SiteCondition:
        """Return what a plan begins with; after a step of the machine's clock it is made for the new time."""
        spent = self._parts.accounts.carbon_spent()
        snapshot = record.snapshot
        if self._parts.clock.step_s:
            snapshot = replace(snapshot, utc=self._parts.clock.machine_utc())
        bounds = self._requests().bounds
        condition = condition_of(self._parts.site, bounded(snapshot, bounds), self._cycle.state, carbon=spent)
        return replace(condition, bounds=bounds)

    def _adopt_time(self, result: PlanningResult) -> None:
        """Go by the machine's clock again with a plan of its time, and where there is no plan to be torn from."""
        clock, latest = self._parts.clock, self._parts.planner.latest
        limit_s = self._parts.site.planning.max_age_periods * self._parts.site.planning.period_s
        if clock.step_s and (result.plan is not None or latest is None or latest.age_s(clock.utc()) > limit_s):
            self._event("daemon", f"the clock's step of {clock.step_s:+.1f} s is adopted with the new plan")
            clock.adopt()

    def _look_at_the_clock(self) -> None:
        """Tell of a step of the machine's clock, flag the records of its time, and plan anew for the new time."""
        step_s = self._parts.clock.look()
        if step_s is None:
            return
        text = f"the machine's clock stepped by {step_s:+.1f} s; control is not affected"
        self._tell(
            Event(utc=self._parts.clock.utc(), kind="daemon", text=text, figures={"step_s": step_s}, urgent=True)
        )
        self._parts.accounts.flag(f"the clock stepped by {step_s:+.1f} s")
        self._replan.set()

    async def _wait_for_plan(self, began_s: float) -> None:
        clock, period_s = self._parts.clock, self._parts.site.planning.period_s
        while (passed_s := clock.monotonic_s() - began_s) < period_s:
            # a solver that has died is started by the next plan, so that one comes soon
            asked = self._replan.is_set() or self._parts.worker.pid is None
            if asked and passed_s >= min(period_s, _REPLAN_PAUSE_S * self._parts.stretch):
                return
            await clock.sleep(min(self._parts.site.control.period_s, period_s - passed_s))

    async def _ready_at_last(self) -> None:
        """Tell systemd that the daemon is ready even where the plant does not answer at all."""
        await asyncio.sleep(_READY_WAIT_S)
        self._parts.notifier.ready()

    def _look_at_alarms(self, record: CycleRecord, requests: OperatorRequests) -> None:
        """Bring the list of alarms up to date and tell what changed; none of it may stop control."""
        parts, snapshot = self._parts, record.snapshot
        try:
            desk = parts.alarms
            findings = (
                *self._device_alarms.look(parts.devices.values(), now_s=snapshot.at_s),
                *cycle_findings(parts.site, record, desk.standing, requests),
                *own_findings(parts.site, record, self._own_state()),
            )
            settled = not self._announcements.is_fresh(snapshot.at_s)
            events = desk.look(findings, now_s=snapshot.at_s, utc=snapshot.utc, settled=settled)
        except Exception as error:  # noqa: BLE001 - control must outlive any fault of the list
            self._n_alarm_failures += 1
            if self._n_alarm_failures in _LOGGED_FAILURES:
                self._log.exception("alarms_failed", failures=self._n_alarm_failures, error=str(error))
            return
        self._tell_all(events)

    def _own_state(self) -> OwnState:
        parts, footprint = self._parts, self._vitals.footprint()
        n_unsaved, self._n_unsaved = self._n_unsaved, parts.store.n_failed
        cluster, site = parts.cluster, parts.site
        return OwnState(
            lost=self._announcements.lost_devices,
            exchanged=parts.identities.strangers(),
            clips=self.statistics.clip_watch.alarms(),
            named={**parts.risks, **self._vitals.alarms()},
            withheld=self._vitals.pulse().withheld,
            over=footprint.over,
            failing=self.supervisor.failing(),
            clock_step_s=parts.clock.step_s,
            books=self._books_failed,
            state_not_saved=parts.store.n_failed > n_unsaved,
            troubles=self._troubles,
            plan=parts.planner.latest,
            cluster_is_silent=site.it.takes_offers
            and cluster is not None
            and not cluster.view(parts.clock.utc()).is_linked,
        )

    def _tell_unsaved_acts(self) -> None:
        n_unsaved = self._cycle.acts.n_unsaved
        if n_unsaved > self._n_unsaved_acts:
            self._event("daemon", f"acted before the disk took the state, {n_unsaved} times so far: the disk is slow")
        self._n_unsaved_acts = n_unsaved

    def _tell_worker_restarts(self) -> None:
        n_restarts = self._parts.worker.n_restarts
        if n_restarts > self._n_worker_restarts:
            self._event("planning", f"the solver's process was started again, {n_restarts} times so far")
        self._n_worker_restarts = n_restarts

    def _event(self, kind: str, text: str) -> None:
        self._tell(Event(utc=self._parts.clock.utc(), kind=kind, text=text))

    def _tell(self, event: Event) -> None:
        self._show(lambda observer: observer.on_event(event))

    def _tell_all(self, events: Iterable[Event]) -> None:
        for event in events:
            self._tell(event)

    def _show(self, show: Callable[[Observer], None]) -> None:
        """Let every observer see something; what goes wrong in one reaches neither control nor the others."""
        for observer in self._observers:
            try:
                show(observer)
            except Exception:  # noqa: BLE001 - control must outlive any fault of a publisher
                self._n_observer_failures += 1
                if self._n_observer_failures in _LOGGED_FAILURES:
                    self._log.exception("observer_failed", failures=self._n_observer_failures)


def _on_plan(observer: Observer, *, result: PlanningResult) -> None:
    observer.on_plan(result)
