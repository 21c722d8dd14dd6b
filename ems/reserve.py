"""Reserve formulas that planning, control and readiness share: requirements, holdings, energy and SoC floor.

Pure arithmetic on plain values; no site, no snapshot. Response classes: R0 within 100 ms (storage and grid
only), R1 within 10 s (running sets too), R2 within 120 s (sets that start too), and the same downwards within 100 ms
and 10 s. Control watches R0, R1 and the first one downwards each second; the others are planned only. Equations:
docs/formulation.md section 5.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from math import comb, hypot, inf

from ems.model.genset import GensetClass
from ems.model.problem import Contingency, ContingencyKind, Loss
from ems.model.site import ReservePolicy, Site
from ems.model.units import SECONDS_PER_HOUR


class ReserveId(StrEnum):
    """The requirements that are assessed."""

    R0 = "r0"
    R1 = "r1"
    R2 = "r2"
    DOWN = "down"
    DOWN_SLOW = "down_slow"

    @property
    def upward(self) -> bool:
        """Return whether power that is missing is what the requirement is about."""
        return self not in {ReserveId.DOWN, ReserveId.DOWN_SLOW}


# upward classes that every site has
UP_CLASSES = (ReserveId.R0, ReserveId.R1)
# what control watches each second
WATCHED = (*UP_CLASSES, ReserveId.DOWN)
NO_LOSS = Contingency(id="none")
# R2: what takes longer does not count
R2_WITHIN_S = 120.0


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
    # 0.1 quantile of what is available: how far curtailed power counts where it counts at all
    certain_kw: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RestingSets:
    """Available sets of a class that do not run, and how many of them may fail to start."""

    member: str
    n_sets: int
    n_failures: int
    max_kw: float


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
    resting: tuple[RestingSets, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRequirement:
    """What an upward class must cover beside a loss: variation, and the share of available PV a cloud takes.

    In a class in which starts count, running sets give all their headroom; load that is certain to be shed and
    curtailed PV count where the class says so.
    """

    id: ReserveId
    gensets_count: bool
    variation_kw: float
    pv_drop_frac: float
    starts_count: bool = False
    shed_kw: float = 0.0
    curtailed_counts: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """All requirements of one instant; storage must sustain its headroom for `sustain_s`.

    Survived are the loss of any one unit of the kinds in `survive`, and each of the `contingencies`. `down` names the
    downward requirements.
    """

    classes: tuple[ClassRequirement, ...]
    survive: frozenset[ContingencyKind]
    sustain_s: float
    contingencies: tuple[Contingency, ...] = ()
    down: tuple[ReserveId, ...] = (ReserveId.DOWN,)


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


def variation_kw(
    policy: ReservePolicy,
    reserve: ReserveId,
    *,
    job_step_kw: float,
    swing_kw: float = 0.0,
    forecast_error_kw: float = 0.0,
) -> float:
    """Return V_k without PV: load swing within a second, with the job step within ten, with forecast errors in R2.

    `swing_kw` is a measured swing; the policy's value is its lower bound. Independent terms add as squares.
    """
    swing = max(policy.swing_kw, swing_kw)
    if reserve is ReserveId.R0:
        return swing
    return hypot(swing, job_step_kw, forecast_error_kw if reserve is ReserveId.R2 else 0.0)


def pv_drop_frac(policy: ReservePolicy, reserve: ReserveId) -> float:
    """Return the share of available PV that a cloud takes within the class time."""
    if reserve is ReserveId.R2 and policy.r2 is not None:
        return policy.r2.pv_drop_frac
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
        contingencies=policy.contingencies,
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
        resting=tuple(
            replace(sets, n_sets=sets.n_sets + (sets.member == stopped.member)) for sets in operation.resting
        ),
    )


def set_is_needed(operation: Operation, unit_id: str, required: Requirement) -> bool:
    """Return whether stopping a set would leave an upward requirement short that is held with it."""
    return short_without_set(operation, unit_id, required) is not None


def short_without_set(operation: Operation, unit_id: str, required: Requirement) -> Assessment | None:
    """Return the upward requirement that stopping a set would leave shortest, None where it leaves none shorter."""
    before = {item.id: item.margin_kw for item in assess(operation, required)}
    after = assess(without_set(operation, unit_id), required)
    short = [item for item in after if item.id.upward and item.margin_kw < min(0.0, before[item.id])]
    return min(short, key=lambda item: item.margin_kw, default=None)


def sets_are_needed(operation: Operation, required: Requirement) -> bool:
    """Return whether stopping every running set would leave an upward requirement short."""
    if not operation.gensets:
        return False
    alone = operation
    for unit in operation.gensets:
        alone = without_set(alone, unit.id)
    return any(item.margin_kw < 0.0 for item in assess(alone, required) if item.id.upward)


def assess(operation: Operation, required: Requirement) -> tuple[Assessment, ...]:
    """Return, for each upward class and for each downward one, the contingency that leaves the least margin."""
    up = (_worst(_up(operation, required, reserve)) for reserve in required.classes)
    down = (_worst(_down(operation, required, reserve)) for reserve in required.down)
    return (*up, *down)


def start_failures(n_sets: int, *, failure_frac: float, quantile_frac: float) -> int:
    """Return how many of `n_sets` starts fail at most, with a probability of `quantile_frac`, each on its own."""
    certain = 0.0
    for n_failed in range(n_sets):
        certain += comb(n_sets, n_failed) * failure_frac**n_failed * (1.0 - failure_frac) ** (n_sets - n_failed)
        if certain >= quantile_frac:
            return n_failed
    return n_sets


def _worst(assessments: Iterator[Assessment]) -> Assessment:
    return min(assessments, key=lambda assessment: assessment.margin_kw)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A unit that may be lost: what it takes with it, and the headroom that it no longer gives."""

    kind: ContingencyKind
    member: str
    id: str
    loss_kw: float
    headroom_kw: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lost:
    """What a contingency takes; `count` sets of a class are running ones as far as any run."""

    id: str
    parts: tuple[_Part, ...]
    sets: tuple[Loss, ...] = ()
    load_kw: float = 0.0


def _losses(parts: Iterable[_Part], required: Requirement) -> Iterator[_Lost]:
    """Yield the loss of nothing, of each unit of a kind, and of the worst units that each contingency may take."""
    present = sorted(parts, key=lambda part: -(max(0.0, part.loss_kw) + part.headroom_kw))
    yield _Lost(id=NO_LOSS.id, parts=())
    for part in present:
        if part.kind in required.survive:
            single = Loss(kind=part.kind, member=part.member)
            yield _Lost(id=part.id, parts=(part,), sets=(single,) if part.kind is ContingencyKind.GENSET else ())
    for contingency in required.contingencies:
        taken = tuple(part for loss in contingency.losses for part in _taken(present, loss))
        loads = (loss.load_kw for loss in contingency.losses if loss.kind is ContingencyKind.LOAD)
        sets = tuple(loss for loss in contingency.losses if loss.kind is ContingencyKind.GENSET)
        if contingency.losses:
            yield _Lost(id=_name(contingency, taken), parts=taken, sets=sets, load_kw=sum(loads))


def _taken(present: list[_Part], loss: Loss) -> list[_Part]:
    members = [part for part in present if part.kind is loss.kind and part.member == loss.member]
    return members if loss.kind is ContingencyKind.GRID else members[: loss.count]


def _name(contingency: Contingency, taken: tuple[_Part, ...]) -> str:
    """Return the unit's own name where one unit is all that is lost."""
    single = len(contingency.losses) == 1 and contingency.losses[0].count == 1 and len(taken) == 1
    return taken[0].id if single else contingency.id


def _up(operation: Operation, required: Requirement, reserve: ClassRequirement) -> Iterator[Assessment]:
    """Yield E19-E22: providers outside each contingency against its loss and the variation."""
    parts = tuple(_up_parts(operation, required, reserve))
    held = sum(part.headroom_kw for part in parts) + reserve.shed_kw
    kept_frac = 1.0 - reserve.pv_drop_frac
    drop_kw = max(0.0, sum(unit.power_kw - kept_frac * unit.available_kw for unit in operation.pv))
    variation = reserve.variation_kw + drop_kw
    for lost in _losses(parts, required):
        starts_kw = _starts_kw(operation, lost) if reserve.starts_count else 0.0
        yield Assessment(
            id=reserve.id,
            contingency=lost.id,
            # what takes load off the bus when it trips frees no reserve for the rest
            required_kw=sum(max(0.0, part.loss_kw) for part in lost.parts) + variation,
            held_kw=held + starts_kw - sum(part.headroom_kw for part in lost.parts),
        )


def _up_parts(operation: Operation, required: Requirement, reserve: ClassRequirement) -> Iterator[_Part]:
    for block in operation.storage:
        headroom = up_headroom_kw(block, sustain_s=required.sustain_s)
        yield _Part(
            kind=ContingencyKind.BLOCK,
            member=block.member,
            id=block.id,
            loss_kw=block.power_kw,
            headroom_kw=headroom,
        )
    for genset in operation.gensets:
        headroom = _genset_headroom_kw(genset, reserve)
        yield _Part(
            kind=ContingencyKind.GENSET,
            member=genset.member,
            id=genset.id,
            loss_kw=genset.power_kw,
            headroom_kw=headroom,
        )
    for pv in operation.pv:
        certain_kw = min(pv.certain_kw, (1.0 - reserve.pv_drop_frac) * pv.available_kw)
        headroom = max(0.0, certain_kw - pv.power_kw) if reserve.curtailed_counts else 0.0
        yield _Part(
            kind=ContingencyKind.PV_BLOCK, member=pv.member, id=pv.id, loss_kw=pv.power_kw, headroom_kw=headroom
        )
    if (grid := operation.grid) is not None:
        headroom = max(0.0, grid.import_limit_kw - grid.import_kw)
        yield _Part(kind=ContingencyKind.GRID, member="", id="grid", loss_kw=grid.import_kw, headroom_kw=headroom)


def _genset_headroom_kw(unit: GensetUnit, reserve: ClassRequirement) -> float:
    """Return what a running set gives: up to its rating, within ten seconds only what it accepts in one step."""
    if not reserve.gensets_count:
        return 0.0
    room_kw = unit.max_kw - unit.power_kw
    return max(0.0, room_kw if reserve.starts_count else min(room_kw, unit.step_kw))


def _starts_kw(operation: Operation, lost: _Lost) -> float:
    """Return what sets at rest deliver within the class time after a loss.

    A common loss takes sets at rest with it where fewer run; the loss of a single set is that of a running one.
    """
    credited = 0.0
    for sets in operation.resting:
        n_running = sum(unit.member == sets.member for unit in operation.gensets)
        n_lost = sum(loss.count for loss in lost.sets if loss.member == sets.member)
        n_gone = max(0, n_lost - n_running) if n_lost > 1 else 0
        credited += max(0, sets.n_sets - n_gone - sets.n_failures) * sets.max_kw
    return credited


def _down(operation: Operation, required: Requirement, reserve: ReserveId) -> Iterator[Assessment]:
    """Yield E23: charge headroom, PV that can be cut, import that can fall away; within ten seconds sets too."""
    parts = tuple(_down_parts(operation, required, slow=reserve is ReserveId.DOWN_SLOW))
    held = sum(part.headroom_kw for part in parts)
    yield Assessment(id=reserve, contingency="load_block", required_kw=operation.largest_load_block_kw, held_kw=held)
    for lost in _losses(parts, required):
        loss_kw = lost.load_kw + sum(max(0.0, part.loss_kw) for part in lost.parts)
        if loss_kw > 0.0:
            yield Assessment(
                id=reserve,
                contingency=lost.id,
                required_kw=loss_kw,
                held_kw=held - sum(part.headroom_kw for part in lost.parts),
            )


def _down_parts(operation: Operation, required: Requirement, *, slow: bool) -> Iterator[_Part]:
    for block in operation.storage:
        yield _Part(
            kind=ContingencyKind.BLOCK,
            member=block.member,
            id=block.id,
            loss_kw=-block.power_kw,
            headroom_kw=down_headroom_kw(block, sustain_s=required.sustain_s),
        )
    for genset in operation.gensets:
        headroom = max(0.0, genset.power_kw - genset.min_kw) if slow else 0.0
        yield _Part(kind=ContingencyKind.GENSET, member=genset.member, id=genset.id, loss_kw=0.0, headroom_kw=headroom)
    for pv in operation.pv:
        cut_frac = 1.0 if slow else pv.frequency_watt_credit_frac
        yield _Part(
            kind=ContingencyKind.PV_BLOCK,
            member=pv.member,
            id=pv.id,
            loss_kw=0.0,
            headroom_kw=cut_frac * pv.power_kw,
        )
    if (grid := operation.grid) is not None:
        yield _Part(
            kind=ContingencyKind.GRID,
            member="",
            id="grid",
            loss_kw=-grid.import_kw,
            headroom_kw=max(0.0, grid.import_kw + grid.export_limit_kw),
        )
