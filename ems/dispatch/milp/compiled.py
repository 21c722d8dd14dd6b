"""A Pyomo model turned once into an affine map from its parameters to the arrays that HiGHS takes.

Every coefficient, bound and cost of the model must be affine in the mutable parameters. Compiling walks the
expressions once per shape; afterwards a new problem costs four sparse products.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyomo.environ as pyo
from pyomo.core.expr import numeric_expr as expr
from pyomo.repn import generate_standard_repn
from scipy import sparse

from ems.dispatch.milp.parameters import ParameterValues

Values = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Affine:
    """A vector of numbers as base + matrix @ parameters."""

    base: Values
    matrix: sparse.csr_array

    def at(self, parameters: Values) -> Values:
        """Return the vector for parameter values."""
        result: Values = self.base + self.matrix @ parameters
        return result


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixProblem:
    """One mixed-integer problem in the form that HiGHS takes; rows are stored one after the other."""

    cost: Values
    offset: float
    lower: Values
    upper: Values
    row_lower: Values
    row_upper: Values
    starts: Indices
    columns: Indices
    coefficients: Values
    integer: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledModel:
    """The compiled model; `variables` gives each variable's place, by component name in index order."""

    variables: Mapping[str, slice]
    # every parameter with its number of values, in the order of the parameter vector
    parameters: Mapping[str, int]
    rows: Mapping[str, slice]
    cost: Affine
    offset: Affine
    lower: Affine
    upper: Affine
    row_lower: Affine
    row_upper: Affine
    starts: Indices
    columns: Indices
    coefficients: Affine
    integer: npt.NDArray[np.bool_]
    # cost vectors of the named terms, to report each one
    terms: Mapping[str, Affine]

    def parameter_vector(self, values: ParameterValues) -> Values:
        """Return all parameter values in the model's order.

        Raises:
            ValueError: A parameter has too many or too few values, or one that is not finite.
        """
        parts = [np.zeros(0)]
        for name, size in self.parameters.items():
            part = np.asarray(values[name], dtype=np.float64).ravel()
            if part.size != size:
                raise ValueError(f"parameter {name} needs {size} values, not {part.size}")
            if not np.isfinite(part).all():
                raise ValueError(f"parameter {name} holds a value that is not finite")
            parts.append(part)
        return np.concatenate(parts)

    def replaced(self, parameters: Values, values: ParameterValues) -> Values:
        """Return a parameter vector with some parameters replaced."""
        result, place = parameters.copy(), 0
        for name, size in self.parameters.items():
            if name in values:
                result[place : place + size] = values[name]
            place += size
        return result

    def matrix_problem(self, parameters: Values) -> MatrixProblem:
        """Return the problem for parameter values."""
        return MatrixProblem(
            cost=self.cost.at(parameters),
            offset=float(self.offset.at(parameters)[0]),
            lower=self.lower.at(parameters),
            upper=self.upper.at(parameters),
            row_lower=self.row_lower.at(parameters),
            row_upper=self.row_upper.at(parameters),
            starts=self.starts,
            columns=self.columns,
            coefficients=self.coefficients.at(parameters),
            integer=self.integer,
        )


def compile_model(model: pyo.ConcreteModel, *, terms: tuple[str, ...]) -> CompiledModel:
    """Compile a model; `terms` names the expressions whose values are to be reported.

    Raises:
        ValueError: A coefficient is not affine in the parameters (a mistake in the model's code).
    """
    compiler = _Compiler(model)
    variables, all_variables = _slices(model, pyo.Var)
    column = {id(variable): place for place, variable in enumerate(all_variables)}
    rows, all_rows = _slices(model, pyo.Constraint)
    starts, columns, coefficients, row_lower, row_upper = [0], [], [], [], []
    for row in all_rows:
        body = generate_standard_repn(row.body, compute_values=False)
        columns += [column[id(variable)] for variable in body.linear_vars]
        coefficients += list(body.linear_coefs)
        starts.append(len(columns))
        row_lower.append(None if row.lower is None else row.lower - body.constant)
        row_upper.append(None if row.upper is None else row.upper - body.constant)
    objective = next(model.component_data_objects(pyo.Objective))
    cost, offset = _linear(compiler, objective.expr, column)
    return CompiledModel(
        variables=variables,
        parameters={param.name: len(param) for param in model.component_objects(pyo.Param)},
        rows=rows,
        cost=cost,
        offset=offset,
        lower=compiler.affine([variable.lower for variable in all_variables], missing=-np.inf),
        upper=compiler.affine([variable.upper for variable in all_variables], missing=np.inf),
        row_lower=compiler.affine(row_lower, missing=-np.inf),
        row_upper=compiler.affine(row_upper, missing=np.inf),
        starts=np.asarray(starts, dtype=np.int32),
        columns=np.asarray(columns, dtype=np.int32),
        coefficients=compiler.affine(coefficients, missing=0.0),
        integer=np.asarray([not variable.is_continuous() for variable in all_variables], dtype=np.bool_),
        terms={name: _linear(compiler, getattr(model, name).expr, column)[0] for name in terms},
    )


def _slices(model: pyo.ConcreteModel, kind: Any) -> tuple[dict[str, slice], list[Any]]:  # Pyomo component data
    places: dict[str, slice] = {}
    everything: list[Any] = []
    for component in model.component_objects(kind):
        data = list(component.values())
        places[component.name] = slice(len(everything), len(everything) + len(data))
        everything += data
    return places, everything


def _linear(compiler: "_Compiler", expression: Any, column: Mapping[int, int]) -> tuple[Affine, Affine]:
    """Return cost per column and the constant of a linear expression."""
    body = generate_standard_repn(expression, compute_values=False)
    costs: list[Any] = [0.0] * len(column)
    for variable, coefficient in zip(body.linear_vars, body.linear_coefs, strict=True):
        costs[column[id(variable)]] = coefficient
    return compiler.affine(costs, missing=0.0), compiler.affine([body.constant], missing=0.0)


class _Compiler:
    """Turns Pyomo expressions of parameters into base and matrix."""

    def __init__(self, model: pyo.ConcreteModel) -> None:
        data = [item for param in model.component_objects(pyo.Param) for item in param.values()]
        self._place = {id(item): place for place, item in enumerate(data)}
        # keeps the parameter objects alive, whose identities are the keys
        self._data = data

    def affine(self, expressions: list[Any], *, missing: float) -> Affine:
        """Compile a list of expressions; None stands for `missing`."""
        base = np.zeros(len(expressions))
        rows: list[int] = []
        columns: list[int] = []
        factors: list[float] = []
        for number, expression in enumerate(expressions):
            if expression is None:
                base[number] = missing
                continue
            constant, linear = self._affine(expression)
            base[number] = constant
            for place, factor in linear.items():
                rows.append(number)
                columns.append(place)
                factors.append(factor)
        shape = (len(expressions), len(self._place))
        return Affine(base=base, matrix=sparse.csr_array((factors, (rows, columns)), shape=shape))

    def _affine(self, node: Any) -> tuple[float, dict[int, float]]:
        """Return constant and factors per parameter place of one expression."""
        if isinstance(node, int | float):
            return float(node), {}
        if (place := self._place.get(id(node))) is not None:
            return 0.0, {place: 1.0}
        if isinstance(node, expr.SumExpression):
            return self._sum(node)
        if isinstance(node, expr.NegationExpression):
            return _scaled(self._affine(node.args[0]), -1.0)
        if isinstance(node, expr.ProductExpression):
            left, right = self._affine(node.args[0]), self._affine(node.args[1])
            if left[1] and right[1]:
                raise ValueError(f"a product of two parameters is not affine: {node}")
            return _scaled(right, left[0]) if not left[1] else _scaled(left, right[0])
        if isinstance(node, expr.DivisionExpression):
            left, right = self._affine(node.args[0]), self._affine(node.args[1])
            if right[1]:
                raise ValueError(f"a quotient by a parameter is not affine: {node}")
            return _scaled(left, 1.0 / right[0])
        if node.is_constant() or node.is_fixed():
            return float(pyo.value(node)), {}
        raise ValueError(f"not affine in the parameters: {node}")

    def _sum(self, node: Any) -> tuple[float, dict[int, float]]:
        constant = 0.0
        factors: dict[int, float] = {}
        for summand in self._summands(node):
            part, linear = self._affine(summand)
            constant += part
            for place, factor in linear.items():
                factors[place] = factors.get(place, 0.0) + factor
        return constant, factors

    def _summands(self, node: Any) -> Iterator[Any]:
        """Yield what a sum adds up; Pyomo nests the sums that it gathers, a level for every term."""
        waiting = [node]
        while waiting:
            item = waiting.pop()
            if isinstance(item, expr.SumExpression):
                waiting += reversed(item.args)
            else:
                yield item


def _scaled(value: tuple[float, dict[int, float]], factor: float) -> tuple[float, dict[int, float]]:
    constant, linear = value
    return constant * factor, {place: part * factor for place, part in linear.items()}
