"""What the check finds, and how far a plan may deviate before it is found: rounding of the solver, not more."""

from collections.abc import Iterator
from dataclasses import dataclass

from ems.model.plan import ReserveStep
from ems.model.problem import PlanningProblem

# shares of the quantity, and least absolute values
_POWER_TOLERANCE_FRAC = 2e-3
POWER_TOLERANCE_KW = 0.02
ENERGY_TOLERANCE_FRAC = 1e-3
_FUEL_TOLERANCE_L_PER_H = 0.02
_COST_TOLERANCE_FRAC = 1e-3
_COST_TOLERANCE = 0.02
TIME_TOLERANCE_H = 1e-6
# what stands between a wish of the reserve and the loss that leaves the least, in the names of broken wishes
AFTER = " after "


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One limit that a plan breaks; `step` is None for the plan as a whole."""

    step: int | None
    what: str
    value: float
    limit: float

    def sentence(self) -> str:
        """Return the violation for a log or a terminal."""
        where = "plan" if self.step is None else f"step {self.step}"
        return f"{where}: {self.what} is {self.value:.6g}, allowed {self.limit:.6g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOn:
    """A genset class of which no set can be stopped, and the requirement that one set less would leave short."""

    genset_class: str
    without: ReserveStep


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What the re-simulation found.

    `reserve` holds the worst contingency per class and step; `held_on` holds for each step the
    classes of which no set could be stopped without breaking a reserve requirement.
    """

    violations: tuple[Violation, ...]
    reserve: tuple[tuple[ReserveStep, ...], ...] = ()
    held_on: tuple[tuple[HeldOn, ...], ...] = ()

    @property
    def passed(self) -> bool:
        """Return whether control may follow the plan."""
        return not self.violations


def wish_of(reserve_id: str) -> str:
    """Return the name by which a plan declares that it lacks reserve of a class."""
    return f"{'down reserve' if reserve_id.startswith('down') else 'reserve'}: {reserve_id}"


def is_firm(problem: PlanningProblem, t: int) -> bool:
    """Return whether commitment is planned in whole units; later steps are indicative and planned again."""
    return problem.grid.offset_h[t] < problem.options.integer_h


def above(
    t: int | None, what: str, value: float, limit: float, *, tolerance: float | None = None
) -> Iterator[Violation]:
    """Yield a violation where a value lies above its limit by more than the tolerance (of powers, if not given)."""
    if value > limit + (tolerance_kw(limit) if tolerance is None else tolerance):
        yield Violation(step=t, what=what, value=value, limit=limit)


def differs(t: int, what: str, value: float, expected: float) -> Iterator[Violation]:
    """Yield a violation where a power differs from what follows from the problem."""
    if abs(value - expected) > tolerance_kw(expected):
        yield Violation(step=t, what=what, value=value, limit=expected)


def outside(
    step: int | None, what: str, value: float, *, lowest: float, highest: float, tolerance: float
) -> Iterator[Violation]:
    """Yield a violation where a value lies outside a range, its ends equal where only one value is right."""
    nearest = min(max(value, lowest), highest)
    if abs(value - nearest) > tolerance:
        yield Violation(step=step, what=what, value=value, limit=nearest)


def tolerance_kw(scale_kw: float) -> float:
    """Return how far a power may deviate."""
    return POWER_TOLERANCE_KW + _POWER_TOLERANCE_FRAC * abs(scale_kw)


def tolerance_l_per_h(scale_l_per_h: float) -> float:
    """Return how far a fuel rate may deviate."""
    return _FUEL_TOLERANCE_L_PER_H + _POWER_TOLERANCE_FRAC * abs(scale_l_per_h)


def tolerance_cost(scale_cost: float) -> float:
    """Return how far a term of the objective may deviate."""
    return _COST_TOLERANCE + _COST_TOLERANCE_FRAC * abs(scale_cost)
