"""One number for what the site would survive now, its components, and the sentence behind it.

The energy-resilience index is a chain's: 100 times its weakest component. docs/formulation.md has its formula and
what it does not say.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from ems.control.measurement import Storage
from ems.control.state import Mode
from ems.control.step import Decision
from ems.control.survival import End, Survival, available_sets, survivals
from ems.model.site import Site
from ems.model.snapshot import SiteSnapshot
from ems.model.units import MINUTES_PER_HOUR
from ems.reserve import (
    R2_WITHIN_S,
    UP_CLASSES,
    Assessment,
    ClassRequirement,
    Operation,
    Requirement,
    ReserveId,
    RestingSets,
    assess,
    pv_drop_frac,
    start_failures,
    variation_kw,
)

# kWh per m3 and kelvin: water of 1000 kg/m3 and 4.186 kJ/(kg K)
_HEAT_KWH_PER_M3_K: Final = 1.163
_WHOLE: Final = 100.0
# reserve is held that is short by no more than the noise of the meters
_NOISE_KW: Final = 1.0
# without these there is no index
_NEEDED: Final = frozenset({"power", "energy"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One link of the chain: a share between 0 and 1, None where nothing tells it, and what it means now."""

    name: str
    share_frac: float | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """What the site would survive; `index_pct` is None as long as reserve or energy are not known."""

    index_pct: float | None
    weakest: str | None
    sentence: str
    components: tuple[Component, ...]
    survivals: tuple[Survival, ...]
    r2: Assessment | None
    thermal_min: float | None


def readiness_of(site: Site, snapshot: SiteSnapshot, decision: Decision) -> Readiness | None:
    """Return what would be survived now, None before control has taken over."""
    storage, load_kw, context = decision.storage, decision.powers.load_kw, decision.context
    if storage is None or load_kw is None or context is None or context.operation is None:
        return None
    if decision.state.mode is Mode.INIT:
        return None
    operation, required = context.operation, context.required
    losses = survivals(site, snapshot, operation, storage, decision.state, load_kw=load_kw)
    r2 = None if required is None else _slow(site, snapshot, decision, operation, required, load_kw=load_kw)
    components = tuple(_components(site, snapshot, decision, storage, losses, r2, load_kw=load_kw))
    known = [each for each in components if each.share_frac is not None]
    weakest = min(known, key=lambda each: each.share_frac or 0.0, default=None)
    index_pct = None if weakest is None or weakest.share_frac is None else _WHOLE * weakest.share_frac
    if any(each.share_frac is None for each in components if each.name in _NEEDED):
        index_pct = None
    return Readiness(
        index_pct=index_pct,
        weakest=None if weakest is None else weakest.name,
        sentence=_sentence(index_pct, weakest, components),
        components=components,
        survivals=losses,
        r2=r2,
        thermal_min=thermal_min(site, snapshot),
    )


def thermal_min(site: Site, snapshot: SiteSnapshot) -> float | None:
    """Return how long the loops' water takes the present heat if nothing else did, min; None where not known."""
    volume_m3, highest_degc = site.cooling.coolant_m3, site.cooling.lost_supply_degc
    supply_degc, it_kw = snapshot.cooling.supply_degc, snapshot.it.load_kw
    if volume_m3 is None or supply_degc is None or it_kw is None or it_kw <= 0.0:
        return None
    room_kwh_th = _HEAT_KWH_PER_M3_K * volume_m3 * max(0.0, highest_degc - supply_degc)
    return MINUTES_PER_HOUR * room_kwh_th / it_kw


def _slow(
    site: Site,
    snapshot: SiteSnapshot,
    decision: Decision,
    operation: Operation,
    required: Requirement,
    *,
    load_kw: float,
) -> Assessment | None:
    """Return R2, within 120 s, where the site has it: sets at rest whose first attempt is fast enough count."""
    policy = site.reserve
    if policy.r2 is None:
        return None
    available = [kind.id for kind, _ in available_sets(site, snapshot, decision.state)]
    resting = tuple(
        RestingSets(
            member=kind.id,
            n_sets=count,
            n_failures=start_failures(
                count, failure_frac=kind.start_failure_frac, quantile_frac=policy.r2.start_quantile_frac
            ),
            max_kw=kind.most_kw,
        )
        for kind in site.gensets
        if kind.first_attempt_s <= R2_WITHIN_S and (count := available.count(kind.id)) > 0
    )
    pv_kw = sum(unit.power_kw for unit in operation.pv)
    error_kw = policy.forecast_error_pv_frac * pv_kw + policy.forecast_error_load_frac * load_kw
    slow = ClassRequirement(
        id=ReserveId.R2,
        gensets_count=True,
        starts_count=True,
        variation_kw=variation_kw(
            policy,
            ReserveId.R2,
            job_step_kw=site.it.job_step_kw,
            swing_kw=decision.state.swing_kw,
            forecast_error_kw=error_kw,
        ),
        pv_drop_frac=pv_drop_frac(policy, ReserveId.R2),
    )
    found = assess(
        replace(operation, resting=resting),
        replace(required, classes=(slow,), sustain_s=policy.r2.sustain_s, down=()),
    )
    return found[0]


def _components(
    site: Site,
    snapshot: SiteSnapshot,
    decision: Decision,
    storage: Storage,
    losses: tuple[Survival, ...],
    r2: Assessment | None,
    *,
    load_kw: float,
) -> Iterator[Component]:
    up = [item for item in decision.assessments if item.id in UP_CLASSES]
    yield _power((*up, *(() if r2 is None else (r2,))))
    if site.batteries:
        above_kwh, kept_kwh = storage.stored_kwh - storage.tech_kwh, storage.floor_kwh - storage.tech_kwh
        text = f"{above_kwh:.0f} kWh above the technical minimum, {kept_kwh:.0f} kWh are kept for contingencies"
        yield Component(name="energy", share_frac=_share(above_kwh, kept_kwh), text=text)
    yield _endurance(losses, site.control.resilience_h)
    if site.gensets:
        yield _sets(site, snapshot, decision, load_kw=load_kw)
    yield _armed(snapshot)
    if any(pool.can_form for pool in site.batteries):
        yield _forming(site, snapshot)
    yield _cooling(snapshot, losses)


def _power(items: Iterable[Assessment]) -> Component:
    """Return reserve held against reserve required, of the class that holds least."""
    worst = min(items, key=lambda item: _share(item.held_kw, item.required_kw), default=None)
    if worst is None:
        return Component(name="power", share_frac=None, text="no reserve is assessed yet")
    text = (
        f"{worst.id.value} holds {worst.held_kw:.0f} kW of {worst.required_kw:.0f} kW against the loss of "
        f"{worst.contingency}"
    )
    return Component(name="power", share_frac=_share(worst.held_kw + _NOISE_KW, worst.required_kw), text=text)


def _endurance(losses: tuple[Survival, ...], target_h: float) -> Component:
    """Return how long the load lives after the worst loss, against the time that it ought to live."""
    finite = [(loss.lives_h, loss) for loss in losses if loss.lives_h is not None]
    if not losses:
        return Component(name="endurance", share_frac=None, text="no loss can be judged")
    if not finite:
        return Component(name="endurance", share_frac=1.0, text="no single loss ends the supply of the load")
    hours, worst = min(finite, key=lambda item: item[0])
    end = "the stored energy" if worst.ends_by is End.ENERGY else "the fuel"
    text = f"after the loss of {worst.asset} the load lives for {_duration(hours)}, to the end of {end}"
    return Component(name="endurance", share_frac=_share(hours, target_h), text=text)


def _sets(site: Site, snapshot: SiteSnapshot, decision: Decision, *, load_kw: float) -> Component:
    """Return sets that run or could start, against those that carry the load and one more."""
    n_running = sum(genset.carries for genset in snapshot.gensets)
    n_available = n_running + sum(1 for _ in available_sets(site, snapshot, decision.state))
    ratings = sorted((kind.economic_high_kw for kind in site.gensets for _ in kind.unit_ids), reverse=True)
    n_needed, left_kw = 0, load_kw
    for rating in ratings:
        if left_kw <= 0.0:
            break
        n_needed, left_kw = n_needed + 1, left_kw - rating
    wanted = min(n_needed + 1, len(ratings))
    text = f"{n_available} of {len(ratings)} sets run or could start, {wanted} carry the load with one to spare"
    return Component(name="sets", share_frac=_share(float(n_available), float(wanted)), text=text)


def _armed(snapshot: SiteSnapshot) -> Component:
    told = [block.fallback_armed for block in snapshot.blocks]
    told += [genset.fallback_armed for genset in snapshot.gensets]
    told += [block.fallback_armed for block in snapshot.pv]
    known = [answer for answer in told if answer is not None]
    if not known:
        return Component(name="armed", share_frac=None, text="no unit tells whether its fall-back is armed")
    text = f"{sum(known)} of {len(known)} units that tell have their fall-back armed"
    return Component(name="armed", share_frac=sum(known) / len(known), text=text)


def _forming(site: Site, snapshot: SiteSnapshot) -> Component:
    """Return blocks that form the grid, against those that must in an island; one at least."""
    told = [block.forming for block in snapshot.blocks if block.forming is not None]
    wanted = max(1, sum(pool.min_forming_blocks for pool in site.batteries if pool.can_form))
    if not told:
        return Component(name="forming", share_frac=None, text="no block tells whether it forms the grid")
    forming = sum(block.forming is True and block.ready for block in snapshot.blocks)
    text = f"{forming} blocks are ready and form the grid, {wanted} must in an island"
    return Component(name="forming", share_frac=_share(float(forming), float(wanted)), text=text)


def _cooling(snapshot: SiteSnapshot, losses: tuple[Survival, ...]) -> Component:
    """Return the heat that can be taken against the heat there is, after the loss of one CDU where they are read."""
    capacity_kw_th, it_kw = snapshot.cooling.capacity_kw_th, snapshot.it.load_kw
    if capacity_kw_th is None or it_kw is None:
        return Component(name="cooling", share_frac=None, text="the capacity of the cooling plant is not known")
    share, text = _share(capacity_kw_th, it_kw), f"{capacity_kw_th:.0f} kW of {it_kw:.0f} kW of heat can be taken"
    lost = next((loss for loss in losses if loss.kind == "cdu"), None)
    if lost is not None and lost.it_carried_kw is not None and _share(lost.it_carried_kw, it_kw) < share:
        share = _share(lost.it_carried_kw, it_kw)
        text = f"after the loss of {lost.asset} {lost.it_carried_kw:.0f} kW of IT load can be cooled"
    return Component(name="cooling", share_frac=share, text=text)


def _share(held: float, wanted: float) -> float:
    """Return held over wanted between 0 and 1; where nothing is wanted everything is held."""
    return 1.0 if wanted <= 0.0 else min(1.0, max(0.0, held / wanted))


def _duration(hours: float) -> str:
    return f"{MINUTES_PER_HOUR * hours:.0f} min" if hours < 1.0 else f"{hours:.1f} h"


def _sentence(index_pct: float | None, weakest: Component | None, components: tuple[Component, ...]) -> str:
    if index_pct is None or weakest is None:
        return "The resilience index is not known yet."
    unknown = [each.name for each in components if each.share_frac is None]
    without = f"; not known: {', '.join(unknown)}" if unknown else ""
    if index_pct >= _WHOLE:
        return f"Resilience index 100 of 100: every component holds{without}."
    return f"Resilience index {index_pct:.0f} of 100, held back by {weakest.name}: {weakest.text}{without}."
