"""The storage: pools of equal AC blocks (one PCS with the containers behind it)."""

from dataclasses import dataclass

from ems.model.units import frac


@dataclass(frozen=True, slots=True, kw_only=True)
class AcBlock:
    """One PCS, its transformer and its battery containers: the unit that fails as one."""

    id: str
    container_ids: tuple[str, ...]


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

    def usable_kwh(self, *, soc_pct: float, full_kwh: float, above_pct: float) -> float:
        """Return the energy in the cells above a SoC, zero below it."""
        return max(0.0, frac(soc_pct - above_pct) * full_kwh)
