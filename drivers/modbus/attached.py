"""What every device on a link does: ask who is there, poll two rounds, assemble readings, say what is wrong.

Which registers these are is no matter of this module: `device` takes them from a register map, `sunspec` finds them
on the device.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from drivers.device.alarms import AlarmList
from drivers.device.assembly import Family, Interpretation, R
from drivers.device.jobs import NEVER_S, Urgency
from drivers.device.reading import SLOW_LIMIT_PERIODS, ReadDevice, spec_error
from drivers.device.sample import Sample
from drivers.modbus.handshake import Handshake, Met, Script, Unknown
from drivers.modbus.link import ModbusLink
from drivers.modbus.requests import Job
from drivers.modbus.rounds import Part, Round
from ems.model.device import DeviceSpec
from ems.ports import DriverEnvironment

# counted in poll periods, so that it follows periods that an accelerated run stretches
_HANDSHAKE_RETRY_PERIODS: Final = 5.0


class AttachedDevice(ReadDevice[R]):
    """A device that is read; it attaches itself to its link.

    `script` begins the handshake of a connection. What is polled is said by `_poll`, at the latest when the device
    has been met; the other arguments are those of `ReadDevice`.

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
        super().__init__(spec, environment, family, fills=fills, interpret=interpret, alarms=alarms, racks=racks)
        self._link = _link_for(spec, environment)
        self._handshake = Handshake(script, retry_s=_HANDSHAKE_RETRY_PERIODS * spec.fast_s, finished=self._met)
        self._fast = Round(period_s=spec.fast_s, finished=self._fast_read, failed=self._fast_failed)
        self._slow = Round(
            period_s=spec.slow_s, urgency=Urgency.SLOW, finished=self._slow_read, failed=self._slow_failed
        )
        self._jobs: tuple[Job, ...] = (self._handshake, self._fast, self._slow)
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
    def _period_s(self) -> float:
        return self._spec.fast_s if self._has_fast else self._spec.slow_s

    @property
    def _has_fast(self) -> bool:
        return bool(self._fast.parts)

    @property
    def unit(self) -> int:
        """Return the unit number behind the link."""
        return self._spec.unit

    @property
    def jobs(self) -> Sequence[Job]:
        """Return the jobs that the link serves."""
        return self._jobs

    def connected(self, now_s: float) -> None:
        """Start afresh on a new connection: first who is there, then its values."""
        self._start_over()
        self._handshake.start(now_s)

    def lost(self, reason: str, now_s: float) -> None:
        """Give up everything under way: there is no connection."""
        super().lost(reason, now_s)
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
        self._forget_samples()
        # rounds that may read alike in every register
        self._excused: set[Round] = set()

    def _start_polling(self, now_s: float) -> None:
        self._base_sample = self._slow_sample = None
        self._watch_samples()
        self._awaits_slow = bool(self._fast.parts and self._slow.parts)
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
            self._take(self._base_sample)

    def _fast_failed(self, reason: str) -> None:
        self._failure = reason

    def _slow_read(self, sample: Sample) -> None:
        if self._is_blank(sample, self._slow):
            return
        self._slow_sample = self._steps.passed(sample)
        if not self._has_fast:
            self._take(self._slow_sample)
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
                self._take(self._base_sample)

    def _take(self, base: Sample) -> None:
        slow = self._slow_sample if self._has_fast else None
        seldom = [(sample, SLOW_LIMIT_PERIODS * period_s) for period_s, sample in self._seldom_samples.items()]
        if self._publish(base, slow, seldom=seldom) and self._greet_again:
            self._greet_again = False
            self._handshake.start(self._clock.monotonic_s())

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


def _not_read_yet(parts: Sequence[Part]) -> Sample:
    names = [name for part in parts for name in part.decoder.all_bad("").values]
    return Sample(values=dict.fromkeys(names), bad=dict.fromkeys(names, "not read yet"), at_s=NEVER_S)


def _link_for(spec: DeviceSpec, environment: DriverEnvironment) -> ModbusLink:
    link = environment.links.get(spec.link)
    if isinstance(link, ModbusLink):
        return link
    known = sorted(name for name, other in environment.links.items() if isinstance(other, ModbusLink))
    raise spec_error(spec, "link", f"there is no Modbus link '{spec.link}'", allowed=", ".join(known))
