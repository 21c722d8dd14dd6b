"""The sync-check device at the PCC breaker: closes inside its windows while it has a permit, opens when asked."""

from dataclasses import dataclass
from math import pi, sin

from ems.model.modes import TieRules

# the grid's frequency wanders this far around nominal, and this slowly
_WANDER_HZ = 0.02
_WANDER_S = 900.0
_FULL_DEG = 360.0
_HALF_DEG = 180.0


@dataclass(slots=True)
class TwinTie:
    """Windows as set in the device, and what it has been told. Times are seconds of the run."""

    rules: TieRules
    # where in its wandering the grid begins
    phase_deg: float
    angle_deg: float = 0.0
    permit: bool = False
    open_request: bool = False
    silent_s: float = 0.0
    watchdog_s: float | None = None
    # group of protection settings that is ready for an island
    group: int = 1
    n_refused: int = 0
    n_closed: int = 0

    def grid_hz(self, at_s: float, nominal_hz: float) -> float:
        """Return the frequency of the grid."""
        return nominal_hz + _WANDER_HZ * sin(2.0 * pi * at_s / _WANDER_S + self.phase_deg * pi / _HALF_DEG)

    def tell(self, *, permit: bool | None = None, open_request: bool | None = None) -> None:
        """Take a command."""
        self.silent_s = 0.0
        if permit is not None:
            self.permit = permit
        if open_request is not None:
            self.open_request = open_request

    def advance(self, dt_s: float) -> None:
        """Forget permit and request of a silent controller."""
        self.silent_s += dt_s
        if self.watchdog_s is not None and self.silent_s > self.watchdog_s:
            self.permit = self.open_request = False

    def turn(self, slip_hz: float, dt_s: float) -> None:
        """Let the angle between bus and grid run for a step."""
        turned = self.angle_deg + _FULL_DEG * slip_hz * dt_s
        self.angle_deg = (turned + _HALF_DEG) % _FULL_DEG - _HALF_DEG

    def closes(self, *, slip_hz: float, voltage_difference_frac: float, dt_s: float) -> bool:
        """Return whether bus and grid come together inside the windows within a step; the permit must stand."""
        if not self.permit:
            return False
        rules = self.rules
        matched = abs(slip_hz) <= rules.window_hz and abs(voltage_difference_frac) <= rules.window_voltage_frac
        if matched and self._meets(slip_hz, dt_s):
            self.n_closed += 1
            return True
        self.n_refused += 1
        return False

    def _meets(self, slip_hz: float, dt_s: float) -> bool:
        """Return whether the angle passes the window."""
        end_deg = self.angle_deg + _FULL_DEG * slip_hz * dt_s
        low, high = min(self.angle_deg, end_deg), max(self.angle_deg, end_deg)
        whole_turns = (high + self.rules.window_deg) // _FULL_DEG
        return low <= whole_turns * _FULL_DEG + self.rules.window_deg
