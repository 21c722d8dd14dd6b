"""What HiGHS's options change: `python -m tests.benchmark.solver_options [INSTANCE ...]` prints a table.

Processor seconds to a gap of 0.5 %, one thread, without hand-over. Equal formulations differ by a factor of two and
more on single instances, so the geometric mean over several says what an option does.
"""

import sys
from dataclasses import dataclass, replace
from time import process_time
from typing import Final

import numpy as np

from ems.dispatch.milp.assemble import build_model, model_values
from ems.dispatch.milp.compiled import CompiledModel, MatrixProblem, compile_model
from ems.dispatch.milp.objective import TERMS, greatest_value
from ems.dispatch.milp.shape import shape_of
from ems.dispatch.milp.solver import highs_of
from tests.benchmark.instances import BenchmarkSite, instance

_GAP_FRAC: Final = 0.005
_LIMIT_S: Final = 120.0
_INSTANCES: Final = ("M-84-island-1", "M-84-island-2", "M-84-grid-1", "M-84-grid-2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """Options that differ from the engine's, and variables that are declared whole on top."""

    name: str
    options: tuple[tuple[str, str | float | bool], ...] = ()
    whole: tuple[str, ...] = ()


_VARIANTS: Final = (
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
class _Case:
    compiled: CompiledModel
    matrix: MatrixProblem
    shift: float

    @classmethod
    def of(cls, name: str) -> "_Case":
        problem = BenchmarkSite(instance(name)).problem(gap_frac=_GAP_FRAC)
        shape = shape_of(problem)
        compiled = compile_model(build_model(shape), terms=TERMS)
        matrix = compiled.matrix_problem(compiled.parameter_vector(model_values(problem, shape)))
        return cls(compiled=compiled, matrix=matrix, shift=greatest_value(problem))


def seconds(case: _Case, variant: Variant) -> float:
    """Return the processor time of one solve."""
    integer = case.matrix.integer.copy()
    for name in variant.whole:
        integer[case.compiled.variables[name]] = True
    matrix = replace(case.matrix, integer=integer)
    solver = highs_of(matrix, time_limit_s=_LIMIT_S, threads=1, shift=case.shift)
    solver.setOptionValue("mip_rel_gap", _GAP_FRAC)
    for option, value in variant.options:
        solver.setOptionValue(option, value)
    begin = process_time()
    solver.run()
    return process_time() - begin


def main() -> None:
    """Print processor seconds by variant and instance, and the geometric mean."""
    names = tuple(sys.argv[1:]) or _INSTANCES
    cases = [_Case.of(name) for name in names]
    sys.stdout.write(f"{'':32s}" + "".join(f"{name:>16s}" for name in (*names, "geometric")) + "\n")
    for variant in _VARIANTS:
        spent = [seconds(case, variant) for case in cases]
        mean = float(np.exp(np.mean(np.log(spent))))
        sys.stdout.write(f"{variant.name:32s}" + "".join(f"{value:16.2f}" for value in (*spent, mean)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
