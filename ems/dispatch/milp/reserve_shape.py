"""The structure of the reserve rows: which classes, contingencies and ways to hold reserve a model has (E19 to E23)."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from ems.dispatch.milp.group_screening import groups_that_block
from ems.dispatch.unit_history import n_present
from ems.model.problem import Contingency, ContingencyKind, GensetProblem, Loss, PlanningProblem, ReserveClassProblem


class SetsLost(StrEnum):
    """How many sets of a class a contingency takes: one, some (as far as so many run), or all of them.

    The loss of a single set is that of a running one: of a class of one set, `ONLY`, none at rest is lost with it.
    """

    ONE = "one"
    ONLY = "only"
    SOME = "some"
    ALL = "all"


class Ready(StrEnum):
    """Which sets of a class deliver within R2: those that run, all, or those that run or surely start."""

    RUNNING = "running"
    ALL = "all"
    STARTING = "starting"


@dataclass(frozen=True, slots=True, kw_only=True)
class LossShape:
    """Part of a contingency; `member` is the place of the class, pool or plant, 0 for grid and load."""

    kind: ContingencyKind
    member: int = 0
    sets: SetsLost = SetsLost.ONE


@dataclass(frozen=True, slots=True, kw_only=True)
class UpClassShape:
    """One upward class; `sustain` is the place of its sustain time among those of the problem."""

    gensets_count: bool
    starts_count: bool
    curtailed_counts: bool
    # whether a cloud takes PV within the class time
    cloud: bool
    sustain: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReserveShape:
    """Structure of all reserve rows; no upward class where no plan could break one (see screening.py)."""

    up_classes: tuple[UpClassShape, ...] = ()
    # per sustain time, how many ends of later steps lie within it
    n_reached: tuple[int, ...] = ()
    # per genset class
    ready: tuple[Ready, ...] = ()
    # the requirement without a loss comes first
    contingencies: tuple[tuple[LossShape, ...], ...] = ()
    # downward classes, True where sets count; the contingencies that take load off the bus, None for the load block
    down_classes: tuple[bool, ...] = ()
    down_contingencies: tuple[int | None, ...] = ()
    # places of the groups that could keep headroom from passing
    up_groups: tuple[int, ...] = ()
    down_groups: tuple[int, ...] = ()

    @property
    def modelled(self) -> bool:
        """Return whether there is any reserve row."""
        return bool(self.up_classes or self.down_classes)

    @property
    def classes_losing_one(self) -> frozenset[int]:
        """Return the genset classes of which an upward row counts a single unit as lost."""
        losses = (loss for contingency in self.contingencies for loss in contingency)
        lost = (x.member for x in losses if x.kind is ContingencyKind.GENSET and x.sets is SetsLost.ONE)
        return frozenset(lost if self.up_classes else ())


def reserve_shape(problem: PlanningProblem, *, up: bool) -> ReserveShape:
    """Return the structure that a problem needs, with or without its upward rows."""
    reserve = problem.reserve
    contingencies = tuple(
        tuple(_loss_shape(problem, loss) for loss in contingency.losses) for contingency in all_contingencies(problem)
    )
    sustain = sustain_times_h(problem)
    classes = reserve.classes if up else ()
    down = (False,) * reserve.down + (True,) * reserve.down_slow if reserve.classes else ()
    return ReserveShape(
        up_classes=tuple(
            UpClassShape(
                gensets_count=each.gensets_count,
                starts_count=each.starts_count,
                curtailed_counts=each.curtailed_counts,
                cloud=each.pv_drop_frac > 0.0,
                sustain=sustain.index(reserve.sustain_of(each)),
            )
            for each in classes
        ),
        n_reached=tuple(_n_reached(problem, hours) for hours in sustain) if classes else (),
        ready=tuple(_ready(problem.reserve.classes, genset) for genset in problem.gensets) if classes else (),
        contingencies=contingencies,
        down_classes=down,
        down_contingencies=tuple(_down_contingencies(problem, contingencies)) if down else (),
        up_groups=groups_that_block(problem, upward=True) if classes else (),
        down_groups=groups_that_block(problem, upward=False) if down else (),
    )


def all_contingencies(problem: PlanningProblem) -> tuple[Contingency, ...]:
    """Return the requirement without a loss, which holds whether or not a problem names it, and every loss."""
    return (Contingency(id="none"), *(each for each in problem.reserve.contingencies if each.losses))


def sustain_times_h(problem: PlanningProblem) -> tuple[float, ...]:
    """Return the sustain times of the upward classes, each once."""
    return tuple(dict.fromkeys(problem.reserve.sustain_of(each) for each in problem.reserve.classes))


def is_reached(problem: PlanningProblem, *, step: int, later: int, sustain_h: float) -> bool:
    """Return whether headroom of `step` must still be there at the end of step `later`."""
    offset_h = problem.grid.offset_h
    return later < problem.grid.n_steps and offset_h[later + 1] <= offset_h[step] + sustain_h + 1e-9


def n_certain(problem: PlanningProblem, genset: GensetProblem) -> list[int]:
    """Return per step how many of the sets that may run deliver within R2 if all are asked: some may fail to start."""
    return [
        max(0, n - genset.n_start_failures) if genset.usable_at(t) >= genset.min_kw else 0
        for t, n in enumerate(n_present(problem, genset))
    ]


def _loss_shape(problem: PlanningProblem, loss: Loss) -> LossShape:
    members = {
        ContingencyKind.GENSET: [genset.id for genset in problem.gensets],
        ContingencyKind.BLOCK: [pool.id for pool in problem.pools],
        ContingencyKind.PV_BLOCK: [plant.id for plant in problem.pv],
    }
    if loss.kind not in members:
        return LossShape(kind=loss.kind)
    member = members[loss.kind].index(loss.member)
    sets = SetsLost.ONE
    if loss.kind is ContingencyKind.GENSET:
        # a class of one set is lost as a whole: its output, with no other set's step limit in between
        if loss.count >= len(problem.gensets[member].units):
            sets = SetsLost.ONLY if loss.count == 1 else SetsLost.ALL
        elif loss.count > 1:
            sets = SetsLost.SOME
    return LossShape(kind=loss.kind, member=member, sets=sets)


def _n_reached(problem: PlanningProblem, sustain_h: float) -> int:
    most = 0
    for step in range(problem.grid.n_steps):
        later = step + 1
        while is_reached(problem, step=step, later=later, sustain_h=sustain_h):
            later += 1
        most = max(most, later - step - 1)
    return most


def _ready(classes: tuple[ReserveClassProblem, ...], genset: GensetProblem) -> Ready:
    if not any(each.starts_count for each in classes) or genset.n_start_failures >= len(genset.units):
        return Ready.RUNNING
    # a set that warms up first is not counted on within the class time
    if genset.warm_up_h > 0.0 or any(unit.warm_up_left_h > 0.0 for unit in genset.units):
        return Ready.RUNNING
    return Ready.ALL if genset.n_start_failures == 0 else Ready.STARTING


def _down_contingencies(
    problem: PlanningProblem, contingencies: tuple[tuple[LossShape, ...], ...]
) -> Iterator[int | None]:
    """Yield the losses that leave a surplus: load, charging blocks, an exporting connection."""
    if problem.load.largest_block_kw > 0.0:
        yield None
    exporting = problem.connection is not None and max(problem.connection.export_limit_kw) > 0.0
    for place, losses in enumerate(contingencies):
        kinds = {loss.kind for loss in losses}
        if kinds & {ContingencyKind.LOAD, ContingencyKind.BLOCK} or (exporting and ContingencyKind.GRID in kinds):
            yield place
