"""Why stores charge, discharge and wait, and at which limits."""

from collections.abc import Iterator

from ems.dispatch.check.storage import power_limits_kw
from ems.dispatch.explain.scene import FLOW_KW, NEAR_FRAC, Scene, further_set_cost_per_kwh, next_genset_cost_per_kwh
from ems.model.problem import Recalibration
from ems.model.reason import SITE, Reason, ReasonCode


def storage_limits(scene: Scene) -> Iterator[Reason]:
    """Yield the floor and the limits of each pool that the step touches."""
    if scene.near_floor(scene.t) and scene.floor_kwh(scene.t) > 0.0:
        stored_kwh, floor_kwh = scene.stored_kwh(scene.t), scene.floor_kwh(scene.t)
        yield Reason(
            code=ReasonCode.FLOOR,
            asset=SITE,
            text=f"floor: {stored_kwh:.0f} of {floor_kwh:.0f} kWh",
            figures=(("stored_end_kwh", stored_kwh), ("floor_kwh", floor_kwh)),
        )
    for p, data in enumerate(scene.problem.pools):
        pool = scene.step.pools[p]
        near_kwh = NEAR_FRAC * data.full_kwh
        stored = (("stored_end_kwh", pool.stored_end_kwh),)
        if pool.stored_end_kwh >= data.highest_kwh(scene.t) - near_kwh:
            yield Reason(code=ReasonCode.STORE_FULL, asset=data.id, text=f"{data.id} full", figures=stored)
        elif pool.stored_end_kwh <= data.min_stored_kwh + near_kwh:
            yield Reason(code=ReasonCode.STORE_EMPTY, asset=data.id, text=f"{data.id} empty", figures=stored)
        charge_kw, discharge_kw = power_limits_kw(data, scene.t, scene.before_kwh(p), pool.stored_end_kwh)
        for code, flow_kw, limit_kw, word in (
            (ReasonCode.CHARGE_LIMIT, pool.charge_kw, charge_kw, "charges"),
            (ReasonCode.DISCHARGE_LIMIT, pool.discharge_kw, discharge_kw, "discharges"),
        ):
            if flow_kw > FLOW_KW and flow_kw >= limit_kw * (1.0 - NEAR_FRAC):
                text = f"{data.id} {word} with all its {limit_kw:.0f} kW"
                yield Reason(code=code, asset=data.id, text=text, figures=(("limit_kw", limit_kw),))


def storage_reasons(scene: Scene) -> Iterator[Reason]:
    """Yield why each pool charges, discharges or waits."""
    for p, data in enumerate(scene.problem.pools):
        pool = scene.step.pools[p]
        if pool.charge_kw > FLOW_KW:
            yield _charging(scene, p)
        elif pool.discharge_kw > FLOW_KW:
            yield _discharging(scene, data.id, wear_per_kwh=data.wear_cost_per_kwh)
        elif pool.stored_end_kwh > data.min_stored_kwh + NEAR_FRAC * data.full_kwh:
            yield from _waiting(scene, p)


def _because(due: Recalibration) -> str:
    return "" if due.rack_spread_pct is None else f", racks are {due.rack_spread_pct:.1f} % apart"


def _charging(scene: Scene, p: int) -> Reason:
    """Return what the energy is charged for: the first answer that holds, the firmest first."""
    pool = scene.step.pools[p]
    charge = ("charge_kw", pool.charge_kw)
    missing_kwh = scene.floor_kwh(scene.t) - sum(scene.before_kwh(i) for i in range(len(scene.problem.pools)))
    if missing_kwh > NEAR_FRAC * scene.floor_kwh(scene.t):
        return Reason(
            code=ReasonCode.CHARGE_TO_FLOOR,
            asset=pool.id,
            text=f"{pool.id} charges: {missing_kwh:.0f} kWh are missing to the floor",
            figures=(charge, ("missing_kwh", missing_kwh)),
        )
    due = scene.problem.pools[p].recalibration
    if (
        due is not None
        and due.first_step <= scene.t < due.end_step
        and pool.stored_end_kwh > scene.problem.pools[p].max_stored_kwh
    ):
        return Reason(
            code=ReasonCode.RECALIBRATION,
            asset=pool.id,
            text=f"{pool.id} charges: a full charge is due{_because(due)}",
            figures=(charge,) if due.rack_spread_pct is None else (charge, ("rack_spread_pct", due.rack_spread_pct)),
        )
    surplus_kw = scene.step.pv_kw - scene.step.load_kw
    if surplus_kw >= pool.charge_kw - FLOW_KW:
        return Reason(
            code=ReasonCode.CHARGE_SURPLUS,
            asset=pool.id,
            text=f"{pool.id} takes {pool.charge_kw:.0f} of {surplus_kw:.0f} kW of PV beyond the load",
            figures=(charge, ("surplus_kw", surplus_kw)),
        )
    later = _used_in(scene, p)
    if later is None:
        return _for_end(scene, p)
    price, later_price = scene.marginal_price_per_kwh, scene.plan.steps[later].marginal_price_per_kwh
    when = scene.plan.steps[later].start_utc
    worth = "" if price is None or later_price is None else f": a kWh costs {price:.3f} now, {later_price:.3f} then"
    return Reason(
        code=ReasonCode.CHARGE_FOR_LATER,
        asset=pool.id,
        text=f"{pool.id} charges for {when:%d %H:%M} UTC{worth}",
        about=f"{when:%Y-%m-%dT%H:%M:%SZ}",
        figures=(charge, ("ahead_h", scene.ahead_h(later)), *_prices(price, later_price)),
    )


def _used_in(scene: Scene, p: int) -> int | None:
    """Return the step that makes the most of what is charged now, before the store is back where it is now."""
    before_kwh = scene.before_kwh(p)
    best: int | None = None
    for later in range(scene.t + 1, len(scene.plan.steps)):
        step = scene.plan.steps[later]
        if step.pools[p].discharge_kw > FLOW_KW and (best is None or _worth(scene, later) > _worth(scene, best)):
            best = later
        if step.pools[p].stored_end_kwh <= before_kwh:
            break
    return best


def _worth(scene: Scene, t: int) -> float:
    price = scene.plan.steps[t].marginal_price_per_kwh
    return 0.0 if price is None else price


def _for_end(scene: Scene, p: int) -> Reason:
    """Return the value that stored energy has when no later step uses it."""
    data, pool = scene.problem.pools[p], scene.step.pools[p]
    last_kwh = scene.plan.steps[-1].pools[p].stored_end_kwh
    lowest_kwh = min(data.min_stored_kwh, data.stored_kwh)
    figures = [("charge_kw", pool.charge_kw)]
    for name, pieces, stored_kwh in (
        ("value_per_kwh", data.terminal_value, last_kwh),
        ("hold_value_per_kwh", data.hold_value_per_h, pool.stored_end_kwh),
    ):
        above_kwh = stored_kwh - lowest_kwh
        for piece in pieces:
            if above_kwh <= piece.width_kwh * (1.0 + NEAR_FRAC):
                figures.append((name, piece.value_per_kwh))
                break
            above_kwh -= piece.width_kwh
    if len(figures) > 1:
        return Reason(
            code=ReasonCode.CHARGE_FOR_END,
            asset=data.id,
            text=f"{data.id} charges for what stored energy is worth",
            figures=tuple(figures),
        )
    return Reason(
        code=ReasonCode.COST,
        asset=data.id,
        text=f"{data.id} charges: costs least over the horizon",
        figures=_prices(scene.marginal_price_per_kwh, None),
    )


def _discharging(scene: Scene, pool_id: str, *, wear_per_kwh: float) -> Reason:
    """Return the dearer alternative that the store spares; without one it carries what nothing else can."""
    alternatives = [("import", scene.next_import_per_kwh())]
    alternatives += [
        (data.id, next_genset_cost_per_kwh(scene.problem, data, genset))
        for data, genset in zip(scene.problem.gensets, scene.step.gensets, strict=True)
    ]
    known = [(price, name) for name, price in alternatives if price is not None]
    marginal = scene.marginal_price_per_kwh
    figures: tuple[tuple[str, float], ...] = (("cost_per_kwh", wear_per_kwh), *_prices(marginal, None))
    words = "more from"
    if not known:
        known, words = list(further_set_cost_per_kwh(scene)), "a further set of"
    if known:
        price, name = min(known)
        return Reason(
            code=ReasonCode.CHEAPEST,
            asset=pool_id,
            text=f"{pool_id} discharges: {words} {name} would cost {price:.3f} per kWh",
            about=name,
            figures=(*figures, ("alternative_price_per_kwh", price)),
        )
    return Reason(
        code=ReasonCode.CHEAPEST,
        asset=pool_id,
        text=f"{pool_id} discharges: nothing that runs can give more",
        figures=figures,
    )


def _waiting(scene: Scene, p: int) -> Iterator[Reason]:
    """Yield the later step for which a store keeps its energy, where the plan knows its price."""
    price = scene.marginal_price_per_kwh
    later = next(
        (t for t in range(scene.t + 1, len(scene.plan.steps)) if scene.plan.steps[t].pools[p].discharge_kw > FLOW_KW),
        None,
    )
    if later is None:
        return
    later_price, when = scene.plan.steps[later].marginal_price_per_kwh, scene.plan.steps[later].start_utc
    yield Reason(
        code=ReasonCode.KEPT_FOR_LATER,
        asset=scene.problem.pools[p].id,
        text=f"{scene.problem.pools[p].id} waits for {when:%d %H:%M} UTC",
        about=f"{when:%Y-%m-%dT%H:%M:%SZ}",
        figures=(("ahead_h", scene.ahead_h(later)), *_prices(price, later_price)),
    )


def _prices(price: float | None, later_price: float | None) -> tuple[tuple[str, float], ...]:
    figures = (("marginal_price_per_kwh", price), ("later_price_per_kwh", later_price))
    return tuple((name, value) for name, value in figures if value is not None)
