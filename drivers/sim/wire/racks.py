"""A container of the plant seen as racks: a BMS shows those, and what it shows of the whole is for others to add up.

A container of the plant that has racks (`[racks]` of twin.toml) shows its own; of one that is one piece the map's racks
are even parts, a little apart in SoC. Racks of the map that the container does not have are out of service.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Final

from drivers.modbus.layout import RegisterMap, rack_name
from drivers.sim.racks import N_CELLS
from drivers.sim.wire.bank import TwinDevice
from drivers.sim.wire.words import Value
from ems.model.readings import RackReading

# racks differ by this much from one to the next, symmetrically about the container's own state of charge
_SOC_STEP_PCT: Final = 1.0
_INSULATION_KOHM: Final = 800.0
_NOT_SHOWN: Final = frozenset({"number", "bad"})
_ALARM: Final = "insulation low"


class RackedContainer:
    """Shows a container as its racks, which share its limits evenly."""

    def __init__(self, register_map: RegisterMap, device: TwinDevice) -> None:
        self._racks = register_map.racks
        self._device = device

    def values(self) -> Mapping[str, Value]:
        """Return what the device shows, with the points of every rack that it does not show by itself."""
        shown = dict(self._device.values())
        own = shown.pop("racks", None)
        if isinstance(own, tuple) and own:
            return {**self._own(own), **shown}
        racks = {
            rack_name(number, name): value
            for number in range(1, len(self._racks) + 1)
            for name, value in self._rack(number, shown).items()
        }
        return {**racks, **shown}

    def command(self, name: str, value: float) -> bool:
        """Pass a command on."""
        return self._device.command(name, value)

    def _own(self, racks: tuple[object, ...]) -> Mapping[str, Value]:
        """Return the racks that the container has by itself."""
        told = [rack for rack in racks if isinstance(rack, RackReading)]
        present = {
            rack_name(rack.number, field.name): getattr(rack, field.name)
            for rack in told
            for field in fields(rack)
            if field.name not in _NOT_SHOWN
        }
        missing = range(len(told) + 1, len(self._racks) + 1)
        return {**{rack_name(number, "in_service"): False for number in missing}, **present}

    def _rack(self, number: int, shown: Mapping[str, Value]) -> Mapping[str, Value]:
        middle = (len(self._racks) + 1) / 2.0
        soc_pct, highest_v, lowest_v = (_number(shown.get(n)) for n in ("soc_pct", "cell_max_v", "cell_min_v"))
        voltage_v = None if highest_v is None or lowest_v is None else N_CELLS * (highest_v + lowest_v) / 2.0
        alarm = shown.get("alarm")
        return {
            "in_service": True,
            "soc_pct": None
            if soc_pct is None
            else min(100.0, max(0.0, round(soc_pct) + _SOC_STEP_PCT * (number - middle))),
            "soh_pct": shown.get("soh_pct"),
            "voltage_v": voltage_v,
            "current_a": None if voltage_v is None else 0.0,
            "cell_max_v": highest_v,
            "cell_min_v": lowest_v,
            "cell_max_degc": shown.get("cell_max_degc"),
            "cell_min_degc": shown.get("cell_min_degc"),
            "max_charge_a": self._current_a(shown.get("max_charge_kw"), voltage_v),
            "max_discharge_a": self._current_a(shown.get("max_discharge_kw"), voltage_v),
            "insulation_kohm": None if voltage_v is None else _INSULATION_KOHM,
            "alarms": (_ALARM,) if alarm else (),
        }

    def _current_a(self, power_kw: Value, voltage_v: float | None) -> float | None:
        """Return a rack's part of a power; a BMS rounds its limits down."""
        power = _number(power_kw)
        if power is None or voltage_v is None:
            return None
        return int(10_000.0 * power / voltage_v / len(self._racks)) / 10.0


def _number(value: Value) -> float | None:
    return value if isinstance(value, float) else None
