"""Sites and snapshots for control tests: a healthy plant, changed value by value."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

from ems.config.build import build_site
from ems.config.loader import load_files
from ems.config.shipped import site_directory
from ems.control.modes import Condition
from ems.control.state import ControlState, GensetTrack, Mode
from ems.control.step import Decision, step
from ems.model.plan import GensetStep, ObjectiveTerms, Plan, PlanSource, PlanStatus, PlanStep, PoolStep, SolveTimings
from ems.model.readings import GensetPhase
from ems.model.site import Site
from ems.model.snapshot import (
    BlockState,
    CoolingState,
    GensetState,
    LoadState,
    PccState,
    PvState,
    SiteSnapshot,
)

# a Wednesday afternoon at neither site's price change
START = datetime(2026, 6, 10, 20, 0, tzinfo=UTC)
# long enough after the clock's origin that no age is cut off by it
NOW_S = 50_000.0


@cache
def shipped(name: str) -> Site:
    """Return a shipped site."""
    return build_site(load_files(site_directory(name)))


@cache
def small(name: str) -> Site:
    """Return a shipped site with three AC blocks, three gensets and two PV blocks."""
    site = shipped(name)
    return replace(
        site,
        batteries=tuple(replace(pool, blocks=pool.blocks[:3]) for pool in site.batteries),
        gensets=tuple(replace(kind, unit_ids=kind.unit_ids[:3]) for kind in site.gensets),
        pv=tuple(replace(plant, block_ids=plant.block_ids[:2]) for plant in site.pv),
        it=replace(site.it, design_kw=6000.0, job_step_kw=100.0),
        reserve=replace(site.reserve, swing_kw=100.0, black_start_kwh=50.0),
    )


def healthy(site: Site, *, at_s: float = NOW_S, soc_pct: float = 60.0, pv_kw: float = 0.0) -> SiteSnapshot:
    """Return a plant in which everything answers: storage, or the grid where there is one, carries the load."""
    it_kw = 0.8 * site.it.design_kw
    loads = (it_kw, 0.05 * it_kw, 0.03 * it_kw)
    need_kw = sum(loads) * (1.0 + site.economics.site_loss_frac) - pv_kw
    blocks = [(pool, block) for pool in site.batteries for block in pool.blocks]
    n_pv = sum(plant.n_blocks for plant in site.pv)
    storage_kw = need_kw / len(blocks) if site.grid is None else 0.0
    return SiteSnapshot(
        at_s=at_s,
        utc=START + timedelta(seconds=at_s - NOW_S),
        blocks=tuple(
            BlockState(
                id=block.id,
                power_kw=storage_kw,
                setpoint_kw=storage_kw,
                forming=pool.can_form,
                ready=True,
                controllable=True,
                fallback_armed=True,
                soc_pct=soc_pct,
                full_kwh=pool.block_kwh,
                max_charge_kw=pool.max_charge_kw,
                max_discharge_kw=pool.max_discharge_kw,
                cell_max_degc=25.0,
                cell_max_v=3.3,
                cell_min_v=3.3,
                alarm=False,
                discharge_wh=0,
                charge_wh=0,
            )
            for pool, block in blocks
        ),
        gensets=tuple(
            GensetState(
                id=unit,
                phase=GensetPhase.STOPPED,
                power_kw=0.0,
                setpoint_kw=0.0,
                breaker_closed=False,
                controllable=True,
                energy_wh=0,
                fuel_used_l=0.0,
                run_h=float(number),
                n_starts=0,
            )
            for kind in site.gensets
            for number, unit in enumerate(kind.unit_ids)
        ),
        pv=tuple(
            PvState(
                id=block,
                power_kw=pv_kw / n_pv,
                available_kw=pv_kw / n_pv,
                limit_kw=plant.ac_kw,
                controllable=True,
                energy_wh=0,
            )
            for plant in site.pv
            for block in plant.block_ids
        ),
        pcc=None
        if site.grid is None
        else PccState(
            power_kw=need_kw,
            breaker_closed=True,
            grid_voltage_frac=1.0,
            bus_voltage_frac=1.0,
            frequency_hz=site.grid.nominal_hz,
            import_wh=0,
            export_wh=0,
        ),
        it=LoadState(load_kw=loads[0], load_max_kw=loads[0], energy_wh=0),
        cooling_load=LoadState(load_kw=loads[1], load_max_kw=loads[1], energy_wh=0),
        aux=LoadState(load_kw=loads[2], load_max_kw=loads[2], energy_wh=0),
        cooling=CoolingState(ambient_degc=25.0, supply_degc=40.0, capacity_kw_th=1.2 * site.it.design_kw),
        tank_l=100_000.0,
        frequency_hz=60.0,
        problems=(),
        spread_s=0.0,
    )


def unheard_block(block: BlockState) -> BlockState:
    """Return a block of which nothing is known."""
    return BlockState(
        id=block.id,
        power_kw=None,
        setpoint_kw=None,
        forming=None,
        ready=False,
        controllable=False,
        fallback_armed=None,
        soc_pct=None,
        full_kwh=None,
        max_charge_kw=None,
        max_discharge_kw=None,
        cell_max_degc=None,
        cell_max_v=None,
        cell_min_v=None,
        alarm=False,
        discharge_wh=None,
        charge_wh=None,
    )


def unheard_genset(genset: GensetState) -> GensetState:
    """Return a set of which nothing is known."""
    return GensetState(
        id=genset.id,
        phase=None,
        power_kw=None,
        setpoint_kw=None,
        breaker_closed=None,
        controllable=False,
        energy_wh=None,
        fuel_used_l=None,
        run_h=None,
        n_starts=None,
    )


def running(genset: GensetState, power_kw: float) -> GensetState:
    """Return a set that carries a power."""
    return replace(
        genset, phase=GensetPhase.RUNNING, breaker_closed=True, power_kw=power_kw, setpoint_kw=power_kw, n_starts=1
    )


def with_sets(snapshot: SiteSnapshot, powers_kw: Mapping[str, float]) -> SiteSnapshot:
    """Return the snapshot with some sets carrying load; the blocks deliver that much less."""
    less_kw = sum(powers_kw.values()) / len(snapshot.blocks)
    return replace(
        snapshot,
        gensets=tuple(
            running(genset, powers_kw[genset.id]) if genset.id in powers_kw else genset for genset in snapshot.gensets
        ),
        blocks=tuple(replace(block, power_kw=(block.power_kw or 0.0) - less_kw) for block in snapshot.blocks),
    )


def genset_kw(decision: Decision, unit: str = "gen01") -> float:
    """Return the power setpoint of a set, which must have one."""
    power_kw = next(setpoint.power_kw for setpoint in decision.setpoints.gensets if setpoint.id == unit)
    assert power_kw is not None
    return power_kw


def at(snapshot: SiteSnapshot, at_s: float) -> SiteSnapshot:
    """Return the same picture at another time."""
    return replace(snapshot, at_s=at_s, utc=START + timedelta(seconds=at_s - NOW_S))


def steady(site: Site, snapshot: SiteSnapshot, mode: Mode) -> ControlState:
    """Return the memory of a controller that has been in a mode for an hour, its sets as measured."""
    since_s = snapshot.at_s - 3600.0
    load_kw = sum(load.load_kw or 0.0 for load in (snapshot.it, snapshot.cooling_load, snapshot.aux))
    return ControlState(
        mode=mode,
        mode_since_s=since_s,
        last_s=snapshot.at_s - site.control.period_s,
        held_since_s={Condition.COMPLETE: since_s, Condition.NOT_BLIND: since_s},
        load_kw=load_kw * (1.0 + site.economics.site_loss_frac),
        gensets={
            genset.id: GensetTrack(
                wanted=genset.carries,
                wanted_since_s=since_s if genset.carries else None,
                carries_since_s=since_s if genset.carries else None,
                rests_since_s=None if genset.carries else since_s,
            )
            for genset in snapshot.gensets
        },
        stored_kwh={
            block.id: block.soc_pct / 100.0 * block.full_kwh
            for block in snapshot.blocks
            if block.soc_pct is not None and block.full_kwh is not None
        },
    )


def run_for(
    site: Site, snapshot: SiteSnapshot, state: ControlState, duration_s: float, *, plan: Plan | None = None
) -> list[Decision]:
    """Return the decisions of one cycle per second while the picture stays the same."""
    decisions = []
    for second in range(round(duration_s)):
        decision = step(site, at(snapshot, snapshot.at_s + second), plan, state)
        state = decision.state
        decisions.append(decision)
    return decisions


def flat_plan(
    site: Site,
    *,
    n_on: int = 0,
    genset_kw: float = 0.0,
    pv_q10_kw: float = 0.0,
    load_kw: float,
    pv_kw: float = 0.0,
    storage_kw: float = 0.0,
    stored_kwh: float,
    source: PlanSource = PlanSource.MILP,
    start: datetime = START,
) -> Plan:
    """Return a plan of eight equal hours; the load has no error band and net load is load minus median PV."""
    steps = tuple(
        PlanStep(
            start_utc=start + timedelta(hours=hour),
            duration_h=1.0,
            it_kw=load_kw,
            cooling_kw=0.0,
            aux_kw=0.0,
            loss_kw=0.0,
            pv_kw=pv_kw,
            pv_available_kw=pv_kw,
            pv_q10_kw=pv_q10_kw,
            load_q90_kw=load_kw,
            net_q90_kw=load_kw - pv_q10_kw,
            import_kw=0.0,
            export_kw=0.0,
            unserved_kw=0.0,
            surplus_kw=0.0,
            pools=tuple(
                PoolStep(
                    id=pool.id,
                    charge_kw=max(0.0, -storage_kw),
                    discharge_kw=max(0.0, storage_kw),
                    stored_end_kwh=stored_kwh - storage_kw * (hour + 1.0),
                )
                for pool in site.batteries
            ),
            gensets=tuple(
                GensetStep(id=kind.id, n_on=n_on, n_started=0, n_stopped=0, power_kw=genset_kw, fuel_l_per_h=0.0)
                for kind in site.gensets
            ),
            reserve=(),
        )
        for hour in range(8)
    )
    return Plan(
        schema="plan/1",
        problem_id="test",
        site_id=site.id,
        created_utc=start,
        source=source,
        status=PlanStatus.OPTIMAL,
        gap_frac=0.0,
        objective=ObjectiveTerms(),
        timings=SolveTimings(),
        steps=steps,
    )
