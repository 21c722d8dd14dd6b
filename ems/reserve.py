"""Reserve formulas that planning, control and readiness share: requirements, holdings, energy and SoC floor.

Pure arithmetic on plain values; no site, no snapshot. Response classes: R0 within 100 ms (storage and grid
only), R1 within 10 s (online gensets too), and the same downwards. Equations: docs/formulation.md section 5.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from math import hypot, inf

from ems.model.genset import GensetClass
from ems.model.problem import Contingency, ContingencyKind
from ems.model.site import ReservePolicy, Site
from ems.model.units import SECONDS_PER_HOUR


class ReserveId(StrEnum):
    """The requirements that are assessed."""

    R0 = "r0"
    R1 = "r1"
    DOWN = "down"


UP_CLASSES = (ReserveId.R0, ReserveId.R1)
NO_LOSS = Contingency(id="none", kind=ContingencyKind.NOTHING)


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageUnit:
    """A block that forms the grid, or could at once; `usable_kwh` lies above the technical minimum."""

    id: str
    member: str
    power_kw: float
    max_discharge_kw: float
    max_charge_kw: float
    usable_kwh: float
    room_kwh: float
    charge_eff_frac: float
    discharge_eff_frac: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GensetUnit:
    """A set that runs with its breaker closed."""

    id: str
    member: str
    power_kw: float
    max_kw: float
    min_kw: float
    step_kw: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PvUnit:
    """A PV block and what it could deliver."""

    id: str
    member: str
    power_kw: float
    available_kw: float
    frequency_watt_credit_frac: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GridUnit:
    """A closed grid connection."""

    import_kw: float
    import_limit_kw: float
    export_limit_kw: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """The units in operation at one instant, and the largest load block that may vanish."""

    storage: tuple[StorageUnit, ...]
    gensets: tuple[GensetUnit, ...]
    pv: tuple[PvUnit, ...]
    grid: GridUnit | None
    largest_load_block_kw: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRequirement:
    """What an upward class must cover beside a loss: variation, and the share of available PV a cloud takes."""

    id: ReserveId
    gensets_count: bool
    variation_kw: float
    pv_drop_frac: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """All requirements of one instant; storage must sustain its headroom for `sustain_s`."""

    classes: tuple[ClassRequirement, ...]
    survive: frozenset[ContingencyKind]
    sustain_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """The requirement with the least margin: what the worst loss takes, and what is held against it."""

    id: ReserveId
    contingency: str
    required_kw: float
    held_kw: float

    @property
    def margin_kw(self) -> float:
        """Return held minus required."""
        return self.held_kw - self.required_kw


def variation_kw(policy: ReservePolicy, reserve: ReserveId, *, job_step_kw: float, swing_kw: float = 0.0) -> float:
    """Return V_k without PV: load swing within a second, and with the job step within ten.

    `swing_kw` is a measured swing; the policy's value is its lower bound. Independent terms add as squares.
    """
    swing = max(policy.swing_kw, swing_kw)
    return swing if reserve is ReserveId.R0 else hypot(swing, job_step_kw)


def pv_drop_frac(policy: ReservePolicy, reserve: ReserveId) -> float:
    """Return the share of available PV that a cloud takes within the class time."""
    return policy.pv_drop_r0_frac if reserve is ReserveId.R0 else policy.pv_drop_r1_frac


def requirement(policy: ReservePolicy, *, job_step_kw: float, swing_kw: float = 0.0) -> Requirement:
    """Return what the policy asks for, with a measured load swing where it is larger."""
    return Requirement(
        classes=tuple(
            ClassRequirement(
                id=reserve,
                gensets_count=reserve is not ReserveId.R0,
                variation_kw=variation_kw(policy, reserve, job_step_kw=job_step_kw, swing_kw=swing_kw),
                pv_drop_frac=pv_drop_frac(policy, reserve),
            )
            for reserve in UP_CLASSES
        ),
        survive=frozenset(policy.survive),
        sustain_s=policy.sustain_s,
    )


def gap_kwh(policy: ReservePolicy, *, load_kw: float, fix_s: float, ramp_s: float, discharge_eff_frac: float) -> float:
    """Return E_gap: cell energy for the load until gensets carry it, with the policy's margin."""
    duration_s = fix_s + ramp_s / 2.0
    return load_kw * duration_s / SECONDS_PER_HOUR / discharge_eff_frac * (1.0 + policy.gap_margin_frac)


def checkpoint_kwh(policy: ReservePolicy, *, load_kw: float) -> float:
    """Return E_ckpt: energy of an orderly checkpoint, drain and cooling run-on."""
    return load_kw * policy.checkpoint_load_frac * policy.checkpoint_s / SECONDS_PER_HOUR


def reserve_kwh(
    policy: ReservePolicy, *, load_kw: float, gensets: tuple[GensetClass, ...], discharge_eff_frac: float
) -> float:
    """Return E_res: the energy above the technical minimum that is kept for contingencies."""
    fix_s = max((genset.fix_s for genset in gensets), default=0.0)
    ramp_s = max((genset.ramp_s for genset in gensets), default=0.0)
    gap = gap_kwh(policy, load_kw=load_kw, fix_s=fix_s, ramp_s=ramp_s, discharge_eff_frac=discharge_eff_frac)
    return gap + checkpoint_kwh(policy, load_kw=load_kw) + policy.black_start_kwh


def lead_time_s(policy: ReservePolicy, gensets: tuple[GensetClass, ...]) -> float:
    """Return t_lead: start command to carrying load of the slowest class, and the policy's margin."""
    return policy.lead_s + max((genset.carry_s for genset in gensets), default=0.0)


def lead_kwh(net_deficit_kw: float, *, lead_s: float, discharge_eff_frac: float) -> float:
    """Return the cell energy that covers a net deficit for t_lead (start rule 2)."""
    return max(0.0, net_deficit_kw) * lead_s / SECONDS_PER_HOUR / discharge_eff_frac


def soc_floor_pct(site: Site, *, load_kw: float, full_kwh: float) -> float:
    """Return the SoC that steady operation keeps: technical minimum, E_res and SoC uncertainty.

    `full_kwh` is the present full capacity of all pools together; the first pool's limits stand for all.
    """
    pool = site.batteries[0]
    energy = reserve_kwh(
        site.reserve, load_kw=load_kw, gensets=site.gensets, discharge_eff_frac=pool.discharge_eff_frac
    )
    return pool.soc_tech_min_pct + pool.soc_error_pct + 100.0 * energy / full_kwh


def up_headroom_kw(unit: StorageUnit, *, sustain_s: float) -> float:
    """Return what a block could deliver beyond its present power, sustained by the energy in its cells."""
    by_power = unit.max_discharge_kw - unit.power_kw
    by_energy = unit.usable_kwh * unit.discharge_eff_frac * SECONDS_PER_HOUR / sustain_s if sustain_s else inf
    return max(0.0, min(by_power, by_energy))


def down_headroom_kw(unit: StorageUnit, *, sustain_s: float) -> float:
    """Return how much further towards charging a block could go; what it discharges now needs no room."""
    by_power = unit.max_charge_kw + unit.power_kw
    room_kw = unit.room_kwh / unit.charge_eff_frac * SECONDS_PER_HOUR / sustain_s if sustain_s else inf
    by_energy = max(0.0, unit.power_kw) + room_kw
    return max(0.0, min(by_power, by_energy))


def without_set(operation: Operation, unit_id: str) -> Operation:
    """Return the operation after a set is stopped in good order, its power taken over by storage equally."""
    stopped = next(unit for unit in operation.gensets if unit.id == unit_id)
    share_kw = stopped.power_kw / max(1, len(operation.storage))
    return replace(
        operation,
        gensets=tuple(unit for unit in operation.gensets if unit.id != unit_id),
        storage=tuple(replace(unit, power_kw=unit.power_kw + share_kw) for unit in operation.storage),
    )


def set_is_needed(operation: Operation, unit_id: str, required: Requirement) -> bool:
    """Return whether stopping a set would leave an upward requirement short that is held with it."""
    before = {item.id: item.margin_kw for item in assess(operation, required)}
    after = assess(without_set(operation, unit_id), required)
    return any(item.margin_kw < 0.0 and item.margin_kw < before[item.id] for item in after if item.id in UP_CLASSES)


def sets_are_needed(operation: Operation, required: Requirement) -> bool:
    """Return whether stopping every running set would leave an upward requirement short."""
    if not operation.gensets:
        return False
    alone = operation
    for unit in operation.gensets:
        alone = without_set(alone, unit.id)
    return any(item.margin_kw < 0.0 for item in assess(alone, required) if item.id in UP_CLASSES)


def assess(operation: Operation, required: Requirement) -> tuple[Assessment, ...]:
    """Return, for each upward class and for down, the contingency that leaves the least margin."""
    up = (_worst(_up(operation, required, reserve)) for reserve in required.classes)
    return (*up, _worst(_down(operation, required)))


def _worst(assessments: Iterator[Assessment]) -> Assessment:
    return min(assessments, key=lambda assessment: assessment.margin_kw)


def _up(operation: Operation, required: Requirement, reserve: ClassRequirement) -> Iterator[Assessment]:
    """Yield E19-E22: providers outside each contingency against its loss and the variation."""
    storage = {unit.id: up_headroom_kw(unit, sustain_s=required.sustain_s) for unit in operation.storage}
    sets = {
        unit.id: max(0.0, min(unit.max_kw - unit.power_kw, unit.step_kw)) if reserve.gensets_count else 0.0
        for unit in operation.gensets
    }
    grid = operation.grid
    grid_kw = 0.0 if grid is None else max(0.0, grid.import_limit_kw - grid.import_kw)
    held = sum(storage.values()) + sum(sets.values()) + grid_kw
    kept_frac = 1.0 - reserve.pv_drop_frac
    drop_kw = max(0.0, sum(unit.power_kw - kept_frac * unit.available_kw for unit in operation.pv))
    variation = reserve.variation_kw + drop_kw

    def found(name: str, loss_kw: float, lost_headroom_kw: float) -> Assessment:
        return Assessment(
            id=reserve.id, contingency=name, required_kw=max(0.0, loss_kw) + variation, held_kw=held - lost_headroom_kw
        )

    yield found(NO_LOSS.id, 0.0, 0.0)
    if ContingencyKind.GRID in required.survive and grid is not None:
        yield found("grid", grid.import_kw, grid_kw)
    if ContingencyKind.GENSET in required.survive:
        yield from (found(unit.id, unit.power_kw, sets[unit.id]) for unit in operation.gensets)
    if ContingencyKind.BLOCK in required.survive:
        yield from (found(unit.id, unit.power_kw, storage[unit.id]) for unit in operation.storage)
    if ContingencyKind.PV_BLOCK in required.survive:
        yield from (found(unit.id, unit.power_kw, 0.0) for unit in operation.pv)


def _down(operation: Operation, required: Requirement) -> Iterator[Assessment]:
    """Yield E23 within 100 ms: charge headroom, frequency-watt curtailment and import that can fall away."""
    storage = {unit.id: down_headroom_kw(unit, sustain_s=required.sustain_s) for unit in operation.storage}
    cut_kw = sum(unit.power_kw * unit.frequency_watt_credit_frac for unit in operation.pv)
    grid = operation.grid
    grid_kw = 0.0 if grid is None else max(0.0, grid.import_kw + grid.export_limit_kw)
    held = sum(storage.values()) + cut_kw + grid_kw

    def found(name: str, loss_kw: float, lost_headroom_kw: float) -> Assessment:
        return Assessment(
            id=ReserveId.DOWN, contingency=name, required_kw=max(0.0, loss_kw), held_kw=held - lost_headroom_kw
        )

    yield found("load_block", operation.largest_load_block_kw, 0.0)
    if ContingencyKind.GRID in required.survive and grid is not None:
        yield found("grid", -grid.import_kw, grid_kw)
    if ContingencyKind.BLOCK in required.survive:
        yield from (found(unit.id, -unit.power_kw, storage[unit.id]) for unit in operation.storage)
