"""The parts of a plan document and what each field of it means, as definitions of a JSON Schema."""

from dataclasses import fields
from typing import Any

from ems.model.plan import ObjectiveTerms, PlanSource, PlanStatus
from ems.model.reason import ReasonCode

# JSON of any shape
Node = dict[str, Any]


def plan_definitions(version: str) -> dict[str, Node]:
    """Return every part by its name; `Plan` is the whole document."""
    return {
        "Plan": _plan(version),
        "Objective": _object(
            "The objective.",
            total=_number("Sum of the terms, in the problem's currency."),
            terms=_object(
                "Cost by term, in the problem's currency; docs/formulation.md explains each.",
                **{field.name: _number("Cost of the term.") for field in fields(ObjectiveTerms)},
            ),
        ),
        "Timings": _object(
            "How long each phase took.",
            build=_ref("Seconds", "Filling the model's numbers in; for a new structure, building it."),
            handover=_ref("Seconds", "Handing the matrix over."),
            solve=_ref("Seconds", "Solving."),
            extract=_ref("Seconds", "Reading the plan out."),
        ),
        "Seconds": _object("Time of one phase.", cpu=_number("Processor seconds."), wall=_number("Wall seconds.")),
        "Check": _object(
            "Verdict of the independent check.",
            passed=_typed("boolean", "Whether control may follow the plan."),
            violations=_list("What it found.", {"type": "string"}),
        ),
        "Relaxed": _object(
            "A requirement that the plan does not keep.",
            name=_typed("string", "The requirement."),
            meaning=_typed("string", "What it means that it is not kept."),
            cause=_typed("string", "The likely cause."),
            action=_typed("string", "What to do about it."),
            cost=_number("The term of the objective that holds its price."),
            figures=_figures("How much and how long; each name ends in its unit."),
        ),
        "Step": _step(),
        "Load": _object(
            "Served load of a step.",
            it_kw=_number("IT power served, the offered classes included."),
            cooling_kw=_number("Cooling power."),
            aux_kw=_number("Auxiliaries."),
            loss_kw=_number("Losses between bus and loads."),
            load_kw=_number("All four together."),
            unserved_kw=_number("Load that is not served."),
            surplus_kw=_number("Supply that nothing takes."),
        ),
        "Pv": _object(
            "All PV of a step.",
            power_kw=_number("PV taken."),
            available_kw=_number("PV available, median."),
            plants_kw=_figures("PV taken by plant."),
        ),
        "Grid": _object("Exchange with the grid.", import_kw=_number("Import."), export_kw=_number("Export.")),
        "Pool": _object(
            "A battery pool in a step.",
            power_kw=_number("Power into the bus; negative while it charges."),
            charge_kw=_number("Charging."),
            discharge_kw=_number("Discharging."),
            stored_end_kwh=_number("Energy at the end of the step."),
        ),
        "Genset": _object(
            "A genset class in a step.",
            n_on=_typed("integer", "Units that run."),
            n_started=_typed("integer", "Units started at the beginning of the step."),
            n_stopped=_typed("integer", "Units stopped at the beginning of the step."),
            units_on=_list("Names of the units that run; empty where counts are fractions.", {"type": "string"}),
            power_kw=_number("Output of all of them."),
            fuel_l_per_h=_number("Fuel of all of them."),
            pollutants_g_per_h=_figures("Local pollutants of all of them, by name."),
        ),
        "Offer": _object(
            "An offered class of load in a step.",
            power_kw=_number("IT power."),
            cut_kw=_number("Taken back within what the class lets the site do."),
            unserved_kw=_number("Not served beyond that."),
            running_frac=_optional(_number("Share of its work that runs; null: no rule binds its runs.")),
            started_frac=_number("Share that starts with the step."),
        ),
        "Chillers": _object(
            "Chillers and cold tank in a step.",
            n_on=_typed("integer", "Chillers that run."),
            n_started=_typed("integer", "Chillers started at the beginning of the step."),
            heat_kw_th=_number("Heat that they remove."),
            power_kw=_number("Electric power."),
            tank_charge_kw_th=_number("Into the tank."),
            tank_discharge_kw_th=_number("Out of the tank."),
            tank_end_kwh_th=_number("Cold at the end of the step."),
        ),
        "Reserve": _object(
            "A reserve requirement in a step, after the loss that leaves the least.",
            contingency=_typed("string", "That loss."),
            required_kw=_number("Required."),
            held_kw=_number("Held."),
            shortfall_kw=_number("Missing."),
        ),
        "Reason": _object(
            "A limit that a step touches, or why an asset does what it does.",
            code={"enum": [code.value for code in ReasonCode], "description": "Which; see the table of codes."},
            asset=_typed("string", "Id of the asset, or `site`, `grid`, `pv`, `fuel`, `chillers`."),
            text=_typed("string", "One sentence."),
            about=_typed("string", "What the code speaks of beside the asset; may be empty."),
            figures=_figures("The figures behind it; each name ends in its unit."),
        ),
    }


def _plan(version: str) -> Node:
    return _object(
        "A plan with its proofs and reasons.",
        schema={"const": version, "description": "Version of the form of this document."},
        problem=_typed("string", "Id of the problem."),
        site=_typed("string", "Id of the site."),
        currency=_typed("string", "Currency of every price and cost."),
        created=_instant("Instant of the state from which the problem was made."),
        status={
            "enum": [item.value for item in PlanStatus],
            "description": "Optimal within the gap, feasible, fallback.",
        },
        source={
            "enum": [item.value for item in PlanSource],
            "description": "Which link of the fallback chain made it.",
        },
        gap_frac=_optional(_number("Relative gap that the solver proved; null: none.")),
        objective=_ref("Objective", "Cost, as a whole and term by term."),
        timings_s=_ref("Timings", "Seconds by phase."),
        check=_ref("Check", "Verdict of the independent check."),
        carbon_shadow_price_per_kg=_optional(
            _number("Price of the last kilogram under the carbon budget; null: none.")
        ),
        note=_typed("string", "What else there is to say; may be empty."),
        relaxed=_list("Requirements that the plan does not keep.", {"$ref": "#/$defs/Relaxed"}),
        steps=_list("The steps, in order.", {"$ref": "#/$defs/Step"}),
    )


def _step() -> Node:
    """Return a step: its own fields, and one for each pool, genset class and offered class by its id."""
    node = _object(
        "One step; powers are means over it. Beside these fields it has one for each pool, genset class and offered "
        "class, named by its id; where that name is taken, by `pool.`, `genset.` or `offer.` and the id.",
        start=_instant("Start of the step."),
        duration_h=_number("Its length."),
        load=_ref("Load", "Served load."),
        pv=_ref("Pv", "PV."),
        grid=_ref("Grid", "Exchange with the grid."),
        chillers=_optional(_ref("Chillers", "Chillers and cold tank; null: not modelled.")),
        fuel_stock_end_l=_optional(_number("Fuel in the tank at the end; null: not limited.")),
        reserve={
            "description": "Requirements by class.",
            "type": "object",
            "additionalProperties": {"$ref": "#/$defs/Reserve"},
        },
        marginal_price_per_kwh=_optional(_number("What one more kWh costs, commitment as it is; null: not known.")),
        marginal_gco2e_per_kwh=_optional(_number("What one more kWh emits, commitment as it is; null: not known.")),
        binding=_list("Limits that the step touches.", {"$ref": "#/$defs/Reason"}),
        reasons=_list("Why each asset does what it does.", {"$ref": "#/$defs/Reason"}),
    )
    node["additionalProperties"] = {"anyOf": [{"$ref": f"#/$defs/{name}"} for name in ("Pool", "Genset", "Offer")]}
    return node


def _object(description: str, **properties: Node) -> Node:
    return {
        "description": description,
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _typed(kind: str, description: str) -> Node:
    return {"description": description, "type": kind}


def _number(description: str) -> Node:
    return _typed("number", description)


def _instant(description: str) -> Node:
    return {**_typed("string", description), "format": "date-time"}


def _ref(name: str, description: str) -> Node:
    return {"description": description, "$ref": f"#/$defs/{name}"}


def _list(description: str, items: Node) -> Node:
    return {"description": description, "type": "array", "items": items}


def _figures(description: str) -> Node:
    return {"description": description, "type": "object", "additionalProperties": {"type": "number"}}


def _optional(node: Node) -> Node:
    """Return a node that may be null as well."""
    described = dict(node)
    description = described.pop("description")
    return {"description": description, "anyOf": [described, {"type": "null"}]}
