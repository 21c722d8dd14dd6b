"""Why a plan does what it does: reason codes per step and asset, with figures from the plan and its problem."""

from dataclasses import replace

from ems.dispatch.check import Evaluation
from ems.dispatch.explain.demand import demand_reasons
from ems.dispatch.explain.genset import genset_limits, genset_reasons
from ems.dispatch.explain.scene import Scene
from ems.dispatch.explain.storage import storage_limits, storage_reasons
from ems.dispatch.explain.supply import supply_limits, supply_reasons
from ems.model.plan import Plan
from ems.model.problem import PlanningProblem

__all__ = ["explained"]


def explained(problem: PlanningProblem, plan: Plan, evaluation: Evaluation) -> Plan:
    """Return the plan with reserve, binding limits and reasons of each step written in.

    Says nothing of an asset that does nothing for want of anything to do; every asset that flows has a reason.
    """
    scenes = [Scene(problem=problem, plan=plan, evaluation=evaluation, t=t) for t in range(len(plan.steps))]
    steps = tuple(
        replace(
            scene.step,
            reserve=evaluation.reserve[scene.t] if evaluation.reserve else (),
            binding=(*storage_limits(scene), *genset_limits(scene), *supply_limits(scene)),
            reasons=(
                *demand_reasons(scene),
                *genset_reasons(scene),
                *storage_reasons(scene),
                *supply_reasons(scene),
            ),
        )
        for scene in scenes
    )
    return replace(plan, steps=steps)
