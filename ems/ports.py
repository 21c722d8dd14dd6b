"""What the inner layers ask of the outside world, as small protocols.

A device implements the capabilities that it has and no others. Nothing here blocks: a reading is the newest
one that arrived, a command is handed over and its outcome is seen in a later cycle.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from ems.model.capability import Capability, Fallback, PowerLimits, SupplyLimits
from ems.model.cluster import ClusterView
from ems.model.counters import CounterMemory
from ems.model.device import DeviceSpec
from ems.model.hand import Hands
from ems.model.lease import LeaseRecord, SeenLease
from ems.model.link_status import AttemptStatus, LinkStatus
from ems.model.readings import GensetPhase, Reading
from ems.model.requests import OperatorRequests
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


class Cluster(Protocol):
    """The cluster as control sees it; what it knows comes from messages that arrived before."""

    def view(self, utc: datetime) -> ClusterView:
        """Return what the cluster can be counted on for at an instant."""


class Commands(Protocol):
    """What people have commanded, as control and planning see it; it was judged and kept before."""

    def requests(self, utc: datetime, now_s: float) -> OperatorRequests:
        """Return what is in force now; `now_s` is the monotonic clock's."""

    def hands(self, before: Hands, now_s: float) -> Hands:
        """Return what is in hands, with the modes that were commanded."""


class AuditTrail(Protocol):
    """The append-only log of what people did; it never holds up who writes to it."""

    def append(self, kind: str, fields: Mapping[str, object], *, on_disk: Callable[[int], None] | None = None) -> int:
        """Hand a row over and return its number; `on_disk` is called by another thread once it is on the disk.

        Raises:
            StateError: The disk takes no more rows.
        """


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
class ResetsAlarms(Commanded, Protocol):
    """Can take back latched alarms. Only a person's command does it: what is latched is there to be looked at."""

    @property
    def has_reset_key(self) -> bool:
        """Return whether this device has one."""

    def reset_alarms(self, *, valid_until_s: float) -> None:
        """Press the reset key once."""


@runtime_checkable
class Curtails(Commanded, Protocol):
    """Limits its power."""

    def set_limit(self, limit_kw: float, *, valid_until_s: float) -> None:
        """Ask for a power limit."""


@runtime_checkable
class Energises(Commanded, Protocol):
    """Can start on a bus without voltage, or join a live one, and forms it: a PCS after a trip."""

    @property
    def has_start(self) -> bool:
        """Return whether this device can be started."""

    def energise(self, *, valid_until_s: float) -> None:
        """Ask for the start."""


@runtime_checkable
class ControlsTie(Commanded, Protocol):
    """Closes the PCC breaker by a sync-check of its own, with a permit that expires; opens it when asked."""

    def set_tie(self, *, permit_close: bool, request_open: bool, valid_until_s: float) -> None:
        """Give or take back the permit, and ask for opening or not."""


@runtime_checkable
class SetsSupply(Commanded, Protocol):
    """Takes a setpoint for the temperature of the coolant that it supplies; it starts and stops by itself."""

    def set_supply(self, supply_degc: float, *, valid_until_s: float) -> None:
        """Ask for a supply temperature."""

    def supply_limits(self) -> SupplyLimits:
        """Return what register map and dew point allow now."""


@runtime_checkable
class GivesBack(Commanded, Protocol):
    """Would keep our last setpoint, and has one of its own to go back to when the controller ends on purpose."""

    def give_back(self, *, valid_until_s: float) -> bool:
        """Ask for its own setpoint; False where it has none, or nothing of ours is in force."""

    @property
    def is_given_back(self) -> bool:
        """Return whether it has shown its own setpoint since."""


@runtime_checkable
class LimitsPower(Commanded, Protocol):
    """Says which powers it takes: setpoints beyond are narrowed to them before they are written."""

    def power_limits(self) -> PowerLimits:
        """Return what nameplate, register map and the device itself allow now."""


@runtime_checkable
class Withholds(Commanded, Protocol):
    """Knows when it must not be commanded: local control, another device than before, a fall-back not armed."""

    def withheld(self) -> str | None:
        """Return why commands are refused now, None while they are taken."""


@runtime_checkable
class Silences(Protocol):
    """Can be told to write nothing to its device at all: no command, no heartbeat, no arming of its fall-back."""

    def silence(self, reason: str | None) -> None:
        """Write nothing from now on, and say why; None: take commands again."""


@runtime_checkable
class WearsOut(Commanded, Protocol):
    """Has commands in non-volatile memory, which bears a number of writes per day."""

    def written_s(self) -> Mapping[str, Sequence[float]]:
        """Return when each such command was written in the last 24 h, by the monotonic clock, oldest first."""


@runtime_checkable
class CountsOn(Protocol):
    """A device with energy counters that start again at zero, and whose driver counts on."""

    def counters(self) -> Mapping[str, CounterMemory]:
        """Return how far each has counted, by name; one that was not read yet is missing."""


@runtime_checkable
class KnowsSuspicion(Protocol):
    """Notices that values may be old although they look right: none of them changes any more."""

    def suspicion(self) -> str | None:
        """Return why, None while there is nothing to suspect; it never lasts beyond the first change."""


@runtime_checkable
class KeepsHeartbeat(Protocol):
    """Shows the device a sign of life for as long as any of its commands counts."""

    @property
    def heartbeat_s(self) -> float | None:
        """Return the period of the heartbeat, None for a device that needs none."""

    def heartbeat_age_s(self) -> float | None:
        """Return the time since the device took the last heartbeat, None before the first."""


@runtime_checkable
class Reverts(Protocol):
    """Falls back by itself when the controller goes silent."""

    def fallback(self) -> Fallback:
        """Return what the device does then, after how long, and whether that is armed."""


@runtime_checkable
class Identified(Protocol):
    """Names itself: manufacturer, model, serial number and firmware, as far as it tells them."""

    def identity(self) -> Mapping[str, str] | None:
        """Return the texts of the device that answers now, None before it has answered."""

    def confirm(self, identity: Mapping[str, str]) -> None:
        """Take these texts as those of the right device: it is commanded while it shows them."""


@runtime_checkable
class ReportsPower(Protocol):
    """A reading with the power into the site bus; None where it is unknown."""

    @property
    def power_kw(self) -> float | None:
        """Return the power, kW."""


@runtime_checkable
class ReportsLoad(Protocol):
    """A reading with the power that a load takes out of the site bus; None where it is unknown."""

    @property
    def load_kw(self) -> float | None:
        """Return the load, never negative."""


@runtime_checkable
class ReportsSoc(Protocol):
    """A reading with the state of charge and with what may be charged and discharged now."""

    @property
    def soc_pct(self) -> float | None:
        """Return the state of charge, % of the present full capacity."""

    @property
    def max_charge_kw(self) -> float | None:
        """Return what may be charged, never negative."""

    @property
    def max_discharge_kw(self) -> float | None:
        """Return what may be discharged, never negative."""


@runtime_checkable
class ReportsRackSpread(Protocol):
    """A reading with the state of charge of its emptiest and of its fullest rack."""

    @property
    def rack_soc_min_pct(self) -> float | None:
        """Return that of the emptiest rack, %."""

    @property
    def rack_soc_max_pct(self) -> float | None:
        """Return that of the fullest rack, %."""


@runtime_checkable
class FormsGrid(Protocol):
    """A reading with the mode of a unit that can make the grid by itself, and whether it is ready to."""

    @property
    def forming(self) -> bool | None:
        """Return whether it forms the grid."""

    @property
    def ready(self) -> bool | None:
        """Return whether it is ready to operate."""


@runtime_checkable
class ReportsPhase(Protocol):
    """A reading with the state of a unit that is started and stopped."""

    @property
    def phase(self) -> GensetPhase | None:
        """Return where the engine is."""


@runtime_checkable
class Cools(Protocol):
    """A reading of what takes heat from coolant: the temperatures at which it gives and gets it."""

    @property
    def supply_degc(self) -> float | None:
        """Return the temperature of the coolant that it supplies."""

    @property
    def return_degc(self) -> float | None:
        """Return the temperature of the coolant that comes back."""


@runtime_checkable
class ShowsSupplySetpoint(Protocol):
    """A reading with the setpoint of the supply temperature that is in force."""

    @property
    def setpoint_degc(self) -> float | None:
        """Return the setpoint."""


@runtime_checkable
class DeclaresCapabilities(Protocol):
    """A device that says what it and its register map can be relied on for."""

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Return the names; each stands for protocols of this module."""


# a device must implement, and its reading must show, what stands behind a name
DEVICE_PROTOCOLS: Final[Mapping[Capability, tuple[type, ...]]] = {
    Capability.SETS_POWER: (SetsPower, LimitsPower),
    Capability.CURTAILS: (Curtails, LimitsPower),
    Capability.STARTS_AND_STOPS: (StartsAndStops,),
    Capability.SETS_SUPPLY: (SetsSupply,),
    Capability.CONTROLS_TIE: (ControlsTie,),
    Capability.HEARTBEAT: (KeepsHeartbeat,),
    Capability.REVERTS: (Reverts,),
}
READING_PROTOCOLS: Final[Mapping[Capability, tuple[type, ...]]] = {
    Capability.REPORTS_POWER: (ReportsPower,),
    Capability.REPORTS_LOAD: (ReportsLoad,),
    Capability.STARTS_AND_STOPS: (ReportsPhase,),
    Capability.REPORTS_SOC: (ReportsSoc,),
    Capability.REPORTS_RACK_SPREAD: (ReportsRackSpread,),
    Capability.FORMS_GRID: (FormsGrid,),
    Capability.COOLS: (Cools,),
    Capability.SETS_SUPPLY: (ShowsSupplySetpoint,),
}


class DeviceLink(Protocol):
    """A connection to one endpoint or broker, shared by all devices behind it."""

    @property
    def link_id(self) -> str:
        """Return the name of the link in the configuration."""

    def status(self) -> LinkStatus:
        """Return how the connection does."""

    def attempts(self) -> AttemptStatus:
        """Return what the connection's task is at; cheap, asked in every control cycle."""

    async def run(self) -> None:
        """Poll and write until cancelled."""


class LeasePlace(Protocol):
    """A place outside of every controller that keeps one lease record."""

    @property
    def place_id(self) -> str:
        """Return the name of the place in the configuration."""

    def seen(self) -> SeenLease | None:
        """Return the newest record that was read, None before the first."""

    def put(self, record: LeaseRecord, *, valid_until_s: float) -> None:
        """Write a record, unless it cannot be sent by then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverEnvironment:
    """What a driver may use beside its own specification.

    `rated_kw` is the nameplate of the asset, the scale of plausibility; `map_directories` are searched for
    maps before the shipped ones. `confirmed_identity` are the texts that the device named itself with when
    it was taken for the right one; None: the first that answers is. `earlier_writes` are those of the last 24 h to
    commands in non-volatile memory, by command: their budgets go on. `earlier_counters` say how far counters that start
    again at zero had come.
    """

    clock: Clock
    links: Mapping[str, DeviceLink]
    map_directories: tuple[Path, ...]
    rated_kw: float
    confirmed_identity: Mapping[str, str] | None = None
    earlier_writes: Mapping[str, Sequence[datetime]] = field(default_factory=dict)
    earlier_counters: Mapping[str, CounterMemory] = field(default_factory=dict)


class DriverFactory(Protocol):
    """An entry point of the group `ems.drivers`."""

    def __call__(self, spec: DeviceSpec, environment: DriverEnvironment) -> Device:
        """Return the device; raise `ConfigError` for a specification that cannot be served."""
