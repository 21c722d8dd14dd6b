"""The compiler of models: what Pyomo hands it in deep nests is taken apart without end of the stack."""

import numpy as np
import pyomo.environ as pyo
import pytest

from ems.dispatch.milp.compiled import compile_model
from ems.dispatch.milp.solver import highs_of

_N_PRICES = 3000


def _priced_model() -> pyo.ConcreteModel:
    """Return a model whose only variable costs the sum of many parameters, with as many constants beside it."""
    model = pyo.ConcreteModel()
    model.price = pyo.Param(range(_N_PRICES), mutable=True, initialize=0.0)
    model.energy = pyo.Var(bounds=(0.0, 1.0))
    model.cost = pyo.Expression(expr=sum(model.price[t] * (model.energy - 2.0) for t in range(_N_PRICES)))
    model.objective = pyo.Objective(expr=model.cost)
    return model


def test_a_sum_of_thousands_of_parameters_is_compiled() -> None:
    compiled = compile_model(_priced_model(), terms=("cost",))
    problem = compiled.matrix_problem(np.full(_N_PRICES, 0.5))
    assert problem.cost[0] == 0.5 * _N_PRICES
    assert problem.offset == -1.0 * _N_PRICES


@pytest.mark.parametrize(("n_rows", "limit"), [(100, 10_000), (10_001, 1000)])
def test_only_very_large_problems_keep_few_cuts(n_rows: int, limit: int) -> None:
    model = pyo.ConcreteModel()
    model.energy = pyo.Var(bounds=(0.0, 1.0))
    model.low = pyo.Constraint(range(n_rows), rule=lambda m, _: m.energy >= 0.1)
    model.cost = pyo.Expression(expr=1.0 * model.energy)
    model.objective = pyo.Objective(expr=model.cost)
    problem = compile_model(model, terms=("cost",)).matrix_problem(np.zeros(0))

    solver = highs_of(problem, time_limit_s=1.0, threads=1)

    assert solver.getOptionValue("mip_pool_soft_limit")[1] == limit
