"""What the inner layers ask of the outside world, as small protocols.

A device implements the capabilities that it has and no others. Nothing here blocks: a reading is the newest
one that arrived, a command is handed over and its outcome is seen in a later cycle.
"""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol, runtime_checkable

from ems.model.device import DeviceSpec
from ems.model.readings import Reading
from ems.model.setpoints import WriteOutcome


class Clock(Protocol):
    """The only source of time. Durations are seconds of the clock, which an accelerated run lets pass faster."""

    def monotonic_s(self) -> float:
        """Return seconds from an arbitrary origin; never steps."""

    def utc(self) -> datetime:
        """Return the wall clock, aware; for tariffs, schedules and records only."""

    async def sleep(self, duration_s: float) -> None:
        """Wait."""

    def timeout(self, duration_s: float) -> AbstractAsyncContextManager[object]:
        """Return a context that raises `TimeoutError` when its body takes longer."""


@runtime_checkable
class Device(Protocol):
    """Anything that is read. `asset_id` is the asset that its reading belongs to."""

    @property
    def device_id(self) -> str:
        """Return the name of the device in the configuration."""

    @property
    def asset_id(self) -> str:
        """Return the asset that the device serves."""

    def reading(self) -> Reading | None:
        """Return the newest complete reading, None before the first; its age is judged by the caller."""

    def trouble(self) -> str | None:
        """Return why no newer reading has arrived, None while reading works."""


@runtime_checkable
class Commanded(Protocol):
    """A device that takes commands; every command and renewal counts until `valid_until_s` of the clock.

    A command that could not be sent by then is dropped, and without renewal the driver stops its heartbeat, so
    that the device falls back by itself.
    """

    def outcome(self) -> WriteOutcome | None:
        """Return what became of the newest command that has ended."""


@runtime_checkable
class SetsPower(Commanded, Protocol):
    """Follows a power setpoint (storage, a running genset)."""

    def set_power(self, power_kw: float, *, valid_until_s: float) -> None:
        """Ask for a power into the site bus."""


@runtime_checkable
class StartsAndStops(Commanded, Protocol):
    """Can be started and stopped; its controller does the sequence."""

    def set_run(self, *, run: bool, valid_until_s: float) -> None:
        """Ask for running or standing still."""


@runtime_checkable
class Curtails(Commanded, Protocol):
    """Limits its power."""

    def set_limit(self, limit_kw: float, *, valid_until_s: float) -> None:
        """Ask for a power limit."""


class RegisterLink(Protocol):
    """A connection to one endpoint with 16-bit registers, shared by all units behind it."""

    @property
    def link_id(self) -> str:
        """Return the name of the link in the configuration."""

    async def run(self) -> None:
        """Poll and write until cancelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverEnvironment:
    """What a driver may use beside its own specification.

    `rated_kw` is the nameplate of the asset, the scale of plausibility; `map_directories` are searched for
    register maps before the shipped ones.
    """

    clock: Clock
    links: Mapping[str, RegisterLink]
    map_directories: tuple[Path, ...]
    rated_kw: float


class DriverFactory(Protocol):
    """An entry point of the group `ems.drivers`."""

    def __call__(self, spec: DeviceSpec, environment: DriverEnvironment) -> Device:
        """Return the device; raise `ConfigError` for a specification that cannot be served."""
