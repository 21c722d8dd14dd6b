"""What a stack answers to a plain problem."""

from dataclasses import dataclass

from tests.benchmark.flows import Flows


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Flows (None without a feasible point), what is proven, and processor seconds in and around HiGHS."""

    flows: Flows | None
    gap_frac: float
    bound_cost: float
    layer_s: float
    highs_s: float
