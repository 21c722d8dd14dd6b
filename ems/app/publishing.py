"""What the daemon shows: MQTT messages once a second, the historian every cycle. An observer; control never waits."""

import asyncio
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import structlog

from ems.accounting.comparison import Comparison
from ems.app.forwarding import forwarder_of
from ems.app.recording import RecordBook, RecordKeeper
from ems.config.files import ConfigFiles
from ems.config.schema.persistence import HistorianTable
from ems.contract.outgoing import Outgoing
from ems.contract.topics import (
    CARBON,
    COMPARISON,
    CONTROL,
    ENERGY,
    EVENT,
    GUARD,
    HEALTH,
    PLAN,
    READINESS,
    RESERVE,
    SHADOW,
    STATE,
    Topics,
    alarm_topic,
    link_topic,
)
from ems.control.readiness import readiness_of
from ems.gateway.broker import BrokerSettings, broker_settings
from ems.gateway.home_assistant import discovery
from ems.gateway.messages.alarms import alarm_messages
from ems.gateway.messages.comparison import comparison_message
from ems.gateway.messages.control import control_message
from ems.gateway.messages.daemon import carbon_message, energy_message, event_message, health_message
from ems.gateway.messages.devices import device_messages
from ems.gateway.messages.links import link_message
from ems.gateway.messages.planning import forecast_messages, plan_message
from ems.gateway.messages.racks import rack_messages
from ems.gateway.messages.setpoints import SetpointBook
from ems.gateway.messages.site import guard_message, readiness_message, reserve_message, state_message
from ems.gateway.mqtt import Listener, MqttPublisher, Receiver
from ems.gateway.points import points, rack_points, readiness_points
from ems.gateway.sparkplug.session import SparkplugPublisher, SparkplugSettings
from ems.history.historian import HistorianSettings, SqliteHistorian
from ems.history.keeping import HistoryBounds, give_up_files
from ems.history.layout import RACKS, hours_of
from ems.model.annunciation import Finding
from ems.model.link_status import LinkStatus
from ems.model.setpoints import joined
from ems.model.site import Site
from ems.model.status import HistorianStatistics
from ems.ports import Clock, Device
from ems.runtime.accounts import Accounts
from ems.runtime.alarm_sources import gateway_findings
from ems.runtime.cycle import CycleRecord
from ems.runtime.daemon import Daemon
from ems.runtime.footprint import QueueSource
from ems.runtime.observer import Event
from ems.runtime.persistence import StateStore
from ems.runtime.planner import PlanningResult

# what has not changed is said again this often, so that its time shows that it still holds
_REFRESH_S = 10.0
_LAST_WORDS_S = 3.0
# every link is shown once in so many publications: hundreds of links a second would say little more
_LINK_ROUNDS = 10
# so are the racks of containers: a large site has a thousand
_RACK_ROUNDS = 10
# the historian keeps what single racks measure once in this time
_RACKS_KEPT_EVERY_S = 60.0
_BYTES_PER_GIB = 1024**3
# files of hours that are deleted at once when the disk has no room
_GIVEN_UP_AT_ONCE = 100


class Publishing:
    """The daemon's gateway; `watch` names what it shows before it runs."""

    def __init__(
        self,
        files: ConfigFiles,
        site: Site,
        clock: Clock,
        devices: Mapping[str, Device],
        state_directory: Path,
        *,
        store: StateStore,
        version: str,
        receivers: Mapping[str, Receiver] | None = None,
        listeners: Mapping[str, Listener] | None = None,
        compared: Callable[[], Comparison | None] | None = None,
    ) -> None:
        """Build from a configuration; `devices` by the asset that they serve.

        `receivers` take what arrives by topic, `listeners` by pattern of topics.

        `compared` gives the books of a controller in shadow mode, which has topics of its own.

        Raises:
            ConfigError: A file that mqtt.toml names cannot be used.
        """
        self._site = site
        self._clock = clock
        self._devices = devices
        self._period_s = files.mqtt.mqtt.publish_s
        topics = Topics(prefix=files.mqtt.mqtt.prefix, site_id=site.id)
        broker = broker_settings(files, refresh_s=_REFRESH_S)
        self._compared = compared
        if compared is not None:
            # beside the controller that commands, which keeps its topics and its name at the broker
            topics = Topics(prefix=topics.prefix, site_id=f"{site.id}/{SHADOW}")
            broker = dataclasses.replace(broker, identifier=f"{broker.identifier}-{SHADOW}")
        self._publisher = MqttPublisher(broker, topics, receivers=receivers, listeners=listeners)
        # other systems know the site by the controller that commands
        self._sparkplug = None if compared is not None else _sparkplug(files, broker)
        if (shown := files.mqtt.home_assistant) is not None and compared is None:
            for each in discovery(topics, prefix=shown.prefix, site_name=site.name, version=version):
                self._publisher.publish_outside(each.topic, each.payload)
        self._records = RecordBook(currency=site.economics.currency)
        self._keeper = RecordKeeper(self._publisher.records, store, clock)
        self._state_directory = state_directory
        table = files.persistence.historian
        self._historian: SqliteHistorian | None = None
        if table.enabled:
            self._historian = SqliteHistorian(_historian_settings(table, site.id, state_directory))
        self._forwarder = None if compared is not None else forwarder_of(files, state_directory)
        self._book = SetpointBook(site, devices)
        self._device_ids = {asset: device.device_id for asset, device in devices.items()}
        self._watched: tuple[Daemon, Accounts] | None = None
        self._record: CycleRecord | None = None
        self._planning: PlanningResult | None = None
        self._planned: tuple[PlanningResult | None, tuple[Outgoing, ...]] | None = None
        self._alarm_topics: set[str] = set()
        self._link_round = 0
        self._rack_round = 0
        self._racks_kept_s = -_RACKS_KEPT_EVERY_S

    def watch(self, daemon: Daemon, accounts: Accounts) -> None:
        """Name the daemon and the accounts that are shown."""
        self._watched = (daemon, accounts)
        daemon.watch_alarms(self._findings)

    def queues(self) -> tuple[QueueSource, ...]:
        """Return the queues towards broker and history."""
        waiting = (self._publisher.events,)
        return waiting if self._historian is None else (*waiting, self._historian.queue)

    def _findings(self) -> Iterable[Finding]:
        history = None if self._historian is None else self._historian.statistics().trouble
        sparkplug = None if self._sparkplug is None else self._sparkplug.trouble
        return gateway_findings(
            mqtt_trouble=self._publisher.statistics().trouble, history_trouble=history, sparkplug_trouble=sparkplug
        )

    def pause_history(self, paused: bool) -> None:  # noqa: FBT001 - the only argument there is
        """Let the history wait while the disk has no room."""
        if self._historian is not None:
            self._historian.pause(paused)

    def give_up_history(self, wanted_bytes: int) -> int:
        """Delete the oldest hours' files for room on the disk, some at a time; return how much; blocks on the disk."""
        return give_up_files(hours_of(self._state_directory), wanted_bytes=wanted_bytes, n_most=_GIVEN_UP_AT_ONCE)

    def on_cycle(self, record: CycleRecord) -> None:
        """Keep the cycle for the next publication and hand its points to the historian."""
        self._record = record
        told = joined(record.decision.setpoints, record.probes)
        self._book.observe(told, at_s=record.snapshot.at_s, missed=record.missed, hands=record.hands)
        if self._historian is not None:
            self._keep(self._historian, record)

    def _keep(self, historian: SqliteHistorian, record: CycleRecord) -> None:
        snapshot = record.snapshot
        kept = points(snapshot, record.decision) | readiness_points(readiness_of(self._site, snapshot, record.decision))
        historian.record(snapshot.utc, kept)
        if snapshot.at_s - self._racks_kept_s >= _RACKS_KEPT_EVERY_S:
            self._racks_kept_s = snapshot.at_s
            if racks := rack_points(snapshot):
                historian.record(snapshot.utc, racks, part=RACKS)

    def on_plan(self, result: PlanningResult) -> None:
        """Keep the newest plan and its forecasts."""
        self._planning = result

    def publish(self, outgoing: Outgoing) -> None:
        """Publish a message of another part of the daemon at once."""
        self._publisher.publish(outgoing.topic, outgoing.message.payload(), retain=outgoing.retain)

    def on_event(self, event: Event) -> None:
        """Publish an event at once."""
        message = event_message(event.utc, kind=event.kind, text=event.text, cause=event.cause, figures=event.figures)
        self._publisher.publish(EVENT, message.payload(), retain=False)

    async def run(self) -> None:
        """Stay connected and publish until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._publisher.run(), name="mqtt")
            group.create_task(self._publish_for_ever(), name="publish")
            if self._sparkplug is not None:
                group.create_task(self._sparkplug.run(), name="sparkplug")

    async def finish(self) -> None:
        """Publish the last state and leave the broker in good order; the end of the daemon never fails here."""
        try:
            await self._publish()
        except Exception as error:  # noqa: BLE001 - a message that cannot be built must not undo a good end
            structlog.get_logger("gateway").exception("last_state_not_published", error=str(error))
        await self._publisher.finish(deadline_s=_LAST_WORDS_S)
        self._keeper.save()

    def close(self) -> None:
        """Write what the historian still holds."""
        if self._historian is not None:
            self._historian.close()
        if self._forwarder is not None:
            self._forwarder.close()

    async def _publish_for_ever(self) -> None:
        while True:
            await self._publish()
            await asyncio.sleep(self._period_s)

    async def _publish(self) -> None:
        """Build and hand over every message; other tasks get their turn between two of them."""
        for outgoing in self._messages():
            self._publisher.publish(outgoing.topic, outgoing.message.payload(), retain=outgoing.retain)
            if self._sparkplug is not None:
                self._sparkplug.see(outgoing)
            await asyncio.sleep(0)
        if self._sparkplug is not None:
            self._sparkplug.flush()

    def _messages(self) -> Iterator[Outgoing]:
        yield from self._daemon_messages()
        if self._record is not None:
            yield from self._site_messages(self._record)

    def _history(self) -> HistorianStatistics | None:
        if self._historian is None:
            return None
        sink = None if self._forwarder is None else self._forwarder.status()
        return dataclasses.replace(self._historian.statistics(), sink=sink)

    def _daemon_messages(self) -> Iterator[Outgoing]:
        if self._watched is None:
            return
        daemon, accounts = self._watched
        utc, currency = self._clock.utc(), self._site.economics.currency
        history = self._history()
        links, energy, carbon = daemon.links(), accounts.energy(), accounts.carbon()
        health = health_message(
            utc,
            daemon.health(),
            daemon.plan_counts(),
            links=links,
            alarms=daemon.alarm_counts(),
            mqtt=self._publisher.statistics(),
            historian=history,
        )
        yield Outgoing(topic=HEALTH, message=health)
        yield from self._link_messages(utc, links)
        yield from self._alarm_messages(utc, daemon)
        for record in self._records.news(utc, energy=energy, carbon=carbon, alarms=daemon.alarms()):
            self._publisher.record(record.topic, record.message.payload())
        self._keeper.look()
        if energy is not None:
            yield Outgoing(topic=ENERGY, message=energy_message(utc, energy, currency=currency))
        if carbon is not None:
            yield Outgoing(topic=CARBON, message=carbon_message(utc, carbon))
        if self._compared is not None and (comparison := self._compared()) is not None:
            yield Outgoing(topic=COMPARISON, message=comparison_message(utc, comparison, currency=currency))
        yield from self._plan_messages(utc)

    def _alarm_messages(self, utc: datetime, daemon: Daemon) -> Iterator[Outgoing]:
        """Yield the list of alarms, and withdraw what is not in it any more."""
        alarms = daemon.alarms()
        topics = {alarm_topic(alarm.id) for alarm in alarms}
        for topic in self._alarm_topics - topics:
            self._publisher.withdraw(topic)
        self._alarm_topics = topics
        # one after the other: in a flood there are hundreds, and other tasks get their turn in between
        yield from alarm_messages(utc, alarms)

    def _link_messages(self, utc: datetime, links: Sequence[LinkStatus]) -> Iterator[Outgoing]:
        """Yield every link once in `_LINK_ROUNDS` publications, some of them in each."""
        for link in links[self._link_round :: _LINK_ROUNDS]:
            yield Outgoing(topic=link_topic(link.link_id), message=link_message(utc, link))
        self._link_round = (self._link_round + 1) % _LINK_ROUNDS

    def _rack_messages(self, utc: datetime) -> Iterator[Outgoing]:
        """Yield every container's racks once in `_RACK_ROUNDS` publications, some of them in each."""
        devices = tuple(self._devices.values())[self._rack_round :: _RACK_ROUNDS]
        yield from rack_messages(self._site.control, devices, now_s=self._clock.monotonic_s(), utc=utc)
        self._rack_round = (self._rack_round + 1) % _RACK_ROUNDS

    def _plan_messages(self, utc: datetime) -> Iterator[Outgoing]:
        """Yield the plan and its forecasts; they are long, and built once for each plan."""
        if self._planned is not None and self._planned[0] is self._planning:
            yield from self._planned[1]
            return
        result, built = self._planning, []
        plan = None if result is None else result.plan
        built.append(Outgoing(topic=PLAN, message=plan_message(utc, plan, currency=self._site.economics.currency)))
        yield built[0]
        if result is not None and result.outlook is not None:
            for outgoing in forecast_messages(utc, result.outlook):
                built.append(outgoing)
                yield outgoing
        self._planned = (result, tuple(built))

    def _site_messages(self, record: CycleRecord) -> Iterator[Outgoing]:
        site, snapshot, decision = self._site, record.snapshot, record.decision
        yield Outgoing(
            topic=STATE,
            message=state_message(
                site, snapshot, decision, record.plan, device_ids=self._device_ids, hands=record.hands
            ),
        )
        if self._watched is not None:
            statistics = self._watched[0].statistics
            counts, alarms = statistics.counts(), {**record.alarms, **statistics.clip_watch.alarms()}
            yield Outgoing(topic=RESERVE, message=reserve_message(snapshot, decision, counts))
            yield Outgoing(topic=CONTROL, message=control_message(site, snapshot, decision, counts))
            yield Outgoing(topic=GUARD, message=guard_message(snapshot, decision, counts, alarms=alarms))
        yield Outgoing(topic=READINESS, message=readiness_message(site, snapshot, decision))
        yield from device_messages(site, self._devices, now_s=self._clock.monotonic_s(), utc=self._clock.utc())
        yield from self._rack_messages(self._clock.utc())
        yield from self._book.messages(utc=snapshot.utc)


def _historian_settings(table: HistorianTable, site_id: str, state_directory: Path) -> HistorianSettings:
    bounds = HistoryBounds(
        retain_days=table.retain_days,
        max_bytes=table.max_gib * _BYTES_PER_GIB,
        parquet_days=table.parquet_days,
        parquet_max_bytes=table.parquet_gib * _BYTES_PER_GIB,
    )
    return HistorianSettings(
        state_directory=state_directory, site_id=site_id, queue_rows=table.queue_rows, bounds=bounds
    )


def _sparkplug(files: ConfigFiles, broker: BrokerSettings) -> SparkplugPublisher | None:
    table = files.mqtt.sparkplug
    if table is None:
        return None
    settings = SparkplugSettings(
        group=table.group, node=table.node or files.site.site.id, primary_host=table.primary_host
    )
    return SparkplugPublisher(broker, settings)
