"""Solves planning problems; keeps the compiled model of each shape for the next cycle."""

from dataclasses import replace

import numpy as np

from ems.dispatch.milp.assemble import build_model, model_values
from ems.dispatch.milp.commitment import shifted_start
from ems.dispatch.milp.compiled import CompiledModel, MatrixProblem, compile_model
from ems.dispatch.milp.directions import both_at_once
from ems.dispatch.milp.extract import extract_plan
from ems.dispatch.milp.marginal import emitted_kg, marginals
from ems.dispatch.milp.objective import TERMS, distance_frac, greatest_value
from ems.dispatch.milp.phases import PhaseClock, together
from ems.dispatch.milp.screening import up_rows_bind_in
from ems.dispatch.milp.shape import ModelShape, shape_of, with_up_rows
from ems.dispatch.milp.solver import LinearProblem
from ems.dispatch.milp.solving import LEAST_S, Solving
from ems.dispatch.refusal import accept
from ems.errors import DispatchError
from ems.model.plan import Plan, PlanSource, PlanStatus
from ems.model.problem import PlanningProblem

# shapes differ by the clock phase of the grid and by tariff and outage edges; older ones are dropped
_MAX_COMPILED = 12
# an incumbent that may be this far from the optimum is held against the rounded relaxation
_POOR_GAP_FRAC = 0.05
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
        left_s = max(LEAST_S, problem.options.time_limit_s - plan.timings.solve_s)
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
            gap_frac=distance_frac(other_cost, bound_cost, problem),
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
        start = shifted_start(matrix, compiled, problem) if problem.options.warm_start and not rounded else None
        solving = Solving(
            matrix=matrix,
            compiled=compiled,
            problem=problem,
            measured=emitted_kg(compiled, parameters, problem),
            linear=LinearProblem(matrix, threads=problem.options.threads),
        )
        clock.next()
        if rounded:
            solving = solving.rounded(time_limit_s=time_limit_s)
        found = solving.solve(time_limit_s=time_limit_s, start=start)
        flows = found.flows
        if flows.solution.values is not None and both_at_once(compiled, flows.solution.values):
            plan = None if rounded else self._with_directions(problem, shape, clock, time_limit_s=found.left_s)
            if plan is not None:
                return plan
            flows = solving.apart(found)
        # HiGHS's copy of the problem would stand beside all that is read from it
        del solving
        clock.next()
        solution = flows.solution
        if solution.values is None:
            raise DispatchError(f"HiGHS ended with '{solution.status}' and no feasible point for {problem.id}")
        plan = extract_plan(problem, shape, compiled, parameters, solution, marginals(compiled, problem, flows))
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
