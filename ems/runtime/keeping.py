"""What the daemon keeps over a restart: brought to the disk after events, once a minute, and before it acts."""

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress

import structlog

from ems.control.state import ControlState
from ems.ports import Clock, Device
from ems.runtime.accounts import Accounts
from ems.runtime.boot import boot_id
from ems.runtime.counters import CounterBook
from ems.runtime.forecasts import ForecastMemory
from ems.runtime.memory import control_document, restore_forecasts, restored_control
from ems.runtime.persistence import StateStore

_SAVE_EVERY_S = 60.0


class StateKeeper:
    """Saves and restores; nothing here waits for the disk, except for what is read at the start."""

    def __init__(
        self,
        store: StateStore,
        clock: Clock,
        *,
        accounts: Accounts,
        memory: ForecastMemory,
        counters: CounterBook,
        devices: Collection[Device],
    ) -> None:
        self._store = store
        self._clock = clock
        self._accounts = accounts
        self._memory = memory
        self._counters = counters
        self._devices = devices
        self._saved_s = clock.monotonic_s()
        self._boot = boot_id()
        self._log = structlog.get_logger("daemon")

    @property
    def due(self) -> bool:
        """Return whether the last save is long enough ago."""
        return self._clock.monotonic_s() - self._saved_s > _SAVE_EVERY_S

    def restored(self) -> ControlState:
        """Return control's memory, a fresh one where there is none that can be used."""
        now_s, utc = self._clock.monotonic_s(), self._clock.utc()
        restore_forecasts(self._memory, self._store, now=utc)
        fresh = ControlState(mode_since_s=now_s)
        found = self._store.load("control")
        if found is None:
            return fresh
        document, saved = found
        try:
            ago_s = self._monotonic_ago_s(document, now_s)
            saved_ago_s = (utc - saved).total_seconds() if ago_s is None else ago_s
            return restored_control(document, saved_ago_s=saved_ago_s, now_s=now_s)
        except (ValueError, TypeError, KeyError) as error:
            self._log.warning("state_not_restored", error=str(error))
            return fresh

    def save(self, state: ControlState) -> None:
        """Hand everything over."""
        utc = self._clock.utc()
        self._saved_s = self._clock.monotonic_s()
        self._store.save("control", self._document(state), utc=utc)
        self._store.save("accounts", self._accounts.document(), utc=utc)
        self._counters.save(self._devices, utc=utc)
        if (learnt := self._memory.unsaved_document()) is not None:
            self._store.save("forecasts", learnt, utc=utc)

    def commit(self, state: ControlState, *, on_disk: Callable[[], None]) -> None:
        """Hand control's memory over; `on_disk` is called in the event loop once it is there."""
        loop = asyncio.get_running_loop()

        def tell() -> None:
            # a loop that has ended acts no more
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(on_disk)

        self._store.save("control", self._document(state), utc=self._clock.utc(), on_disk=tell)

    def _document(self, state: ControlState) -> dict[str, object]:
        now_s = self._clock.monotonic_s()
        return {**control_document(state, now_s=now_s), "boot": self._boot, "at_s": now_s}

    def _monotonic_ago_s(self, document: dict[str, object], now_s: float) -> float | None:
        """Return the age by the monotonic clock, None where the machine was started anew and only the date is left."""
        at_s = document.get("at_s")
        if self._boot is None or document.get("boot") != self._boot or not isinstance(at_s, int | float):
            return None
        return now_s - at_s if now_s >= at_s else None
