"""A million pictures and requests for the guard, drawn as arrays and checked as arrays.

The checks are written from the rules' text with numpy, without any code of the guard: what is allowed is looked at
after the fact, case by case in one expression.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np

from ems.config.build import build_site
from ems.config.loader import load_files
from ems.config.shipped import site_directory
from ems.control.guard import GuardContext, guard
from ems.control.state import GensetTrack, Mode
from ems.model.battery import AcBlock
from ems.model.genset_rules import Maintenance
from ems.model.grid import FlowGroup
from ems.model.readings import GensetPhase
from ems.model.setpoints import BlockSetpoint, Cause, GensetSetpoint, PvSetpoint, Reason, Setpoints
from ems.model.site import Site
from ems.model.snapshot import BlockState, CoolingState, GensetState, LoadState, PccState, PvState, SiteSnapshot

# an array of any element type: numpy cannot tell a comparison of such from that of numbers
Array = Any
# kW by which sums of floats may be off
TINY_KW = 1e-3
_NOW_S = 100_000.0
_NOW = datetime(2026, 6, 10, 20, 0, tzinfo=UTC)
_MODES = (Mode.GRID, Mode.ISLAND, Mode.DEGRADED)
_GRID, _ISLAND, _DEGRADED = range(3)
_PHASES = (GensetPhase.STOPPED, GensetPhase.RUNNING, GensetPhase.FAULT, GensetPhase.STARTING, None)
_STOPPED, _RUNNING, _FAULT = range(3)
_URGENT = (Reason(cause=Cause.ENERGY_LOW, text="urgent"),)
_PLANNED = (Reason(cause=Cause.PLAN, text="plan"),)
_NO_LOAD = LoadState(load_kw=None, load_max_kw=None, energy_wh=None)
_NO_COOLING = CoolingState(ambient_degc=None, supply_degc=None, capacity_kw_th=None)


@cache
def guarded_site() -> Site:
    """Return a site with a grid, two pools of two blocks, three sets, three PV blocks, and groups around them."""
    site = build_site(load_files(site_directory("weak-grid-campus")))
    pool, kind, plant = site.batteries[0], site.gensets[0], site.pv[0]
    assert site.grid is not None
    pools = tuple(
        replace(pool, id=name, blocks=tuple(AcBlock(id=f"{name}{n}", container_ids=(f"{name}c{n}",)) for n in (1, 2)))
        for name in ("north", "south")
    )
    sets = ("gen01", "gen02", "gen03")
    work = Maintenance(unit_id="gen03", start_utc=_NOW - timedelta(hours=1), end_utc=_NOW + timedelta(hours=1))
    return replace(
        site,
        batteries=pools,
        gensets=(replace(kind, unit_ids=sets, maintenance=(work,)),),
        pv=(replace(plant, block_ids=("pv01", "pv02", "pv03")),),
        grid=replace(site.grid, import_limit_kw=1.5 * pool.pcs_kw, export_limit_kw=0.5 * pool.pcs_kw),
        groups=(
            FlowGroup(id="collector", members=("north", plant.id), limit_kw=2.0 * pool.pcs_kw),
            FlowGroup(id="transformer", members=("north", plant.id, kind.id), limit_kw=2.5 * pool.pcs_kw),
            FlowGroup(id="incomer", members=("south", "grid"), limit_kw=1.8 * pool.pcs_kw),
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cases:
    """Drawn values by name, one row for each case; and what the guard made of them."""

    drawn: Mapping[str, Array]
    allowed: Mapping[str, Array]

    def __len__(self) -> int:
        """Return the number of cases."""
        return len(self.drawn["mode"])


def cases(n_cases: int, *, seed: int) -> Cases:
    """Draw cases and let the guard judge each."""
    drawn = _drawn(guarded_site(), n_cases, np.random.default_rng(seed))
    return Cases(drawn=drawn, allowed=_guarded(guarded_site(), drawn))


def violations(found: Cases) -> dict[str, int]:
    """Return by requirement in how many cases it does not hold."""
    return {name: int(np.count_nonzero(broken)) for name, broken in _broken(guarded_site(), found)}


def _drawn(site: Site, n: int, rng: np.random.Generator) -> dict[str, Array]:
    pcs, rated, ac = site.batteries[0].pcs_kw, site.gensets[0].rated_kw, site.pv[0].ac_kw
    assert site.grid is not None
    pool = site.batteries[0]
    blocks, sets, pv = (n, 4), (n, 3), (n, 3)
    # calm cases with few odd values, and wild ones
    odd = rng.choice([0.02, 0.15, 0.4], size=(n, 1))

    def rarely(shape: tuple[int, ...]) -> Array:
        return rng.random(shape) < odd

    def often(shape: tuple[int, ...]) -> Array:
        return ~rarely(shape)

    phase = np.where(rarely(sets), rng.integers(0, 5, sets), rng.integers(0, 2, sets))
    return {
        "mode": rng.choice(3, size=n, p=[0.6, 0.3, 0.1]),
        "breaker": rng.random(n) < 0.7,
        "voltage": np.where(rng.random(n) < 0.9, 1.0, 0.5),
        "pcc_kw": rng.uniform(-1.0, 2.5, n) * pcs,
        "pcc_known": rng.random(n) < 0.95,
        "metered_kw": rng.uniform(-1.0, 2.5, n) * pcs,
        "doubted": rng.random(n) < 0.1,
        "stored_kwh": rng.uniform(0.0, 1.0, n) * site.full_kwh,
        "floor_kwh": rng.uniform(0.0, 0.3, n) * site.full_kwh,
        "r0_kw": rng.uniform(-1.0, 3.0, n) * pcs,
        "contingency": rng.random(n) < 0.2,
        "block_now_kw": rng.uniform(-1.0, 1.0, blocks) * pcs,
        "block_known": often(blocks),
        "ready": often(blocks),
        "controllable": often(blocks),
        "forming": rng.random(blocks) < 0.5,
        "alarm": rarely(blocks) & rarely(blocks),
        "fire": rarely(blocks) & rarely(blocks),
        "soc_pct": np.where(rarely(blocks), rng.uniform(0.0, 100.0, blocks), rng.uniform(20.0, 80.0, blocks)),
        "reported_pct": rng.uniform(0.0, 100.0, blocks),
        "estimated": rarely(blocks) & rarely(blocks),
        "bms_charge_kw": rng.uniform(0.0, 1.5, blocks) * pcs,
        "bms_discharge_kw": rng.uniform(0.0, 1.5, blocks) * pcs,
        "degc": np.where(rarely(blocks), rng.uniform(20.0, 70.0, blocks), 25.0),
        "cell_max_v": np.where(rarely(blocks), pool.cell_max_v, 3.3),
        "cell_min_v": np.where(rarely(blocks), pool.cell_min_v, 3.3),
        "block_ask_kw": np.where(rarely(blocks), rng.uniform(-1.5, 1.5, blocks), rng.uniform(-0.5, 0.5, blocks)) * pcs,
        "block_asked": rng.random(blocks) < 0.9,
        "not_a_number": rarely(blocks) & rarely(blocks),
        "phase": phase,
        "set_now_kw": np.where(phase == _RUNNING, rng.uniform(0.0, 1.1, sets) * rated, 0.0),
        "set_breaker": np.where(rarely(sets), rng.random(sets) < 0.5, phase == _RUNNING),
        "set_controllable": often(sets),
        "carried_s": np.where(rng.random(sets) < 0.5, rng.uniform(0.0, 7200.0, sets), 1e5),
        "rested_s": np.where(rng.random(sets) < 0.5, rng.uniform(0.0, 7200.0, sets), 1e5),
        "n_starts": rng.integers(0, 8, sets),
        "run": rng.random(sets) < 0.5,
        "urgent": rng.random(sets) < 0.3,
        "set_ask_kw": np.where(rarely(sets), rng.uniform(-0.5, 2.0, sets), rng.uniform(0.35, 0.9, sets)) * rated,
        "pv_now_kw": rng.uniform(0.0, 1.0, pv) * ac,
        "pv_more_kw": np.where(rng.random(pv) < 0.5, 0.0, rng.uniform(0.0, 1.0, pv) * ac),
        "pv_limit_kw": rng.uniform(0.2, 1.0, pv) * ac,
        "pv_known": often(pv),
        "pv_controllable": often(pv),
        "pv_ask_kw": np.where(rarely(pv), rng.uniform(-0.5, 1.5, pv), rng.uniform(0.5, 1.0, pv)) * ac,
    }


def _guarded(site: Site, drawn: Mapping[str, Array]) -> dict[str, Array]:
    """Let the guard judge every case; what it drops is NaN, or -1 for a run command."""
    n = len(drawn["mode"])
    allowed: dict[str, Array] = {
        "block_kw": np.full((n, 4), np.nan),
        "run": np.full((n, 3), -1),
        "set_kw": np.full((n, 3), np.nan),
        "pv_kw": np.full((n, 3), np.nan),
        "isolate": np.zeros((n, 4), dtype=bool),
        "n_clips": np.zeros(n, dtype=int),
        "named": np.zeros(n, dtype=bool),
    }
    places = {block.id: place for place, block in enumerate(b for pool in site.batteries for b in pool.blocks)}
    sets = {unit: place for place, unit in enumerate(site.gensets[0].unit_ids)}
    pv = {block: place for place, block in enumerate(site.pv[0].block_ids)}
    rows = {name: values.tolist() for name, values in drawn.items()}
    for case in range(n):
        row = {name: values[case] for name, values in rows.items()}
        snapshot, context, request = _case(row, tuple(places), tuple(sets), tuple(pv))
        result = guard(request, site, snapshot, context)
        for block in result.setpoints.blocks:
            allowed["block_kw"][case, places[block.id]] = block.power_kw
        for genset in result.setpoints.gensets:
            allowed["run"][case, sets[genset.id]] = genset.run
            allowed["set_kw"][case, sets[genset.id]] = genset.power_kw
        for block_pv in result.setpoints.pv:
            allowed["pv_kw"][case, pv[block_pv.id]] = block_pv.limit_kw
        for each in result.isolations:
            allowed["isolate"][case, places[each.asset_id]] = True
        allowed["n_clips"][case] = len(result.clips)
        allowed["named"][case] = all(clip.reason and clip.asset_id for clip in result.clips)
    return allowed


def _case(
    row: Mapping[str, Any], blocks: tuple[str, ...], sets: tuple[str, ...], pv: tuple[str, ...]
) -> tuple[SiteSnapshot, GuardContext, Setpoints]:
    nan = float("nan")
    snapshot = SiteSnapshot(
        at_s=_NOW_S,
        utc=_NOW,
        blocks=tuple(
            BlockState(
                id=name,
                power_kw=row["block_now_kw"][i] if row["block_known"][i] else None,
                setpoint_kw=None,
                forming=row["forming"][i],
                ready=row["ready"][i] and row["block_known"][i],
                controllable=row["controllable"][i],
                fallback_armed=None,
                soc_pct=row["soc_pct"][i],
                full_kwh=None,
                max_charge_kw=row["bms_charge_kw"][i],
                max_discharge_kw=row["bms_discharge_kw"][i],
                cell_max_degc=row["degc"][i],
                cell_max_v=row["cell_max_v"][i],
                cell_min_v=row["cell_min_v"][i],
                alarm=row["alarm"][i] or row["fire"][i],
                discharge_wh=None,
                charge_wh=None,
                fire=row["fire"][i],
                reported_soc_pct=row["reported_pct"][i] if row["estimated"][i] else None,
            )
            for i, name in enumerate(blocks)
        ),
        gensets=tuple(
            GensetState(
                id=name,
                phase=_PHASES[row["phase"][i]],
                power_kw=row["set_now_kw"][i],
                setpoint_kw=None,
                breaker_closed=row["set_breaker"][i],
                controllable=row["set_controllable"][i],
                energy_wh=None,
                fuel_used_l=None,
                run_h=None,
                n_starts=None,
            )
            for i, name in enumerate(sets)
        ),
        pv=tuple(
            PvState(
                id=name,
                power_kw=row["pv_now_kw"][i] if row["pv_known"][i] else None,
                available_kw=row["pv_now_kw"][i] + row["pv_more_kw"][i],
                limit_kw=row["pv_limit_kw"][i],
                controllable=row["pv_controllable"][i],
                energy_wh=None,
            )
            for i, name in enumerate(pv)
        ),
        pcc=PccState(
            power_kw=row["pcc_kw"] if row["pcc_known"] else None,
            breaker_closed=row["breaker"],
            grid_voltage_frac=row["voltage"],
            bus_voltage_frac=None,
            frequency_hz=None,
            import_wh=None,
            export_wh=None,
            metered_kw=row["metered_kw"] if row["doubted"] else None,
        ),
        it=_NO_LOAD,
        cooling_load=_NO_LOAD,
        aux=_NO_LOAD,
        cooling=_NO_COOLING,
        tank_l=None,
        frequency_hz=None,
        problems=(),
        spread_s=0.0,
    )
    context = GuardContext(
        mode=_MODES[row["mode"]],
        dt_s=1.0,
        stored_kwh=row["stored_kwh"],
        floor_kwh=row["floor_kwh"],
        r0_margin_kw=row["r0_kw"],
        contingency="loss of gen02" if row["contingency"] else None,
        tracks={
            name: GensetTrack(
                wanted=row["run"][i],
                carries_since_s=_NOW_S - row["carried_s"][i] if row["phase"][i] == _RUNNING else None,
                rests_since_s=_NOW_S - row["rested_s"][i] if row["phase"][i] == _STOPPED else None,
                starts_s=(_NOW_S,) * row["n_starts"][i],
            )
            for i, name in enumerate(sets)
        },
    )
    request = Setpoints(
        blocks=tuple(
            BlockSetpoint(id=name, power_kw=nan if row["not_a_number"][i] else row["block_ask_kw"][i])
            for i, name in enumerate(blocks)
            if row["block_asked"][i]
        ),
        gensets=tuple(
            GensetSetpoint(
                id=name,
                run=row["run"][i],
                power_kw=row["set_ask_kw"][i],
                reasons=_URGENT if row["urgent"][i] else _PLANNED,
            )
            for i, name in enumerate(sets)
        ),
        pv=tuple(PvSetpoint(id=name, limit_kw=row["pv_ask_kw"][i]) for i, name in enumerate(pv)),
    )
    return snapshot, context, request


def _broken(site: Site, found: Cases) -> Iterator[tuple[str, Array]]:
    """Yield every requirement with the cases in which it does not hold."""
    yield "every clip names asset and reason", ~found.allowed["named"]
    yield from _broken_by_blocks(site, found)
    yield from _broken_by_sets(site, found)
    yield from _broken_by_pv(site, found)
    yield from _broken_by_sums(site, found)


def _on_grid(d: Mapping[str, Array]) -> Array:
    alive = d["breaker"] & (d["voltage"] >= 0.8)
    return (d["mode"] == _GRID) | ((d["mode"] == _DEGRADED) & alive)


def _carries(d: Mapping[str, Array]) -> Array:
    carries: Array = (d["phase"] == _RUNNING) & d["set_breaker"]
    return carries


def _broken_by_blocks(site: Site, found: Cases) -> Iterator[tuple[str, Array]]:
    d, kw = found.drawn, found.allowed["block_kw"]
    pool = site.batteries[0]
    written = ~np.isnan(kw)
    ready = d["ready"] & d["block_known"]
    warmth = np.clip((pool.max_degc - d["degc"]) / (pool.max_degc - pool.warn_degc), 0.0, 1.0)
    able = ready & ~d["alarm"] & ~d["fire"]
    most: Array = np.where(
        able, np.minimum(d["bms_discharge_kw"], np.minimum(pool.max_discharge_kw, pool.pcs_kw) * warmth), 0
    )
    least: Array = -np.where(
        able, np.minimum(d["bms_charge_kw"], np.minimum(pool.max_charge_kw, pool.pcs_kw) * warmth), 0
    )
    yield (
        "a written block was asked, is heard, ours, and the number is one",
        (written & ~(d["block_asked"] & d["block_known"] & d["controllable"] & ~d["not_a_number"])).any(axis=1),
    )
    yield "live limits", (written & ((kw > most + TINY_KW) | (kw < least - TINY_KW))).any(axis=1)
    ask = d["block_ask_kw"]
    widened = (kw > np.maximum(ask, 0.0) + TINY_KW) | (kw < np.minimum(ask, 0.0) - TINY_KW)
    yield "only narrowed", (written & widened).any(axis=1)
    droops = ~_on_grid(d)[:, None] & d["forming"]
    follows = written & ~droops
    lowest: Array = np.where(d["estimated"], np.minimum(d["soc_pct"], d["reported_pct"]), d["soc_pct"])
    highest: Array = np.where(d["estimated"], np.maximum(d["soc_pct"], d["reported_pct"]), d["soc_pct"])
    empty = (lowest <= pool.soc_tech_min_pct + 1.0) | (d["cell_min_v"] <= pool.cell_min_v)
    full = (highest >= pool.soc_max_pct) | (d["cell_max_v"] >= pool.cell_max_v)
    yield "no discharge of empty blocks", (follows & empty & (kw > TINY_KW)).any(axis=1)
    yield "no charge of full blocks", (follows & full & (kw < -TINY_KW)).any(axis=1)
    at_floor = ((d["stored_kwh"] <= d["floor_kwh"]) & ~d["contingency"])[:, None]
    yield "the floor holds without a contingency", (follows & at_floor & (kw > TINY_KW)).any(axis=1)
    powerless = d["forming"] & ready & (most <= 0.0) & (least >= 0.0)
    formers = d["forming"] & ready & ~(d["alarm"] | d["fire"])
    others = formers.sum(axis=1)[:, None] - formers
    alone = ~_on_grid(d)[:, None] & powerless & (others == 0) & ~_carries(d).any(axis=1)[:, None]
    yield "the last former is not written to zero", (alone & written).any(axis=1)
    isolate = found.allowed["isolate"]
    yield "only burning blocks are isolated", (isolate & ~d["fire"]).any(axis=1)
    last = ~_on_grid(d)[:, None] & d["forming"] & (others == 0) & ~_carries(d).any(axis=1)[:, None]
    yield "every burning block is isolated but the last former", (d["fire"] & ~isolate & ~last).any(axis=1)


def _broken_by_sets(site: Site, found: Cases) -> Iterator[tuple[str, Array]]:
    d, run, kw = found.drawn, found.allowed["run"], found.allowed["set_kw"]
    kind = site.gensets[0]
    written, carries = run >= 0, _carries(d)
    starts, stops = run == 1, run == 0
    yield "a written set is heard and ours", (written & ~(d["set_controllable"] & (d["phase"] != 4))).any(axis=1)
    yield "the command is the one asked for", (written & ((run == 1) != d["run"])).any(axis=1)
    yield (
        "minimum and rating",
        (written & ((kw < kind.min_stable_kw - TINY_KW) | (kw > kind.rated_kw + TINY_KW))).any(axis=1),
    )
    step = kind.rated_kw * max(kind.step_frac, kind.ramp_frac_per_s)
    highest = np.maximum(kind.min_stable_kw, d["set_now_kw"] + step)
    yield "load steps", (written & carries & (kw > highest + TINY_KW)).any(axis=1)
    yield "no start in a fault", (starts & (d["phase"] == _FAULT)).any(axis=1)
    begins = starts & (d["phase"] == _STOPPED)
    yield "no start in maintenance", begins[:, 2]
    calm = begins & ~d["urgent"]
    yield "starts per hour", (calm & (d["n_starts"] > kind.max_starts_per_h)).any(axis=1)
    rest = (d["n_starts"] > 1) & (d["rested_s"] < kind.min_down_h * 3600.0)
    yield "minimum rest", (calm & rest).any(axis=1)
    ends = stops & carries
    yield "minimum run", (ends & (d["carried_s"] < kind.min_up_h * 3600.0)).any(axis=1)
    yield "no stop while R0 is short", (ends & (d["r0_kw"] < 0.0)[:, None]).any(axis=1)
    stored_forms = (d["forming"] & d["ready"] & d["block_known"]).any(axis=1)
    left = (carries & ~stops).any(axis=1)
    had = carries.any(axis=1) & ~d["breaker"] & ~stored_forms
    yield "the last forming set runs on", had & ~left


def _broken_by_pv(site: Site, found: Cases) -> Iterator[tuple[str, Array]]:
    d, kw = found.drawn, found.allowed["pv_kw"]
    written = ~np.isnan(kw)
    yield "PV between zero and rating", (written & ((kw < 0.0) | (kw > site.pv[0].ac_kw))).any(axis=1)
    yield "PV limits are only lowered", (written & (kw > np.maximum(d["pv_ask_kw"], 0.0) + TINY_KW)).any(axis=1)
    yield "a written PV block is ours", (written & ~d["pv_controllable"]).any(axis=1)
    # the groups around all PV may demand a cut: those cases are left to the checks of sums
    within = (d["pv_now_kw"].sum(axis=1) + np.abs(_block_now(d)).sum(axis=1) + d["set_now_kw"].sum(axis=1)) < (
        site.groups[0].limit_kw
    )
    short = (d["r0_kw"] < 0.0) & (_block_now(d).sum(axis=1) > 0.0) & ~_on_grid(d) & within
    asked_cut = d["pv_known"] & (d["pv_ask_kw"] < d["pv_now_kw"])
    yield (
        "no PV is cut for storage that discharges while R0 is short",
        (written & asked_cut & short[:, None]).any(axis=1),
    )


def _block_now(d: Mapping[str, Array]) -> Array:
    now: Array = np.where(d["block_known"], d["block_now_kw"], 0.0)
    return now


def _broken_by_sums(site: Site, found: Cases) -> Iterator[tuple[str, Array]]:
    """Yield limits on sums: kept, or nothing that the guard may narrow pushes beyond them any more."""
    d, a = found.drawn, found.allowed
    grid = site.grid
    assert grid is not None
    on_grid = _on_grid(d)
    now = _block_now(d)
    moved = ~np.isnan(a["block_kw"]) & (on_grid[:, None] | ~d["forming"])
    after = np.where(moved, np.nan_to_num(a["block_kw"]), now)
    pushes_up = (moved & (after > TINY_KW)).any(axis=1)
    pushes_down = (moved & (after < -TINY_KW)).any(axis=1)
    delta = (after - now).sum(axis=1)
    set_after = np.where(
        _carries(d) & (a["run"] >= 0), np.where(a["run"] == 1, np.nan_to_num(a["set_kw"]), 0.0), d["set_now_kw"]
    )
    set_low, set_high = np.minimum(set_after, d["set_now_kw"]), np.maximum(set_after, d["set_now_kw"])
    pv_now = np.where(d["pv_known"], d["pv_now_kw"], 0.0)
    pv_after = np.minimum(pv_now, np.where(np.isnan(a["pv_kw"]), np.inf, a["pv_kw"]))
    known = on_grid & d["pcc_known"]
    low = np.where(d["doubted"], np.minimum(d["pcc_kw"], d["metered_kw"]), d["pcc_kw"])
    high = np.where(d["doubted"], np.maximum(d["pcc_kw"], d["metered_kw"]), d["pcc_kw"])
    pv_delta = (pv_after - pv_now).sum(axis=1)
    import_high = high - delta - pv_delta - (set_low - d["set_now_kw"]).sum(axis=1)
    import_low = low - delta - pv_delta - (set_high - d["set_now_kw"]).sum(axis=1)
    yield "import limit", known & (import_high > grid.import_limit_kw + TINY_KW) & pushes_down
    beyond = known & (import_low < -grid.export_limit_kw - TINY_KW)
    yield "export limit by storage", beyond & pushes_up
    pv_flows = (~np.isnan(a["pv_kw"]) & (pv_after > TINY_KW)).any(axis=1)
    yield "export limit by PV", beyond & pv_flows
    short = (d["mode"] == _GRID) & (d["r0_kw"] < 0.0)
    written_now = np.where(moved, now, 0.0).sum(axis=1)
    written_after = np.where(moved, after, 0.0).sum(axis=1)
    yield "R0 is not made shorter", short & (written_after > np.maximum(written_now, 0.0) + TINY_KW)
    tolerance = max(site.control.balance_frac * grid.import_limit_kw, site.control.balance_min_kw)
    doubted = known & d["doubted"]
    rises = written_after > np.maximum(written_now, 0.0) + TINY_KW
    yield "nothing exports on a meter that is not believed", doubted & rises & (import_low < tolerance - TINY_KW)
    yield from _broken_groups(
        site, found, after, moved, pv_after, (set_low, set_high), known, (import_low, import_high)
    )


def _broken_groups(
    site: Site,
    found: Cases,
    after: Array,
    moved: Array,
    pv_after: Array,
    sets: tuple[Array, Array],
    known: Array,
    exchange: tuple[Array, Array],
) -> Iterator[tuple[str, Array]]:
    written_pv = ~np.isnan(found.allowed["pv_kw"])
    north = np.array([True, True, False, False])
    pv_kw = pv_after.sum(axis=1)
    for group, blocks, with_pv, with_sets, with_grid in (
        (site.groups[0], north, True, False, False),
        (site.groups[1], north, True, True, False),
        (site.groups[2], ~north, False, False, True),
    ):
        storage = (after * blocks).sum(axis=1)
        least = (
            storage + pv_kw * with_pv + sets[0].sum(axis=1) * with_sets + np.where(known, exchange[0], 0) * with_grid
        )
        most = storage + pv_kw * with_pv + sets[1].sum(axis=1) * with_sets + np.where(known, exchange[1], 0) * with_grid
        # a block of the incomer's own takes from the grid what it gives: only the others change its flow
        sign = np.where(blocks, 1.0, 0.0) - (known * 1.0)[:, None] * with_grid
        up = (moved & (sign * after > TINY_KW)).any(axis=1)
        down = (moved & (sign * after < -TINY_KW)).any(axis=1)
        yield f"{group.id}: storage pushes no flow beyond the limit", (most > group.limit_kw + TINY_KW) & up
        yield f"{group.id}: storage pulls no flow beyond the limit", (least < -group.limit_kw - TINY_KW) & down
        if with_pv:
            flows = (written_pv & (pv_after > TINY_KW)).any(axis=1)
            yield f"{group.id}: PV pushes no flow beyond the limit", (most > group.limit_kw + TINY_KW) & flows
