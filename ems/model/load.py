"""What consumes electricity on the site: the GPU cluster, its cooling plant and the auxiliaries."""

from dataclasses import dataclass
from enum import StrEnum

from ems.model.units import SECONDS_PER_MINUTE


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
    # whether the cluster speaks the contract: sends offers of what the site may do with its load, answers, tells
    takes_offers: bool = False
    # ramps that are agreed with the cluster (r_cap); None: a job step, and the largest block, in a minute
    ramp_up_kw_per_min: float | None = None
    ramp_down_kw_per_min: float | None = None
    # a cluster that has said nothing for so long is without a link
    link_timeout_s: float = 60.0

    @property
    def idle_kw(self) -> float:
        """Return the power of the idle cluster."""
        return self.design_kw * self.idle_frac

    @property
    def rise_kw(self) -> float:
        """Return the largest rise within ten seconds: an unannounced job, or the agreed ramp where that is more."""
        ramp_kw = 0.0 if self.ramp_up_kw_per_min is None else self.ramp_up_kw_per_min * 10.0 / SECONDS_PER_MINUTE
        return max(self.job_step_kw, ramp_kw)

    @property
    def largest_block_kw(self) -> float:
        """Return the largest load block."""
        return self.design_kw * self.largest_block_frac


class CoolingKind(StrEnum):
    """Cooling plant models that `ems.thermal` knows."""

    LIQUID = "liquid"
    AIR = "air"


@dataclass(frozen=True, slots=True, kw_only=True)
class CoolingUnits:
    """Equal units of one kind, each of `capacity_kw_th`.

    `supply_degc` is the supply temperature that they are commanded; None: they keep their own setpoints.
    """

    unit_ids: tuple[str, ...]
    capacity_kw_th: float
    supply_degc: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChillerUnits(CoolingUnits):
    """Equal chillers.

    A running one carries `min_load_frac` of its capacity at least, and its pumps and controls draw `base_kw`. Each
    start costs `start_cost`, in the site's currency.
    """

    min_load_frac: float = 0.0
    base_kw: float = 0.0
    start_cost: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CoolingPlant:
    """Direct liquid cooling with a dry cooler and trim chillers, and room air for the rest of the heat.

    Fractions of pumps and fans are electric kW per kW of heat at design. Units are None where none of them is read.
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
    # supply temperatures of the racks' coolant: too warm for all work, for any work, and cool enough again
    degraded_supply_degc: float = 44.0
    lost_supply_degc: float = 46.0
    recovered_supply_degc: float = 41.0
    cdus: CoolingUnits | None = None
    chillers: ChillerUnits | None = None
    dry_coolers: CoolingUnits | None = None
    # water in the loops between racks and heat rejection
    coolant_m3: float | None = None

    @property
    def unit_ids(self) -> tuple[str, ...]:
        """Return the names of all units that are read."""
        kinds = (self.cdus, self.chillers, self.dry_coolers)
        return tuple(unit for kind in kinds if kind is not None for unit in kind.unit_ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class Auxiliaries:
    """Lighting, controls, security: a share of served IT load and a constant part."""

    frac_of_it: float
    constant_kw: float
