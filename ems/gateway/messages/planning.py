"""Messages about planning: the plan, and the forecasts behind it."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime, timedelta

from ems.contract.outgoing import Outgoing
from ems.contract.planning import (
    CarbonForecastMessage,
    ChillerStepPart,
    GensetStepPart,
    OfferStepPart,
    PlanChangePart,
    PlanMessage,
    PlanReasonPart,
    PlanStepPart,
    PlantStepPart,
    PoolStepPart,
    PowerForecastMessage,
    RelaxedPart,
    ReserveStepPart,
    TemperatureForecastMessage,
)
from ems.contract.topics import forecast_topic
from ems.dispatch.relaxed import RelaxedItem, relaxed_items
from ems.model.condition import Outlook
from ems.model.forecast import LoadForecast, PvForecast, SignalForecast
from ems.model.plan import Plan, PlanChange, PlanStep
from ems.model.reason import Reason
from ems.model.units import SECONDS_PER_MINUTE


def plan_message(utc: datetime, plan: Plan | None, *, currency: str) -> PlanMessage:
    """Return the newest plan; without one an empty message, which replaces what an earlier run left."""
    if plan is None:
        return _no_plan(utc, currency)
    return PlanMessage(
        ts=utc,
        problem_id=plan.problem_id,
        created_utc=plan.created_utc,
        source=plan.source,
        status=plan.status,
        gap_frac=plan.gap_frac,
        total_cost=plan.objective.total_cost(),
        objective_cost=plan.objective.terms(),
        currency=currency,
        build_s=plan.timings.build_s,
        handover_s=plan.timings.handover_s,
        solve_s=plan.timings.solve_s,
        extract_s=plan.timings.extract_s,
        build_cpu_s=plan.timings.build_cpu_s,
        handover_cpu_s=plan.timings.handover_cpu_s,
        solve_cpu_s=plan.timings.solve_cpu_s,
        extract_cpu_s=plan.timings.extract_cpu_s,
        carbon_shadow_price_per_kg=plan.carbon_shadow_price_per_kg,
        change=None if plan.change is None else _change(plan.change),
        relaxed=tuple(_relaxed(item) for item in relaxed_items(plan)),
        note=plan.note,
        steps=tuple(_step(step) for step in plan.steps),
    )


def forecast_messages(utc: datetime, outlook: Outlook) -> Iterator[Outgoing]:
    """Yield one message for each forecast of an outlook."""
    yield _outgoing(_load(utc, outlook.it))
    for pv in outlook.pv:
        yield _outgoing(_pv(utc, pv))
    yield _outgoing(
        TemperatureForecastMessage(
            ts=utc,
            name="ambient",
            issued_utc=outlook.ambient_degc.issued_utc,
            issued_age_s=_age_s(utc, outlook.ambient_degc),
            trust=outlook.ambient_degc.quality,
            start_utc=outlook.ambient_degc.values.start_utc,
            step_s=outlook.ambient_degc.values.step_s,
            p50_degc=outlook.ambient_degc.values.values,
        )
    )
    carbon = outlook.carbon_kgco2e_per_kwh
    if carbon is not None:
        yield _outgoing(
            CarbonForecastMessage(
                ts=utc,
                name="carbon",
                issued_utc=carbon.issued_utc,
                issued_age_s=_age_s(utc, carbon),
                trust=carbon.quality,
                start_utc=carbon.values.start_utc,
                step_s=carbon.values.step_s,
                p50_kgco2e_per_kwh=carbon.values.values,
            )
        )


def _no_plan(utc: datetime, currency: str) -> PlanMessage:
    names = ("problem_id", "created_utc", "source", "status", "gap_frac", "total_cost")
    phases = ("build", "handover", "solve", "extract")
    timings = (*(f"{phase}_s" for phase in phases), *(f"{phase}_cpu_s" for phase in phases))
    return PlanMessage.model_validate(
        {
            "ts": utc,
            "quality": dict.fromkeys((*names, *timings), "unknown: there is no plan yet"),
            **dict.fromkeys((*names, *timings, "carbon_shadow_price_per_kg", "change")),
            "objective_cost": {},
            "currency": currency,
            "relaxed": (),
            "note": "",
            "steps": (),
        }
    )


def _step(step: PlanStep) -> PlanStepPart:
    return PlanStepPart(
        start_utc=step.start_utc,
        duration_h=step.duration_h,
        it_kw=step.it_kw,
        cooling_kw=step.cooling_kw,
        aux_kw=step.aux_kw,
        loss_kw=step.loss_kw,
        pv_kw=step.pv_kw,
        pv_available_kw=step.pv_available_kw,
        pv_q10_kw=step.pv_q10_kw,
        load_q90_kw=step.load_q90_kw,
        net_q90_kw=step.net_q90_kw,
        import_kw=step.import_kw,
        export_kw=step.export_kw,
        unserved_kw=step.unserved_kw,
        surplus_kw=step.surplus_kw,
        pools=tuple(
            PoolStepPart(
                id=pool.id,
                charge_kw=pool.charge_kw,
                discharge_kw=pool.discharge_kw,
                stored_end_kwh=pool.stored_end_kwh,
            )
            for pool in step.pools
        ),
        plants=tuple(PlantStepPart(id=plant.id, power_kw=plant.power_kw) for plant in step.plants),
        gensets=tuple(
            GensetStepPart(
                id=genset.id,
                n_on=genset.n_on,
                n_started=genset.n_started,
                n_stopped=genset.n_stopped,
                power_kw=genset.power_kw,
                fuel_l_per_h=genset.fuel_l_per_h,
                units_on=genset.units_on,
                pollutants_g_per_h=dict(genset.pollutants_g_per_h),
            )
            for genset in step.gensets
        ),
        reserve=tuple(
            ReserveStepPart(
                id=item.id,
                contingency=item.contingency,
                required_kw=item.required_kw,
                held_kw=item.held_kw,
                shortfall_kw=item.shortfall_kw,
            )
            for item in step.reserve
        ),
        offers=tuple(OfferStepPart(**asdict(offer)) for offer in step.offers),
        chillers=None if step.chillers is None else ChillerStepPart(**asdict(step.chillers)),
        fuel_stock_end_l=step.fuel_stock_end_l,
        marginal_price_per_kwh=step.marginal_price_per_kwh,
        marginal_gco2e_per_kwh=step.marginal_gco2e_per_kwh,
        binding=tuple(_reason(limit) for limit in step.binding),
        reasons=tuple(_reason(reason) for reason in step.reasons),
    )


def _reason(reason: Reason) -> PlanReasonPart:
    return PlanReasonPart(
        code=reason.code, asset=reason.asset, text=reason.text, about=reason.about, figures=dict(reason.figures)
    )


def _relaxed(item: RelaxedItem) -> RelaxedPart:
    return RelaxedPart(
        name=item.name,
        meaning=item.meaning,
        cause=item.cause,
        action=item.action,
        cost=item.cost,
        figures=dict(item.figures),
    )


def _change(change: PlanChange) -> PlanChangePart:
    return PlanChangePart(**asdict(change))


def _load(utc: datetime, forecast: LoadForecast) -> PowerForecastMessage:
    return PowerForecastMessage(
        ts=utc,
        quality={"q10_kw": "absent: not forecast"},
        name="it",
        issued_utc=forecast.issued_utc,
        issued_age_s=_age_s(utc, forecast),
        trust=forecast.quality,
        start_utc=forecast.p50_kw.start_utc,
        step_s=forecast.p50_kw.step_s,
        p50_kw=forecast.p50_kw.values,
        q10_kw=None,
        q90_kw=forecast.q90_kw.values,
    )


def _pv(utc: datetime, forecast: PvForecast) -> PowerForecastMessage:
    return PowerForecastMessage(
        ts=utc,
        name=f"pv_{forecast.plant_id}",
        issued_utc=forecast.issued_utc,
        issued_age_s=_age_s(utc, forecast),
        trust=forecast.quality,
        start_utc=forecast.p50_kw.start_utc,
        step_s=forecast.p50_kw.step_s,
        p50_kw=forecast.p50_kw.values,
        q10_kw=forecast.q10_kw.values,
        q90_kw=forecast.q90_kw.values,
    )


def _age_s(utc: datetime, forecast: LoadForecast | PvForecast | SignalForecast) -> float:
    """Return the age in whole minutes, so that an unchanged forecast is not news every second."""
    return max(0.0, SECONDS_PER_MINUTE * ((utc - forecast.issued_utc) // timedelta(seconds=SECONDS_PER_MINUTE)))


def _outgoing(message: PowerForecastMessage | TemperatureForecastMessage | CarbonForecastMessage) -> Outgoing:
    return Outgoing(topic=forecast_topic(message.name), message=message)
