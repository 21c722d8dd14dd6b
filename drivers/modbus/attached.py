"""What every device on a link does: ask who is there, poll two rounds, assemble readings, say what is wrong.

Which registers these are is no matter of this module: `device` takes them from a register map, `sunspec` finds them
on the device.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, Generic

from drivers.device.alarms import AlarmList
from drivers.device.assembly import Assembler, Family, Interpretation, R
from drivers.device.fields import numeric_fields
from drivers.device.fingerprint import Fingerprint
from drivers.device.life import STILL_S, LifeWatch, StillWatch
from drivers.device.plausibility import emptiness
from drivers.device.sample import Sample
from drivers.device.steps import StepGate
from drivers.device.values import Value
from drivers.modbus.handshake import Handshake, Met, Script, Unknown
from drivers.modbus.link import ModbusLink
from drivers.modbus.requests import NEVER_S, Job, Urgency
from drivers.modbus.rounds import Part, Round
from ems.errors import ConfigError, ConfigProblem
from ems.model.device import DeviceSpec
from ems.ports import DriverEnvironment

# counted in poll periods, so that they follow periods that an accelerated run stretches
_SLOW_LIMIT_PERIODS: Final = 3.0
_OVERDUE_PERIODS: Final = 2.0
_STUCK_PERIODS: Final = 6.0
_FROZEN_PERIODS: Final = 3.0
_STILL_PERIODS: Final = 20.0
_HANDSHAKE_RETRY_PERIODS: Final = 5.0
# the file that names drivers, maps and links, for errors about them
_DEVICES_FILE: Final = "devices.toml"


class AttachedDevice(Generic[R]):
    """A device that is read; it attaches itself to its link.

    `script` begins the handshake of a connection. What is polled is said by `_poll`, at the latest when the device
    has been met; `fills`, `interpret`, `alarms`, `racks` as for `Assembler`; `_life_counter` names the device's own
    counter and how long it may stand still.

    Raises:
        ConfigError: The link does not exist.
    """

    def __init__(
        self,
        spec: DeviceSpec,
        environment: DriverEnvironment,
        family: Family[R],
        *,
        script: Callable[[], Script],
        fills: Mapping[str, str] | None = None,
        interpret: Interpretation | None = None,
        alarms: tuple[AlarmList, ...] = (),
        racks: Sequence[Mapping[str, str]] = (),
    ) -> None:
        self._spec = spec
        self._clock = environment.clock
        self._link = _link_for(spec, environment)
        self._assembler = Assembler(
            family,
            device_id=spec.id,
            rated_kw=environment.rated_kw if spec.rated_kw is None else spec.rated_kw,
            slow_limit_s=_SLOW_LIMIT_PERIODS * spec.slow_s,
            fills=fills,
            interpret=interpret,
            alarms=alarms,
            racks=racks,
        )
        self._handshake = Handshake(script, retry_s=_HANDSHAKE_RETRY_PERIODS * spec.fast_s, finished=self._met)
        self._fast = Round(period_s=spec.fast_s, finished=self._fast_read, failed=self._fast_failed)
        self._slow = Round(
            period_s=spec.slow_s, urgency=Urgency.SLOW, finished=self._slow_read, failed=self._slow_failed
        )
        self._jobs: tuple[Job, ...] = (self._handshake, self._fast, self._slow)
        self._fingerprint = Fingerprint(environment.confirmed_identity)
        # what the handshake of this connection has found
        self._watchdog_fault: str | None = None
        self._watchdog_armed: bool | None = None
        # the handshake is repeated on this connection, once no request is under way
        self._greet_again = False
        # why the newest attempt to read it failed
        self._failure: str | None = "not read yet"
        # why the newest answers say nothing although they came
        self._blind: str | None = None
        self._suspicion: str | None = None
        self._numeric = numeric_fields(family.device_class)
        self._reading: R | None = None
        self._life_counter: tuple[str, float] | None = None
        # the fastest change of a point, in its unit per second
        self._step_limits: Mapping[str, float] = {}
        self._seldom: Mapping[float, Round] = {}
        self._start_over()
        self._link.attach(self)

    def _poll(
        self, *, fast: Sequence[Part], slow: Sequence[Part], seldom: Mapping[float, Sequence[Part]] | None = None
    ) -> None:
        """Set what is read in each of the two periods, and what in longer ones (s)."""
        self._fast.parts = fast
        self._slow.parts = slow
        # an accelerated run stretches the slow period, and no block is read more often
        rounds: dict[float, tuple[Part, ...]] = {}
        for every_s, parts in (seldom or {}).items():
            period_s = max(every_s, self._spec.slow_s)
            rounds[period_s] = (*rounds.get(period_s, ()), *parts)
        self._seldom = {
            period_s: Round(
                parts,
                period_s=period_s,
                urgency=Urgency.SLOW,
                finished=partial(self._seldom_read, period_s),
                failed=self._seldom_failed,
            )
            for period_s, parts in rounds.items()
        }
        self._jobs = (*self._jobs, *self._seldom.values())

    @property
    def _has_fast(self) -> bool:
        return bool(self._fast.parts)

    @property
    def device_id(self) -> str:
        """Return the name of the device in the configuration."""
        return self._spec.id

    @property
    def asset_id(self) -> str:
        """Return the asset that the device serves."""
        return self._spec.asset

    @property
    def unit(self) -> int:
        """Return the unit number behind the link."""
        return self._spec.unit

    @property
    def jobs(self) -> Sequence[Job]:
        """Return the jobs that the link serves."""
        return self._jobs

    def reading(self) -> R | None:
        """Return the newest complete reading, None before the first; its age is judged by the caller."""
        return self._reading

    def trouble(self) -> str | None:
        """Return why no newer reading has arrived, or why the device is only read; None while all works."""
        if self._is_late(_OVERDUE_PERIODS) and self._failure is not None:
            return self._failure
        if self._blind is not None:
            return self._blind
        # values that were not read lately are late and no more: nothing is known of their counter
        if self._life is not None and not self._is_late(_OVERDUE_PERIODS):
            frozen = self._life[1].frozen(self._clock.monotonic_s())
            if frozen is not None:
                return frozen
        # without any failure a late answer is only late: whether it is too old its reader judges
        if self._is_late(_STUCK_PERIODS):
            return "its polls take longer than their period"
        return self._distrust()

    def identity(self) -> Mapping[str, str] | None:
        """Return the texts of the device that answers now, None before it has answered."""
        return self._fingerprint.seen

    def confirm(self, identity: Mapping[str, str]) -> None:
        """Take these texts as those of the right device: it is commanded while it shows them."""
        self._fingerprint.known = dict(identity)
        self._greet_again = True

    def _distrust(self) -> str | None:
        """Return why the device is read but not commanded."""
        return self._fingerprint.difference() or self._watchdog_fault

    def _is_known(self, identity: Mapping[str, str]) -> bool:
        """Return whether a device with these texts may be written to."""
        return not self._fingerprint.changes(identity)

    def suspicion(self) -> str | None:
        """Return why the values may be old although they look right; it ends with the first value that changes."""
        return self._suspicion

    def _is_late(self, periods: float) -> bool:
        if self._reading is None:
            return True
        period_s = self._spec.fast_s if self._has_fast else self._spec.slow_s
        return self._clock.monotonic_s() - self._reading.at_s > periods * period_s

    def connected(self, now_s: float) -> None:
        """Start afresh on a new connection: first who is there, then its values."""
        self._start_over()
        self._handshake.start(now_s)

    def lost(self, reason: str, now_s: float) -> None:  # noqa: ARG002 - commanded devices need the time
        """Give up everything under way: there is no connection."""
        self._failure = reason
        self._blind = None
        self._suspicion = None
        self._handshake.stop()
        self._stop_polling()

    def _stop_polling(self) -> None:
        for polls in (self._fast, self._slow, *self._seldom.values()):
            polls.stop()

    def _start_over(self) -> None:
        self._base_sample: Sample | None = None
        self._slow_sample: Sample | None = None
        self._seldom_samples = {period_s: _not_read_yet(polls.parts) for period_s, polls in self._seldom.items()}
        self._awaits_slow = False
        self._life: tuple[str, LifeWatch] | None = None
        self._still = StillWatch(still_s=max(STILL_S, _STILL_PERIODS * self._spec.fast_s))
        self._steps = StepGate({})
        # rounds that may read alike in every register
        self._excused: set[Round] = set()

    def _start_polling(self, now_s: float) -> None:
        self._base_sample = self._slow_sample = None
        self._steps = StepGate(self._step_limits)
        self._awaits_slow = bool(self._fast.parts and self._slow.parts)
        if self._life_counter is not None:
            name, stale_after_s = self._life_counter
            # a slow poll needs more patience than the device's document says
            limit_s = max(stale_after_s, _FROZEN_PERIODS * self._spec.fast_s)
            self._life = name, LifeWatch(stale_after_s=limit_s)
        for polls in (self._fast, self._slow, *self._seldom.values()):
            polls.start(now_s)

    def _met(self, result: Met | Unknown, now_s: float) -> None:
        match result:
            case Unknown(reason=reason):
                self._failure = reason
            case Met(identity=identity, watchdog_fault=fault, watchdog_armed=armed):
                self._fingerprint.see(identity)
                self._watchdog_fault = fault
                self._watchdog_armed = armed
                self._start_polling(now_s)

    def _fast_read(self, sample: Sample) -> None:
        if self._is_blank(sample, self._fast):
            return
        self._base_sample = self._steps.passed(sample)
        if not self._awaits_slow:
            self._publish(self._base_sample)

    def _fast_failed(self, reason: str) -> None:
        self._failure = reason

    def _slow_read(self, sample: Sample) -> None:
        if self._is_blank(sample, self._slow):
            return
        self._slow_sample = self._steps.passed(sample)
        if not self._has_fast:
            self._publish(self._slow_sample)
        self._end_wait_for_slow()

    def _slow_failed(self, reason: str) -> None:
        if not self._has_fast:
            self._failure = reason
        self._end_wait_for_slow()

    def _seldom_read(self, period_s: float, sample: Sample) -> None:
        if not self._is_blank(sample, self._seldom[period_s]):
            self._seldom_samples[period_s] = self._steps.passed(sample)

    def _seldom_failed(self, reason: str) -> None:
        """Let the values grow old: nothing that control needs is read so seldom."""

    def _end_wait_for_slow(self) -> None:
        """Publish the first reading of a connection once every block has had its turn."""
        if self._awaits_slow:
            self._awaits_slow = False
            if self._base_sample is not None:
                self._publish(self._base_sample)

    def _publish(self, base: Sample) -> None:
        if base.refusal is not None:
            self._failure = base.refusal
            return
        if (blind := self._blindness(base)) is not None:
            self._failure = self._blind = blind
            return
        self._suspicion = None if self._life is not None else self._still.take(self._measured(base), base.at_s)
        self._blind = None
        self._failure = None
        self._reading = self._assembler.assemble(
            base,
            self._slow_sample if self._has_fast else None,
            seldom=[(sample, _SLOW_LIMIT_PERIODS * period_s) for period_s, sample in self._seldom_samples.items()],
            beside=self._beside(),
        )
        self._published(base.values, base.at_s)
        if self._greet_again:
            self._greet_again = False
            self._handshake.start(self._clock.monotonic_s())

    def _measured(self, base: Sample) -> Mapping[str, Value | None]:
        """Return the values of a round that move while power flows, the power by the name of its field."""
        return base.values

    def _beside(self) -> Mapping[str, Value | None]:
        """Return values that the driver knows beside the registers, by field: a hook for commanded devices."""
        return {}

    def _blindness(self, base: Sample) -> str | None:
        """Return why a round says nothing although it was answered."""
        if (empty := emptiness(base.values, self._numeric)) is not None:
            return empty
        if self._life is None:
            return None
        name, watch = self._life
        watch.take(base.values.get(name), base.at_s)
        frozen = watch.frozen(base.at_s)
        if frozen is not None and self._reading is not None:
            # what was read since is as old as what was read then
            self._reading = replace(self._reading, at_s=min(self._reading.at_s, watch.moved_s))
        return frozen

    def _is_blank(self, sample: Sample, source: Round) -> bool:
        """Return whether a round reads alike in every register; then ask who is there before it is believed.

        A device that starts shows zeros everywhere, its name included. One that still names itself means what it
        shows, so the next such round counts.
        """
        if sample.monotone is None:
            self._excused.discard(source)
            return False
        if source in self._excused:
            return False
        self._failure = self._blind = f"every register reads {sample.monotone:#06x}"
        if self._fingerprint.seen:
            self._excused.add(source)
            self._stop_polling()
            self._handshake.start(sample.at_s)
        return True

    def _published(self, values: Mapping[str, Value | None], at_s: float) -> None:
        """Take note of a new reading: a hook for devices that are commanded."""


def _not_read_yet(parts: Sequence[Part]) -> Sample:
    names = [name for part in parts for name in part.decoder.all_bad("").values]
    return Sample(values=dict.fromkeys(names), bad=dict.fromkeys(names, "not read yet"), at_s=NEVER_S)


def _link_for(spec: DeviceSpec, environment: DriverEnvironment) -> ModbusLink:
    link = environment.links.get(spec.link)
    if isinstance(link, ModbusLink):
        return link
    known = sorted(name for name, other in environment.links.items() if isinstance(other, ModbusLink))
    raise spec_error(spec, "link", f"there is no Modbus link '{spec.link}'", allowed=", ".join(known))


def spec_error(spec: DeviceSpec, key: str, message: str, *, allowed: str) -> ConfigError:
    """Return the error that a key of a device in devices.toml cannot be served."""
    problem = ConfigProblem(file=_DEVICES_FILE, key=f"device '{spec.id}'.{key}", message=message, allowed=allowed)
    return ConfigError(problem)
