"""Messages about the site as it is operated: state, reserve, readiness, guard."""

from collections.abc import Mapping
from math import isfinite
from typing import Final

from ems.contract.site import (
    ClipPart,
    GuardMessage,
    HandPart,
    ProblemPart,
    ReadinessMessage,
    ReasonPart,
    ReserveClassPart,
    ReserveMessage,
    StateMessage,
)
from ems.control.measurement import Storage
from ems.control.readiness import readiness_of
from ems.control.state import Mode
from ems.control.step import Decision
from ems.gateway.messages.cooling import thermal_readiness
from ems.gateway.messages.index import index_parts
from ems.gateway.messages.quality import ABSENT, Missing
from ems.model.hand import NO_HANDS, Hands
from ems.model.plan import Plan
from ems.model.readings import NO_FAULTS, GensetPhase
from ems.model.setpoints import Reason
from ems.model.site import Site
from ems.model.snapshot import SiteSnapshot
from ems.model.status import RunCounts
from ems.reserve import UP_CLASSES, Assessment, ReserveId

_MOST_PROBLEMS: Final = 50
_NOT_YET: Final = "unknown: control has not taken over yet"
_NOBODY_FORMS: Final = "unknown: no device tells what forms the bus"
_NO_PLAN: Final = "unknown: there is no plan yet"
# a margin counts as short beyond the noise of the meters, as the run's own counts have it
_SHORT_KW: Final = 1.0


def state_message(
    site: Site,
    snapshot: SiteSnapshot,
    decision: Decision,
    plan: Plan | None,
    *,
    device_ids: Mapping[str, str],
    hands: Hands = NO_HANDS,
) -> StateMessage:
    """Return mode, powers and storage of one cycle; `device_ids` names the device of each asset."""
    powers, storage, state, pcc = decision.powers, decision.storage, decision.state, snapshot.pcc
    tariff = None if site.grid is None else site.grid.tariff
    curtailed_kw = None
    if powers.pv_kw is not None and powers.pv_available_kw is not None:
        curtailed_kw = max(0.0, powers.pv_available_kw - powers.pv_kw)
    values = {
        "pv_kw": powers.pv_kw,
        "pv_available_kw": powers.pv_available_kw,
        "curtailed_kw": curtailed_kw,
        "genset_kw": powers.gensets_kw,
        "storage_kw": powers.storage_kw,
        "grid_kw": None if pcc is None else powers.grid_kw,
        "load_kw": powers.load_kw,
        "it_load_kw": snapshot.it.load_kw,
        "cooling_load_kw": snapshot.cooling_load.load_kw,
        "aux_load_kw": snapshot.aux.load_kw,
        "soc_pct": None if storage is None else storage.soc_pct,
        "soc_floor_pct": None if storage is None else storage.floor_pct,
        "stored_kwh": None if storage is None else storage.stored_kwh,
        "full_kwh": None if storage is None else storage.full_kwh,
        "max_charge_kw": None if storage is None else storage.max_charge_kw,
        "max_discharge_kw": None if storage is None else storage.max_discharge_kw,
        "frequency_hz": snapshot.frequency_hz,
        "ambient_degc": snapshot.cooling.ambient_degc,
        "tank_l": snapshot.tank_l,
        "import_price_per_kwh": None if tariff is None else tariff.price_per_kwh(snapshot.utc),
    }
    closed = None if pcc is None else pcc.breaker_closed
    missing = Missing(snapshot=snapshot, device_ids=device_ids)
    reasons = _reasons_for_null(site, snapshot, missing)
    lacking = {name for name, value in values.items() if value is None} | ({"pcc_closed"} if closed is None else set())
    quality = {name: reasons[name] for name in reasons if name in lacking}
    if decision.forming is None:
        quality["forming"] = _NOBODY_FORMS
    quality |= {
        f"genset_phases.{genset.id}": missing.why(genset.id, "phase")
        for genset in snapshot.gensets
        if genset.phase is None
    }
    if plan is None:
        quality["plan_id"] = _NO_PLAN
    return StateMessage(
        ts=snapshot.utc,
        quality=quality,
        site=site.name,
        mode=state.mode.value,
        mode_reason=state.mode_reason,
        mode_for_s=max(0.0, snapshot.at_s - state.mode_since_s),
        forming=None if decision.forming is None else decision.forming.value,
        island=None if decision.island is None else decision.island.value,
        islanding_refusal=state.islanding_refusal,
        black_start_step=state.black_start.step.value if state.mode is Mode.BLACK_START else None,
        black_start_hold=state.black_start.hold,
        hands=hand_parts(hands, snapshot.at_s),
        waiting=tuple(decision.proposals.values()),
        n_blocks=len(snapshot.blocks),
        n_blocks_ready=sum(block.ready for block in snapshot.blocks),
        n_blocks_forming=sum(block.forming is True for block in snapshot.blocks),
        genset_phases={genset.id: genset.phase for genset in snapshot.gensets},
        n_gensets_carrying=sum(genset.carries for genset in snapshot.gensets),
        pcc_closed=closed,
        currency=site.economics.currency,
        import_target_kw=decision.import_target_kw,
        plan_id=None if plan is None else plan.problem_id,
        reasons=reason_parts(decision.reasons),
        problems=tuple(
            ProblemPart(device=problem.device_id, value=problem.value, reason=problem.reason)
            for problem in snapshot.problems[:_MOST_PROBLEMS]
        ),
        n_problems=len(snapshot.problems),
        **values,
    )


def hand_parts(hands: Hands, now_s: float) -> tuple[HandPart, ...]:
    """Return what is in people's hands now."""
    return tuple(
        HandPart(asset=asset, mode=setting.mode.value, until=setting.until_utc)
        for asset in sorted(hands.settings)
        if (setting := hands.setting(asset, now_s)) is not None
    )


def reserve_message(snapshot: SiteSnapshot, decision: Decision, counts: RunCounts) -> ReserveMessage:
    """Return reserve required and held in this cycle, and the run's counts of it."""
    storage = decision.storage
    classes = tuple(
        ReserveClassPart(
            id=item.id.value,
            contingency=item.contingency,
            required_kw=item.required_kw,
            held_kw=item.held_kw,
            margin_kw=item.margin_kw,
        )
        for item in decision.assessments
    )
    quality = {} if classes else {"classes": _NOT_YET}
    if storage is None:
        quality |= {"stored_kwh": _NOT_YET, "floor_kwh": _NOT_YET}
    counted = {
        "soc_start_pct": counts.soc_start_pct,
        "soc_min_pct": counts.soc_min_pct,
        "soc_end_pct": counts.soc_end_pct,
        "genset_band_share_frac": counts.genset_band_share_frac,
    }
    why = {"genset_band_share_frac": "unknown: no genset has carried load yet"}
    quality |= {name: why.get(name, _NOT_YET) for name, value in counted.items() if value is None}
    return ReserveMessage(
        ts=snapshot.utc,
        quality=quality,
        classes=classes or None,
        held_on_by_reserve=decision.held_on_by_reserve,
        stored_kwh=None if storage is None else storage.stored_kwh,
        floor_kwh=None if storage is None else storage.floor_kwh,
        floor_violation_h=counts.floor_violation_h,
        reserve_shortfall_h=counts.reserve_shortfall_h,
        reserve_binding_h=counts.reserve_binding_h,
        shortfalls=dict(counts.shortfalls),
        margin_min_kw=dict(counts.margin_min_kw),
        n_starts_above_threshold=counts.n_starts_above_threshold,
        mode_h=dict(counts.mode_h),
        **counted,
    )


def readiness_message(site: Site, snapshot: SiteSnapshot, decision: Decision) -> ReadinessMessage:
    """Return what the site would survive now; a value that no measurement supports is null."""
    up = {item.id: item for item in decision.assessments if item.id in UP_CLASSES}
    storage, load_kw = decision.storage, decision.powers.load_kw
    above_kwh = None if storage is None else storage.stored_kwh - storage.tech_kwh
    ride_h = None
    if above_kwh is not None and load_kw is not None and load_kw > 0.0 and site.batteries:
        ride_h = max(0.0, above_kwh) * site.batteries[0].discharge_eff_frac / load_kw
    worst = min(up.values(), key=lambda item: item.margin_kw, default=None)
    values = {
        "ready": _is_ready(up, decision),
        "r0_held_kw": _held(up.get(ReserveId.R0)),
        "r0_required_kw": _required(up.get(ReserveId.R0)),
        "r1_held_kw": _held(up.get(ReserveId.R1)),
        "r1_required_kw": _required(up.get(ReserveId.R1)),
        "worst_contingency": None if worst is None else worst.contingency,
        "n_blocks_forming": _count([block.forming for block in snapshot.blocks]),
        "n_blocks_armed": _count([block.fallback_armed for block in snapshot.blocks]),
        "n_gensets_available": _count(
            [
                None if genset.phase is None else genset.controllable and genset.phase is not GensetPhase.FAULT
                for genset in snapshot.gensets
            ]
        ),
        "n_gensets_armed": _count([genset.fallback_armed for genset in snapshot.gensets]),
        "n_pv_armed": _count([block.fallback_armed for block in snapshot.pv]),
        "above_floor_kwh": None if storage is None else storage.stored_kwh - storage.floor_kwh,
        "above_technical_kwh": above_kwh,
        "ride_through_h": ride_h,
    }
    quality = {name: _NOT_YET for name, value in values.items() if value is None}
    for name, assets in (
        ("n_blocks_forming", snapshot.blocks),
        ("n_blocks_armed", snapshot.blocks),
        ("n_gensets_available", snapshot.gensets),
        ("n_gensets_armed", snapshot.gensets),
        ("n_pv_armed", snapshot.pv),
    ):
        if name in quality:
            quality[name] = "unknown: none reports it" if assets else ABSENT
    if "ride_through_h" in quality and storage is not None:
        quality["ride_through_h"] = "unknown: the load is not measured" if site.batteries else ABSENT
    thermal, missing = thermal_readiness(snapshot)
    index, not_told = index_parts(site, readiness_of(site, snapshot, decision))
    return ReadinessMessage.model_validate(
        {
            "ts": snapshot.utc,
            "quality": {**quality, **missing, **not_told},
            "sentence": _sentence(snapshot, decision, worst, ride_h),
            "n_blocks": len(snapshot.blocks),
            "n_gensets": len(snapshot.gensets),
            **values,
            **thermal,
            **index,
        }
    )


def guard_message(
    snapshot: SiteSnapshot, decision: Decision, counts: RunCounts, *, alarms: Mapping[str, str] = NO_FAULTS
) -> GuardMessage:
    """Return what the guard changed in this cycle, its counters, and what control finds wrong."""
    return GuardMessage(
        ts=snapshot.utc,
        clips=tuple(
            ClipPart(
                rule=clip.rule.value,
                asset=clip.asset_id,
                requested_kw=clip.requested_kw if isfinite(clip.requested_kw) else None,
                allowed_kw=clip.allowed_kw,
                reason=clip.reason,
            )
            for clip in decision.clips
        ),
        n_ticks=counts.n_ticks,
        n_clipped_ticks=counts.n_clipped_ticks,
        clip_tick_frac=counts.clip_tick_frac,
        clip_counts=dict(counts.clips),
        clip_counts_by_asset=dict(counts.clips_by_asset),
        recent_clips_frac=dict(counts.recent_clips_frac),
        isolate={each.asset_id: each.reason for each in decision.isolations},
        alarms=dict(alarms),
    )


def reason_parts(reasons: tuple[Reason, ...]) -> tuple[ReasonPart, ...]:
    """Return reasons as the contract has them."""
    return tuple(ReasonPart(cause=reason.cause, text=reason.text) for reason in reasons)


def _reasons_for_null(site: Site, snapshot: SiteSnapshot, missing: Missing) -> dict[str, str]:
    """Return, for each value of the state message that may be null, why it is null if it is."""
    pv = [block.id for block in snapshot.pv if block.power_kw is None]
    available = [block.id for block in snapshot.pv if block.available_kw is None]
    blocks = [block.id for block in snapshot.blocks if block.power_kw is None]
    gensets = [genset.id for genset in snapshot.gensets if genset.power_kw is None]
    has_grid = snapshot.pcc is not None
    return {
        "pv_kw": missing.why_sum(pv, "power_kw"),
        "pv_available_kw": missing.why_sum(available, "available_kw"),
        "curtailed_kw": missing.why_sum(available, "available_kw") if available else missing.why_sum(pv, "power_kw"),
        "genset_kw": missing.why_sum(gensets, "power_kw"),
        "storage_kw": missing.why_sum(blocks, "power_kw"),
        "grid_kw": missing.why("pcc", "power_kw") if has_grid else ABSENT,
        "load_kw": "unknown: neither the meters nor a complete set of sources gives it",
        "it_load_kw": missing.why("it", "load_kw"),
        "cooling_load_kw": missing.why("cooling", "load_kw"),
        "aux_load_kw": missing.why("aux", "load_kw"),
        **dict.fromkeys(
            ("soc_pct", "soc_floor_pct", "stored_kwh", "full_kwh", "max_charge_kw", "max_discharge_kw"), _NOT_YET
        ),
        "pcc_closed": missing.why("pcc", "breaker_closed") if has_grid else ABSENT,
        "frequency_hz": "unknown: no device gives it",
        "ambient_degc": missing.why("cooling_plant", "ambient_degc"),
        "tank_l": ABSENT if site.tank is None else missing.why("tank", "fuel_l"),
        "import_price_per_kwh": ABSENT,
    }


def _is_ready(up: Mapping[ReserveId, Assessment], decision: Decision) -> bool | None:
    storage = decision.storage
    if len(up) < len(UP_CLASSES) or storage is None or decision.state.mode is Mode.INIT:
        return None
    return all(item.margin_kw >= -_SHORT_KW for item in up.values()) and storage.stored_kwh >= storage.floor_kwh


def _sentence(snapshot: SiteSnapshot, decision: Decision, worst: Assessment | None, ride_h: float | None) -> str:
    storage = decision.storage
    if worst is None or storage is None:
        return "Not known yet: control has not taken over."
    parts = [
        f"The loss of {worst.contingency} would be covered, with {worst.margin_kw:.0f} kW to spare"
        if worst.margin_kw >= -_SHORT_KW
        else f"The loss of {worst.contingency} would not be covered: {-worst.margin_kw:.0f} kW are short"
    ]
    forming = _count([block.forming for block in snapshot.blocks])
    if forming is not None:
        parts.append(f"{forming} of {len(snapshot.blocks)} AC blocks form the grid")
    parts.append(_storage_clause(storage, ride_h))
    return "; ".join(parts) + "."


def _storage_clause(storage: Storage, ride_h: float | None) -> str:
    gap_pct = storage.soc_pct - storage.floor_pct
    where = f"SoC {storage.soc_pct:.1f} % is {abs(gap_pct):.1f} % {'above' if gap_pct >= 0.0 else 'below'} its floor"
    return where if ride_h is None else f"{where}, and storage alone carries the load for {60.0 * ride_h:.0f} min"


def _count(answers: list[bool | None]) -> int | None:
    """Return how many say yes, None where nobody answers."""
    heard = [answer for answer in answers if answer is not None]
    return sum(heard) if heard else None


def _held(item: Assessment | None) -> float | None:
    return None if item is None else item.held_kw


def _required(item: Assessment | None) -> float | None:
    return None if item is None else item.required_kw
