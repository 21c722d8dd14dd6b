"""A device of the plant behind the twin's registers: it follows commands, and falls back when nobody commands it."""

from collections.abc import Mapping

from ems.ports import Clock
from tests.drivers.rig import PlantDevice, Value

# what a set carries that has no power setpoint
_LOAD_KW = 400.0
# what a reading shows of each command that was obeyed, beside the command's own read-back
_POWER, _LIMIT, _RUN = "power_kw", "limit_kw", "run"
_SETPOINTS = (_POWER, "setpoint_kw", _LIMIT, "setpoint_degc")


class FollowingPlant(PlantDevice):
    """Follows its commands at once; `clock` lets its watchdog run, which it has once it was told a time."""

    def __init__(self, values: Mapping[str, Value]) -> None:
        super().__init__(values)
        self.clock: Clock | None = None
        self.watchdog_s: float | None = None
        self._at_rest = dict(values)
        self._spoken_to_s = 0.0

    def values(self) -> Mapping[str, Value]:
        if self.clock is not None and self.watchdog_s is not None:
            silent_s = self.clock.monotonic_s() - self._spoken_to_s
            if silent_s > self.watchdog_s:
                self._fall_back()
        return self.shown

    def asked(self) -> None:
        """Stay content: its map says that any request is a sign of life."""
        if self.clock is not None:
            self._spoken_to_s = self.clock.monotonic_s()

    def command(self, name: str, value: float) -> bool:
        if not super().command(name, value):
            return False
        self.asked()
        match name:
            case "watchdog_s":
                self.watchdog_s = value
            case "power_kw":
                self.shown |= {name: value for name in (_POWER, "setpoint_kw") if name in self._at_rest}
            case "limit_kw":
                self.shown[_LIMIT] = value
                available = self._at_rest.get("available_kw")
                if isinstance(available, float):
                    self.shown[_POWER] = min(available, value)
            case "supply_degc":
                self.shown["setpoint_degc"] = value
            case "run":
                running = value > 0.0
                self.shown |= {"phase": "running" if running else "stopped", "breaker_closed": running}
                if "engine_state" in self._at_rest:
                    self.shown["engine_state"] = "on_load" if running else "stopped"
                if "breaker_closed" not in self._at_rest:
                    # the breaker is told by the power
                    self.shown[_POWER] = _LOAD_KW if running else 0.0
        return True

    def _fall_back(self) -> None:
        self.shown |= {name: value for name, value in self._at_rest.items() if name in _SETPOINTS}
