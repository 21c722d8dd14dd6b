"""What HiGHS's options change, as a table of processor seconds by option and instance.

Run it from the repository with the environment of the daemon: `.venv/bin/python -m tests.benchmark.solver_options`, or
with the names of instances behind it (`S-84-island-1` takes a second, each M a minute or two for all variants).

Seconds are to a gap of 0.5 %, one thread, without hand-over; a solve that ends at the time limit is marked `>`. Equal
formulations differ by a factor of two and more on single instances, so the geometric mean over several says what an
option does.
"""

import sys
from dataclasses import dataclass, replace
from math import log
from time import process_time
from typing import Final

import highspy
import numpy as np

from ems.dispatch.milp.assemble import build_model, model_values
from ems.dispatch.milp.compiled import CompiledModel, MatrixProblem, compile_model
from ems.dispatch.milp.objective import TERMS, greatest_value
from ems.dispatch.milp.shape import shape_of
from ems.dispatch.milp.solver import highs_of
from tests.benchmark.instances import BenchmarkSite, instance

_GAP_FRAC: Final = 0.005
_LIMIT_S: Final = 120.0
# a processor clock tells no less
_CLOCK_S: Final = 0.01
_INSTANCES: Final = ("M-84-island-1", "M-84-island-2", "M-84-grid-1", "M-84-grid-2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """Options that differ from the engine's, and variables that are declared whole on top."""

    name: str
    options: tuple[tuple[str, str | float | bool], ...] = ()
    whole: tuple[str, ...] = ()


VARIANTS: Final = (
    Variant(name="as shipped"),
    Variant(name="mip_heuristic_effort 0.01", options=(("mip_heuristic_effort", 0.01),)),
    Variant(name="mip_heuristic_effort 0.2", options=(("mip_heuristic_effort", 0.2),)),
    Variant(name="mip_detect_symmetry off", options=(("mip_detect_symmetry", False),)),
    Variant(name="mip_feasibility_tolerance 1e-5", options=(("mip_feasibility_tolerance", 1e-5),)),
    Variant(name="presolve off", options=(("presolve", "off"),)),
    Variant(name="starts whole", whole=("genset_start",)),
    Variant(name="starts and stops whole", whole=("genset_start", "genset_stop")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An instance as the matrix that HiGHS takes."""

    compiled: CompiledModel
    matrix: MatrixProblem
    shift: float

    @classmethod
    def of(cls, name: str) -> "Case":
        """Return a benchmark instance by its name."""
        problem = BenchmarkSite(instance(name)).problem(gap_frac=_GAP_FRAC)
        shape = shape_of(problem)
        compiled = compile_model(build_model(shape), terms=TERMS)
        matrix = compiled.matrix_problem(compiled.parameter_vector(model_values(problem, shape)))
        return cls(compiled=compiled, matrix=matrix, shift=greatest_value(problem))


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Processor time of one solve, and whether it reached its gap in time."""

    cpu_s: float
    finished: bool

    def text(self) -> str:
        """Return the cell of the table."""
        return f"{'' if self.finished else '>'}{self.cpu_s:.2f}"


def spent(case: Case, variant: Variant) -> Spent:
    """Solve a case with the options of a variant.

    Raises:
        ValueError: HiGHS has no such option, or not this value of it.
    """
    integer = case.matrix.integer.copy()
    for name in variant.whole:
        integer[case.compiled.variables[name]] = True
    matrix = replace(case.matrix, integer=integer)
    solver = highs_of(matrix, time_limit_s=_LIMIT_S, threads=1, shift=case.shift)
    for option, value in (("mip_rel_gap", _GAP_FRAC), *variant.options):
        if solver.setOptionValue(option, value) != highspy.HighsStatus.kOk:
            raise ValueError(f"HiGHS does not take {option} = {value}")
    begin = process_time()
    solver.run()
    finished = solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return Spent(cpu_s=process_time() - begin, finished=finished)


def main() -> None:
    """Print processor seconds by variant and instance, and the geometric mean."""
    names = tuple(sys.argv[1:]) or _INSTANCES
    cases = [Case.of(name) for name in names]
    sys.stdout.write(f"{'':32s}" + "".join(f"{name:>16s}" for name in (*names, "geometric")) + "\n")
    for variant in VARIANTS:
        solves = [spent(case, variant) for case in cases]
        mean_s = float(np.exp(np.mean([log(max(_CLOCK_S, solve.cpu_s)) for solve in solves])))
        cells = [*(solve.text() for solve in solves), f"{mean_s:.2f}"]
        sys.stdout.write(f"{variant.name:32s}" + "".join(f"{cell:>16s}" for cell in cells) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
