"""The compiler of models: what Pyomo hands it in deep nests is taken apart without end of the stack."""

import numpy as np
import pyomo.environ as pyo

from ems.dispatch.milp.compiled import compile_model

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
