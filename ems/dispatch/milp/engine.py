"""Solves planning problems; keeps the compiled model of each shape for the next cycle."""

from dataclasses import replace
from itertools import pairwise
from time import perf_counter

import numpy as np
import numpy.typing as npt

from ems.dispatch.milp.assemble import build_model, model_values
from ems.dispatch.milp.compiled import CompiledModel, MatrixProblem, Values, compile_model
from ems.dispatch.milp.extract import extract_plan
from ems.dispatch.milp.objective import TERMS, greatest_value
from ems.dispatch.milp.screening import up_rows_bind_in
from ems.dispatch.milp.shape import ModelShape, shape_of, with_up_rows
from ems.dispatch.milp.solver import Solution, solve
from ems.errors import DispatchError
from ems.model.plan import Plan, SolveTimings
from ems.model.problem import PlanningProblem

# shapes differ by the clock phase of the grid and by tariff and outage edges; older ones are dropped
_MAX_COMPILED = 12
# how often a problem is solved anew because a pool charges and discharges at once, before directions are fixed
_MAX_PASSES = 3
# below this both at once is rounding
_BOTH_KW = 1e-4


class DispatchEngine:
    """The solver side of planning; one instance lives in the worker process."""

    def __init__(self) -> None:
        self._compiled: dict[ModelShape, CompiledModel] = {}

    def solve(self, problem: PlanningProblem) -> Plan:
        """Return the plan of a problem.

        A plan that goes below the floor may break reserve rows that were left out: it is solved anew with them.

        Raises:
            DispatchError: HiGHS found no feasible point in its time; the model itself is always feasible.
        """
        shape = shape_of(problem)
        plan = self._planned(problem, shape, time_limit_s=problem.options.time_limit_s)
        if shape.up_classes or "floor" not in plan.relaxed or not up_rows_bind_in(problem, plan):
            return plan
        left_s = max(1.0, problem.options.time_limit_s - plan.timings.solve_s)
        try:
            complete = self._planned(problem, with_up_rows(shape, problem), time_limit_s=left_s)
        except DispatchError:
            # the check decides whether the first plan breaks its reserve in hours that count
            return plan
        return replace(complete, timings=_together(plan.timings, complete.timings))

    def _planned(self, problem: PlanningProblem, shape: ModelShape, *, time_limit_s: float) -> Plan:
        clock = [perf_counter()]
        compiled = self._model(shape)
        parameters = compiled.parameter_vector(model_values(problem, shape))
        clock.append(perf_counter())
        matrix = _late_relaxed(compiled.matrix_problem(parameters), compiled, problem)
        clock.append(perf_counter())
        solution = _solved(matrix, compiled, problem, time_limit_s=time_limit_s)
        clock.append(perf_counter())
        if solution.values is None:
            raise DispatchError(f"HiGHS ended with '{solution.status}' and no feasible point for {problem.id}")
        plan = extract_plan(problem, shape, compiled, parameters, solution)
        clock.append(perf_counter())
        phases = [after - before for before, after in pairwise(clock)]
        timings = SolveTimings(build_s=phases[0], handover_s=phases[1], solve_s=phases[2], extract_s=phases[3])
        return replace(plan, timings=timings)

    def _model(self, shape: ModelShape) -> CompiledModel:
        compiled = self._compiled.pop(shape, None)
        if compiled is None:
            compiled = compile_model(build_model(shape), terms=TERMS)
        self._compiled[shape] = compiled
        while len(self._compiled) > _MAX_COMPILED:
            self._compiled.pop(next(iter(self._compiled)))
        return compiled


def _together(first: SolveTimings, second: SolveTimings) -> SolveTimings:
    return SolveTimings(
        build_s=first.build_s + second.build_s,
        handover_s=first.handover_s + second.handover_s,
        solve_s=first.solve_s + second.solve_s,
        extract_s=first.extract_s + second.extract_s,
    )


def _solved(
    matrix: MatrixProblem, compiled: CompiledModel, problem: PlanningProblem, *, time_limit_s: float
) -> Solution:
    """Solve; where a pool charges and discharges at once, close the smaller direction there and solve again.

    Losses make both at once a waste that no optimum wants, except where power has to be got rid of: sets at their
    minimum and a full store. A binary for each pool and step would say the same and cost every solve. A surplus of
    many steps can wander from closed steps to open ones: after the passes every step keeps the direction that it
    has, and every count its value.
    """
    left_s = time_limit_s
    last: Values | None = None
    for _ in range(_MAX_PASSES):
        begin = perf_counter()
        solution = solve(matrix, gap_frac=problem.options.gap_frac, time_limit_s=left_s, shift=greatest_value(problem))
        left_s = max(1.0, left_s - (perf_counter() - begin))
        if solution.values is None:
            break
        charge, discharge = (solution.values[compiled.variables[name]] for name in ("charge_kw", "discharge_kw"))
        both = np.minimum(charge, discharge) > _BOTH_KW
        if not both.any():
            return solution
        last = solution.values
        matrix = _closed(matrix, compiled, charge=both & (charge <= discharge), discharge=both & (charge > discharge))
    return solution if last is None else _fixed(matrix, compiled, last, time_limit_s=left_s)


def _fixed(matrix: MatrixProblem, compiled: CompiledModel, values: Values, *, time_limit_s: float) -> Solution:
    """Solve for the flows alone, with every count and every direction as they were last: feasible by its slacks."""
    charge, discharge = (values[compiled.variables[name]] for name in ("charge_kw", "discharge_kw"))
    counted = np.where(matrix.integer, np.round(values), 0.0)
    one_way = _closed(
        replace(
            matrix,
            lower=np.where(matrix.integer, counted, matrix.lower),
            upper=np.where(matrix.integer, counted, matrix.upper),
            integer=np.zeros_like(matrix.integer),
        ),
        compiled,
        charge=charge <= discharge,
        discharge=charge > discharge,
    )
    # what is proven about the flows says nothing about the counts
    return replace(solve(one_way, gap_frac=0.0, time_limit_s=time_limit_s), optimal=False, gap_frac=None)


def _closed(
    matrix: MatrixProblem, compiled: CompiledModel, *, charge: npt.NDArray[np.bool_], discharge: npt.NDArray[np.bool_]
) -> MatrixProblem:
    """Return the problem with charging or discharging closed where it is told, by pool and step."""
    upper = matrix.upper.copy()
    for name, closed in (("charge_kw", charge), ("discharge_kw", discharge)):
        place = compiled.variables[name]
        upper[place] = np.where(closed, 0.0, upper[place])
    return replace(matrix, upper=upper)


def _late_relaxed(matrix: MatrixProblem, compiled: CompiledModel, problem: PlanningProblem) -> MatrixProblem:
    """Let commitment be fractional beyond `integer_h`: half the solve time, and those steps are planned again."""
    late = np.asarray(problem.grid.offset_h[:-1]) >= problem.options.integer_h
    if not late.any():
        return matrix
    integer = matrix.integer.copy()
    for name in ("genset_on", "genset_any"):
        by_step = integer[compiled.variables[name]].reshape(-1, problem.grid.n_steps)
        by_step[:, late] = False
        integer[compiled.variables[name]] = by_step.ravel()
    return replace(matrix, integer=integer)
