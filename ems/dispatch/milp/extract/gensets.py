"""What each class of gensets does: counts, power, fuel, pollutants."""

from dataclasses import dataclass

import numpy as np

from ems.dispatch.milp.extract.columns import Columns, Values, clean, whole
from ems.dispatch.milp.shape import ModelShape
from ems.dispatch.unit_history import n_initial_on
from ems.model.plan import GensetStep
from ems.model.problem import GensetProblem, PlanningProblem


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Units of each class per step that run, start, leave running, and deliver: not those that still warm up."""

    on: Values
    started: Values
    left: Values
    delivering: Values


def genset_steps(problem: PlanningProblem, shape: ModelShape, columns: Columns) -> tuple[tuple[GensetStep, ...], ...]:
    """Return what each class does, by step and class."""
    counts = counts_of(shape, columns)
    segment = columns.table("genset_segment_kw")
    classes = []
    row = 0
    for c, genset in enumerate(problem.gensets):
        above = segment[row : row + len(genset.segments)]
        row += len(genset.segments)
        classes.append(_class_steps(problem, genset, counts, c, above))
    return tuple(zip(*classes, strict=True)) if classes else ((),) * columns.n_steps


def _class_steps(
    problem: PlanningProblem, genset: GensetProblem, counts: Counts, c: int, above: Values
) -> list[GensetStep]:
    """Return the steps of one class; `above` is its power on each stretch of the curve, as (stretches, steps)."""
    slopes = np.asarray([segment.fuel_l_per_kwh for segment in genset.segments])
    above_kw = clean(above.sum(axis=0))
    above_l_per_h = (slopes @ above).tolist()
    # units that leave do so whatever is decided, and others may start in their place
    left = np.rint(counts.left[c]).astype(int).tolist()
    # units swap only where their warm-up, or their window, tells a start from a unit that runs on
    swapped = np.rint(counts.started[c]).astype(int).tolist()
    before = n_initial_on(problem, genset)
    steps = []
    for t, (on, delivering) in enumerate(zip(counts.on[c].tolist(), counts.delivering[c].tolist(), strict=True)):
        n_on = whole(on)
        change = n_on - before + left[t]
        n_started = max(0, change, swapped[t])
        steps.append(
            GensetStep(
                id=genset.id,
                n_on=n_on,
                n_started=n_started,
                n_stopped=n_started - change + left[t],
                n_left=left[t],
                power_kw=delivering * genset.min_kw + above_kw[t],
                fuel_l_per_h=delivering * genset.min_fuel_l_per_h + above_l_per_h[t],
                pollutants_g_per_h=_pollutants(genset, delivering, above[:, t]) if genset.pollutants else (),
            )
        )
        before = n_on
    return steps


def counts_of(shape: ModelShape, columns: Columns) -> Counts:
    """Return how many units of each class run, start, leave running and deliver."""
    on = columns.table("genset_on")
    started, left, delivering = np.zeros_like(on), np.zeros_like(on), on.copy()
    leaving = [c for c, genset in enumerate(shape.gensets) if genset.leaves]
    if leaving:
        left[leaving] = columns.table("genset_left")
        started[leaving] = columns.table("genset_start")[leaving]
    warming = [c for c, genset in enumerate(shape.gensets) if genset.n_warm_lags]
    if warming:
        started[warming] = columns.table("genset_start")[warming]
        delivering[warming] = np.maximum(0.0, columns.table("genset_delivering"))
    return Counts(on=on, started=started, left=left, delivering=delivering)


def _pollutants(genset: GensetProblem, delivering: float, above: Values) -> tuple[tuple[str, float], ...]:
    taken = _in_order(genset, delivering, above)
    return tuple(
        (each.id, delivering * each.min_g_per_h + float(np.asarray(each.segment_g_per_kwh) @ taken))
        for each in genset.pollutants
    )


def _in_order(genset: GensetProblem, delivering: float, above: Values) -> Values:
    """Return the output of each stretch with the lower ones full first, as where two have the same slope."""
    widths = np.asarray([segment.width_kw for segment in genset.segments]) * delivering
    below = np.concatenate(([0.0], np.cumsum(widths)[:-1]))
    taken: Values = np.clip(float(above.sum()) - below, 0.0, widths)
    return taken
