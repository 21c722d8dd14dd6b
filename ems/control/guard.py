"""The last word on every setpoint: rules G0 to G9, pure and fast.

Runs after every source. A rule only narrows what was asked; each clip names its rule and reason. On a forming
unit in an island the energy rules act through load, gensets and PV, never by taking the unit to zero (G0).
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum
from math import isfinite

from ems.control.measurement import live_charge_kw, live_discharge_kw
from ems.control.state import Mode
from ems.model.battery import BatteryPool
from ems.model.genset import GensetClass
from ems.model.setpoints import BlockSetpoint, GensetSetpoint, PvSetpoint, Setpoints
from ems.model.site import Site
from ems.model.snapshot import BlockState, GensetState, SiteSnapshot

# above the technical minimum discharge stays off until SoC has risen by this much
_SOC_HYSTERESIS_PCT = 1.0
# clips smaller than this are rounding
_CLIP_KW = 1e-6


class Rule(StrEnum):
    """Guard rules; docs/architecture.md lists them."""

    LAST_FORMING = "G0"
    NOT_A_NUMBER = "G1"
    LIVE_LIMIT = "G2"
    SOC_WINDOW = "G3"
    TEMPERATURE = "G4"
    CELL_VOLTAGE = "G5"
    SITE_LIMIT = "G6"
    HEADROOM = "G7"
    RATE = "G8"
    DATA_AGE = "G9"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A setpoint that a rule changed or dropped."""

    rule: Rule
    asset_id: str
    requested_kw: float
    allowed_kw: float | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarded:
    """What may be written, and what was changed."""

    setpoints: Setpoints
    clips: tuple[Clip, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardContext:
    """What the guard knows beside the snapshot.

    `floor_kwh` is the site's energy floor, `stored_kwh` the site's energy; `r0_margin_kw` is held minus required in
    R0 now.
    """

    mode: Mode
    dt_s: float
    stored_kwh: float
    floor_kwh: float
    r0_margin_kw: float


def guard(requested: Setpoints, site: Site, snapshot: SiteSnapshot, context: GuardContext) -> Guarded:
    """Return the setpoints that may be written."""
    clips: list[Clip] = []
    blocks = _blocks(requested.blocks, site, snapshot, context, clips)
    gensets = _gensets(requested.gensets, site, snapshot, context, clips)
    pv = _pv(requested.pv, site, snapshot, clips)
    blocks = _within_site_limits(blocks, site, snapshot, context, clips)
    return Guarded(setpoints=Setpoints(blocks=tuple(blocks), gensets=tuple(gensets), pv=tuple(pv)), clips=tuple(clips))


def _blocks(
    requested: tuple[BlockSetpoint, ...],
    site: Site,
    snapshot: SiteSnapshot,
    context: GuardContext,
    clips: list[Clip],
) -> list[BlockSetpoint]:
    states = {state.id: state for state in snapshot.blocks}
    pools = {block.id: pool for pool in site.batteries for block in pool.blocks}
    allowed = []
    for setpoint in requested:
        state, pool = states[setpoint.id], pools[setpoint.id]
        if not _finite(setpoint.id, setpoint.power_kw, clips):
            continue
        if not state.controllable or state.power_kw is None:
            clips.append(_dropped(Rule.DATA_AGE, setpoint.id, setpoint.power_kw, "no fresh reading or local control"))
            continue
        low, high, low_rule, high_rule = _block_range(pool, state, context)
        power = min(max(setpoint.power_kw, low), high)
        if abs(power - setpoint.power_kw) > _CLIP_KW:
            rule = high_rule if setpoint.power_kw > high else low_rule
            clips.append(
                Clip(
                    rule=rule,
                    asset_id=setpoint.id,
                    requested_kw=setpoint.power_kw,
                    allowed_kw=power,
                    reason=f"{low:.0f} to {high:.0f} kW allowed",
                )
            )
        allowed.append(replace(setpoint, power_kw=power))
    return allowed


def _block_range(pool: BatteryPool, state: BlockState, context: GuardContext) -> tuple[float, float, Rule, Rule]:
    """Return the range of a block and the rule behind each end."""
    low, high = -live_charge_kw(pool, state), live_discharge_kw(pool, state)
    low_rule = high_rule = Rule.LIVE_LIMIT
    if state.cell_max_degc is not None and state.cell_max_degc > pool.warn_degc:
        low_rule = high_rule = Rule.TEMPERATURE
    forms_island = context.mode is not Mode.GRID and state.forming is True
    if forms_island:
        # the droop carries the unit wherever the load is; its own BMS is the end of the line
        return low, high, low_rule, high_rule
    if state.soc_pct is not None:
        if state.soc_pct <= pool.soc_tech_min_pct + _SOC_HYSTERESIS_PCT and high > 0.0:
            high, high_rule = 0.0, Rule.SOC_WINDOW
        if state.soc_pct >= pool.soc_max_pct and low < 0.0:
            low, low_rule = 0.0, Rule.SOC_WINDOW
    if context.stored_kwh <= context.floor_kwh and high > 0.0:
        high, high_rule = 0.0, Rule.SOC_WINDOW
    if state.cell_max_v is not None and state.cell_max_v >= pool.cell_max_v:
        low, low_rule = 0.0, Rule.CELL_VOLTAGE
    if state.cell_min_v is not None and state.cell_min_v <= pool.cell_min_v:
        high, high_rule = 0.0, Rule.CELL_VOLTAGE
    return low, high, low_rule, high_rule


def _gensets(
    requested: tuple[GensetSetpoint, ...],
    site: Site,
    snapshot: SiteSnapshot,
    context: GuardContext,
    clips: list[Clip],
) -> list[GensetSetpoint]:
    states = {state.id: state for state in snapshot.gensets}
    kinds = {unit: kind for kind in site.gensets for unit in kind.unit_ids}
    allowed: list[GensetSetpoint] = []
    for setpoint in requested:
        state, kind = states[setpoint.id], kinds[setpoint.id]
        requested_kw = 0.0 if setpoint.power_kw is None else setpoint.power_kw
        if not _finite(setpoint.id, requested_kw, clips):
            continue
        if not state.controllable or state.phase is None:
            clips.append(_dropped(Rule.DATA_AGE, setpoint.id, requested_kw, "no fresh reading or local control"))
            continue
        stopped = {other.id for other in allowed if not other.run}
        if not setpoint.run and state.carries and _last_former(snapshot, setpoint.id, stopped):
            clips.append(
                _dropped(Rule.LAST_FORMING, setpoint.id, 0.0, "the set is the only source that forms the grid")
            )
            continue
        allowed.append(_genset(setpoint, state, kind, context, clips))
    return allowed


def _genset(
    setpoint: GensetSetpoint, state: GensetState, kind: GensetClass, context: GuardContext, clips: list[Clip]
) -> GensetSetpoint:
    """Keep a running set between minimum and rating (G6) and within its permitted load step (G8)."""
    if setpoint.power_kw is None:
        return setpoint
    power = min(max(setpoint.power_kw, kind.min_stable_kw), kind.rated_kw)
    rule, reason = Rule.SITE_LIMIT, f"{kind.min_stable_kw:.0f} to {kind.rated_kw:.0f} kW allowed"
    if state.carries and state.power_kw is not None:
        step_kw = kind.rated_kw * max(kind.step_frac, kind.ramp_frac_per_s * context.dt_s)
        highest = max(kind.min_stable_kw, state.power_kw + step_kw)
        if power > highest:
            power, rule, reason = highest, Rule.RATE, f"load steps up to {step_kw:.0f} kW"
    if setpoint.run and abs(power - setpoint.power_kw) > _CLIP_KW:
        clips.append(
            Clip(rule=rule, asset_id=setpoint.id, requested_kw=setpoint.power_kw, allowed_kw=power, reason=reason)
        )
    return replace(setpoint, power_kw=power)


def _pv(requested: tuple[PvSetpoint, ...], site: Site, snapshot: SiteSnapshot, clips: list[Clip]) -> list[PvSetpoint]:
    """Keep PV limits between zero and rating; a block that is not heard keeps its own fall-back."""
    states = {state.id: state for state in snapshot.pv}
    ratings = {block: plant.ac_kw for plant in site.pv for block in plant.block_ids}
    allowed = []
    for setpoint in requested:
        if not _finite(setpoint.id, setpoint.limit_kw, clips):
            continue
        if not states[setpoint.id].controllable:
            clips.append(_dropped(Rule.DATA_AGE, setpoint.id, setpoint.limit_kw, "no fresh reading or local control"))
            continue
        limit = min(max(setpoint.limit_kw, 0.0), ratings[setpoint.id])
        if abs(limit - setpoint.limit_kw) > _CLIP_KW:
            clips.append(
                Clip(
                    rule=Rule.LIVE_LIMIT,
                    asset_id=setpoint.id,
                    requested_kw=setpoint.limit_kw,
                    allowed_kw=limit,
                    reason=f"0 to {ratings[setpoint.id]:.0f} kW allowed",
                )
            )
        allowed.append(replace(setpoint, limit_kw=limit))
    return allowed


def _within_site_limits(
    blocks: list[BlockSetpoint], site: Site, snapshot: SiteSnapshot, context: GuardContext, clips: list[Clip]
) -> list[BlockSetpoint]:
    """G6 and G7: the predicted import stays within the connection, and R0 is not made shorter than it is."""
    total = sum(block.power_kw for block in blocks)
    # a block that is not written stays where it is
    written = {block.id for block in blocks}
    measured = sum(state.power_kw or 0.0 for state in snapshot.blocks if state.id in written)
    scaled = total
    rule, reason = Rule.SITE_LIMIT, ""
    pcc = snapshot.pcc
    if context.mode is Mode.GRID and site.grid is not None and pcc is not None and pcc.power_kw is not None:
        predicted = pcc.power_kw - (total - measured)
        if predicted > site.grid.import_limit_kw and total < 0.0:
            scaled = min(0.0, total + predicted - site.grid.import_limit_kw)
            reason = f"import would be {predicted:.0f} kW"
        elif predicted < -site.grid.export_limit_kw and total > 0.0:
            scaled = max(0.0, total - (-site.grid.export_limit_kw - predicted))
            reason = f"export would be {-predicted:.0f} kW"
    if context.r0_margin_kw < 0.0 and scaled > max(measured, 0.0) and context.mode is Mode.GRID:
        scaled, rule = max(measured, 0.0), Rule.HEADROOM
        reason = f"R0 is short by {-context.r0_margin_kw:.0f} kW"
    if abs(scaled - total) <= _CLIP_KW or abs(total) <= _CLIP_KW:
        return blocks
    clips.append(Clip(rule=rule, asset_id="storage", requested_kw=total, allowed_kw=scaled, reason=reason))
    return [replace(block, power_kw=block.power_kw * scaled / total) for block in blocks]


def _last_former(snapshot: SiteSnapshot, genset_id: str, stopped: Collection[str]) -> bool:
    """Return whether a set is the only known source that forms the grid, beside those that stop in this cycle."""
    if snapshot.pcc is not None and snapshot.pcc.breaker_closed:
        return False
    if any(block.forming and block.ready for block in snapshot.blocks):
        return False
    return not any(genset.carries for genset in snapshot.gensets if genset.id != genset_id and genset.id not in stopped)


def _finite(asset_id: str, value: float, clips: list[Clip]) -> bool:
    if isfinite(value):
        return True
    clips.append(_dropped(Rule.NOT_A_NUMBER, asset_id, value, "not a finite number"))
    return False


def _dropped(rule: Rule, asset_id: str, requested: float, reason: str) -> Clip:
    return Clip(rule=rule, asset_id=asset_id, requested_kw=requested, allowed_kw=None, reason=reason)
