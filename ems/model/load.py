"""What consumes electricity on the site: the GPU cluster, its cooling plant and the auxiliaries."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class ItCluster:
    """The GPU load behind one busbar meter."""

    id: str
    design_kw: float
    mean_frac: float
    idle_frac: float
    # the largest block that can drop or start at once, as a share of design
    largest_block_frac: float
    job_step_kw: float
    # whether the cluster sends offers of what the site may do with its load
    takes_offers: bool = False

    @property
    def idle_kw(self) -> float:
        """Return the power of the idle cluster."""
        return self.design_kw * self.idle_frac

    @property
    def largest_block_kw(self) -> float:
        """Return the largest load block."""
        return self.design_kw * self.largest_block_frac


class CoolingKind(StrEnum):
    """Cooling plant models that `ems.thermal` knows."""

    LIQUID = "liquid"
    AIR = "air"


@dataclass(frozen=True, slots=True, kw_only=True)
class CoolingPlant:
    """Direct liquid cooling with a dry cooler and trim chillers, and room air for the rest of the heat.

    Fractions of pumps and fans are electric kW per kW of heat at design.
    """

    kind: CoolingKind
    design_heat_kw_th: float
    liquid_share_frac: float
    facility_supply_degc: float
    loop_delta_k: float
    dry_cooler_approach_k: float
    dry_cooler_fan_frac: float
    chilled_supply_degc: float
    trim_supply_max_degc: float
    carnot_frac: float
    max_cop: float
    cdu_pump_frac: float
    facility_pump_frac: float
    chilled_pump_frac: float
    room_fan_frac: float
    # the support lines of the plant curve may lie below it by this share of IT power (formulation E17)
    support_margin_frac: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Auxiliaries:
    """Lighting, controls, security: a share of served IT load and a constant part."""

    frac_of_it: float
    constant_kw: float
