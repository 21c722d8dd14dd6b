"""The process image of one control cycle: frozen, complete or honestly incomplete.

Values are per asset, not per device. A value is None when it is stale, implausible or was never read;
`problems` says why. Nothing in here changes during a cycle.
"""

from dataclasses import dataclass
from datetime import datetime

from ems.model.cooling_units import CduState, ChillerState, DryCoolerState
from ems.model.racks import EVEN, ContainerRacks, RackSpread
from ems.model.readings import ControlMode, EngineState, GensetPhase


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why a value of a device is missing from the image."""

    device_id: str
    value: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockState:
    """One AC block, its PCS and containers taken together.

    Here and below: what is `suspect` shows values that may be old, so its headroom does not count.
    """

    id: str
    power_kw: float | None
    setpoint_kw: float | None
    forming: bool | None
    ready: bool
    controllable: bool
    fallback_armed: bool | None
    soc_pct: float | None
    full_kwh: float | None
    max_charge_kw: float | None
    max_discharge_kw: float | None
    cell_max_degc: float | None
    cell_max_v: float | None
    cell_min_v: float | None
    alarm: bool
    discharge_wh: int | None
    charge_wh: int | None
    suspect: bool = False
    # fire or gas, or lost insulation to earth, is reported by a container, a rack or the PCS
    fire: bool = False
    earth_fault: bool = False
    # SoC as the BMS has it where control counts with an estimate of its own instead
    reported_soc_pct: float | None = None
    spread: RackSpread = EVEN
    racks: tuple[ContainerRacks, ...] = ()
    # the device's own nameplate, None where it names none
    rated_kw: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GensetState:
    """One genset; `engine_state` and what follows it are not given by every controller."""

    id: str
    phase: GensetPhase | None
    power_kw: float | None
    setpoint_kw: float | None
    breaker_closed: bool | None
    controllable: bool
    energy_wh: int | None
    fuel_used_l: float | None
    run_h: float | None
    n_starts: int | None
    engine_state: EngineState | None = None
    mode: ControlMode | None = None
    warnings: tuple[str, ...] | None = None
    shutdowns: tuple[str, ...] | None = None
    trips: tuple[str, ...] | None = None
    load_pct: float | None = None
    engine_rpm: float | None = None
    frequency_hz: float | None = None
    oil_kpa: float | None = None
    coolant_degc: float | None = None
    fuel_pct: float | None = None
    battery_v: float | None = None
    suspect: bool = False
    fallback_armed: bool | None = None
    rated_kw: float | None = None

    @property
    def carries(self) -> bool:
        """Return whether the set is known to run with its breaker closed and ready for load."""
        return self.phase is GensetPhase.RUNNING and self.breaker_closed is True


@dataclass(frozen=True, slots=True, kw_only=True)
class PvState:
    """One PV block."""

    id: str
    power_kw: float | None
    available_kw: float | None
    limit_kw: float | None
    controllable: bool
    energy_wh: int | None
    suspect: bool = False
    fallback_armed: bool | None = None
    rated_kw: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PccState:
    """The point of common coupling; what follows the counters is not given by every device.

    `angle_deg` is the bus ahead of the grid, -180 to 180. `island_group` is the group of protection settings that is
    ready for an island. `permitted` reads back whether the sync-check device has our permit to close; `controllable`
    is whether it takes permits and requests. `metered_kw` is what its meter shows where that contradicts all other
    meters and `power_kw` is derived from them.
    """

    power_kw: float | None
    breaker_closed: bool | None
    grid_voltage_frac: float | None
    bus_voltage_frac: float | None
    frequency_hz: float | None
    import_wh: int | None
    export_wh: int | None
    metered_kw: float | None = None
    grid_frequency_hz: float | None = None
    angle_deg: float | None = None
    island_group: int | None = None
    permitted: bool | None = None
    controllable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetyState:
    """The safety chain's inputs; None where one is not known now. One that no device has counts as not standing."""

    e_stop: bool | None = None
    fire: bool | None = None
    earth_fault: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadState:
    """A metered load."""

    load_kw: float | None
    load_max_kw: float | None
    energy_wh: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CoolingState:
    """The cooling plant, its units that are read, and the weather at the site."""

    ambient_degc: float | None
    supply_degc: float | None
    capacity_kw_th: float | None
    cdus: tuple[CduState, ...] = ()
    chillers: tuple[ChillerState, ...] = ()
    dry_coolers: tuple[DryCoolerState, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteSnapshot:
    """Everything that control may know in one cycle."""

    at_s: float
    utc: datetime
    blocks: tuple[BlockState, ...]
    gensets: tuple[GensetState, ...]
    pv: tuple[PvState, ...]
    pcc: PccState | None
    it: LoadState
    cooling_load: LoadState
    aux: LoadState
    cooling: CoolingState
    tank_l: float | None
    frequency_hz: float | None
    problems: tuple[Problem, ...]
    # difference between the oldest and the youngest sample that enters the power balance
    spread_s: float
    # None: the site has no safety inputs
    safety: SafetyState | None = None
