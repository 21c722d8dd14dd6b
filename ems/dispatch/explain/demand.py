"""What the next kWh costs and whence it comes; load that is lost, deferred or reduced; the cold tank."""

from collections.abc import Iterator
from dataclasses import dataclass

from ems.dispatch.explain.scene import FLOW_KW, NEAR_FRAC, Scene, next_genset_cost_per_kwh
from ems.model.plan import OfferStep
from ems.model.problem import OfferKind, OfferProblem, OfferRuns
from ems.model.reason import CHILLERS, PV, SITE, Reason, ReasonCode

# shares of a class that differ by less are equal
_SHARE = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """The share of a class that its rules hold running, or at rest, and how long until the first of it is free."""

    share_frac: float
    left_h: float


def demand_reasons(scene: Scene) -> Iterator[Reason]:
    """Yield the marginal source, lost load and surplus, and what each offered class does."""
    yield from _marginal(scene)
    if scene.step.unserved_kw > FLOW_KW:
        yield Reason(
            code=ReasonCode.UNSERVED,
            asset=SITE,
            text=f"{scene.step.unserved_kw:.0f} kW of load cannot be served",
            figures=(("unserved_kw", scene.step.unserved_kw),),
        )
    if scene.step.surplus_kw > FLOW_KW:
        yield Reason(
            code=ReasonCode.SURPLUS,
            asset=SITE,
            text=f"{scene.step.surplus_kw:.0f} kW that nothing takes",
            figures=(("surplus_kw", scene.step.surplus_kw),),
        )
    offers = {offer.id: offer for offer in scene.problem.offers}
    for step in scene.step.offers:
        if step.id in offers:
            yield _offer(scene, offers[step.id], step)
    yield from _cold(scene)


def _marginal(scene: Scene) -> Iterator[Reason]:
    """Yield the price of one more kWh, and the source whose own price it is, where one matches."""
    marginal = scene.marginal_price_per_kwh
    if marginal is None:
        return
    source = next((name for name, price in _sources(scene) if scene.same_price(price, marginal)), "")
    moving = next((pool.id for pool in scene.step.pools if abs(pool.power_kw) > FLOW_KW), "")
    about = source or moving
    figures = [("marginal_price_per_kwh", marginal)]
    if scene.step.marginal_gco2e_per_kwh is not None:
        figures.append(("marginal_gco2e_per_kwh", scene.step.marginal_gco2e_per_kwh))
    yield Reason(
        code=ReasonCode.MARGINAL_SOURCE,
        asset=SITE,
        text=f"the next kWh costs {marginal:.3f}" + (f", from {about}" if about else ""),
        about=about,
        figures=tuple(figures),
    )


def _sources(scene: Scene) -> Iterator[tuple[str, float | None]]:
    """Yield what one more kWh of each source that has more to give costs."""
    if scene.step.pv_available_kw - scene.step.pv_kw > FLOW_KW:
        yield PV, 0.0
    yield "import", scene.next_import_per_kwh()
    for data, genset in zip(scene.problem.gensets, scene.step.gensets, strict=True):
        yield data.id, next_genset_cost_per_kwh(scene.problem, data, genset)


def _offer(scene: Scene, offer: OfferProblem, step: OfferStep) -> Reason:
    """Return what a class of the cluster's load does, against what a kWh costs."""
    marginal, most_kw = scene.marginal_price_per_kwh, offer.asked_kw(scene.t)
    prices = () if marginal is None else (("marginal_price_per_kwh", marginal),)
    if step.power_kw >= most_kw * (1.0 - NEAR_FRAC) - FLOW_KW:
        return Reason(
            code=ReasonCode.OFFER_SERVED,
            asset=offer.id,
            text=f"{offer.id}: all of {most_kw:.0f} kW",
            figures=(("power_kw", step.power_kw), ("value_per_kwh", offer.value_per_kwh), *prices),
        )
    bound = _bound(scene, offer, step)
    if bound is not None:
        return bound
    if offer.kind is OfferKind.DEFERRABLE and step.power_kw <= offer.min_kw[scene.t] + FLOW_KW:
        left_h = max(0.0, scene.ahead_h(min(offer.deadline_step, scene.problem.grid.n_steps)))
        return Reason(
            code=ReasonCode.OFFER_DEFERRED,
            asset=offer.id,
            text=f"{offer.id} waits, {left_h:.1f} h to its deadline",
            figures=(*prices, ("left_h", left_h)),
        )
    return Reason(
        code=ReasonCode.OFFER_REDUCED,
        asset=offer.id,
        text=f"{offer.id}: {step.power_kw:.0f} of {most_kw:.0f} kW",
        figures=(
            ("power_kw", step.power_kw),
            ("max_kw", most_kw),
            ("value_per_kwh", offer.value_per_kwh),
            *prices,
        ),
    )


def _bound(scene: Scene, offer: OfferProblem, step: OfferStep) -> Reason | None:
    """Return the least run or pause where it leaves the class nothing else."""
    if offer.runs is None or step.running_frac is None or scene.t >= offer.deadline_step:
        return None
    for code, share_frac, on, words in (
        (ReasonCode.OFFER_MIN_RUN, step.running_frac, True, "must run on"),
        (ReasonCode.OFFER_MIN_PAUSE, 1.0 - step.running_frac, False, "must rest"),
    ):
        held = _held(scene, offer, offer.runs, on=on)
        if held is not None and _SHARE < share_frac <= held.share_frac + _SHARE:
            return Reason(
                code=code,
                asset=offer.id,
                text=f"{offer.id}: {100.0 * share_frac:.0f} % {words}, the first of it for {held.left_h:.2f} h",
                figures=(
                    ("power_kw", step.power_kw),
                    ("running_frac", step.running_frac),
                    ("left_h", held.left_h),
                ),
            )
    return None


def _held(scene: Scene, offer: OfferProblem, runs: OfferRuns, *, on: bool) -> _Held | None:
    """Return what started or paused too short a time ago, in this plan or before it."""
    minimum_h = runs.min_run_h if on else runs.min_pause_h
    offset_h = scene.problem.grid.offset_h
    initial = runs.running_frac if on else 1.0 - runs.running_frac
    moved = [] if runs.since_h is None else [(initial, minimum_h - runs.since_h - offset_h[scene.t])]
    before = runs.running_frac
    for t in range(scene.t + 1):
        step = next(each for each in scene.plan.steps[t].offers if each.id == offer.id)
        running_frac = before if step.running_frac is None else step.running_frac
        share = step.started_frac if on else step.started_frac - (running_frac - before)
        moved.append((share, minimum_h - (offset_h[scene.t] - offset_h[t])))
        before = running_frac
    held = [(share, left_h) for share, left_h in moved if share > _SHARE and left_h > 1e-9]
    return _Held(share_frac=sum(share for share, _ in held), left_h=min(left for _, left in held)) if held else None


def _cold(scene: Scene) -> Iterator[Reason]:
    tank, marginal = scene.step.chillers, scene.marginal_price_per_kwh
    if tank is None:
        return
    prices = () if marginal is None else (("marginal_price_per_kwh", marginal),)
    for code, flow_kw_th, name, word in (
        (ReasonCode.COLD_STORED, tank.tank_charge_kw_th, "tank_charge_kw_th", "charged"),
        (ReasonCode.COLD_USED, tank.tank_discharge_kw_th, "tank_discharge_kw_th", "discharged"),
    ):
        if flow_kw_th > FLOW_KW:
            yield Reason(
                code=code,
                asset=CHILLERS,
                text=f"cold tank {word} with {flow_kw_th:.0f} kW of heat flow",
                figures=((name, flow_kw_th), *prices),
            )
