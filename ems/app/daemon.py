"""`ems run`: the daemon of a site, from its configuration; stays until SIGTERM, reloads on SIGHUP."""

import asyncio
import os
import signal
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

import structlog

from ems.app.checking import checked_files
from ems.app.clocks import clock_for
from ems.app.cluster_desk import ClusterDesk
from ems.app.command_desk import CommandDesk
from ems.app.devices import build_fleet, check_own_drivers
from ems.app.evidence import open_books
from ems.app.key_files import KEYS_FILE, KeyFile
from ems.app.log_observer import LogObserver
from ems.app.publishing import Publishing
from ems.app.shadow import STATE, no_evidence, shadow_of, shadow_wiring, without_anchor
from ems.app.standby import Standby, lease_of, lease_places
from ems.commands.judge import CommandRules
from ems.config.build import Wiring, build_site, build_wiring
from ems.config.files import ConfigFiles
from ems.config.loader import load_files, refuse_risks
from ems.config.naming import assets_in_hands
from ems.control.alarms import AlarmRules
from ems.errors import ConfigError, ConfigProblem, EmsError
from ems.model.site import Site
from ems.runtime.accounts import Accounts
from ems.runtime.alarm_desk import AlarmDesk
from ems.runtime.alarm_requests import AlarmInbox
from ems.runtime.archive import ProblemArchive
from ems.runtime.audit import AuditLog
from ems.runtime.counters import CounterBook
from ems.runtime.daemon import Daemon, DaemonParts, Ending
from ems.runtime.disk import DiskWatch
from ems.runtime.footprint import ProcessLimits
from ems.runtime.forecasts import ForecastMemory
from ems.runtime.hands import HandBook
from ems.runtime.identities import IdentityBook
from ems.runtime.inputs import load_climate, price_file_source, weather_file_source
from ems.runtime.lease import Lease
from ems.runtime.lock import StateLock
from ems.runtime.logs import configure_logging
from ems.runtime.memory import restore_accounts
from ems.runtime.notify import SystemdNotifier
from ems.runtime.observer import Observer
from ems.runtime.persistence import StateStore
from ems.runtime.planner import Planner
from ems.runtime.prices import SitePrices
from ems.runtime.requests import RequestBook
from ems.runtime.risks import record_risks, risk_alarms
from ems.runtime.settling import settle_memory
from ems.runtime.steady import SteadyClock
from ems.runtime.timescale import (
    plan_period_s,
    stretch_factor,
    stretched_broker,
    stretched_device,
    stretched_link,
    stretched_site,
)
from ems.runtime.wear import WriteBook
from ems.runtime.worker_client import WorkerClient

DISTRIBUTION = "gpu-microgrid-ems"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scaled:
    """A site and its wiring as this run's speed needs them."""

    site: Site
    wiring: Wiring
    speed: float
    stretch: float


def run_daemon(directory: Path, *, clock: str | None, accept_risk: bool = False, shadow: bool = False) -> None:
    """Run the daemon of a configuration directory until it is told to stop; in shadow mode it writes to no device.

    Raises:
        ConfigError: The configuration is refused at the start, for dangerous values too unless `accept_risk`; a later
            one that is refused changes nothing.
        StateError: The state directory cannot be written.
    """
    check_own_drivers()
    files = load_files(directory)
    refuse_risks(files, accepted=accept_risk)
    _configure_logging(files)
    with StateLock(_state_of(files, shadow=shadow)) as lock:
        asyncio.run(_serve(_Place(directory, accept_risk, shadow), files, clock, lock))


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the configuration comes from, and whether its dangerous values are accepted, also those of a reload.

    In shadow mode nothing is written to any device.
    """

    directory: Path
    accept_risk: bool
    shadow: bool = False


async def _serve(place: _Place, files: ConfigFiles, clock_text: str | None, lock: StateLock) -> None:
    machine, speed = clock_for(clock_text)
    clock = SteadyClock(machine)
    notifier = SystemdNotifier()
    last_good: ConfigFiles | None = None
    while True:
        _configure_logging(files)
        try:
            owner = await _in_command(files, clock, notifier, lock, shadow=place.shadow)
            if owner is None:
                return
            fresh = await _run_once(place, files, clock, speed, notifier, lease=owner.lease)
        except (EmsError, OSError) as error:
            # what only shows when everything is built: the files before this reload are known to work
            if last_good is None:
                raise
            structlog.get_logger("daemon").error("reload_failed", error=str(error))
            files, last_good = last_good, None
            continue
        if fresh is None:
            return
        files, last_good = fresh, files


@dataclass(frozen=True, slots=True)
class _Owner:
    """This daemon may command; `lease` is None on a site without one."""

    lease: Lease | None


async def _in_command(
    files: ConfigFiles, clock: SteadyClock, notifier: SystemdNotifier, lock: StateLock, *, shadow: bool
) -> _Owner | None:
    """Wait until this daemon may command, or look on alone in shadow mode; None where it was told to stop first."""
    wiring = _wiring_of(files, shadow=shadow)
    standby = Standby(files, wiring, clock, notifier, version=version(DISTRIBUTION))
    if not await standby.until_owner(lock, None):
        return None
    if not wiring.leases:
        return _Owner(None)
    store = StateStore(state_home(files) / "state.db")
    try:
        lease = lease_of(files, wiring, store, clock)
    finally:
        store.close()
    return _Owner(lease) if await standby.until_owner(lock, lease) else None


async def _run_once(
    place: _Place,
    files: ConfigFiles,
    clock: SteadyClock,
    speed: float,
    notifier: SystemdNotifier,
    *,
    lease: Lease | None,
) -> ConfigFiles | None:
    """Build everything from the files, run until the end, close everything; return what to go on with, None to stop."""
    scaled = _scaled(files, speed, shadow=place.shadow)
    state_directory = _state_of(files, shadow=place.shadow)
    climate = load_climate(files)
    with ExitStack() as stack:
        store = StateStore(state_directory / "state.db")
        stack.callback(store.close)
        archive = ProblemArchive(state_directory / "problems", keep=files.persistence.problems.keep)
        stack.callback(archive.close)
        evidenced = without_anchor(files) if place.shadow else files
        books = open_books(evidenced, store, clock, state_directory, stack=stack)
        record_risks(state_directory, files.risks, utc=clock.utc(), version=version(DISTRIBUTION))
        identities = IdentityBook(store, state_directory)
        wear = WriteBook(store, clock)
        counters = CounterBook(store)
        fleet = build_fleet(
            scaled.site,
            scaled.wiring,
            clock,
            directories=files.search,
            known=identities.known,
            written=wear.written,
            counted=counters.counted,
            read_only=place.shadow,
        )
        market = files.forecasts.price
        prices = SitePrices(scaled.site, None if market is None else price_file_source(files.directory / market.file))
        accounts = Accounts(
            scaled.site,
            interval_min=files.persistence.ledger.interval_min,
            carbon=climate.carbon,
            prices=prices,
            sink=no_evidence if place.shadow else books.ledger,
        )
        restore_accounts(accounts, store, books.ledger)
        books.ledger.carry = accounts.document
        memory = ForecastMemory(scaled.site, climate)
        worker = WorkerClient(memory_mb=scaled.site.planning.worker_memory_mb)
        issued = files.forecasts.weather.issued_file
        desk = ClusterDesk(scaled.site, clock, store)
        planner = Planner(
            scaled.site,
            worker=worker,
            memory=memory,
            climate=climate,
            weather=weather_file_source(None if issued is None else files.directory / issued),
            archive=archive,
            prices=prices,
            offers=desk.offer_at if scaled.site.it.takes_offers else None,
            cluster=desk.condition_at,
        )
        looking_on = None
        if place.shadow:
            looking_on = shadow_of(
                scaled.site,
                fleet.devices,
                clock,
                store,
                state_directory,
                interval_min=files.persistence.ledger.interval_min,
                carbon=climate.carbon,
                prices=prices,
            )
            stack.callback(looking_on.books.close)
        commands = None if place.shadow else _command_desk(files, scaled.site, clock, store, books.audit)
        if commands is not None:
            stack.callback(commands.close)
        publishing = Publishing(
            files,
            scaled.site,
            clock,
            fleet.devices,
            state_directory,
            store=store,
            version=version(DISTRIBUTION),
            receivers=desk.receivers(),
            listeners={} if commands is None else commands.listeners(),
            compared=None if looking_on is None else looking_on.books.comparison,
        )
        stack.callback(publishing.close)
        disk = DiskWatch(
            state_directory,
            low_frac=files.persistence.disk.low_frac,
            ballast_mib=files.persistence.disk.ballast_mib,
            pause=publishing.pause_history,
            give_up=publishing.give_up_history,
        )
        stack.callback(disk.close)
        disk.start()
        parts = DaemonParts(
            site=scaled.site,
            clock=clock,
            devices=fleet.devices,
            links=fleet.links,
            planner=planner,
            worker=worker,
            memory=memory,
            cluster=desk,
            commands=commands,
            accounts=accounts,
            store=store,
            identities=identities,
            wear=wear,
            counters=counters,
            requests=RequestBook(state_directory),
            alarms=AlarmDesk(store, AlarmInbox(state_directory), rules=_alarm_rules(files, scaled.stretch)),
            hands=HandBook(state_directory, _assets_in_hands(files), scaled.site.control.hand.windows),
            notifier=notifier,
            version=version(DISTRIBUTION),
            pid=os.getpid(),
            speed=scaled.speed,
            stretch=scaled.stretch,
            limits=_limits(files),
            disk=disk.status,
            lease=lease,
            risks=risk_alarms(files.risks),
            shadow=looking_on,
        )
        if lease is not None:
            lease.at(lease_places(scaled.wiring, fleet.links))
        observers: list[Observer] = [LogObserver(), publishing, desk]
        if commands is not None:
            observers.append(commands)
        daemon = Daemon(parts, observers)
        publishing.watch(daemon, accounts)
        daemon.watch((store.queue, books.evidence.queue, archive.queue, *publishing.queues()))
        if looking_on is not None:
            daemon.watch((looking_on.books.queue,))
        desk.connect(publish=publishing.publish, tell=daemon.tell)
        if commands is not None:
            commands.connect(
                publish=publishing.publish, tell=daemon.tell, replan=daemon.replan, act=daemon.act_on_alarm
            )
            daemon.watch((commands.queue,))
        settle_memory()
        return await _until_ended(place, files, daemon, publishing, notifier, commands=commands)


def _command_desk(
    files: ConfigFiles, site: Site, clock: SteadyClock, store: StateStore, audit: AuditLog
) -> CommandDesk | None:
    """Return who takes signed commands, None where the configuration takes none."""
    table = files.mqtt.commands
    if not table.enabled:
        return None
    rules = CommandRules(two_person=table.two_person, longest=timedelta(hours=table.max_bound_h))
    return CommandDesk(
        site,
        clock,
        store,
        rules=rules,
        in_hands=_assets_in_hands(files),
        keys=KeyFile(files.directory / KEYS_FILE),
        audit=audit,
    )


async def _until_ended(
    place: _Place,
    files: ConfigFiles,
    daemon: Daemon,
    publishing: Publishing,
    notifier: SystemdNotifier,
    *,
    commands: CommandDesk | None,
) -> ConfigFiles | None:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, daemon.end, Ending.STOP)
    loop.add_signal_handler(signal.SIGINT, daemon.end, Ending.STOP)
    reloader = _Reloader(place, daemon, notifier, present=files)
    loop.add_signal_handler(signal.SIGHUP, reloader.ask)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(daemon.supervisor.keep("gateway", publishing.run), name="gateway")]
        if commands is not None:
            tasks.append(group.create_task(daemon.supervisor.keep("commands", commands.run), name="commands"))
        ending = await daemon.run()
        await publishing.finish()
        for task in tasks:
            task.cancel()
    if ending is Ending.PASSIVE:
        # the same configuration, from the wait for the lease on
        return files
    return reloader.fresh if ending is Ending.RELOAD else None


class _Reloader:
    """Answers SIGHUP: a new configuration is taken if all of it is valid, else the old one stays and says why."""

    def __init__(self, place: _Place, daemon: Daemon, notifier: SystemdNotifier, *, present: ConfigFiles) -> None:
        self.fresh: ConfigFiles | None = None
        self._place = place
        self._present = present
        self._daemon = daemon
        self._notifier = notifier
        self._checking: asyncio.Task[None] | None = None
        self._log = structlog.get_logger("daemon")

    def ask(self) -> None:
        """Begin to check, unless a check is under way; called by the signal handler."""
        if self._checking is None or self._checking.done():
            self._checking = asyncio.get_running_loop().create_task(self._reload(), name="reload")

    async def _reload(self) -> None:
        try:
            # everything that the start itself would refuse, in a thread: control goes on meanwhile
            fresh = await asyncio.to_thread(_checked_files, self._place, self._present)
        except ConfigError as error:
            self._log.warning("reload_refused", problems=[problem.sentence() for problem in error.problems])
            return
        self.fresh = fresh
        self._log.info("reload")
        self._notifier.reloading()
        self._daemon.end(Ending.RELOAD)


def _checked_files(place: _Place, present: ConfigFiles) -> ConfigFiles:
    fresh = checked_files(place.directory, accept_risk=place.accept_risk)
    if state_home(fresh) != state_home(present):
        raise ConfigError(
            ConfigProblem(
                file=str(place.directory / "persistence.toml"),
                key="state.directory",
                message="a running daemon keeps its state directory",
                allowed="restart the daemon to move its state",
            )
        )
    return fresh


def _configure_logging(files: ConfigFiles) -> None:
    configure_logging(form=files.site.logging.format, level=files.site.logging.level)


def _alarm_rules(files: ConfigFiles, stretch: float) -> AlarmRules:
    table = files.control.alarms
    return AlarmRules(
        flood_n=table.flood_n, flood_s=60.0 * table.flood_min, max_shelve_h=table.max_shelve_h, stretch=stretch
    )


def _limits(files: ConfigFiles) -> ProcessLimits:
    table = files.control.process
    return ProcessLimits(
        max_resident_mib=table.max_resident_mib,
        max_files=table.max_files,
        max_tasks=table.max_tasks,
        max_queue_frac=table.max_queue_frac,
    )


def _assets_in_hands(files: ConfigFiles) -> Mapping[str, tuple[str, ...]]:
    return assets_in_hands(files.assets, has_grid=files.limits.grid is not None)


def state_home(files: ConfigFiles) -> Path:
    """Return where state is kept: systemd's state directory, else the configured one."""
    given = os.environ.get("STATE_DIRECTORY")
    return Path(given.split(":")[0]) if given else files.directory / files.persistence.state.directory


def _wiring_of(files: ConfigFiles, *, shadow: bool) -> Wiring:
    return shadow_wiring(build_wiring(files)) if shadow else build_wiring(files)


def _state_of(files: ConfigFiles, *, shadow: bool) -> Path:
    return state_home(files) / STATE if shadow else state_home(files)


def _scaled(files: ConfigFiles, speed: float, *, shadow: bool) -> _Scaled:
    native = build_site(files)
    factor = stretch_factor(speed)
    wiring = _wiring_of(files, shadow=shadow)
    return _Scaled(
        site=stretched_site(native, factor=factor, plan_period_s=plan_period_s(native, speed)),
        wiring=Wiring(
            links=tuple(stretched_link(link, factor) for link in wiring.links),
            devices=tuple(stretched_device(device, factor) for device in wiring.devices),
            brokers=tuple(stretched_broker(broker, factor) for broker in wiring.brokers),
            leases=wiring.leases,
        ),
        speed=speed,
        stretch=factor,
    )
