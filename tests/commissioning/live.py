"""Devices that live: they follow their setpoint and fall back by themselves when their master is silent."""

from collections.abc import Mapping

from ems.ports import Clock
from tests.drivers.rig import RATED_KW, PlantDevice, Value, pcs


class LivePcs(PlantDevice):
    """A PCS that follows a grid; `sign` -1 is one whose meter is wired the wrong way round.

    `droop_hz` is what the setpoint at rating adds to the frequency of an island that it forms.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        sign: float = 1.0,
        falls_back: bool = True,
        forming: bool = False,
        droop_hz: float = 0.0,
    ) -> None:
        super().__init__(pcs(power_kw=0.0, setpoint_kw=0.0, forming=forming).shown)
        self._clock = clock
        self._sign = sign
        self._falls_back = falls_back
        self._watchdog_s = 12.0
        self._heard_s = clock.monotonic_s()
        self.follows_setpoint = not forming
        self._droop_hz = droop_hz

    def values(self) -> Mapping[str, Value]:
        if self._falls_back and self._clock.monotonic_s() - self._heard_s > self._watchdog_s:
            self._take(0.0)
        return self.shown

    def command(self, name: str, value: float) -> bool:
        if name in self.refused:
            return False
        self.commands.append((name, value))
        self._heard_s = self._clock.monotonic_s()
        if name == "power_kw":
            self._take(value)
        elif name == "watchdog_s":
            self._watchdog_s = value
        return True

    def _take(self, setpoint_kw: float) -> None:
        self.shown["setpoint_kw"] = setpoint_kw
        self.shown["frequency_hz"] = 50.0 + self._droop_hz * setpoint_kw / RATED_KW
        if self.follows_setpoint:
            self.shown["power_kw"] = self._sign * setpoint_kw


class LivePv(PlantDevice):
    """A PV block in the sun, with a limit of its own for a silent master."""

    def __init__(self, clock: Clock, *, available_kw: float, obeys: bool = True) -> None:
        super().__init__(
            {"power_kw": available_kw, "available_kw": available_kw, "limit_kw": 2000.0, "energy_wh": 1, "remote": True}
        )
        self.shown |= {"fallback_armed": True}
        self._clock = clock
        self._available_kw = available_kw
        self._obeys = obeys
        self._watchdog_s = 12.0
        self._heard_s = clock.monotonic_s()

    def values(self) -> Mapping[str, Value]:
        if self._clock.monotonic_s() - self._heard_s > self._watchdog_s:
            self._take(2000.0)
        return self.shown

    def command(self, name: str, value: float) -> bool:
        self.commands.append((name, value))
        self._heard_s = self._clock.monotonic_s()
        if name == "limit_kw":
            self._take(value)
        elif name == "watchdog_s":
            self._watchdog_s = value
        return True

    def _take(self, limit_kw: float) -> None:
        self.shown["limit_kw"] = limit_kw
        if self._obeys:
            self.shown["power_kw"] = min(limit_kw, self._available_kw)
