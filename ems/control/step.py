"""One control cycle: mode, energy, reserve, gensets, targets, allocation, tie, guard."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from ems.control.authority import Interval
from ems.control.black_start import advanced, energised, pv_is_back
from ems.control.bounds import asked_exchange, banned_units, bounded, narrowed, tested_units
from ems.control.contingency import declared
from ems.control.fewest import Working
from ems.control.full_charge import last_full, opened
from ems.control.genset_sequencer import Commitment, Situation, adopted, sequence
from ems.control.guard import STORAGE, Clip, GuardContext, Isolation, guard
from ems.control.hand import (
    held_units,
    left_to_rules,
    proposals,
    settled_tracks,
    taken_blocks,
    taken_storage_kw,
    waiting,
    with_hands,
    without_off,
)
from ems.control.holding import found_setpoints
from ems.control.import_limit import counted
from ems.control.measurement import (
    Powers,
    Storage,
    filtered,
    measure_powers,
    measure_storage,
    stored_energy,
    swing,
)
from ems.control.modes import IslandKind, ModeChange, Write, allows, forming_role, island_kind, next_mode
from ems.control.modes.conditions import scene_of
from ems.control.reserve_monitor import held_on_by_reserve, operation_now, required_now
from ems.control.shares import held_setpoints, shared_setpoints
from ems.control.state import ControlState, Forming, Lead, Mode
from ems.control.targets import decide_targets
from ems.control.tie import exchange_small_since, islanding_refusal, match_kw, tie_setpoint
from ems.control.totals import Course, Flows, Targets
from ems.control.trim import may_trim
from ems.model.hand import NO_HANDS, Hands
from ems.model.plan import Plan
from ems.model.requests import NO_REQUESTS, OperatorRequests
from ems.model.setpoints import Cause, Reason, Setpoints
from ems.model.site import Site
from ems.model.snapshot import BlockState, GensetState, PvState, SiteSnapshot
from ems.reserve import Assessment, Operation, Requirement, ReserveId, assess

_ADOPTS: Final = "reading only: the measured state is adopted"
# no set is tested while the site has other worries
_TESTS: Final = (Mode.GRID, Mode.ISLAND)
_READS_ONLY: Final = {Mode.E_STOP: "reading only: an emergency stop stands"}


def no_proposals() -> Mapping[str, str]:
    """Return that nothing waits for a confirmation."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a cycle decided, with everything that explains it."""

    setpoints: Setpoints
    state: ControlState
    reasons: tuple[Reason, ...]
    change: ModeChange | None
    clips: tuple[Clip, ...]
    powers: Powers
    storage: Storage | None
    assessments: tuple[Assessment, ...]
    held_on_by_reserve: bool
    import_target_kw: float | None
    # parallel to a grid: who leads storage, to what, before limits
    lead: Lead | None = None
    led_kw: float | None = None
    # what is left to the plan of the exchange at the PCC, and who set its edges
    exchange: Interval | None = None
    # what storage gives more than without the contract's ramp, and by how much the exchange misses that ramp
    smoothing_kw: float = 0.0
    ramp_short_kw: float = 0.0
    # what the guard knew; None in a cycle that wrote nothing
    context: GuardContext | None = None
    # units that ought to be disconnected
    isolations: tuple[Isolation, ...] = ()
    # what holds the bus as measured, None where nothing tells; and who works in an island
    forming: Forming | None = None
    island: IslandKind | None = None
    # starts and stops that wait for a person's confirmation, by asset
    proposals: Mapping[str, str] = field(default_factory=no_proposals)


def step(
    site: Site,
    snapshot: SiteSnapshot,
    plan: Plan | None,
    state: ControlState,
    requests: OperatorRequests = NO_REQUESTS,
    hands: Hands = NO_HANDS,
) -> Decision:
    """Decide one cycle from a frozen snapshot.

    `plan` may be any plan, the rules' own included; one that is too old is taken as a forecast only. The caller
    passes the state of the cycle before and keeps the one returned. `requests` are what people ask for now, `hands`
    what they have taken over.
    """
    snapshot = without_off(snapshot, hands)
    decision = _decided(site, snapshot, plan, state, requests, hands)
    role = forming_role(site, snapshot)
    island = None if decision.state.mode.is_parallel else island_kind(role, snapshot)
    return replace(decision, forming=role, island=island)


def _decided(
    site: Site,
    snapshot: SiteSnapshot,
    plan: Plan | None,
    state: ControlState,
    requests: OperatorRequests,
    hands: Hands,
) -> Decision:
    bounds = requests.bounds
    physical = opened(site, _fresh(site, plan, snapshot), snapshot)
    site, snapshot = narrowed(physical, bounds, snapshot.utc), bounded(snapshot, bounds)
    now_s = snapshot.at_s
    dt_s = site.control.period_s if state.last_s is None else max(1e-3, now_s - state.last_s)
    powers = measure_powers(site, snapshot)
    state, change = next_mode(site, snapshot, powers, state, requests)
    state = _followed(site, snapshot, powers, state, change, dt_s)
    state = declared(site, snapshot, state)
    load_kw = state.load_kw
    if load_kw is None or state.mode is Mode.E_STOP:
        return _nothing(replace(state, last_s=now_s), change, powers)
    # the rules count on what is left to them, the guard on everything that takes setpoints
    ours = left_to_rules(snapshot, hands)
    storage = measure_storage(site, ours, stored_kwh=state.stored_kwh, load_kw=load_kw)
    # a limit that people set is not the connection's: in a contingency it gives what it can
    operation = operation_now(physical, ours, state)
    required = required_now(site, state)
    assessments = assess(operation, required)
    held_on = held_on_by_reserve(site, operation, required, storage)
    context = GuardContext(
        mode=state.mode,
        dt_s=dt_s,
        stored_kwh=storage.stored_kwh,
        floor_kwh=storage.floor_kwh,
        r0_margin_kw=min((a.margin_kw for a in assessments if a.id is ReserveId.R0), default=0.0),
        operation=operation,
        required=required,
        contingency=None if state.contingency is None else state.contingency.reason,
        tracks=state.gensets,
    )
    if state.mode is Mode.INIT:
        guarded = guard(found_setpoints(snapshot, state), site, snapshot, context)
        state = replace(
            state,
            gensets=adopted(site, snapshot, state.gensets),
            last_s=now_s,
            block_setpoints_kw={block.id: block.power_kw for block in guarded.setpoints.blocks},
        )
        return replace(
            _nothing(state, change, powers),
            setpoints=guarded.setpoints,
            clips=guarded.clips,
            storage=storage,
            assessments=assessments,
            held_on_by_reserve=held_on,
            context=context,
        )
    fresh = _fresh(site, plan, snapshot)
    blind = state.mode is Mode.DEGRADED
    followed = fresh if fresh is not None and fresh.followed and not blind else None
    flows = _flows(site, snapshot, powers, state, dt_s)
    state = settled_tracks(site, snapshot, state, hands)
    situation = Situation(
        site=site,
        snapshot=ours,
        plan=followed,
        forecast=fresh,
        storage=storage,
        load_kw=load_kw,
        net_load_kw=flows.net_load_kw,
        operation=operation,
        required=required,
        assessments=assessments,
        may_stop=allows(state.mode, Write.SETS_STOP),
        held=held_units(site, hands, now_s),
        banned=banned_units(bounds, snapshot.utc),
        tested=tested_units(bounds, snapshot.utc) if state.mode in _TESTS else frozenset(),
    )
    commitment = sequence(situation, state)
    proposed = _proposed(situation, state, hands, commitment)
    state = replace(
        state,
        gensets=commitment.tracks,
        energy_run=commitment.energy_run,
        short_since_s=commitment.short_since_s,
    )
    course = Course(step=None if fresh is None else fresh.step_at(snapshot.utc), followed=followed is not None)
    state = _transitions(site, snapshot, operation, required, storage, state, dt_s=dt_s)
    taken_kw = taken_storage_kw(snapshot, hands)
    left = replace(
        flows,
        load_kw=flows.load_kw - taken_kw,
        storage_kw=flows.storage_kw - taken_kw,
        taken_kw=taken_kw,
        taken=taken_blocks(snapshot, hands),
    )
    asked = asked_exchange(bounds, snapshot.utc)
    targets = decide_targets(site, ours, course, storage, left, state, contract=physical.grid, asked=asked)
    held = held_setpoints(site, ours, state) if blind else None
    if held is None:
        requested, working = _asked(site, ours, targets, state, operation, required, dt_s=dt_s)
        state = replace(state, working=working)
    else:
        requested = held
    scene = scene_of(site, snapshot, powers, state, requests)
    requested = replace(requested, tie=tie_setpoint(scene, state))
    proposed |= waiting(requested, hands, now_s)
    requested = with_hands(requested, site, snapshot, state, hands)
    state = replace(state, exchange_small_since_s=exchange_small_since(scene, state))
    guarded = guard(requested, site, snapshot, replace(context, tracks=state.gensets))
    commanded = {STORAGE, *(block.id for block in requested.blocks)}
    held_back = any(clip.asset_id in commanded for clip in guarded.clips)
    state = replace(
        state,
        last_s=now_s,
        # anti-windup: what the guard has clipped is trimmed no further, and its ramp goes on from what is measured
        trim_kw=state.trim_kw if held_back else targets.trim_kw,
        import_target_kw=targets.import_kw,
        exchange_kw=None if held_back else targets.exchange_kw,
        fed_kw=targets.fed_kw,
        stepped_s=targets.stepped_s,
        lead=None if targets.led_kw is None else course.lead,
        led_kw=targets.led_kw,
        handover_kw=targets.handover_kw,
        taken=left.taken,
        taken_kw=left.taken_kw,
        block_setpoints_kw={block.id: block.power_kw for block in guarded.setpoints.blocks},
        pv_limits_kw={pv.id: pv.limit_kw for pv in guarded.setpoints.pv},
    )
    return Decision(
        setpoints=guarded.setpoints,
        state=state,
        reasons=(*commitment.reasons, *targets.reasons),
        change=change,
        clips=guarded.clips,
        powers=powers,
        storage=storage,
        assessments=assessments,
        held_on_by_reserve=held_on,
        import_target_kw=targets.import_kw,
        lead=None if targets.led_kw is None else course.lead,
        led_kw=targets.led_kw,
        exchange=targets.exchange,
        smoothing_kw=0.0 if held_back else targets.smoothing_kw,
        ramp_short_kw=targets.ramp_short_kw,
        context=context,
        isolations=guarded.isolations,
        proposals=proposed,
    )


def _proposed(situation: Situation, state: ControlState, hands: Hands, commitment: Commitment) -> dict[str, str]:
    """Return what the rules would start or stop if nothing waited for a confirmation."""
    free = held_units(situation.site, hands, situation.now_s, waits=False)
    if free == situation.held:
        return {}
    wished = sequence(replace(situation, held=free), state)
    return proposals(hands, situation.now_s, decided=commitment.tracks, free=wished.tracks)


def _followed(
    site: Site,
    snapshot: SiteSnapshot,
    powers: Powers,
    state: ControlState,
    change: ModeChange | None,
    dt_s: float,
) -> ControlState:
    """Return the state with filters, energies and the billing interval brought up to this cycle."""
    load_kw = state.load_kw
    if powers.load_kw is not None:
        load_kw = filtered(state.load_kw, powers.load_kw, dt_s=dt_s, time_s=site.control.load_filter_s)
    lost_since_s = state.grid_lost_since_s
    if state.mode.is_parallel:
        lost_since_s = None
    elif change is not None and change.before.is_parallel:
        lost_since_s = snapshot.at_s
    billed = state.billed
    if site.grid is not None:
        billed = counted(
            site.grid,
            billed,
            now=snapshot.utc,
            import_kw=powers.grid_kw,
            import_wh=None if snapshot.pcc is None else snapshot.pcc.import_wh,
            dt_s=min(dt_s, 3600.0),
        )
    return replace(
        state,
        load_kw=load_kw,
        swing_kw=swing(state.swing_kw, mean_kw=snapshot.it.load_kw, highest_kw=snapshot.it.load_max_kw, dt_s=dt_s),
        grid_lost_since_s=lost_since_s,
        stored_kwh=stored_energy(site, snapshot, before=state.stored_kwh, dt_s=dt_s),
        billed=billed,
        full_utc=last_full(snapshot, before=state.full_utc),
    )


def _transitions(
    site: Site,
    snapshot: SiteSnapshot,
    operation: Operation,
    required: Requirement,
    storage: Storage,
    state: ControlState,
    *,
    dt_s: float,
) -> ControlState:
    """Return the state with what the passing modes need: steps confirmed, frequency matched, precheck of an island."""
    if state.mode is Mode.BLACK_START:
        state = advanced(site, snapshot, state, forming_role(site, snapshot))
    if site.control.tie is None:
        return state
    islanded = assess(replace(operation, grid=None), required)
    refusal = islanding_refusal(
        site,
        snapshot,
        margin_kw=min((item.margin_kw for item in islanded if item.id is ReserveId.R0), default=None),
        soc_above_pct=storage.soc_pct - storage.floor_pct,
    )
    if state.planned_until_s is not None and snapshot.at_s < state.planned_until_s:
        refusal = refusal or "the last planned islanding has timed out"
    return replace(
        state,
        islanding_refusal=refusal,
        resync=replace(state.resync, match_kw=match_kw(site, snapshot, state, dt_s=dt_s)),
    )


def _asked(
    site: Site,
    snapshot: SiteSnapshot,
    targets: Targets,
    state: ControlState,
    operation: Operation,
    required: Requirement,
    *,
    dt_s: float,
) -> tuple[Setpoints, Working]:
    """Return the setpoints of the cycle's totals, as far as the mode has any use for them, and the blocks that work."""

    def keeps_reserve(powers: Mapping[str, float]) -> bool:
        units = tuple(replace(unit, power_kw=powers.get(unit.id, unit.power_kw)) for unit in operation.storage)
        return all(item.margin_kw >= 0.0 for item in assess(replace(operation, storage=units), required))

    asked, working = shared_setpoints(site, snapshot, targets, state, dt_s=dt_s, keeps_reserve=keeps_reserve)
    match state.mode:
        case Mode.DEAD_BUS:
            return Setpoints(gensets=asked.gensets), working
        case Mode.BLACK_START:
            pv = asked.pv if pv_is_back(state) else tuple(replace(each, limit_kw=0.0) for each in asked.pv)
            return replace(asked, pv=pv, energise=energised(site, snapshot)), working
        case _:
            return asked, working


def _nothing(state: ControlState, change: ModeChange | None, powers: Powers) -> Decision:
    """Return a decision that writes nothing."""
    return Decision(
        setpoints=Setpoints(),
        state=state,
        reasons=(Reason(cause=Cause.ADOPTED, text=_READS_ONLY.get(state.mode, _ADOPTS)),),
        change=change,
        clips=(),
        powers=powers,
        storage=None,
        assessments=(),
        held_on_by_reserve=False,
        import_target_kw=None,
    )


def _fresh(site: Site, plan: Plan | None, snapshot: SiteSnapshot) -> Plan | None:
    """Return the plan unless it is older than its stated number of periods."""
    if plan is None or plan.age_s(snapshot.utc) > site.planning.max_age_periods * site.planning.period_s:
        return None
    return plan


def _flows(site: Site, snapshot: SiteSnapshot, powers: Powers, state: ControlState, dt_s: float) -> Flows:
    """Return the powers; one unknown sum is taken from the balance, else it counts with its known members."""
    sums = {
        "pv": powers.pv_kw,
        "gensets": powers.gensets_kw,
        "storage": powers.storage_kw,
        "grid": powers.grid_kw,
    }
    known = {name: kw for name, kw in sums.items() if kw is not None}
    missing = [name for name in sums if name not in known]
    if len(missing) == 1 and powers.load_kw is not None:
        known[missing[0]] = powers.load_kw - sum(known.values())
    else:
        members: Mapping[str, Sequence[PvState | GensetState | BlockState]] = {
            "pv": snapshot.pv,
            "gensets": snapshot.gensets,
            "storage": snapshot.blocks,
            "grid": (),
        }
        known |= {name: sum(member.power_kw or 0.0 for member in members[name]) for name in missing}
    return Flows(
        load_kw=state.load_kw or 0.0,
        pv_kw=max(0.0, known["pv"]),
        gensets_kw=max(0.0, known["gensets"]),
        storage_kw=known["storage"],
        grid_kw=known["grid"],
        dt_s=dt_s,
        trims=powers.grid_kw is not None and may_trim(site, snapshot),
    )
