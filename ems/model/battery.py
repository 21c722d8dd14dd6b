"""The storage: pools of equal AC blocks (one PCS with the containers behind it)."""

from dataclasses import dataclass
from itertools import pairwise
from math import inf, sqrt

from ems.model.racks import EVEN, RackSpread
from ems.model.units import frac

_WHOLE_PCT = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AcBlock:
    """One PCS, its transformer and its battery containers: the unit that fails as one."""

    id: str
    container_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeratingPoint:
    """What the supplier allows at a cell temperature, as shares of the limits; linear between points.

    Two points at one temperature are a jump, at which the lower share holds.
    """

    cell_degc: float
    charge_frac: float
    discharge_frac: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TaperPoint:
    """What the BMS allows at a SoC, as a share of the limit; linear between points, constant outside them."""

    soc_pct: float
    power_frac: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthWear:
    """A stretch of the store, as a share of full from the top, and what a kWh drawn from it costs beside the rest."""

    width_frac: float
    cost_per_kwh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DwellWear:
    """Calendar wear above a SoC: cost per kWh and hour."""

    above_pct: float
    cost_per_kwh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Warranty:
    """Energy that the pool may discharge in a year under its warranty, and the price of a kWh beyond it."""

    throughput_kwh: float
    price_per_kwh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FullCharges:
    """A full charge that balances the cells and sets the SoC right: due `every_h`, to be made within `window_h`."""

    every_h: float
    window_h: float
    missed_cost: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BatteryPool:
    """Equal AC blocks. Powers are per block at the medium-voltage terminals of its transformer.

    SoC is charge relative to the present full capacity (rated x SoH), 0..100 % of the full window.
    """

    id: str
    blocks: tuple[AcBlock, ...]
    pcs_kw: float
    max_charge_kw: float
    max_discharge_kw: float
    container_kwh: float
    charge_eff_frac: float
    discharge_eff_frac: float
    # PCS and transformer, drawn while the block is in operation, at any power
    no_load_kw: float
    self_discharge_frac_per_day: float
    soc_tech_min_pct: float
    soc_max_pct: float
    soc_error_pct: float
    warn_degc: float
    max_degc: float
    cell_min_v: float
    cell_max_v: float
    can_form: bool
    min_forming_blocks: int
    wear_cost_per_kwh: float
    aux_base_kw_per_container: float
    # containers' cooling that follows the power
    aux_frac_of_power: float = 0.0
    # electric power of a container's cooling per heat that it removes (1 / COP); 0: none that follows the ambient
    cooling_power_frac: float = 0.0
    # apparent power of one PCS, None: its active rating; reactive power that the site asks of it
    pcs_kva: float | None = None
    reactive_kvar: float = 0.0
    # without points the guard's derating between `warn_degc` and `max_degc`
    derating: tuple[DeratingPoint, ...] = ()
    charge_taper: tuple[TaperPoint, ...] = ()
    discharge_taper: tuple[TaperPoint, ...] = ()
    depth_wear: tuple[DepthWear, ...] = ()
    dwell: DwellWear | None = None
    warranty: Warranty | None = None
    full_charges: FullCharges | None = None
    # how far the racks of a container may be apart in SoC before somebody is told and a full charge is due
    rack_spread_max_pct: float | None = None
    # share of the PCS rating by which a block's setpoint may move in a second; None: at once
    ramp_frac_per_s: float | None = None
    # powers of one PCS between zero and this are not accepted, either way
    min_power_kw: float = 0.0

    @property
    def n_blocks(self) -> int:
        """Return the number of blocks."""
        return len(self.blocks)

    @property
    def block_kwh(self) -> float:
        """Return the rated energy of one block."""
        return self.container_kwh * len(self.blocks[0].container_ids)

    @property
    def rated_kwh(self) -> float:
        """Return the rated energy of the pool."""
        return sum(self.container_kwh * len(block.container_ids) for block in self.blocks)

    @property
    def rated_discharge_kw(self) -> float:
        """Return the discharge limit of the whole pool."""
        return self.max_discharge_kw * self.n_blocks

    @property
    def rated_charge_kw(self) -> float:
        """Return the charge limit of the whole pool."""
        return self.max_charge_kw * self.n_blocks

    def temperature_factor(self, cell_max_degc: float) -> float:
        """Return the share of power that guard rule G4 leaves: 1 up to `warn_degc`, 0 at `max_degc`."""
        if cell_max_degc <= self.warn_degc:
            return 1.0
        if cell_max_degc >= self.max_degc:
            return 0.0
        return (self.max_degc - cell_max_degc) / (self.max_degc - self.warn_degc)

    def derating_fracs(self, cell_degc: float) -> tuple[float, float]:
        """Return the shares of charge and discharge limit at a cell temperature: the supplier's and the guard's."""
        guard = self.temperature_factor(cell_degc)
        if not self.derating:
            return guard, guard
        charge = _interpolated([(point.cell_degc, point.charge_frac) for point in self.derating], cell_degc)
        discharge = _interpolated([(point.cell_degc, point.discharge_frac) for point in self.derating], cell_degc)
        return min(guard, charge), min(guard, discharge)

    @property
    def usable_pcs_kw(self) -> float:
        """Return the active power of one PCS beside its reactive power: sqrt(S^2 - Q^2)."""
        apparent_kva = self.pcs_kw if self.pcs_kva is None else self.pcs_kva
        return min(self.pcs_kw, sqrt(max(0.0, apparent_kva**2 - self.reactive_kvar**2)))

    def lowest_kwh(self, full_kwh: float, spread: RackSpread = EVEN) -> float:
        """Return the energy at which the emptiest rack is at the technical minimum, the error of its SoC included."""
        return frac(self.soc_tech_min_pct + self.soc_error_pct + spread.below_pct) * full_kwh

    def highest_kwh(self, full_kwh: float, spread: RackSpread = EVEN) -> float:
        """Return the energy at which the fullest rack is at the end of the window.

        With the window open to the top (a full charge) the BMS ends it, and balances the others meanwhile.
        """
        if self.soc_max_pct >= _WHOLE_PCT:
            return full_kwh
        return frac(max(0.0, self.soc_max_pct - spread.above_pct)) * full_kwh

    def usable_kwh(self, *, soc_pct: float, full_kwh: float, above_pct: float) -> float:
        """Return the energy in the cells above a SoC, zero below it."""
        return max(0.0, frac(soc_pct - above_pct) * full_kwh)


def _interpolated(points: list[tuple[float, float]], x: float) -> float:
    """Return the value at x: linear between points, constant outside, the lower one at a jump."""
    if x < points[0][0]:
        return points[0][1]
    lowest = inf
    for (x0, y0), (x1, y1) in pairwise(points):
        if x0 <= x <= x1:
            lowest = min(lowest, min(y0, y1) if x0 == x1 else y0 + (y1 - y0) * (x - x0) / (x1 - x0))
    return points[-1][1] if lowest == inf else lowest
