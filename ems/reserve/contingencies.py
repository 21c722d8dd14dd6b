"""Every loss that is to be survived against what the units outside it hold (E19 to E23)."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ems.model.problem import GRID_MEMBER, Contingency, ContingencyKind, Loss
from ems.reserve.groups import blocked_down_kw, blocked_up_kw
from ems.reserve.headroom import down_headroom_kw, up_headroom_kw
from ems.reserve.operation import GensetUnit, Operation, PvUnit
from ems.reserve.requirements import NO_LOSS, Assessment, ClassRequirement, Requirement, ReserveId


def assess(operation: Operation, required: Requirement) -> tuple[Assessment, ...]:
    """Return, for each upward class and for each downward one, the contingency that leaves the least margin."""
    up = (_worst(_up(operation, required, reserve)) for reserve in required.classes)
    down = (_worst(_down(operation, required, reserve)) for reserve in required.down)
    return (*up, *down)


def _worst(assessments: Iterator[Assessment]) -> Assessment:
    return min(assessments, key=lambda assessment: assessment.margin_kw)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A unit that may be lost: what it takes with it, and the headroom that it no longer gives.

    `power_kw` is what flows from it through its groups.
    """

    kind: ContingencyKind
    member: str
    id: str
    power_kw: float
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
    flows = _flow_by_member(parts, sign=1.0)
    for lost in _losses(parts, required):
        starts_kw = _starts_kw(operation, lost) if reserve.starts_count else {}
        blocked_kw = 0.0
        if operation.groups:
            most_kw = _left(flows, lost, sign=1.0)
            for member, kw in starts_kw.items():
                most_kw[member] = most_kw.get(member, 0.0) + kw
            blocked_kw = blocked_up_kw(operation.groups, most_kw)
        yield Assessment(
            id=reserve.id,
            contingency=lost.id,
            # what takes load off the bus when it trips frees no reserve for the rest
            required_kw=sum(max(0.0, part.loss_kw) for part in lost.parts) + variation,
            held_kw=held + sum(starts_kw.values()) - sum(part.headroom_kw for part in lost.parts) - blocked_kw,
        )


def _up_parts(operation: Operation, required: Requirement, reserve: ClassRequirement) -> Iterator[_Part]:
    for block in operation.storage:
        headroom = up_headroom_kw(block, sustain_s=required.sustain_s)
        yield _Part(
            kind=ContingencyKind.BLOCK,
            member=block.member,
            id=block.id,
            power_kw=block.power_kw,
            loss_kw=block.power_kw,
            headroom_kw=headroom,
        )
    for genset in operation.gensets:
        headroom = _genset_headroom_kw(genset, reserve)
        yield _Part(
            kind=ContingencyKind.GENSET,
            member=genset.member,
            id=genset.id,
            power_kw=genset.power_kw,
            loss_kw=genset.power_kw,
            headroom_kw=headroom,
        )
    for pv in operation.pv:
        certain_kw = min(pv.certain_kw, (1.0 - reserve.pv_drop_frac) * pv.available_kw)
        headroom = max(0.0, certain_kw - pv.power_kw) if reserve.curtailed_counts else 0.0
        yield _Part(
            kind=ContingencyKind.PV_BLOCK,
            member=pv.member,
            id=pv.id,
            power_kw=_flow_kw(pv),
            loss_kw=pv.power_kw,
            headroom_kw=headroom,
        )
    if (grid := operation.grid) is not None:
        headroom = max(0.0, grid.import_limit_kw - grid.import_kw)
        yield _Part(
            kind=ContingencyKind.GRID,
            member="",
            id="grid",
            power_kw=grid.import_kw,
            loss_kw=grid.import_kw,
            headroom_kw=headroom,
        )


def _flow_kw(unit: PvUnit) -> float:
    return unit.power_kw if unit.flow_kw is None else unit.flow_kw


def _flow_by_member(parts: Iterable[_Part], *, sign: float) -> dict[str, float]:
    """Return by member the power with all headroom upwards, or less all of it, of all units."""
    totals: dict[str, float] = defaultdict(float)
    for part in parts:
        totals[_member(part)] += part.power_kw + sign * part.headroom_kw
    return totals


def _left(totals: Mapping[str, float], lost: _Lost, *, sign: float) -> dict[str, float]:
    """Return these totals without what a loss takes."""
    left = dict(totals)
    for part in lost.parts:
        left[_member(part)] -= part.power_kw + sign * part.headroom_kw
    return left


def _member(part: _Part) -> str:
    return GRID_MEMBER if part.kind is ContingencyKind.GRID else part.member


def _genset_headroom_kw(unit: GensetUnit, reserve: ClassRequirement) -> float:
    """Return what a running set gives: up to its rating, within ten seconds only what it accepts in one step."""
    if not reserve.gensets_count:
        return 0.0
    room_kw = unit.max_kw - unit.power_kw
    return max(0.0, room_kw if reserve.starts_count else min(room_kw, unit.step_kw))


def _starts_kw(operation: Operation, lost: _Lost) -> Mapping[str, float]:
    """Return by class what sets at rest deliver within the class time after a loss.

    A common loss takes sets at rest with it where fewer run; the loss of a single set is that of a running one.
    """
    credited: dict[str, float] = {}
    for sets in operation.resting:
        n_running = sum(unit.member == sets.member for unit in operation.gensets)
        n_lost = sum(loss.count for loss in lost.sets if loss.member == sets.member)
        n_gone = max(0, n_lost - n_running) if n_lost > 1 else 0
        credited[sets.member] = max(0, sets.n_sets - n_gone - sets.n_failures) * sets.max_kw
    return credited


def _down(operation: Operation, required: Requirement, reserve: ReserveId) -> Iterator[Assessment]:
    """Yield E23: charge headroom, PV that can be cut, import that can fall away; within ten seconds sets too."""
    parts = tuple(_down_parts(operation, required, slow=reserve is ReserveId.DOWN_SLOW))
    held = sum(part.headroom_kw for part in parts)
    flows = _flow_by_member(parts, sign=-1.0)
    yield Assessment(
        id=reserve,
        contingency="load_block",
        required_kw=operation.largest_load_block_kw,
        held_kw=held - _blocked_down_kw(operation, flows, _Lost(id=NO_LOSS.id, parts=())),
    )
    for lost in _losses(parts, required):
        loss_kw = lost.load_kw + sum(max(0.0, part.loss_kw) for part in lost.parts)
        if loss_kw > 0.0:
            yield Assessment(
                id=reserve,
                contingency=lost.id,
                required_kw=loss_kw,
                held_kw=held - sum(part.headroom_kw for part in lost.parts) - _blocked_down_kw(operation, flows, lost),
            )


def _blocked_down_kw(operation: Operation, flows: Mapping[str, float], lost: _Lost) -> float:
    if not operation.groups:
        return 0.0
    return blocked_down_kw(operation.groups, _left(flows, lost, sign=-1.0))


def _down_parts(operation: Operation, required: Requirement, *, slow: bool) -> Iterator[_Part]:
    for block in operation.storage:
        yield _Part(
            kind=ContingencyKind.BLOCK,
            member=block.member,
            id=block.id,
            power_kw=block.power_kw,
            loss_kw=-block.power_kw,
            headroom_kw=down_headroom_kw(block, sustain_s=required.sustain_s),
        )
    for genset in operation.gensets:
        headroom = max(0.0, genset.power_kw - genset.min_kw) if slow else 0.0
        yield _Part(
            kind=ContingencyKind.GENSET,
            member=genset.member,
            id=genset.id,
            power_kw=genset.power_kw,
            loss_kw=0.0,
            headroom_kw=headroom,
        )
    for pv in operation.pv:
        cut_frac = 1.0 if slow else pv.frequency_watt_credit_frac
        yield _Part(
            kind=ContingencyKind.PV_BLOCK,
            member=pv.member,
            id=pv.id,
            power_kw=_flow_kw(pv),
            loss_kw=0.0,
            headroom_kw=cut_frac * pv.power_kw,
        )
    if (grid := operation.grid) is not None:
        yield _Part(
            kind=ContingencyKind.GRID,
            member="",
            id="grid",
            power_kw=grid.import_kw,
            loss_kw=-grid.import_kw,
            headroom_kw=max(0.0, grid.import_kw + grid.export_limit_kw),
        )
