"""One linear problem in HiGHS for many limits: each answer is that of the problem handed over anew."""

from dataclasses import replace

import numpy as np
import pytest

from ems.dispatch.milp.assemble import build_model, model_values
from ems.dispatch.milp.compiled import MatrixProblem, compile_model
from ems.dispatch.milp.objective import TERMS
from ems.dispatch.milp.shape import shape_of
from ems.dispatch.milp.solver import ColumnLimits, LinearProblem, Solution, limits_of, solve
from ems.errors import DispatchError
from tests.dispatch.problems import gensets, problem, unit

_IT_KW = (80.0, 240.0, 150.0, 30.0)


@pytest.fixture
def matrix() -> MatrixProblem:
    stated = problem(_IT_KW, sets=gensets([unit(number) for number in range(4)]))
    shape = shape_of(stated)
    compiled = compile_model(build_model(shape), terms=TERMS)
    return compiled.matrix_problem(compiled.parameter_vector(model_values(stated, shape)))


def _anew(matrix: MatrixProblem, limits: ColumnLimits) -> Solution:
    continuous = np.zeros_like(matrix.integer)
    return solve(
        replace(matrix, lower=limits.lower, upper=limits.upper, integer=continuous), gap_frac=0.0, time_limit_s=10.0
    )


def _capped(matrix: MatrixProblem, highest: float) -> ColumnLimits:
    whole = np.where(matrix.integer, np.minimum(matrix.upper, highest), matrix.upper)
    return ColumnLimits(lower=np.minimum(matrix.lower, whole), upper=whole)


@pytest.mark.parametrize("released", [False, True])
def test_every_answer_is_that_of_the_problem_handed_over_anew(matrix: MatrixProblem, *, released: bool) -> None:
    linear = LinearProblem(matrix)
    costs = []
    for limits in (limits_of(matrix), _capped(matrix, 1.0), _capped(matrix, 0.0), limits_of(matrix)):
        found, anew = linear.solve(limits, time_limit_s=10.0), _anew(matrix, limits)
        assert found.optimal
        assert found.objective == pytest.approx(anew.objective, rel=1e-9)
        costs.append(found.objective)
        if released:
            linear.release()
    assert costs[0] == pytest.approx(costs[-1], rel=1e-9)
    assert len({round(cost or 0.0, 3) for cost in costs}) == 3


def test_a_problem_that_highs_does_not_take_is_refused(matrix: MatrixProblem) -> None:
    coefficients = matrix.coefficients.copy()
    coefficients[0] = np.inf
    with pytest.raises(DispatchError, match="does not take"):
        solve(replace(matrix, coefficients=coefficients), gap_frac=0.0, time_limit_s=1.0)
