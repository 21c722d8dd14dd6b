"""Battery containers and the PCS in front of them: energy, losses, heat, limits, droop and watchdog."""

from dataclasses import dataclass, field
from itertools import pairwise

from drivers.sim.racks import (
    CELL_LOSS_PER_KW,
    HEAT_KWH_PER_K,
    REFERENCE_KWH,
    TwinRack,
    draw,
    in_service,
    open_circuit_v,
)
from ems.model.battery import BatteryPool

# envelope and cooling of a 5 MWh container
_ENVELOPE_KW_PER_K = 0.08
_COOLING_MAX_KW_TH = 50.0
_COOLING_COP = 2.5
_COOLING_ON_DEGC, _COOLING_OFF_DEGC = 28.0, 25.0
# the BMS tapers near both ends of the window: share of SoC over which power falls to zero
_TAPER_PCT = 3.0
_FULL_PCT, _EMPTY_PCT = 99.0, 1.0
C_RATE = 0.5
# supplier's derating by cell temperature
_DERATING_DEGC = ((0.0, 0.0), (5.0, 0.5), (15.0, 1.0), (35.0, 1.0), (45.0, 0.5), (50.0, 0.0))
# a rack is let in again at no greater difference of voltage
_CLOSING_V = 6.0
# conversion losses of PCS and transformer beside the constant part: proportional, quadratic share of rating
_CONVERSION_LOSS = (0.010, 0.004)
# without a controller a PCS holds for some watchdog times; then a following one ramps to zero over as many, one that
# forms an island stays on its droop without a setpoint
_HOLD_PERIODS, _RAMP_PERIODS = 3.0, 6.0
# closing, charging its DC side and raising the voltage
_START_S = 5.0


@dataclass(slots=True)
class TwinContainer:
    """One container; power > 0 leaves the cells."""

    id: str
    full_kwh: float
    stored_kwh: float
    cell_degc: float
    aux_base_kw: float
    soh_pct: float = 100.0
    cooling_on: bool = False
    aux_kw: float = 0.0
    # empty: the container is looked at as one piece
    racks: list[TwinRack] = field(default_factory=list)

    @property
    def soc_pct(self) -> float:
        """Return the true state of charge, of the racks in service where there are racks."""
        closed = in_service(self.racks)
        if not closed:
            return 100.0 * self.stored_kwh / self.full_kwh
        return 100.0 * sum(rack.stored_kwh for rack in closed) / sum(rack.full_kwh for rack in closed)

    @property
    def available_kwh(self) -> float:
        """Return the energy that can be drawn: that of racks which are out cannot."""
        return self.stored_kwh - sum(rack.stored_kwh for rack in self.racks if not rack.closed)

    @property
    def room_kwh(self) -> float:
        """Return the energy that can still be charged."""
        return self.full_kwh - self.stored_kwh - sum(r.full_kwh - r.stored_kwh for r in self.racks if not r.closed)

    @property
    def voltage_v(self) -> float:
        """Return the direct voltage without load."""
        return open_circuit_v(self.soc_pct)

    @property
    def max_charge_kw(self) -> float:
        """Return what the BMS allows now."""
        return self._limit_kw([self.max_charge_frac(soc_pct) for soc_pct in self._socs_pct()])

    @property
    def max_discharge_kw(self) -> float:
        """Return what the BMS allows now."""
        return self._limit_kw([self.max_discharge_frac(soc_pct) for soc_pct in self._socs_pct()])

    def max_charge_frac(self, soc_pct: float) -> float:
        """Return the share of its rated power that a rack or container of this SoC may be charged with."""
        return self._derated((_FULL_PCT - soc_pct) / _TAPER_PCT)

    def max_discharge_frac(self, soc_pct: float) -> float:
        """Return the share of its rated power that it may be discharged with."""
        return self._derated((soc_pct - _EMPTY_PCT) / _TAPER_PCT)

    def advance(self, power_kw: float, ambient_degc: float, dt_s: float) -> float:
        """Move energy and heat for one step; return the energy lost in the cells, kWh."""
        hours = dt_s / 3600.0
        heat_kw = CELL_LOSS_PER_KW * REFERENCE_KWH / self.full_kwh * power_kw**2
        drawn_kwh = (power_kw + heat_kw) * hours
        self.stored_kwh -= drawn_kwh
        draw(self.racks, power_kw=power_kw, drawn_kwh=drawn_kwh, dt_s=dt_s)
        scale = self.full_kwh / REFERENCE_KWH
        if self.cell_degc >= _COOLING_ON_DEGC:
            self.cooling_on = True
        elif self.cell_degc <= _COOLING_OFF_DEGC:
            self.cooling_on = False
        through_kw = _ENVELOPE_KW_PER_K * scale * (ambient_degc - self.cell_degc)
        wanted_kw = heat_kw + through_kw + HEAT_KWH_PER_K * scale * (self.cell_degc - _COOLING_OFF_DEGC)
        cooling_kw = min(_COOLING_MAX_KW_TH * scale, max(0.0, wanted_kw)) if self.cooling_on else 0.0
        self.cell_degc += (heat_kw + through_kw - cooling_kw) * hours / (HEAT_KWH_PER_K * scale)
        self.aux_kw = self.aux_base_kw + cooling_kw / _COOLING_COP
        return heat_kw * hours

    def switch_rack(self, number: int, *, closed: bool) -> bool:
        """Open or close the contactor of a rack, which counts from 1; False where the BMS does not do it.

        It closes only where no great current would flow between the rack and the others.
        """
        if not 1 <= number <= len(self.racks):
            return False
        rack = self.racks[number - 1]
        if closed and not rack.closed and abs(rack.open_circuit_v - self.voltage_v) > _CLOSING_V:
            return False
        rack.closed = closed
        return True

    def _socs_pct(self) -> list[float]:
        return [rack.soc_pct for rack in in_service(self.racks)] or [self.soc_pct]

    def _limit_kw(self, fracs: list[float]) -> float:
        """Return what all may give or take together: each as much as the one with the smallest share."""
        closed = in_service(self.racks)
        if self.racks and not closed:
            return 0.0
        return C_RATE * (sum(rack.full_kwh for rack in closed) or self.full_kwh) * min(fracs)

    def _derated(self, taper: float) -> float:
        return max(0.0, min(1.0, taper)) * _interpolate(self.cell_degc, _DERATING_DEGC)


@dataclass(slots=True)
class TwinBlock:
    """A PCS with its transformer and the containers behind it; power at the transformer's terminals."""

    id: str
    pool: BatteryPool
    containers: list[TwinContainer]
    setpoint_kw: float = 0.0
    power_kw: float = 0.0
    discharge_kwh: float = 0.0
    charge_kwh: float = 0.0
    silent_s: float = 0.0
    watchdog_s: float | None = None
    remote: bool = True
    in_operation: bool = True
    # a trip lasts until the PCS is started again, which takes its time
    tripped: bool = False
    starts_in_s: float | None = None
    pending: list[tuple[float, float]] = field(default_factory=list)

    @property
    def forming(self) -> bool:
        """Return whether the PCS forms the grid."""
        return self.pool.can_form and self.in_operation

    @property
    def misses_controller(self) -> bool:
        """Return whether its watchdog has run out."""
        return self.watchdog_s is not None and self.silent_s > self.watchdog_s

    @property
    def voltage_v(self) -> float:
        """Return the voltage of the DC side, which its containers share."""
        return sum(container.voltage_v for container in self.containers) / len(self.containers)

    def trip(self) -> None:
        """Open the PCS, as its own protection does."""
        self.tripped, self.in_operation, self.starts_in_s, self.power_kw = True, False, None, 0.0

    def start(self) -> None:
        """Start after a trip, on a dead bus or a live one; without effect on a PCS that works."""
        if self.tripped and self.starts_in_s is None:
            self.starts_in_s = _START_S

    def command(self, power_kw: float, effective_at_s: float) -> None:
        """Take a setpoint that acts after the command latency."""
        self.pending.append((effective_at_s, power_kw))

    def follow(self, at_s: float, dt_s: float, *, islanded: bool) -> None:
        """Apply commands that have become effective, and the watchdog's fall-back."""
        if self.starts_in_s is not None:
            self.starts_in_s -= dt_s
            if self.starts_in_s <= 0.0:
                self.tripped, self.starts_in_s, self.setpoint_kw = False, None, 0.0
                self.in_operation = all(container.available_kwh > 0.0 for container in self.containers)
        while self.pending and self.pending[0][0] <= at_s:
            self.setpoint_kw = self.pending.pop(0)[1]
        self.silent_s += dt_s
        if self.watchdog_s is None or self.silent_s <= _HOLD_PERIODS * self.watchdog_s:
            return
        if islanded and self.forming:
            # a setpoint only shifts its droop: without one it still carries what the others leave
            self.setpoint_kw = 0.0
        else:
            self.setpoint_kw *= max(0.0, 1.0 - dt_s / (_RAMP_PERIODS * self.watchdog_s))

    def range_kw(self, dt_s: float) -> tuple[float, float]:
        """Return lowest and highest power of the step: PCS rating, BMS limits and the energy in the cells."""
        if not self.in_operation:
            return 0.0, 0.0
        hours = dt_s / 3600.0
        charge = sum(min(c.max_charge_kw, c.room_kwh / hours) for c in self.containers)
        discharge = sum(min(c.max_discharge_kw, c.available_kwh / hours) for c in self.containers)
        rating = self.pool.pcs_kw
        return -min(rating, charge), min(rating, max(0.0, discharge - self.loss_kw(discharge)))

    def loss_kw(self, power_kw: float) -> float:
        """Return conversion losses at a terminal power."""
        if not self.in_operation:
            return 0.0
        linear, square = _CONVERSION_LOSS
        return self.pool.no_load_kw + linear * abs(power_kw) + square * power_kw**2 / self.pool.pcs_kw

    def advance(self, power_kw: float, ambient_degc: float, dt_s: float) -> float:
        """Run a step at a terminal power; return the energy lost in cells and conversion, kWh."""
        self.power_kw = power_kw
        hours = dt_s / 3600.0
        if power_kw >= 0.0:
            self.discharge_kwh += power_kw * hours
        else:
            self.charge_kwh -= power_kw * hours
        lost_kw = self.loss_kw(power_kw)
        share_kw = (power_kw + lost_kw) / len(self.containers)
        cells = sum(container.advance(share_kw, ambient_degc, dt_s) for container in self.containers)
        # an empty battery opens its contactors and takes the PCS with it
        self.in_operation = not self.tripped and all(container.available_kwh > 0.0 for container in self.containers)
        return cells + lost_kw * hours


def _interpolate(value: float, points: tuple[tuple[float, float], ...]) -> float:
    if value <= points[0][0]:
        return points[0][1]
    for (x0, y0), (x1, y1) in pairwise(points):
        if value <= x1:
            return y0 + (y1 - y0) * (value - x0) / (x1 - x0)
    return points[-1][1]
