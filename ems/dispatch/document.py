"""A plan as a document for people and programs: terms, timings, check, steps with their reasons."""

from collections.abc import Iterator
from dataclasses import asdict

from ems.dispatch.check import Evaluation
from ems.dispatch.relaxed import relaxed_items
from ems.model.plan import ChillerStep, GensetStep, OfferStep, Plan, PlanStep, PoolStep, SolveTimings
from ems.model.problem import PlanningProblem
from ems.model.reason import Reason, ReasonCode

SCHEMA = "plan/2"
# reasons that a terminal has no room for: the price has its column, and what stands by or waits is not news
_LEFT_OUT = frozenset({ReasonCode.MARGINAL_SOURCE, ReasonCode.TOO_DEAR, ReasonCode.KEPT_FOR_LATER})
_PHASES = ("build", "handover", "solve", "extract")


def plan_document(problem: PlanningProblem, plan: Plan, evaluation: Evaluation) -> dict[str, object]:
    """Return the plan as plain values for JSON; `docs/planning-files.md` explains every field."""
    return {
        "schema": SCHEMA,
        "problem": plan.problem_id,
        "site": plan.site_id,
        "currency": problem.currency,
        "created": _instant(plan.created_utc.isoformat()),
        "status": plan.status.value,
        "source": plan.source.value,
        "gap_frac": plan.gap_frac,
        "objective": {"total": plan.objective.total_cost(), "terms": plan.objective.terms()},
        "timings_s": {phase: _seconds(plan.timings, phase) for phase in _PHASES},
        "check": {
            "passed": evaluation.passed,
            "violations": [violation.sentence() for violation in evaluation.violations],
        },
        "carbon_shadow_price_per_kg": plan.carbon_shadow_price_per_kg,
        "note": plan.note,
        "relaxed": [{**asdict(item), "figures": dict(item.figures)} for item in relaxed_items(plan)],
        "steps": [_step(step) for step in plan.steps],
    }


def plan_text(plan: Plan, evaluation: Evaluation) -> str:
    """Return a plan for a terminal."""
    terms = [f"  {name:24s} {value:>16,.2f}" for name, value in plan.objective.terms().items() if value]
    verdict = "passed" if evaluation.passed else "REFUSED"
    gap = "" if plan.gap_frac is None else f", gap {100.0 * plan.gap_frac:.2f} %"
    names = {"handover": "hand-over"}
    seconds = [(names.get(phase, phase), _seconds(plan.timings, phase)) for phase in _PHASES]
    timings = ", ".join(f"{name} {times['wall']:.3f} s ({times['cpu']:.3f} s)" for name, times in seconds)
    return "\n".join(
        [
            f"{plan.problem_id}: {plan.status.value}{gap}; independent check {verdict}",
            *(f"  {violation.sentence()}" for violation in evaluation.violations),
            f"objective {plan.objective.total_cost():,.2f}",
            *terms,
            f"wall time (processor): {timings}",
            *_relaxed_lines(plan),
            "start UTC         h     load       PV  storage   stored  gensets   import  per kWh  gCO2e  why",
            *(_line(step) for step in plan.steps),
        ]
    )


def _relaxed_lines(plan: Plan) -> list[str]:
    """Return two lines for each requirement that is not kept."""
    lines = []
    for item in relaxed_items(plan):
        figures = "".join(f", {name} {value:,.1f}" for name, value in item.figures)
        lines.append(f"not kept: {item.name} (cost {item.cost:,.2f}{figures}): {item.meaning}")
        lines.append(f"  likely: {item.cause}; do: {item.action}")
    return lines


def _seconds(timings: SolveTimings, phase: str) -> dict[str, float]:
    return {"cpu": getattr(timings, f"{phase}_cpu_s"), "wall": getattr(timings, f"{phase}_s")}


def _instant(iso: str) -> str:
    return iso.replace("+00:00", "Z")


def _step(step: PlanStep) -> dict[str, object]:
    values: dict[str, object] = {
        "start": _instant(step.start_utc.isoformat()),
        "duration_h": step.duration_h,
        "load": {
            "it_kw": step.it_kw,
            "cooling_kw": step.cooling_kw,
            "aux_kw": step.aux_kw,
            "loss_kw": step.loss_kw,
            "load_kw": step.load_kw,
            "unserved_kw": step.unserved_kw,
            "surplus_kw": step.surplus_kw,
        },
        "pv": {
            "power_kw": step.pv_kw,
            "available_kw": step.pv_available_kw,
            "plants_kw": {plant.id: plant.power_kw for plant in step.plants},
        },
        "grid": {"import_kw": step.import_kw, "export_kw": step.export_kw},
        "chillers": None if step.chillers is None else _chillers(step.chillers),
        "fuel_stock_end_l": step.fuel_stock_end_l,
        "reserve": {
            item.id: {
                "contingency": item.contingency,
                "required_kw": item.required_kw,
                "held_kw": item.held_kw,
                "shortfall_kw": item.shortfall_kw,
            }
            for item in step.reserve
        },
        "marginal_price_per_kwh": step.marginal_price_per_kwh,
        "marginal_gco2e_per_kwh": step.marginal_gco2e_per_kwh,
        "binding": [_reason(limit) for limit in step.binding],
        "reasons": [_reason(reason) for reason in step.reasons],
    }
    for kind, name, asset in _assets(step):
        # a pool that is called like a field of the step, or like another asset, stands under its kind as well
        values[name if name not in values else f"{kind}.{name}"] = asset
    return values


def _assets(step: PlanStep) -> Iterator[tuple[str, str, dict[str, object]]]:
    """Yield kind, id and values of pools, genset classes and offers."""
    yield from (("pool", pool.id, _pool(pool)) for pool in step.pools)
    yield from (("genset", genset.id, _genset(genset)) for genset in step.gensets)
    yield from (("offer", offer.id, _offer(offer)) for offer in step.offers)


def _pool(pool: PoolStep) -> dict[str, object]:
    return {
        "power_kw": pool.power_kw,
        "charge_kw": pool.charge_kw,
        "discharge_kw": pool.discharge_kw,
        "stored_end_kwh": pool.stored_end_kwh,
    }


def _genset(genset: GensetStep) -> dict[str, object]:
    return {
        "n_on": genset.n_on,
        "n_started": genset.n_started,
        "n_stopped": genset.n_stopped,
        "units_on": list(genset.units_on),
        "power_kw": genset.power_kw,
        "fuel_l_per_h": genset.fuel_l_per_h,
        "pollutants_g_per_h": dict(genset.pollutants_g_per_h),
    }


def _offer(offer: OfferStep) -> dict[str, object]:
    return {
        "power_kw": offer.power_kw,
        "cut_kw": offer.cut_kw,
        "unserved_kw": offer.unserved_kw,
        "running_frac": offer.running_frac,
        "started_frac": offer.started_frac,
    }


def _chillers(chillers: ChillerStep) -> dict[str, object]:
    return asdict(chillers)


def _reason(reason: Reason) -> dict[str, object]:
    return {
        "code": reason.code.value,
        "asset": reason.asset,
        "text": reason.text,
        "about": reason.about,
        "figures": dict(reason.figures),
    }


def _line(step: PlanStep) -> str:
    gensets = " ".join(f"{genset.n_on}x{genset.power_kw / max(1, genset.n_on):.0f}" for genset in step.gensets)
    storage = sum(pool.power_kw for pool in step.pools)
    stored = sum(pool.stored_end_kwh for pool in step.pools)
    price, carbon = _figure(step.marginal_price_per_kwh, 3), _figure(step.marginal_gco2e_per_kwh, 0)
    return (
        f"{step.start_utc:%m-%d %H:%M}  {step.duration_h:5.2f} {step.load_kw:8.0f} {step.pv_kw:8.0f} "
        f"{storage:8.0f} {stored:8.0f} {gensets:>8s} {step.import_kw:8.0f} {price:>8s} {carbon:>6s}  {_why(step)}"
    )


def _why(step: PlanStep) -> str:
    """Return reasons and limits in a few words; assets that share one are named once."""
    groups: dict[tuple[str, str], list[Reason]] = {}
    for reason in (*step.reasons, *step.binding):
        if reason.code not in _LEFT_OUT:
            groups.setdefault((reason.code.value, reason.about), []).append(reason)
    classes = {genset.id for genset in step.gensets}
    texts = []
    for first, *others in groups.values():
        names = {reason.asset for reason in others} - {first.asset}
        text = f"{first.asset}: {first.text}" if first.asset in classes else first.text
        texts.append(f"{text} (and {len(names)} more)" if names else text)
    return "; ".join(texts)


def _figure(value: float | None, digits: int) -> str:
    # the sum turns -0.0 into 0.0
    return "" if value is None else f"{value + 0.0:.{digits}f}"
