"""The racks of a simulated container: strings in parallel that share one voltage, each with its own cells.

Capacity and resistance differ from rack to rack by what cells of one delivery differ. The voltage that they share
divides the current: a rack with more charge or less resistance gives more, and at rest they level each other out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from random import Random
from typing import Final

from ems.model.twin import TwinRacks

# open-circuit voltage of an LFP cell over its window, coarse: enough for alarms, limits and currents; cells in series
CELL_EMPTY_V: Final = 3.0
CELL_FULL_V: Final = 3.5
N_CELLS: Final = 240
# resistive loss of a 5 MWh container, per kW of its power (70 kW at 2.5 MW)
CELL_LOSS_PER_KW: Final = 1.13e-5
REFERENCE_KWH: Final = 5000.0
# heat capacity of such a container
HEAT_KWH_PER_K: Final = 8.7
# the air of a container evens its racks out within half an hour
_MIXING_S: Final = 1800.0
_LONGEST_STEP_S: Final = 60.0
_NOMINAL_V: Final = N_CELLS * (CELL_EMPTY_V + CELL_FULL_V) / 2.0
_W_PER_KW: Final = 1000.0
_S_PER_H: Final = 3600.0


@dataclass(slots=True)
class TwinRack:
    """One rack; current > 0 discharges. With an open contactor it carries none and keeps its charge."""

    full_kwh: float
    stored_kwh: float
    resistance_ohm: float
    # above the mean of its container
    warmer_k: float = 0.0
    closed: bool = True
    current_a: float = 0.0

    @property
    def soc_pct(self) -> float:
        """Return the true state of charge."""
        return 100.0 * self.stored_kwh / self.full_kwh

    @property
    def open_circuit_v(self) -> float:
        """Return its voltage without current."""
        return open_circuit_v(self.soc_pct)


def open_circuit_v(soc_pct: float) -> float:
    """Return the voltage of a string without current."""
    return N_CELLS * (CELL_EMPTY_V + (CELL_FULL_V - CELL_EMPTY_V) * soc_pct / 100.0)


def split(spec: TwinRacks, *, full_kwh: float, stored_kwh: float, seed: int, name: str) -> list[TwinRack]:
    """Return the racks of a container of this energy, drawn by its name; together they hold what it holds."""
    random = Random(f"{seed} {name} racks")  # noqa: S311 - simulated tolerance, not a secret
    sizes = [_drawn(random, spec.capacity_tolerance_frac) for _ in range(spec.count)]
    # P^2 x loss = I^2 R at the nominal voltage; racks in parallel have so many times the container's resistance
    container_ohm = CELL_LOSS_PER_KW * REFERENCE_KWH / full_kwh * _NOMINAL_V**2 / _W_PER_KW
    return [
        TwinRack(
            full_kwh=full_kwh * size / sum(sizes),
            stored_kwh=stored_kwh * size / sum(sizes),
            resistance_ohm=container_ohm * spec.count * _drawn(random, spec.resistance_tolerance_frac),
        )
        for size in sizes
    ]


def _drawn(random: Random, tolerance_frac: float) -> float:
    """Return a factor about 1, never more than three standard deviations off."""
    return 1.0 + tolerance_frac * min(3.0, max(-3.0, random.gauss(0.0, 1.0)))


def in_service(racks: Iterable[TwinRack]) -> list[TwinRack]:
    """Return the racks whose contactors are closed."""
    return [rack for rack in racks if rack.closed]


def shared_v(racks: Sequence[TwinRack], current_a: float) -> float:
    """Return the voltage at which racks in parallel give a current together."""
    conductance = sum(1.0 / rack.resistance_ohm for rack in racks)
    return (sum(rack.open_circuit_v / rack.resistance_ohm for rack in racks) - current_a) / conductance


def draw(racks: Sequence[TwinRack], *, power_kw: float, drawn_kwh: float, dt_s: float) -> None:
    """Take energy out of the closed racks as their currents divide, for one step at a power of the container."""
    closed = in_service(racks)
    for rack in racks:
        rack.current_a = rack.current_a if rack.closed else 0.0
    if not closed or dt_s <= 0.0:
        return
    n_steps = max(1, ceil(dt_s / _LONGEST_STEP_S))
    for _ in range(n_steps):
        _step(closed, power_kw=power_kw, drawn_kwh=drawn_kwh / n_steps, dt_s=dt_s / n_steps)


def _step(racks: Sequence[TwinRack], *, power_kw: float, drawn_kwh: float, dt_s: float) -> None:
    mean_v = sum(rack.open_circuit_v for rack in racks) / len(racks)
    voltage_v = shared_v(racks, _W_PER_KW * power_kw / mean_v)
    for rack in racks:
        rack.current_a = (rack.open_circuit_v - voltage_v) / rack.resistance_ohm
    parts = [rack.open_circuit_v * rack.current_a * dt_s / _S_PER_H / _W_PER_KW for rack in racks]
    # the container's own balance holds: what the linear circuit misses is spread evenly
    missing = (drawn_kwh - sum(parts)) / len(racks)
    for rack, part in zip(racks, parts, strict=True):
        rack.stored_kwh -= part + missing
    _warm(racks, dt_s=dt_s)


def _warm(racks: Sequence[TwinRack], *, dt_s: float) -> None:
    """Let racks with more loss than the mean become warmer than it; the air mixes."""
    heat_kw = [rack.resistance_ohm * rack.current_a**2 / _W_PER_KW for rack in racks]
    mean_kw = sum(heat_kw) / len(heat_kw)
    for rack, kw in zip(racks, heat_kw, strict=True):
        capacity_kwh_per_k = HEAT_KWH_PER_K * rack.full_kwh / REFERENCE_KWH
        rack.warmer_k += (kw - mean_kw) * dt_s / _S_PER_H / capacity_kwh_per_k - rack.warmer_k * dt_s / _MIXING_S
