"""A plan as a document for people and programs: terms, timings, check, steps."""

from ems.dispatch.check import Evaluation
from ems.model.plan import Plan, PlanStep


def plan_document(plan: Plan, evaluation: Evaluation) -> dict[str, object]:
    """Return the plan as plain values for JSON."""
    timings = plan.timings
    return {
        "schema": plan.schema,
        "problem": plan.problem_id,
        "status": plan.status.value,
        "source": plan.source.value,
        "gap_frac": plan.gap_frac,
        "carbon_shadow_price_per_kg": plan.carbon_shadow_price_per_kg,
        "objective": {"total": plan.objective.total_cost(), "terms": plan.objective.terms()},
        "timings_s": {
            "build": {"cpu": timings.build_cpu_s, "wall": timings.build_s},
            "handover": {"cpu": timings.handover_cpu_s, "wall": timings.handover_s},
            "solve": {"cpu": timings.solve_cpu_s, "wall": timings.solve_s},
            "extract": {"cpu": timings.extract_cpu_s, "wall": timings.extract_s},
        },
        "check": {
            "passed": evaluation.passed,
            "violations": [violation.sentence() for violation in evaluation.violations],
        },
        "steps": [_step(step) for step in plan.steps],
        "relaxed": list(plan.relaxed),
    }


def plan_text(plan: Plan, evaluation: Evaluation) -> str:
    """Return a plan for a terminal."""
    terms = [f"  {name:24s} {value:>16,.2f}" for name, value in plan.objective.terms().items() if value]
    steps = [_line(step) for step in plan.steps]
    verdict = "passed" if evaluation.passed else "REFUSED"
    gap = "" if plan.gap_frac is None else f", gap {100.0 * plan.gap_frac:.2f} %"
    timings = plan.timings
    return "\n".join(
        [
            f"{plan.problem_id}: {plan.status.value}{gap}; independent check {verdict}",
            *(f"  {violation.sentence()}" for violation in evaluation.violations),
            f"objective {plan.objective.total_cost():,.2f}",
            *terms,
            (
                f"wall (cpu): build {timings.build_s:.3f} s ({timings.build_cpu_s:.3f} s), "
                f"hand-over {timings.handover_s:.3f} s ({timings.handover_cpu_s:.3f} s), "
                f"solve {timings.solve_s:.3f} s ({timings.solve_cpu_s:.3f} s), "
                f"extract {timings.extract_s:.3f} s ({timings.extract_cpu_s:.3f} s)"
            ),
            "start UTC         h     load       PV  storage   stored  gensets   import  per kWh  gCO2e  why",
            *steps,
        ]
    )


def _step(step: PlanStep) -> dict[str, object]:
    values: dict[str, object] = {
        "start": step.start_utc.isoformat().replace("+00:00", "Z"),
        "duration_h": step.duration_h,
        "load_kw": step.load_kw,
        "pv": {"power_kw": step.pv_kw, "available_kw": step.pv_available_kw},
        "grid": {"import_kw": step.import_kw, "export_kw": step.export_kw},
        "unserved_kw": step.unserved_kw,
        "surplus_kw": step.surplus_kw,
        "reserve": {item.id: {"required_kw": item.required_kw, "held_kw": item.held_kw} for item in step.reserve},
        "marginal_price_per_kwh": step.marginal_price_per_kwh,
        "marginal_gco2e_per_kwh": step.marginal_gco2e_per_kwh,
        "binding": list(step.binding),
        "reasons": list(step.reasons),
    }
    for pool in step.pools:
        values[pool.id] = {"power_kw": pool.power_kw, "stored_end_kwh": pool.stored_end_kwh}
    for genset in step.gensets:
        values[genset.id] = {
            "n_on": genset.n_on,
            "n_started": genset.n_started,
            "n_stopped": genset.n_stopped,
            "power_kw": genset.power_kw,
            "fuel_l_per_h": genset.fuel_l_per_h,
        }
    for offer in step.offers:
        values[offer.id] = {"power_kw": offer.power_kw, "cut_kw": offer.cut_kw, "unserved_kw": offer.unserved_kw}
    return values


def _line(step: PlanStep) -> str:
    gensets = " ".join(f"{genset.n_on}x{genset.power_kw / max(1, genset.n_on):.0f}" for genset in step.gensets)
    storage = sum(pool.power_kw for pool in step.pools)
    stored = sum(pool.stored_end_kwh for pool in step.pools)
    why = "; ".join((*step.binding, *step.reasons))
    return (
        f"{step.start_utc:%m-%d %H:%M}  {step.duration_h:5.2f} {step.load_kw:8.0f} {step.pv_kw:8.0f} "
        f"{storage:8.0f} {stored:8.0f} {gensets:>8s} {step.import_kw:8.0f} "
        f"{_figure(step.marginal_price_per_kwh, 3):>8s} {_figure(step.marginal_gco2e_per_kwh, 0):>6s}  {why}"
    )


def _figure(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
