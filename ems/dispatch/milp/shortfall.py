"""Names the reserve that a solution lacks: the class, and the loss that leaves the least where it lacks most."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from ems.dispatch.milp.compiled import CompiledModel
from ems.dispatch.milp.reserve_shape import ReserveShape, all_contingencies
from ems.model.problem import PlanningProblem

Values = npt.NDArray[np.float64]

# below this a slack is rounding of the solver
_TOLERANCE_KW = 1e-3


def lacking_reserve(
    problem: PlanningProblem, reserve: ReserveShape, compiled: CompiledModel, parameters: Values, values: Values
) -> Iterator[str]:
    """Yield `reserve: r1 after grid` and the like for each class that is short in any step."""
    losses = [each.id for each in all_contingencies(problem)]
    if reserve.up_classes:
        classes = [f"reserve: {each.id}" for each in problem.reserve.classes]
        yield from _lacking("reserve_slack_kw", "reserve_up", classes, losses, compiled, parameters, values)
    if reserve.down_classes:
        names = {False: "down reserve: down", True: "down reserve: down_slow"}
        classes = [names[slow] for slow in reserve.down_classes]
        down = ["load_block" if place is None else losses[place] for place in reserve.down_contingencies]
        yield from _lacking("down_slack_kw", "reserve_down", classes, down, compiled, parameters, values)


def _lacking(
    slack: str,
    row: str,
    classes: Sequence[str],
    losses: Sequence[str],
    compiled: CompiledModel,
    parameters: Values,
    values: Values,
) -> Iterator[str]:
    short_kw = values[compiled.variables[slack]].reshape(len(classes), -1)
    if not (short_kw > _TOLERANCE_KW).any():
        return
    margin_kw = _margins(compiled, row, parameters, values).reshape(len(classes), len(losses), -1)
    for k, name in enumerate(classes):
        t = int(short_kw[k].argmax())
        if short_kw[k, t] > _TOLERANCE_KW:
            yield f"{name} after {losses[int(margin_kw[k, :, t].argmin())]}"


def _margins(compiled: CompiledModel, row: str, parameters: Values, values: Values) -> Values:
    """Return how far each row of a family is above its lower or below its upper bound."""
    place = compiled.rows[row]
    first, end = compiled.starts[place.start], compiled.starts[place.stop]
    products = compiled.coefficients.at(parameters)[first:end] * values[compiled.columns[first:end]]
    # no row of a family is empty
    activity = np.add.reduceat(products, compiled.starts[place] - first)
    lower, upper = compiled.row_lower.at(parameters)[place], compiled.row_upper.at(parameters)[place]
    margin: Values = np.minimum(activity - lower, upper - activity)
    return margin
