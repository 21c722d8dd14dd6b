"""The stacks that are compared, by name: each takes a plain problem and answers with a plan and its times."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from time import process_time

from ems.dispatch.milp.engine import DispatchEngine
from ems.model.plan import Plan
from ems.model.problem import PlanningProblem
from tests.benchmark.answer import Answer
from tests.benchmark.clock import highs_clock
from tests.benchmark.flows import plan_of
from tests.benchmark.matrix import solve_matrix


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """A stack's plan (None without a feasible point), what is proven, and processor seconds in and around HiGHS."""

    plan: Plan | None
    gap_frac: float
    layer_s: float
    highs_s: float


Stack = Callable[[PlanningProblem], Timed]


def stack(name: str, *, time_limit_s: float) -> Stack:
    """Return a stack that is ready for its second cycle: imported, and the dispatcher with its model compiled."""
    match name:
        case "dispatcher":
            return _dispatcher(time_limit_s)
        case "matrix":
            return lambda problem: _timed(
                problem, solve_matrix(problem, gap_frac=_gap(problem), time_limit_s=time_limit_s)
            )
        case "pypsa" | "oemof":
            module = import_module(f"tests.benchmark.{name}_stack")
            solve = getattr(module, f"solve_{name}")
            return lambda problem: _timed(problem, solve(problem, gap_frac=_gap(problem), time_limit_s=time_limit_s))
        case _:
            raise ValueError(f"'{name}' is no stack; name one of {', '.join(STACKS)}")


STACKS = ("dispatcher", "matrix", "pypsa", "oemof")
PEERS = ("pypsa", "oemof")
LIBRARIES = {
    "dispatcher": ("highspy", "pyomo"),
    "matrix": ("highspy", "scipy"),
    "pypsa": ("highspy", "pypsa", "linopy"),
    "oemof": ("highspy", "oemof.solph", "pyomo"),
}


def _dispatcher(time_limit_s: float) -> Stack:
    engine = DispatchEngine()

    def solve(problem: PlanningProblem) -> Timed:
        limited = replace(problem, options=replace(problem.options, time_limit_s=time_limit_s))
        begin = process_time()
        with highs_clock() as clock:
            plan = engine.solve(limited)
        layer_s = process_time() - begin - clock.highs_s
        gap_frac = clock.gap_frac if plan.gap_frac is None else plan.gap_frac
        return Timed(plan=plan, gap_frac=gap_frac, layer_s=layer_s, highs_s=clock.highs_s)

    return solve


def _gap(problem: PlanningProblem) -> float:
    return problem.options.gap_frac


def _timed(problem: PlanningProblem, answer: Answer) -> Timed:
    plan = None if answer.flows is None else plan_of(problem, answer.flows)
    return Timed(plan=plan, gap_frac=answer.gap_frac, layer_s=answer.layer_s, highs_s=answer.highs_s)
