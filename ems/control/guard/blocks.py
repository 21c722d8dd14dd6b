"""AC blocks: numbers, data age, ramps, live limits, SoC window, temperature and cells (G0 to G5, G8, G9)."""

from dataclasses import replace
from typing import Final

from ems.control.guard.rules import CLIP_KW, Clip, GuardContext, Isolation, Rule, dropped, is_number, on_grid
from ems.control.measurement import live_charge_kw, live_discharge_kw
from ems.model.battery import BatteryPool
from ems.model.setpoints import BlockSetpoint
from ems.model.site import Site
from ems.model.snapshot import BlockState, SiteSnapshot

# above the technical minimum discharge stays off until SoC has risen by this much
_SOC_HYSTERESIS_PCT: Final = 1.0


def guarded_blocks(
    requested: tuple[BlockSetpoint, ...], site: Site, snapshot: SiteSnapshot, context: GuardContext, clips: list[Clip]
) -> tuple[BlockSetpoint, ...]:
    """Return the setpoints of AC blocks that each of them may have on its own."""
    states = {state.id: state for state in snapshot.blocks}
    pools = {block.id: pool for pool in site.batteries for block in pool.blocks}
    islanded = not on_grid(site, snapshot, context)
    allowed = []
    for setpoint in requested:
        state, pool = states[setpoint.id], pools[setpoint.id]
        if not is_number(setpoint.id, setpoint.power_kw, clips):
            continue
        if not state.controllable or state.power_kw is None:
            clips.append(dropped(Rule.DATA_AGE, setpoint.id, setpoint.power_kw, "no fresh reading or local control"))
            continue
        if islanded and _is_powerless_former(pool, state) and _is_last_former(snapshot, state.id):
            reason = "the last unit that forms the grid is not taken to zero: it keeps its setpoint"
            clips.append(dropped(Rule.LAST_FORMING, setpoint.id, setpoint.power_kw, reason))
            continue
        allowed.append(_within(setpoint, pool, state, context, clips, islanded=islanded))
    return tuple(allowed)


def isolations(site: Site, snapshot: SiteSnapshot, context: GuardContext) -> tuple[Isolation, ...]:
    """Return the blocks that ought to be isolated (G4), for fire, gas or an earth fault; never the last former (G0)."""
    islanded = not on_grid(site, snapshot, context)
    return tuple(
        Isolation(
            asset_id=state.id, reason=f"{_hazard(state)} reported: zero power, isolate the block from bus and batteries"
        )
        for state in snapshot.blocks
        if (state.fire or state.earth_fault)
        and not (islanded and state.forming is True and _is_last_former(snapshot, state.id))
    )


def _hazard(state: BlockState) -> str:
    return "fire or gas" if state.fire else "lost insulation to earth"


def _within(
    setpoint: BlockSetpoint,
    pool: BatteryPool,
    state: BlockState,
    context: GuardContext,
    clips: list[Clip],
    *,
    islanded: bool,
) -> BlockSetpoint:
    low, high, low_rule, high_rule = _range(pool, state, context, islanded=islanded)
    power = setpoint.power_kw
    rule, reason = Rule.LIVE_LIMIT, f"{low:.0f} to {high:.0f} kW allowed"
    follows = not (islanded and state.forming is True)
    if pool.ramp_frac_per_s is not None and follows and state.power_kw is not None:
        # before the limits: what they demand is never too fast
        step_kw = pool.ramp_frac_per_s * pool.pcs_kw * context.dt_s
        ramped = min(max(power, state.power_kw - step_kw), state.power_kw + step_kw)
        if abs(ramped) < pool.min_power_kw <= abs(power):
            # the powers that the PCS does not accept are left out in one step
            ramped = pool.min_power_kw if power > 0.0 else -pool.min_power_kw
        if abs(ramped - power) > CLIP_KW:
            power, rule, reason = ramped, Rule.RATE, f"ramps up to {step_kw:.0f} kW in this cycle"
    if not low <= power <= high:
        rule, reason = high_rule if power > high else low_rule, f"{low:.0f} to {high:.0f} kW allowed"
        power = min(max(power, low), high)
    if abs(power - setpoint.power_kw) > CLIP_KW:
        clips.append(
            Clip(rule=rule, asset_id=setpoint.id, requested_kw=setpoint.power_kw, allowed_kw=power, reason=reason)
        )
    return replace(setpoint, power_kw=power)


def _range(
    pool: BatteryPool, state: BlockState, context: GuardContext, *, islanded: bool
) -> tuple[float, float, Rule, Rule]:
    """Return the range of a block and the rule behind each end."""
    low, high = -live_charge_kw(pool, state), live_discharge_kw(pool, state)
    low_rule = high_rule = Rule.LIVE_LIMIT
    if state.fire or (state.cell_max_degc is not None and state.cell_max_degc > pool.warn_degc):
        low_rule = high_rule = Rule.TEMPERATURE
    if islanded and state.forming is True:
        # the droop carries the unit wherever the load is; its own BMS is the end of the line
        return low, high, low_rule, high_rule
    if state.soc_pct is not None:
        if _lowest_soc_pct(state) <= pool.soc_tech_min_pct + _SOC_HYSTERESIS_PCT and high > 0.0:
            high, high_rule = 0.0, Rule.SOC_WINDOW
        if _highest_soc_pct(state) >= pool.soc_max_pct and low < 0.0:
            low, low_rule = 0.0, Rule.SOC_WINDOW
    if context.stored_kwh <= context.floor_kwh and context.contingency is None and high > 0.0:
        high, high_rule = 0.0, Rule.SOC_WINDOW
    if state.cell_max_v is not None and state.cell_max_v >= pool.cell_max_v:
        low, low_rule = 0.0, Rule.CELL_VOLTAGE
    if state.cell_min_v is not None and state.cell_min_v <= pool.cell_min_v:
        high, high_rule = 0.0, Rule.CELL_VOLTAGE
    return low, high, low_rule, high_rule


def _lowest_soc_pct(state: BlockState) -> float:
    """Return the lower of what control counts with and what the BMS reports."""
    soc_pct = 0.0 if state.soc_pct is None else state.soc_pct
    return soc_pct if state.reported_soc_pct is None else min(soc_pct, state.reported_soc_pct)


def _highest_soc_pct(state: BlockState) -> float:
    soc_pct = 100.0 if state.soc_pct is None else state.soc_pct
    return soc_pct if state.reported_soc_pct is None else max(soc_pct, state.reported_soc_pct)


def _is_powerless_former(pool: BatteryPool, state: BlockState) -> bool:
    """Return whether a unit forms the grid and its limits leave it no power either way."""
    if state.forming is not True or not state.ready:
        return False
    return live_charge_kw(pool, state) <= 0.0 and live_discharge_kw(pool, state) <= 0.0


def _is_last_former(snapshot: SiteSnapshot, block_id: str) -> bool:
    """Return whether nothing else is known to form the grid: no other ready block without alarm, no set on load."""
    others = any(b.forming is True and b.ready and not b.alarm for b in snapshot.blocks if b.id != block_id)
    return not others and not any(genset.carries for genset in snapshot.gensets)
