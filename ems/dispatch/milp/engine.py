"""Solves planning problems; keeps the compiled model of each shape for the next cycle."""

from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np

from ems.dispatch.milp.assemble import build_model, model_values
from ems.dispatch.milp.commitment import shifted_start, with_rounded
from ems.dispatch.milp.compiled import CompiledModel, MatrixProblem, Values, compile_model
from ems.dispatch.milp.directions import both_at_once, one_way
from ems.dispatch.milp.extract import extract_plan
from ems.dispatch.milp.marginal import emitted_kg, marginals, with_marginals
from ems.dispatch.milp.objective import TERMS, greatest_value
from ems.dispatch.milp.phases import PhaseClock, together
from ems.dispatch.milp.rounding import best_rounding
from ems.dispatch.milp.screening import up_rows_bind_in
from ems.dispatch.milp.shape import ModelShape, shape_of, with_up_rows
from ems.dispatch.milp.solver import (
    ColumnLimits,
    LinearProblem,
    LinearSolution,
    Solution,
    Start,
    limits_of,
    solve,
)
from ems.dispatch.refusal import accept
from ems.errors import DispatchError
from ems.model.plan import Plan, PlanSource, PlanStatus
from ems.model.problem import PlanningProblem

# shapes differ by the clock phase of the grid and by tariff and outage edges; older ones are dropped
_MAX_COMPILED = 12
# an incumbent that may be this far from the optimum is held against the rounded relaxation
_POOR_GAP_FRAC = 0.05
# the least time that a later part of a solve gets, s
_LEAST_S = 1.0
# binaries and counts by step that are fractional beyond the integer hours
_LATE = (
    "genset_on",
    "genset_start",
    "genset_any",
    "genset_all_asked",
    "genset_more_on",
    "curtailed_counts",
    "chiller_on",
    "offer_running",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Solved:
    """Flows with their prices, what HiGHS had proven about the counts, and the time that is left."""

    flows: LinearSolution
    proven: Solution
    left_s: float


class DispatchEngine:
    """The solver side of planning; one instance lives in the worker process."""

    def __init__(self) -> None:
        self._compiled: dict[ModelShape, CompiledModel] = {}

    def solve(self, problem: PlanningProblem) -> Plan:
        """Return the plan of a problem.

        A plan that goes below the floor may break reserve rows that were left out: it is solved anew with them.

        Raises:
            ProblemRefusedError: A field of the problem holds what no site has.
            DispatchError: HiGHS found no feasible point in its time; the model itself is always feasible.
        """
        clock = PhaseClock()
        accept(problem)
        shape = shape_of(problem)
        plan = self._planned(problem, shape, clock, time_limit_s=problem.options.time_limit_s)
        plan = self._better(problem, plan)
        if shape.reserve.up_classes or "floor" not in plan.relaxed or not up_rows_bind_in(problem, plan):
            return plan
        left_s = max(_LEAST_S, problem.options.time_limit_s - plan.timings.solve_s)
        try:
            complete = self._planned(problem, with_up_rows(shape, problem), PhaseClock(), time_limit_s=left_s)
        except DispatchError:
            # the check decides whether the first plan breaks its reserve in hours that count
            return plan
        return replace(complete, timings=together(plan.timings, complete.timings))

    def _better(self, problem: PlanningProblem, plan: Plan) -> Plan:
        """Return the plan, or the rounded relaxation where the time ended on a poor incumbent that costs more."""
        if plan.gap_frac is None or plan.gap_frac <= max(_POOR_GAP_FRAC, problem.options.gap_frac):
            return plan
        try:
            rounded = self.relax(problem)
        except DispatchError:
            return plan
        cost, other_cost = plan.objective.total_cost(), rounded.objective.total_cost()
        if other_cost >= cost:
            return plan
        bound_cost = cost - plan.gap_frac * abs(cost + greatest_value(problem))
        return replace(
            rounded,
            status=PlanStatus.FEASIBLE,
            gap_frac=_distance_frac(other_cost, bound_cost, problem),
            timings=together(plan.timings, rounded.timings),
        )

    def relax(self, problem: PlanningProblem) -> Plan:
        """Return the plan of the linear relaxation's commitment, rounded up and repaired: quick, and seldom the best.

        Raises:
            ProblemRefusedError: A field of the problem holds what no site has.
            DispatchError: Not even the relaxation was solved in its time.
        """
        clock = PhaseClock()
        accept(problem)
        limit_s = problem.options.relaxed_time_limit_s
        shape = with_up_rows(shape_of(problem), problem)
        plan = self._planned(problem, shape, clock, time_limit_s=limit_s, rounded=True)
        return replace(plan, source=PlanSource.RELAXED, status=PlanStatus.FALLBACK, gap_frac=None)

    def _planned(
        self,
        problem: PlanningProblem,
        shape: ModelShape,
        clock: PhaseClock,
        *,
        time_limit_s: float,
        rounded: bool = False,
    ) -> Plan:
        compiled = self._model(shape)
        parameters = compiled.parameter_vector(model_values(problem, shape))
        clock.next()
        matrix = _late_relaxed(compiled.matrix_problem(parameters), compiled, problem)
        emitted = emitted_kg(compiled, parameters, problem)
        start = shifted_start(matrix, compiled, problem) if problem.options.warm_start and not rounded else None
        linear = LinearProblem(matrix, threads=problem.options.threads)
        clock.next()
        if rounded:
            matrix = _rounded(matrix, compiled, problem, linear, time_limit_s=time_limit_s)
        found = _solved(matrix, compiled, problem, linear, measured=emitted, time_limit_s=time_limit_s, start=start)
        flows = found.flows
        if flows.solution.values is not None and both_at_once(compiled, flows.solution.values):
            plan = None if rounded else self._with_directions(problem, shape, clock, time_limit_s=found.left_s)
            if plan is not None:
                return plan
            flows = _apart(matrix, compiled, problem, linear, found, measured=emitted)
        clock.next()
        solution = flows.solution
        if solution.values is None:
            raise DispatchError(f"HiGHS ended with '{solution.status}' and no feasible point for {problem.id}")
        plan = extract_plan(problem, shape, compiled, parameters, solution)
        plan = with_marginals(plan, marginals(compiled, problem, flows))
        clock.next()
        return replace(plan, timings=clock.timings())

    def _with_directions(
        self, problem: PlanningProblem, shape: ModelShape, clock: PhaseClock, *, time_limit_s: float
    ) -> Plan | None:
        """Return the plan with a binary for every pool's direction in every step, None where time does not allow it."""
        spent = clock.timings()
        decided = replace(shape, one_way_storage=True, one_way_throughout=True)
        if decided == shape:
            return None
        try:
            plan = self._planned(problem, decided, PhaseClock(), time_limit_s=time_limit_s)
        except DispatchError:
            return None
        return replace(plan, timings=together(spent, plan.timings))

    def _model(self, shape: ModelShape) -> CompiledModel:
        compiled = self._compiled.pop(shape, None)
        if compiled is None:
            compiled = compile_model(build_model(shape), terms=TERMS)
        self._compiled[shape] = compiled
        while len(self._compiled) > _MAX_COMPILED:
            self._compiled.pop(next(iter(self._compiled)))
        return compiled


def _rounded(
    matrix: MatrixProblem,
    compiled: CompiledModel,
    problem: PlanningProblem,
    linear: LinearProblem,
    *,
    time_limit_s: float,
) -> MatrixProblem:
    """Return the problem with the counts of its linear relaxation, rounded up and repaired."""
    found = linear.solve(limits_of(matrix), time_limit_s=time_limit_s)
    if found.values is None:
        raise DispatchError(f"HiGHS ended with '{found.status}' on the linear relaxation of {problem.id}")
    return with_rounded(matrix, compiled, problem, found.values)


def _solved(
    matrix: MatrixProblem,
    compiled: CompiledModel,
    problem: PlanningProblem,
    linear: LinearProblem,
    *,
    measured: Values,
    time_limit_s: float,
    start: Start | None = None,
) -> _Solved:
    """Solve for commitment and flows; the flows may still charge and discharge at once."""
    if not matrix.integer.any():
        flows = linear.solve_priced(limits_of(matrix), measured=measured, time_limit_s=time_limit_s)
        return _Solved(flows=flows, proven=flows.solution, left_s=time_limit_s)
    begin = perf_counter()
    tried = best_rounding(matrix, compiled, problem, linear, time_limit_s=time_limit_s) if start is None else None
    solution = None if tried is None else tried.solution
    if solution is None:
        solution = solve(
            matrix,
            gap_frac=problem.options.gap_frac,
            time_limit_s=max(_LEAST_S, time_limit_s - (perf_counter() - begin)),
            threads=problem.options.threads,
            shift=greatest_value(problem),
            start=start if tried is None else tried.start,
        )
    left_s = max(_LEAST_S, time_limit_s - (perf_counter() - begin))
    return _Solved(
        flows=_priced(matrix, compiled, problem, linear, solution, measured=measured, time_limit_s=left_s),
        proven=solution,
        left_s=left_s,
    )


def _apart(
    matrix: MatrixProblem,
    compiled: CompiledModel,
    problem: PlanningProblem,
    linear: LinearProblem,
    found: _Solved,
    *,
    measured: Values,
) -> LinearSolution:
    """Return the flows with every direction and every count as it is; the gap is that to the bound of the solve."""
    values = found.flows.solution.values
    if values is None:
        return found.flows
    flows = _flows(one_way(matrix, compiled, values), values, linear, measured=measured, time_limit_s=found.left_s)
    gap_frac = _gap_frac(flows.solution, found.proven, problem)
    return replace(flows, solution=replace(flows.solution, optimal=False, gap_frac=gap_frac))


def _priced(
    matrix: MatrixProblem,
    compiled: CompiledModel,
    problem: PlanningProblem,
    linear: LinearProblem,
    solution: Solution,
    *,
    measured: Values,
    time_limit_s: float,
) -> LinearSolution:
    """Solve for the flows of a solution's counts: exact, at least as good, and with a price on every row.

    An incumbent within the gap may charge and discharge at once where its counts do not ask for it. Where they do, the
    flows with one direction each are taken if they are within the gap as well; else the caller has to solve anew.
    """
    if solution.values is None:
        return LinearSolution(solution=solution)
    flows = _flows(matrix, solution.values, linear, measured=measured, time_limit_s=time_limit_s)
    if flows.solution.values is None:
        return LinearSolution(solution=solution)
    gap_frac = solution.gap_frac
    if both_at_once(compiled, flows.solution.values):
        closed = one_way(matrix, compiled, flows.solution.values)
        apart = _flows(closed, solution.values, linear, measured=measured, time_limit_s=time_limit_s)
        gap_frac = _gap_frac(apart.solution, solution, problem)
        if gap_frac is None or gap_frac > problem.options.gap_frac:
            return flows
        flows = apart
    return replace(
        flows, solution=replace(flows.solution, status=solution.status, gap_frac=gap_frac, optimal=solution.optimal)
    )


def _gap_frac(found: Solution, proven: Solution, problem: PlanningProblem) -> float | None:
    """Return how far a solution may be from the optimum, by the bound of another, None where nothing is proven."""
    if found.objective is None or proven.bound is None:
        return None
    return _distance_frac(found.objective, proven.bound, problem)


def _distance_frac(cost: float, bound_cost: float, problem: PlanningProblem) -> float:
    """Return how far a cost lies above a bound, relative to what HiGHS's own gap is relative to."""
    return max(0.0, cost - bound_cost) / max(1e-9, abs(cost + greatest_value(problem)))


def _flows(
    matrix: MatrixProblem, values: Values, linear: LinearProblem, *, measured: Values, time_limit_s: float
) -> LinearSolution:
    """Solve for the flows alone, every whole number as it is in `values`: feasible by the slacks."""
    counted = np.round(values)
    limits = ColumnLimits(
        lower=np.where(matrix.integer, counted, matrix.lower), upper=np.where(matrix.integer, counted, matrix.upper)
    )
    return linear.solve_priced(limits, measured=measured, time_limit_s=time_limit_s)


def _late_relaxed(matrix: MatrixProblem, compiled: CompiledModel, problem: PlanningProblem) -> MatrixProblem:
    """Let commitment be fractional beyond `integer_h`: half the solve time, and those steps are planned again."""
    late = np.asarray(problem.grid.offset_h[:-1]) >= problem.options.integer_h
    if not late.any():
        return matrix
    integer = matrix.integer.copy()
    for name in _LATE:
        if name not in compiled.variables:
            continue
        by_step = integer[compiled.variables[name]].reshape(-1, problem.grid.n_steps)
        by_step[:, late] = False
        integer[compiled.variables[name]] = by_step.ravel()
    return replace(matrix, integer=integer)
