"""What every device does once its values have come: make readings of them, and say what is wrong.

How values come, in answers to requests or in messages, is no matter of this module.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, Generic

from drivers.device.alarms import AlarmList
from drivers.device.assembly import Assembler, Family, Interpretation, R
from drivers.device.fields import numeric_fields
from drivers.device.fingerprint import Fingerprint
from drivers.device.life import STILL_S, LifeWatch, StillWatch
from drivers.device.mapfiles import DEVICES_FILE
from drivers.device.plausibility import emptiness
from drivers.device.sample import Sample
from drivers.device.steps import StepGate
from drivers.device.values import Value
from ems.errors import ConfigError, ConfigProblem
from ems.model.device import DeviceSpec
from ems.ports import DriverEnvironment

# counted in poll periods, so that they follow periods that an accelerated run stretches
SLOW_LIMIT_PERIODS: Final = 3.0
_OVERDUE_PERIODS: Final = 2.0
_STUCK_PERIODS: Final = 6.0
_FROZEN_PERIODS: Final = 3.0
_STILL_PERIODS: Final = 20.0


class ReadDevice(Generic[R]):
    """A device that is read; subclasses bring its samples.

    `fills`, `interpret`, `alarms`, `racks` as for `Assembler`; `_life_counter` names the device's own counter and how
    long it may stand still, s.
    """

    def __init__(
        self,
        spec: DeviceSpec,
        environment: DriverEnvironment,
        family: Family[R],
        *,
        fills: Mapping[str, str] | None = None,
        interpret: Interpretation | None = None,
        alarms: tuple[AlarmList, ...] = (),
        racks: Sequence[Mapping[str, str]] = (),
    ) -> None:
        self._spec = spec
        self._clock = environment.clock
        self._rated_kw = environment.rated_kw if spec.rated_kw is None else spec.rated_kw
        self._assembler = Assembler(
            family,
            device_id=spec.id,
            rated_kw=self._rated_kw,
            slow_limit_s=SLOW_LIMIT_PERIODS * spec.slow_s,
            fills=fills,
            interpret=interpret,
            alarms=alarms,
            racks=racks,
        )
        self._fingerprint = Fingerprint(environment.confirmed_identity)
        self._earlier_writes = environment.earlier_writes
        # what is known since the device was met on this connection
        self._watchdog_fault: str | None = None
        self._watchdog_armed: bool | None = None
        # the device is met anew on this connection, once nothing is under way
        self._greet_again = False
        # why the newest attempt to read it failed
        self._failure: str | None = "not read yet"
        # why the newest values say nothing although they came
        self._blind: str | None = None
        self._suspicion: str | None = None
        self._numeric = numeric_fields(family.device_class)
        self._reading: R | None = None
        self._life_counter: tuple[str, float] | None = None
        # the fastest change of a point, in its unit per second
        self._step_limits: Mapping[str, float] = {}
        self._forget_samples()

    @property
    def device_id(self) -> str:
        """Return the name of the device in the configuration."""
        return self._spec.id

    @property
    def asset_id(self) -> str:
        """Return the asset that the device serves."""
        return self._spec.asset

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
            return self._late_reason()
        return self._distrust()

    def identity(self) -> Mapping[str, str] | None:
        """Return the texts of the device that answers now, None before it has answered."""
        return self._fingerprint.seen

    def confirm(self, identity: Mapping[str, str]) -> None:
        """Take these texts as those of the right device: it is commanded while it shows them."""
        self._fingerprint.known = dict(identity)
        self._greet_again = True

    def _late_reason(self) -> str:
        """Return what to say of values that are late although nothing has failed."""
        return "its polls take longer than their period"

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
        return self._clock.monotonic_s() - self._reading.at_s > periods * self._period_s

    @property
    def _period_s(self) -> float:
        """Return how often a new reading is expected, s."""
        return self._spec.fast_s

    def lost(self, reason: str, now_s: float) -> None:  # noqa: ARG002 - commanded devices need the time
        """Give up everything under way: there is no connection."""
        self._failure = reason
        self._blind = None
        self._suspicion = None

    def _forget_samples(self) -> None:
        """Judge what comes next by itself and not by what came before."""
        self._life: tuple[str, LifeWatch] | None = None
        self._still = StillWatch(still_s=max(STILL_S, _STILL_PERIODS * self._spec.fast_s))
        self._steps = StepGate({})

    def _watch_samples(self) -> None:
        """Watch what comes from now on: the life counter, and values that jump."""
        self._steps = StepGate(self._step_limits)
        if self._life_counter is not None:
            name, stale_after_s = self._life_counter
            # values that come seldom need more patience than the device's document says
            limit_s = max(stale_after_s, _FROZEN_PERIODS * self._spec.fast_s)
            self._life = name, LifeWatch(stale_after_s=limit_s)

    def _publish(
        self, base: Sample, slow: Sample | None = None, *, seldom: Iterable[tuple[Sample, float]] = ()
    ) -> bool:
        """Make a reading of a sample, with others as for `Assembler`; return whether it became one."""
        if base.refusal is not None:
            self._failure = base.refusal
            return False
        if (blind := self._blindness(base)) is not None:
            self._failure = self._blind = blind
            return False
        self._suspicion = None if self._life is not None else self._still.take(self._measured(base), base.at_s)
        self._blind = None
        self._failure = None
        self._reading = self._assembler.assemble(base, slow, seldom=seldom, beside=self._beside())
        self._published(base.values, base.at_s)
        return True

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

    def _published(self, values: Mapping[str, Value | None], at_s: float) -> None:
        """Take note of a new reading: a hook for devices that are commanded."""


def spec_error(spec: DeviceSpec, key: str, message: str, *, allowed: str) -> ConfigError:
    """Return the error that a key of a device in devices.toml cannot be served."""
    problem = ConfigProblem(file=DEVICES_FILE, key=f"device '{spec.id}'.{key}", message=message, allowed=allowed)
    return ConfigError(problem)
