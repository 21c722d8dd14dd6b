"""PV plants: equal blocks of an array with its inverters."""

from dataclasses import dataclass
from enum import StrEnum


class PvMount(StrEnum):
    """How the modules are held."""

    SINGLE_AXIS = "single_axis"
    FIXED = "fixed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PvArray:
    """What the forecast needs to know of the modules; losses are shares of DC power."""

    mount: PvMount
    tilt_deg: float
    azimuth_deg: float
    max_rotation_deg: float
    ground_coverage_frac: float
    temp_coeff_frac_per_k: float
    system_loss_frac: float
    soiling_loss_frac: float
    inverter_eff_frac: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PvPlant:
    """Equal PV blocks; `ac_kw` is the inverter rating of one block, `dc_kwp` its modules."""

    id: str
    block_ids: tuple[str, ...]
    dc_kwp: float
    ac_kw: float
    array: PvArray
    # credit of frequency-watt curtailment as R0 down reserve
    frequency_watt_credit_frac: float
    # share of a block's rating by which its limit may be lifted in a second; None: at once
    ramp_frac_per_s: float | None = None

    @property
    def n_blocks(self) -> int:
        """Return the number of blocks."""
        return len(self.block_ids)

    @property
    def total_dc_kwp(self) -> float:
        """Return the module power of the plant."""
        return self.dc_kwp * self.n_blocks

    @property
    def total_ac_kw(self) -> float:
        """Return the inverter rating of the plant."""
        return self.ac_kw * self.n_blocks
