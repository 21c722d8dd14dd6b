"""How long each phase of a solve takes, on the wall and on the processor."""

from time import perf_counter, process_time

from ems.model.plan import SolveTimings

_N_PHASES = 4


class PhaseClock:
    """Runs through build, hand-over, solve and extract; `next` ends the present phase."""

    def __init__(self) -> None:
        self._begins = [(perf_counter(), process_time())]

    def next(self) -> None:
        """End the present phase."""
        self._begins.append((perf_counter(), process_time()))

    def timings(self) -> SolveTimings:
        """Return the length of each phase, the present one up to now; one that has not begun has none."""
        ends = [*self._begins[1:], (perf_counter(), process_time())]
        wall = [end[0] - begin[0] for begin, end in zip(self._begins, ends, strict=True)] + [0.0] * _N_PHASES
        cpu = [end[1] - begin[1] for begin, end in zip(self._begins, ends, strict=True)] + [0.0] * _N_PHASES
        return SolveTimings(
            build_s=wall[0],
            handover_s=wall[1],
            solve_s=wall[2],
            extract_s=wall[3],
            build_cpu_s=cpu[0],
            handover_cpu_s=cpu[1],
            solve_cpu_s=cpu[2],
            extract_cpu_s=cpu[3],
        )


def together(first: SolveTimings, second: SolveTimings) -> SolveTimings:
    """Return the sum of two solves, phase by phase."""
    return SolveTimings(
        **{name: getattr(first, name) + getattr(second, name) for name in SolveTimings.__dataclass_fields__}
    )
