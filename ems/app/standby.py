"""A daemon that does not command, or not yet: waits for the state directory's lock and for the site's lease.

Until it holds both it builds no devices, so that it can neither write to one nor take one of its few connections. It
reads the registers of the lease, and says on MQTT and in the log that it is there and why it is passive.
"""

import asyncio
import os
import re
import secrets
import signal
import socket
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

import structlog

from drivers.modbus.lease import RegisterLease
from drivers.modbus.link import ModbusLink
from ems.config.build import Wiring
from ems.config.files import ConfigFiles
from ems.contract.topics import Topics, standby_topic
from ems.gateway.broker import broker_settings
from ems.gateway.messages.standby import StandbyStatus, standby_message
from ems.gateway.mqtt import MqttPublisher
from ems.model.lease import LeaseSettings
from ems.ports import Clock, DeviceLink
from ems.runtime.lease import Hold, Lease, Verdict
from ems.runtime.lock import StateLock
from ems.runtime.notify import SystemdNotifier
from ems.runtime.persistence import StateStore
from ems.runtime.supervisor import Supervisor

_LOOK_S = 1.0
_LAST_WORDS_S = 3.0
_REFRESH_S = 10.0
_NUMBERS = 0xFFFF_FFFF
# nobody is told of a wait that ends by itself: a lease that is taken up again
_QUIET_LOOKS = 3


class Standby:
    """Waits until this daemon may command; `lease` is None for a site without one."""

    def __init__(
        self, files: ConfigFiles, wiring: Wiring, clock: Clock, notifier: SystemdNotifier, *, version: str
    ) -> None:
        self._files = files
        self._wiring = wiring
        self._clock = clock
        self._notifier = notifier
        self._version = version
        self._since = clock.utc()
        self._stop = asyncio.Event()
        self._log = structlog.get_logger("daemon")

    async def until_owner(self, lock: StateLock, lease: Lease | None) -> bool:
        """Return True once this daemon may command, False where it was told to stop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        try:
            if lease is None and lock.take() is None:
                return True
            return await self._wait(lock, lease)
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    async def _wait(self, lock: StateLock, lease: Lease | None) -> bool:
        links, supervisor = self._connect(lease), Supervisor()
        publisher = self._publisher()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(supervisor.keep(link.link_id, link.run), name=link.link_id) for link in links]
            tasks.append(group.create_task(publisher.run(), name="mqtt"))
            is_owner = await self._look_on(lock, lease, publisher)
            await publisher.finish(deadline_s=_LAST_WORDS_S)
            for task in tasks:
                task.cancel()
        return is_owner

    async def _look_on(self, lock: StateLock, lease: Lease | None, publisher: MqttPublisher) -> bool:
        told, n_looks = "", 0
        while not self._stop.is_set():
            verdict = self._verdict(lock, lease)
            if verdict.may_write:
                if told:
                    self._log.info("standby_over", epoch=verdict.epoch)
                return True
            n_looks += 1
            self._tell(verdict, publisher)
            if n_looks > _QUIET_LOOKS or verdict.hold is Hold.STANDBY:
                # a passive controller is a healthy service
                self._notifier.ready()
                if verdict.reason != told:
                    self._log.warning("standby", reason=verdict.reason, epoch=verdict.epoch)
                    told = verdict.reason
            self._notifier.alive(f"standby: {verdict.reason}")
            await self._pause()
        self._notifier.stopping()
        return False

    def _verdict(self, lock: StateLock, lease: Lease | None) -> Verdict:
        if (other := lock.take()) is not None:
            return Verdict(hold=Hold.STANDBY, reason=other, epoch=0, holder=None)
        if lease is None:
            return Verdict(hold=Hold.OWNER, reason="", epoch=0, holder=None)
        return lease.step(self._clock.monotonic_s())

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            async with self._clock.timeout(_LOOK_S):
                await self._stop.wait()

    def _connect(self, lease: Lease | None) -> Sequence[DeviceLink]:
        if lease is None:
            return ()
        links = {link.id: ModbusLink(link, clock=self._clock) for link in self._wiring.links}
        lease.at(lease_places(self._wiring, links.values()))
        wanted = dict.fromkeys(spec.link for spec in self._wiring.leases)
        return tuple(links[name] for name in wanted)

    def _publisher(self) -> MqttPublisher:
        table, site_id = self._files.mqtt.mqtt, self._files.site.site.id
        settings = broker_settings(self._files, refresh_s=_REFRESH_S)
        # the daemon that commands has the name without host and process
        settings = replace(settings, identifier=f"{settings.identifier}-standby-{_host()}-{os.getpid()}")
        return MqttPublisher(settings, Topics(prefix=table.prefix, site_id=site_id), presence=False)

    def _tell(self, verdict: Verdict, publisher: MqttPublisher) -> None:
        utc: datetime = self._clock.utc()
        status = StandbyStatus(
            host=_host(),
            pid=os.getpid(),
            version=self._version,
            since_utc=self._since,
            reason=verdict.reason,
            holder=verdict.holder,
            epoch=verdict.epoch,
        )
        publisher.publish(standby_topic(_host()), standby_message(utc, status).payload(), retain=False)


def lease_of(files: ConfigFiles, wiring: Wiring, store: StateStore, clock: Clock) -> Lease | None:
    """Return this controller's side of the lease, None for a site without one; its number is kept with the state."""
    if not wiring.leases:
        return None
    found = store.load("controller")
    number = found[0].get("number") if found is not None else None
    if not isinstance(number, int):
        number = 1 + secrets.randbelow(_NUMBERS)
        store.save("controller", {"number": number}, utc=clock.utc())
    table = files.control.ownership
    return Lease(number, LeaseSettings(term_s=table.term_s, settle_s=table.settle_s))


def lease_places(wiring: Wiring, links: Iterable[DeviceLink]) -> tuple[RegisterLease, ...]:
    """Return the places of the lease, attached to links that are not connected yet."""
    by_id = {link.link_id: link for link in links if isinstance(link, ModbusLink)}
    return tuple(RegisterLease(spec, by_id[spec.link]) for spec in wiring.leases)


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "-", socket.gethostname()) or "host"
