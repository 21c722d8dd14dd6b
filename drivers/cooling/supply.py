"""Units that take a setpoint for the temperature of the coolant that they supply.

They start, stop and share the work by themselves: nothing here cycles a machine. A setpoint that is asked for is
narrowed to the maker's band and kept above the dew point, changes below a deadband are not written, and where the
map says so a changed one is held for a least time. When no command counts any more a unit that would keep the last
setpoint is given its local one back; when the controller ends on purpose every unit is.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from drivers.device.assembly import Family, R
from drivers.device.fallback import UNNOTICED
from drivers.device.reading import spec_error
from drivers.device.values import Value
from drivers.modbus.commanded import CommandedDevice
from ems.model.capability import SupplyLimits
from ems.model.device import DeviceSpec
from ems.ports import DriverEnvironment

SUPPLY: Final = "supply_degc"
_DEW_POINT: Final = "dew_point_degc"
_SETPOINT: Final = "setpoint_degc"
# coolant lines stay this far above the dew point of the room (ASHRAE TC 9.9, Water-Cooled Servers; believed)
DEW_MARGIN_K: Final = 2.0
# smaller changes than the sensors of such units tell apart
DEADBAND_K: Final = 0.2
# a local setpoint is written within this many polls, or not any more
_RESTORE_PERIODS: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Offered:
    """The setpoint handed over last, and when it was changed."""

    supply_degc: float
    changed_s: float


class SupplyDevice(CommandedDevice[R]):
    """A unit whose supply temperature is commanded.

    Raises:
        ConfigError: As `CommandedDevice`, or the local setpoint is outside the maker's band.
    """

    def __init__(self, spec: DeviceSpec, environment: DriverEnvironment, family: Family[R]) -> None:
        super().__init__(spec, environment, family)
        command = self._map.commands[SUPPLY]
        self._band = command.limits or (-math.inf, math.inf)
        self._hold_s = command.hold_s
        self._offered: _Offered | None = None
        self._asked_until_s: float | None = None
        # the local setpoint that was asked for last, and whether it has been shown since
        self._given_degc: float | None = None
        self._is_given_back = False
        rule = self._map.fallback
        self._restores = rule is None or rule.misses in UNNOTICED
        local_degc, (low, high) = spec.local_supply_degc, self._band
        if local_degc is not None and not low <= local_degc <= high:
            raise spec_error(
                spec,
                "local_supply_degc",
                f"{local_degc:g} °C is outside the band of map '{self._map.id}'",
                allowed=f"{low:g} to {high:g}",
            )

    def set_supply(self, supply_degc: float, *, valid_until_s: float) -> None:
        """Ask for a supply temperature; what is written may be another one, as the outcome's detail says."""
        now_s = self._clock.monotonic_s()
        limits = self.supply_limits()
        self._asked_until_s = valid_until_s
        self._given_degc, self._is_given_back = None, False
        if limits.lowest_degc > limits.highest_degc:
            self._slots[SUPPLY].refuse(f"no supply temperature is allowed: {limits.lowest_reason}", now_s)
            return
        wanted_degc, note = _narrowed(supply_degc, limits)
        if not math.isfinite(wanted_degc):
            self._command(SUPPLY, wanted_degc, valid_until_s=valid_until_s)
            return
        offered, held = self._next(wanted_degc, limits, now_s)
        self._offered = offered
        text = "; ".join(part for part in (note, held) if part)
        self._command(SUPPLY, offered.supply_degc, valid_until_s=valid_until_s, note=text)

    def supply_limits(self) -> SupplyLimits:
        """Return what the register map allows, and the dew point where the unit tells it."""
        lowest_degc, highest_degc = self._band
        lowest_reason = highest_reason = "the register map"
        if self._tells(_DEW_POINT):
            dew_degc: float | None = getattr(self._reading, _DEW_POINT, None)
            floor_degc = math.inf if dew_degc is None else dew_degc + DEW_MARGIN_K
            if floor_degc > lowest_degc:
                lowest_degc = floor_degc
                lowest_reason = "the dew point is not known" if dew_degc is None else "the dew point"
        return SupplyLimits(
            lowest_degc=lowest_degc,
            highest_degc=highest_degc,
            lowest_reason=lowest_reason,
            highest_reason=highest_reason,
        )

    def _next(self, wanted_degc: float, limits: SupplyLimits, now_s: float) -> tuple[_Offered, str]:
        """Return what may be offered now, and why it is not what is wanted."""
        before = self._offered
        if before is not None and limits.lowest_degc <= before.supply_degc <= limits.highest_degc:
            if abs(wanted_degc - before.supply_degc) < DEADBAND_K:
                return before, ""
            if now_s - before.changed_s < self._hold_s:
                return before, f"{wanted_degc:g} asked, a setpoint is held for {self._hold_s:g} s"
        shown_degc: float | None = getattr(self._reading, _SETPOINT, None)
        if before is None and shown_degc is not None and abs(wanted_degc - shown_degc) < DEADBAND_K:
            # what is in force already is no change
            return _Offered(supply_degc=min(max(shown_degc, self._band[0]), self._band[1]), changed_s=-math.inf), ""
        return _Offered(supply_degc=wanted_degc, changed_s=now_s), ""

    def _published(self, values: Mapping[str, Value | None], at_s: float) -> None:
        """Give the local setpoint back once no command counts any more."""
        super()._published(values, at_s)
        shown_degc = values.get(_SETPOINT)
        if self._given_degc is not None and isinstance(shown_degc, int | float):
            self._is_given_back |= abs(shown_degc - self._given_degc) < DEADBAND_K
        now_s = self._clock.monotonic_s()
        if self._asked_until_s is None or now_s < self._asked_until_s:
            return
        self._asked_until_s = self._offered = None
        if self._restores:
            until_s = now_s + _RESTORE_PERIODS * self._spec.fast_s
            self._restore("no command counts any more", valid_until_s=until_s)

    def give_back(self, *, valid_until_s: float) -> bool:
        """Ask for the local setpoint, whatever the unit notices by itself; False where none of ours is in force."""
        if self._asked_until_s is None:
            return False
        self._asked_until_s = self._offered = None
        return self._restore("the controller ends", valid_until_s=valid_until_s)

    @property
    def is_given_back(self) -> bool:
        """Return whether the unit has shown its local setpoint since it was asked for."""
        return self._is_given_back

    def _restore(self, why: str, *, valid_until_s: float) -> bool:
        """Ask for the local setpoint, as far as the limits of the moment allow it."""
        if self._spec.local_supply_degc is None:
            return False
        limits = self.supply_limits()
        if limits.lowest_degc > limits.highest_degc:
            reason = f"no supply temperature is allowed: {limits.lowest_reason}"
            self._slots[SUPPLY].refuse(reason, self._clock.monotonic_s())
            return True
        local_degc, narrowed = _narrowed(self._spec.local_supply_degc, limits)
        self._given_degc, self._is_given_back = local_degc, False
        note = "; ".join(part for part in (f"its own: {why}", narrowed) if part)
        self._command(SUPPLY, local_degc, valid_until_s=valid_until_s, note=note)
        return True


def _narrowed(supply_degc: float, limits: SupplyLimits) -> tuple[float, str]:
    """Return the temperature within the limits that is nearest, and what narrowed it."""
    if supply_degc < limits.lowest_degc and math.isfinite(supply_degc):
        return limits.lowest_degc, f"{supply_degc:g} asked, {limits.lowest_reason} allows no less"
    if supply_degc > limits.highest_degc and math.isfinite(supply_degc):
        return limits.highest_degc, f"{supply_degc:g} asked, {limits.highest_reason} allows no more"
    return supply_degc, ""
