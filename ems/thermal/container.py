"""Battery container: cell temperature over the coming steps, and what holds it there at rest in hot air."""

from collections.abc import Iterable, Sequence
from math import exp

from ems.model.battery import BatteryPool

# a 20 ft container of 5 MWh LFP: 27 t of cells at 1.0 kJ/kgK with frames and coolant; envelope; resistive loss of
# 70 kW at 2.5 MW; a chiller of 50 kW that holds 28 degC (supplier figures and cell data, docs/formulation.md section 3)
_REFERENCE_KWH = 5000.0
_HEAT_KWH_PER_K = 8.7
_ENVELOPE_KW_PER_K = 0.08
_LOSS_PER_KW = 1.13e-5
_COOLING_MAX_KW_TH = 50.0
_HELD_DEGC = 28.0


def cell_path_degc(
    start_degc: float,
    *,
    container_kwh: float,
    container_kw: Sequence[float],
    ambient_degc: Sequence[float],
    duration_h: Sequence[float],
) -> tuple[float, ...]:
    """Return the cell temperature at the start and at the end of each step, shape (n_steps + 1,).

    `container_kw` is the mean power through one container per step, of either sign. Heating is left out: without it a
    container cools with a time constant of about 109 h.
    """
    nodes = [start_degc]
    for power_kw, ambient, hours in zip(container_kw, ambient_degc, duration_h, strict=True):
        nodes.append(_after(nodes[-1], container_kwh, power_kw=power_kw, ambient_degc=ambient, hours=hours))
    return tuple(nodes)


def resting_aux_kw(pools: Iterable[BatteryPool], *, ambient_degc: float | None) -> float:
    """E11: return what the auxiliaries of all containers draw without any power through them.

    Their base load, and the cooling of what comes through the envelope while the air is warmer than the cells are held;
    without a known ambient the base load alone.
    """
    return sum(
        len(block.container_ids)
        * (pool.aux_base_kw_per_container + pool.cooling_power_frac * _envelope_kw_th(pool.container_kwh, ambient_degc))
        for pool in pools
        for block in pool.blocks
    )


def _envelope_kw_th(container_kwh: float, ambient_degc: float | None) -> float:
    """Return the heat that comes through the envelope of a container whose cells are held; at most what is removed."""
    if ambient_degc is None:
        return 0.0
    scale = container_kwh / _REFERENCE_KWH
    return scale * min(_COOLING_MAX_KW_TH, max(0.0, _ENVELOPE_KW_PER_K * (ambient_degc - _HELD_DEGC)))


def _after(cell_degc: float, container_kwh: float, *, power_kw: float, ambient_degc: float, hours: float) -> float:
    """Return the temperature after a step of constant power, cooled towards the held temperature where it is above."""
    scale = container_kwh / _REFERENCE_KWH
    heat_kw = _LOSS_PER_KW / scale * power_kw**2
    free_degc = _relaxed(cell_degc, scale, heat_kw=heat_kw, ambient_degc=ambient_degc, hours=hours)
    if free_degc <= _HELD_DEGC:
        return free_degc
    cooled_kw = heat_kw - _COOLING_MAX_KW_TH * scale
    coldest_degc = _relaxed(cell_degc, scale, heat_kw=cooled_kw, ambient_degc=ambient_degc, hours=hours)
    return max(coldest_degc, _HELD_DEGC)


def _relaxed(cell_degc: float, scale: float, *, heat_kw: float, ambient_degc: float, hours: float) -> float:
    """Solve C dT/dt = heat + UA * (ambient - T) over a step."""
    final_degc = ambient_degc + heat_kw / (_ENVELOPE_KW_PER_K * scale)
    kept = exp(-hours * _ENVELOPE_KW_PER_K / _HEAT_KWH_PER_K)
    return final_degc + (cell_degc - final_degc) * kept
