"""The recipes of SunSpec commands: a power limit by model 123 or 704, a power by model 704.

Every write carries the reversion value and its time, which starts anew at each: when we go silent, the device
falls back by itself. Values are encoded with the scale factor of the newest poll and rounded to the safe side.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from drivers.device.values import Bad
from drivers.modbus.registers import Encoded
from drivers.modbus.requests import Write
from drivers.modbus.sunspec.chain import FoundModel
from drivers.modbus.sunspec.fields import W_PER_KW
from drivers.modbus.sunspec.pv import reference_kw
from drivers.modbus.sunspec.spancode import scaled
from drivers.modbus.sunspec.values import PointValues
from drivers.modbus.sunspec.writing import Setting, counts, fault_of, setting, write_requests

_PCT: Final = 100.0
_ENABLED, _DISABLED = 1, 0
_WATTS, _PERCENT = 1, 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The model that is written, how long it waits for us (s), and what it was found to show."""

    model: FoundModel
    revert_s: int
    points: PointValues


TargetFinder = Callable[[], Target | None]
_NOT_MET: Final = Bad("the device has not been met yet")


class ModelRecipe(ABC):
    """What recipes for SunSpec models share: they know the device only once it has been met.

    The registers of what they encode are the count alone: the words around it are made when they are sent.
    """

    name = ""
    readback = ""

    def __init__(self, find: TargetFinder) -> None:
        """Take the function that returns the model to write and the newest values of the device."""
        self._find = find
        # a device may refuse several points in one request
        self._stepwise = False
        self._power: int | None = None

    @property
    def factor(self) -> str | None:
        """Return the point with the scale factor."""
        target = self._find()
        return None if target is None else self._factor_key(target)

    def scaled_by(self, power: int | None) -> None:
        """Take the scale factor just read, None if it is unknown."""
        self._power = power

    def refused(self) -> None:
        """Write point by point from now on."""
        self._stepwise = True

    def encode(self, value: float) -> Encoded | Bad:
        """Return a value as registers, or why it cannot be written."""
        target = self._find()
        if target is None:
            return _NOT_MET
        if not math.isfinite(value):
            return Bad(f"{value} is no number")
        if (reason := self._missing(target.points, self._needs(target))) is not None:
            return Bad(reason)
        return self._encode(value, target)

    def writes(self, encoded: Encoded) -> Sequence[Write]:
        """Return the requests that bring a value about: reversion first, the enabling point last."""
        target = self._find()
        if target is None:
            return ()
        parts = [part for part in self._settings(encoded, target) if self._has(target, part.point.name)]
        return write_requests(
            target.model, parts, last=self._enable(target), stepwise=self._stepwise, filler=self._filler(target)
        )

    @abstractmethod
    def arming(self, target: Target) -> Sequence[Setting]:
        """Return the points that say what the device does when we go silent."""

    @abstractmethod
    def timer(self, target: Target) -> str:
        """Return the point with the time after which it does."""

    @abstractmethod
    def _factor_key(self, target: Target) -> str:
        """Return the point with the scale factor of a model."""

    @abstractmethod
    def _needs(self, target: Target) -> Sequence[str]:
        """Return the points without which a value cannot be written."""

    @abstractmethod
    def _encode(self, value: float, target: Target) -> Encoded | Bad:
        """Return a finite value as registers, or why it cannot be written."""

    @abstractmethod
    def _settings(self, encoded: Encoded, target: Target) -> Sequence[Setting]:
        """Return the points that bring a value about."""

    @abstractmethod
    def _enable(self, target: Target) -> str:
        """Return the point that makes them count."""

    def _filler(self, target: Target) -> dict[str, int]:  # noqa: ARG002 - for recipes that have some
        return {}

    def _missing(self, points: PointValues, keys: Sequence[str]) -> str | None:
        reasons = [f"{key}: {points.why_not(key)}" for key in keys if not points.has(key)]
        return "; ".join(reasons) or None

    def _has(self, target: Target, name: str) -> bool:
        return target.points.has(f"{target.model.id}.{name}")


class LimitRecipe(ModelRecipe):
    """A power limit in percent of WMax: model 123, or model 704 where the device has it.

    A limit at or above WMax releases the device: 100 % and not enabled, so that no timer runs either.
    """

    name = "limit_kw"
    readback = "limit_kw"

    def timer(self, target: Target) -> str:
        """Return the point with the revert time."""
        return "WMaxLimPctRvrtTms" if target.model.id == 704 else "WMaxLimPct_RvrtTms"

    def arming(self, target: Target) -> Sequence[Setting]:
        """Return no limit, and the time until then; model 123 has no value to revert to, it just ends the limit."""
        model_id = target.model.id
        timer = setting(model_id, self.timer(target), target.revert_s)
        if model_id != 704:
            return (timer,)
        full = counts(_PCT, target.points.code("704.WMaxLimPct_SF"))
        reverts = () if isinstance(full, Bad) else (setting(704, "WMaxLimPctRvrt", full),)
        return (*reverts, setting(704, "WMaxLimPctEnaRvrt", _DISABLED), timer)

    def _factor_key(self, target: Target) -> str:
        return f"{target.model.id}.WMaxLimPct_SF"

    def _needs(self, target: Target) -> Sequence[str]:
        return (f"{target.model.id}.WMaxLimPct", f"{target.model.id}.{self._enable(target)}")

    def _encode(self, value: float, target: Target) -> Encoded | Bad:
        reference = reference_kw(target.points)
        if reference is None or reference <= 0.0:
            return Bad("WMax, from which a limit in percent counts, is not known")
        if value < 0.0:
            return Bad(f"a limit of {value:g} kW")
        count = counts(min(_PCT, _PCT * value / reference), self._power, math.floor)
        if isinstance(count, Bad) or self._power is None:
            return count if isinstance(count, Bad) else Bad("its scale factor is not known")
        percent = scaled(count, self._power)
        if (fault := fault_of(setting(target.model.id, "WMaxLimPct", count))) is not None:
            return Bad(fault)
        step_kw = reference * scaled(1, self._power) / _PCT
        return Encoded(registers=(count,), value=reference * percent / _PCT, step=step_kw)

    def _settings(self, encoded: Encoded, target: Target) -> Sequence[Setting]:
        model_id = target.model.id
        reference = reference_kw(target.points) or 0.0
        is_limit = encoded.value < reference
        percent = setting(model_id, "WMaxLimPct", encoded.registers[0])
        enable = setting(model_id, self._enable(target), _ENABLED if is_limit else _DISABLED)
        if model_id == 704:
            return (*self.arming(target), percent, enable)
        ramp = target.points.code("123.WMaxLimPct_RmpTms") or 0
        return (
            *self.arming(target),
            setting(123, "WMaxLimPct_WinTms", 0),
            setting(123, "WMaxLimPct_RmpTms", ramp),
            percent,
            enable,
        )

    def _enable(self, target: Target) -> str:
        return "WMaxLimPctEna" if target.model.id == 704 else "WMaxLim_Ena"


class PowerRecipe(ModelRecipe):
    """A power by model 704, in W, or in percent of WMax where the device implements no other."""

    name = "power_kw"
    readback = "setpoint_kw"

    def __init__(self, find: TargetFinder, *, fallback_kw: float) -> None:
        super().__init__(find)
        self._fallback_kw = fallback_kw

    def timer(self, target: Target) -> str:  # noqa: ARG002 - the signature of recipes
        """Return the point with the revert time."""
        return "WSetRvrtTms"

    def arming(self, target: Target) -> Sequence[Setting]:
        """Return the power that is left when we go silent, and the time until then."""
        revert = self._fallback(target)
        reverts = () if revert is None else (setting(704, self._point(target, "Rvrt"), revert),)
        return (*reverts, setting(704, "WSetEnaRvrt", _ENABLED), setting(704, "WSetRvrtTms", target.revert_s))

    def _fallback(self, target: Target) -> int | None:
        """Return the power to fall back to, in counts."""
        watts = self._fallback_kw * W_PER_KW
        if self._in_watts(target):
            count = counts(watts, target.points.code("704.WSet_SF"))
        else:
            reference = reference_kw(target.points)
            if reference is None or reference <= 0.0:
                return None
            count = counts(_PCT * self._fallback_kw / reference, target.points.code("704.WSetPct_SF"))
        return None if isinstance(count, Bad) else count

    def _in_watts(self, target: Target) -> bool:
        return target.points.has("704.WSet") or not target.points.has("704.WSetPct")

    def _point(self, target: Target, end: str = "") -> str:
        return f"WSet{end}" if self._in_watts(target) else f"WSetPct{end}"

    def _factor_key(self, target: Target) -> str:
        return f"704.{self._point(target)}_SF"

    def _needs(self, target: Target) -> Sequence[str]:
        return (f"704.{self._point(target)}", "704.WSetEna")

    def _encode(self, value: float, target: Target) -> Encoded | Bad:
        reference = 0.0
        amount = value * W_PER_KW
        if not self._in_watts(target):
            reference = reference_kw(target.points) or 0.0
            if reference <= 0.0:
                return Bad("WMax, from which a power in percent counts, is not known")
            amount = _PCT * value / reference
        count = counts(amount, self._power)
        if isinstance(count, Bad) or self._power is None:
            return count if isinstance(count, Bad) else Bad("its scale factor is not known")
        part = setting(704, self._point(target), count)
        if (fault := fault_of(part)) is not None:
            return Bad(fault)
        kw_per_amount = 1.0 / W_PER_KW if self._in_watts(target) else reference / _PCT
        return Encoded(
            registers=(count,),
            value=scaled(count, self._power) * kw_per_amount,
            step=scaled(1, self._power) * kw_per_amount,
        )

    def _settings(self, encoded: Encoded, target: Target) -> Sequence[Setting]:
        (count,) = encoded.registers
        mode = setting(704, "WSetMod", _WATTS if self._in_watts(target) else _PERCENT)
        return (
            *self.arming(target),
            mode,
            setting(704, self._point(target), count),
            setting(704, "WSetEna", _ENABLED),
        )

    def _enable(self, target: Target) -> str:  # noqa: ARG002 - the signature of recipes
        return "WSetEna"

    def _filler(self, target: Target) -> dict[str, int]:
        """Return the points of the other mode, which keep what they show when they are written along."""
        names = ("WSetPct", "WSetPctRvrt") if self._in_watts(target) else ("WSet", "WSetRvrt")
        factor = target.points.code(f"704.{names[0]}_SF")
        kept: dict[str, int] = {}
        for name in names:
            number = target.points.number(f"704.{name}")
            if number is not None and factor is not None:
                kept[name] = round(scaled(number, -factor))
        return kept
