"""One simulated device as a chain of SunSpec models: reads show the plant, writes become its commands."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from drivers.sim.wire.bank import TwinDevice
from drivers.sim.wire.faults import NO_FAULTS, Faults
from drivers.sim.wire.framing import READ_HOLDING, WRITE_MULTIPLE, WRITE_SINGLE, ExceptionCode
from drivers.sim.wire.sunspec import models as show
from drivers.sim.wire.sunspec.controls import LIMIT_123, LIMIT_704, POWER_704, Control
from drivers.sim.wire.sunspec.encoding import Shown, decoded, fitting_factor, model_words
from drivers.sim.wire.sunspec.layouts import ABSENT, LAYOUTS
from ems.model.device import DeviceSpec, ModelFamily
from ems.ports import Clock

_BASE: Final = 40000
_MARKER: Final = (0x5375, 0x6E53)
_END: Final = (0xFFFF, 0)
_W: Final = 1000.0
_PCT: Final = 100.0
# model 704, point WSetMod: the power is set in W, the only mode that the twin knows
_WATTS: Final = 1
_HIGHEST: Final = {"i16": 0x7FFF, "u16": 0xFFFE}
# model 1: who the device is, which even a device without values tells
_COMMON: Final = 1
# counters of the controller, kept as they are written
_COUNTERS: Final = {715: ("ControllerHb",), 802: ("CtrlHb",)}
_OWN_COUNTERS: Final = {715: "DERHb", 802: "Hb"}
_COUNTER_RANGE: Final = 0x8000
# finer than the plant's values are: percent, V of a cell, degrees, Hz
_FINE: Final = {"WMaxLimPct_SF": -2, "WSet_SF": 0, "Hz_SF": -2, "V_SF": -1, "Pct_SF": -1, "SoC_SF": -1, "SoH_SF": -1}
_FINE_OTHERS: Final = {"CellV_SF": -3, "ModTmp_SF": -1, "TotWh_SF": 0, "WH_SF": 0}


class SunSpecBank:
    """The registers of one unit, which may show several devices of the plant (a converter and its battery).

    `factors` holds the scale factors by model and name; they may be changed while the device runs.
    """

    def __init__(self, *, clock: Clock, base: int = _BASE) -> None:
        self._clock = clock
        self._base = base
        self._devices: list[TwinDevice] = []
        self._shows: dict[int, Callable[[], Mapping[str, Shown]]] = {}
        self._controls: dict[int, list[Control]] = {}
        self._counters: dict[tuple[int, str], float] = {}
        self.factors: dict[tuple[int, str], int] = {}
        # what each model showed at the last read
        self._frozen: dict[int, Mapping[str, Shown]] = {}

    def add(self, spec: DeviceSpec, device: TwinDevice, *, rated_kw: float) -> None:
        """Show a device of the plant by the models of its driver."""
        self._devices.append(device)
        self._show(_COMMON, lambda: show.common(self._devices[0].values()), rated_kw)
        kind = spec.sunspec.shows or spec.driver.removeprefix("sunspec.")
        match kind:
            case "pv" if spec.sunspec.family is ModelFamily.OLD:
                self._add_old_pv(device, rated_kw)
            case "pv":
                self._add_pv(device, rated_kw)
            case "storage" | "pcs":
                self._add_pcs(device, rated_kw)
            case "bms":
                for model_id in (713, 802, 803):
                    self._show(model_id, lambda: show.battery(device.values()), rated_kw)
            case _:
                sign = spec.sunspec.power_sign or 1
                self._show(203, lambda: show.meter(device.values(), sign=sign), rated_kw)

    def read(self, function: int, register: int, count: int, faults: Faults = NO_FAULTS) -> list[int] | ExceptionCode:
        """Return registers; a frozen device shows the values of the last read when it was not."""
        self.elapse()
        if function != READ_HOLDING:
            return ExceptionCode.FUNCTION
        if register < self._base or register + count > self._end:
            return ExceptionCode.ADDRESS
        words: list[int] = []
        for start, part in self._parts(register, register + count, faults):
            words += part[max(0, register - start) : register + count - start]
        return words

    def write(
        self, function: int, register: int, words: tuple[int, ...], faults: Faults = NO_FAULTS
    ) -> ExceptionCode | None:
        """Take registers of whole points that may be written; all points of one write act together."""
        self.elapse()
        if function not in {WRITE_SINGLE, WRITE_MULTIPLE}:
            return ExceptionCode.FUNCTION
        place = self._model_at(register)
        if place is None:
            return ExceptionCode.ADDRESS
        model_id, offset = place
        changes = self._changes(model_id, offset, words)
        if isinstance(changes, ExceptionCode):
            return changes
        if faults.ignore_writes or faults.local:
            return None
        return self._take(model_id, changes, pretend=faults.deaf)

    def restart(self) -> None:
        """Lose what was written, as a device does whose communication board starts anew."""
        self._counters.clear()
        for controls in self._controls.values():
            for control in controls:
                control.restart()

    def shown(self, model_id: int) -> Mapping[str, Shown]:
        """Return what a model shows now."""
        self.elapse()
        return self._values(model_id, NO_FAULTS)

    def elapse(self) -> None:
        """Let timers run out whose time has come: a silent controller writes nothing that would notice it."""
        now_s = self._clock.monotonic_s()
        for controls in self._controls.values():
            for control in controls:
                control.elapse(now_s)

    def _add_old_pv(self, device: TwinDevice, rated_kw: float) -> None:
        limit = _limit(device, rated_kw)
        for model_id in (103, 122):
            self._show(model_id, lambda: show.inverter(device.values()), rated_kw)
        self._show(120, lambda: {"DERTyp": 4, "WRtg": rated_kw * _W}, rated_kw)
        self._show(121, lambda: {"WMax": rated_kw * _W}, rated_kw)
        self._show(123, lambda: {"WMaxLimPct_WinTms": 0, "WMaxLimPct_RmpTms": 0}, rated_kw)
        self._controls[123] = [Control(LIMIT_123, value=_PCT, apply=limit)]

    def _add_pv(self, device: TwinDevice, rated_kw: float) -> None:
        for model_id in (701, 715):
            self._show(model_id, lambda: show.der_inverter(device.values()), rated_kw)
        self._show(702, lambda: _capacity(rated_kw), rated_kw)
        self._show(703, lambda: {"ES": 1}, rated_kw)
        self._show(704, dict, rated_kw)
        self._controls[704] = [Control(LIMIT_704, value=_PCT, apply=_limit(device, rated_kw))]

    def _add_pcs(self, device: TwinDevice, rated_kw: float) -> None:
        def apply(watts: float | None) -> bool:
            return device.command("power_kw", 0.0 if watts is None else watts / _W)

        for model_id in (701, 715):
            self._show(model_id, lambda: show.converter(device.values()), rated_kw)
        self._show(702, lambda: _capacity(rated_kw), rated_kw)
        self._show(703, lambda: {"ES": 1}, rated_kw)
        self._show(704, lambda: {"WSetMod": _WATTS}, rated_kw)
        self._controls[704] = [Control(POWER_704, value=0.0, apply=apply)]

    def _show(self, model_id: int, values: Callable[[], Mapping[str, Shown]], rated_kw: float) -> None:
        self._shows[model_id] = values
        for place in LAYOUTS[model_id].places.values():
            if place.factor is not None and (model_id, place.factor) not in self.factors:
                fine = {**_FINE, **_FINE_OTHERS}.get(place.factor)
                power = fitting_factor(1.5 * rated_kw * _W, _HIGHEST[place.kind]) if fine is None else fine
                self.factors[model_id, place.factor] = power

    @property
    def _end(self) -> int:
        """Return the first register behind the end mark."""
        return self._base + len(_MARKER) + sum(map(_length, self._shows)) + len(_END)

    def _parts(self, first: int, end: int, faults: Faults) -> Iterator[tuple[int, Sequence[int]]]:
        """Yield what lies in a stretch of registers: the marker, models, the end mark, each with its register."""
        start = self._base
        if start + len(_MARKER) > first:
            yield start, _MARKER
        start += len(_MARKER)
        for model_id in sorted(self._shows):
            if start < end and start + _length(model_id) > first:
                yield start, self._words(model_id, faults)
            start += _length(model_id)
        if end > start:
            yield start, _END

    def _words(self, model_id: int, faults: Faults) -> Sequence[int]:
        if not faults.frozen or model_id not in self._frozen:
            self._frozen[model_id] = self._values(model_id, faults)
        values = self._frozen[model_id]
        # a model without any value has no scale factors either
        factors = {name: power for (owner, name), power in self.factors.items() if owner == model_id and values}
        return model_words(model_id, LAYOUTS[model_id], values, factors)

    def _values(self, model_id: int, faults: Faults) -> Mapping[str, Shown]:
        if faults.sentinel and model_id != _COMMON:
            return {}
        now_s = self._clock.monotonic_s()
        values = dict(self._shows[model_id]())
        for control in self._controls.get(model_id, ()):
            values |= control.shown(now_s)
        for name in _COUNTERS.get(model_id, ()):
            values[name] = self._counters.get((model_id, name), 0.0)
        if model_id in _OWN_COUNTERS:
            values[_OWN_COUNTERS[model_id]] = float(int(now_s) % _COUNTER_RANGE)
        if faults.local and "LocRemCtl" in values:
            values["LocRemCtl"] = 1
        return values

    def _model_at(self, register: int) -> tuple[int, int] | None:
        """Return the model that a register belongs to, and its place in it."""
        start = self._base + len(_MARKER)
        for model_id in sorted(self._shows):
            if start <= register < start + _length(model_id):
                return model_id, register - start
            start += _length(model_id)
        return None

    def _changes(self, model_id: int, offset: int, words: Sequence[int]) -> dict[str, float] | ExceptionCode:
        """Return the points of a write, which must be whole, writable and have values."""
        by_offset = {place.offset: (name, place) for name, place in LAYOUTS[model_id].places.items()}
        changes: dict[str, float] = {}
        position = 0
        while position < len(words):
            name, place = by_offset.get(offset + position, ("", None))
            if place is None or not self._is_writable(model_id, name):
                return ExceptionCode.ADDRESS
            part = words[position : position + place.n_registers]
            power = 0 if place.factor is None else self.factors[model_id, place.factor]
            value = decoded(place, part, power) if len(part) == len(ABSENT[place.kind]) else None
            if value is None:
                return ExceptionCode.VALUE
            changes[name] = value
            position += place.n_registers
        return changes

    def _is_writable(self, model_id: int, name: str) -> bool:
        fixed = name in {"WMaxLimPct_WinTms", "WMaxLimPct_RmpTms", "WSetMod"}
        controls = self._controls.get(model_id, ())
        return fixed or name in _COUNTERS.get(model_id, ()) or any(control.takes(name) for control in controls)

    def _take(self, model_id: int, changes: Mapping[str, float], *, pretend: bool) -> ExceptionCode | None:
        if changes.get("WSetMod", _WATTS) != _WATTS:
            return ExceptionCode.VALUE
        now_s = self._clock.monotonic_s()
        for control in self._controls.get(model_id, ()):
            mine = {name: value for name, value in changes.items() if control.takes(name)}
            if mine and not control.write(mine, now_s, pretend=pretend):
                return ExceptionCode.VALUE
        for name in _COUNTERS.get(model_id, ()):
            if name in changes:
                self._counters[model_id, name] = changes[name]
        return None


def _length(model_id: int) -> int:
    """Return the registers of a model, id and length included."""
    return len(LAYOUTS[model_id].filling) + 2


def _capacity(rated_kw: float) -> Mapping[str, Shown]:
    """Return model 702: ratings and settings alike."""
    names = ("WMaxRtg", "WMax", "WChaRteMaxRtg", "WDisChaRteMaxRtg", "WChaRteMax", "WDisChaRteMax")
    return dict.fromkeys(names, rated_kw * _W)


def _limit(device: TwinDevice, rated_kw: float) -> Callable[[float | None], bool]:
    """Return how a limit in percent acts on a PV block."""

    def apply(percent: float | None) -> bool:
        return device.command("limit_kw", rated_kw if percent is None else min(rated_kw, rated_kw * percent / _PCT))

    return apply
