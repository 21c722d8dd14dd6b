"""Which wishes a solution breaks, by the slack variables that it uses."""

from ems.dispatch.milp.compiled import CompiledModel
from ems.dispatch.milp.extract.columns import Values
from ems.dispatch.milp.shape import ModelShape
from ems.dispatch.milp.shortfall import lacking_reserve
from ems.model.problem import PlanningProblem

# slack variables whose use means that a wish was broken, with the name that the plan reports
SLACKS = {
    "it_unserved_kw": "unserved",
    "other_unserved_kw": "unserved",
    "surplus_kw": "surplus",
    "stored_missing_kwh": "stored energy",
    "floor_slack_kwh": "floor",
    "genset_up_slack": "minimum up time",
    "genset_down_slack": "minimum down time",
    "ramp_slack_kw": "ramp at the PCC",
    "offer_unserved_kw": "unserved",
    "offer_over_h": "curtailed hours",
    "heat_missing_kw_th": "cooling capacity",
    "chiller_low_kw_th": "chiller minimum load",
    "tank_floor_slack_kwh_th": "tank floor",
    "genset_quiet_slack": "quiet hours",
    "genset_permit_slack_h": "permitted run hours",
    "genset_exercise_missed": "exercise run",
    "fuel_reserve_slack_l": "fuel reserve",
    "fuel_missing_l": "fuel",
}
_SLACK_TOLERANCE = 1e-3


def relaxed_wishes(
    problem: PlanningProblem, shape: ModelShape, compiled: CompiledModel, parameters: Values, values: Values
) -> tuple[str, ...]:
    """Return the wishes that a solution breaks; each response class of the reserve is one."""
    used = [
        wish
        for name, wish in SLACKS.items()
        if name in compiled.variables and (values[compiled.variables[name]] > _SLACK_TOLERANCE).any()
    ]
    return tuple(dict.fromkeys((*used, *lacking_reserve(problem, shape.reserve, compiled, parameters, values))))
