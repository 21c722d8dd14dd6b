"""Watches the commanded units: gathers each cycle's evidence, keeps their tracks, and asks for probes.

What the evidence means is decided in `ems.control.following`; here is what it is: setpoints as the drivers narrow
them, outcomes, measured powers, and whether these must show the setpoint in the present mode.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from ems.control.following import Evidence, Track, judged, narrowed_probe, probe_kw, probing, without
from ems.control.guard import GuardContext, guard
from ems.control.loop_delay import DelayTrack, LoopDelay, timed_step
from ems.control.measurement import live_charge_kw, live_discharge_kw
from ems.control.state import Mode
from ems.model.battery import BatteryPool
from ems.model.capability import PowerLimits
from ems.model.genset import GensetClass
from ems.model.readings import GensetPhase
from ems.model.setpoints import BlockSetpoint, Cause, GensetSetpoint, Outcome, PvSetpoint, Reason, Setpoints
from ems.model.site import Site
from ems.model.snapshot import BlockState, GensetState, PvState, SiteSnapshot
from ems.ports import Commanded, Device, LimitsPower, Withholds

# a unit is off its setpoint beyond this share of its rating; meters, losses and droop at nominal frequency are within
_TOLERANCE_FRAC: Final = 0.05
# what is not worth writing is no miss either
_TOLERANCE_DEADBANDS: Final = 2.0
# a probe moves the power so far that the tolerance cannot hide it
_PROBE_TOLERANCES: Final = 2.0
# ramp time and 3 s, at most 10 s for storage and PV
_LONGEST_STORAGE_RAMP_PERIODS: Final = 7.0
_LONGEST_SET_RAMP_PERIODS: Final = 57.0
# storage with more than this share of its live range left on both sides carries what the sets leave
_ROOM_FRAC: Final = 0.05
_ENGINE_RUNS: Final = frozenset(
    {GensetPhase.STARTING, GensetPhase.WARMING_UP, GensetPhase.SYNCHRONISING, GensetPhase.RUNNING}
)
_PROBE_REASON: Final = (Reason(cause=Cause.PROBE, text="a small setpoint shows whether the unit follows again"),)

_State = BlockState | GensetState | PvState


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unit:
    """One commanded unit and what it is by the configuration."""

    device: Device
    commanded: Commanded
    kind: BatteryPool | GensetClass | None
    rated_kw: float
    tolerance_kw: float


class Obedience:
    """Knows which units miss their setpoints; `devices` by the asset that they serve."""

    def __init__(self, site: Site, devices: Mapping[str, Device]) -> None:
        self._site = site
        self._units = dict(_units(site, devices))
        self._tracks = dict.fromkeys(self._units, Track())
        self._asked_kw: dict[str, float] = {}
        self._steps: dict[str, DelayTrack] = {}
        self._delay = LoopDelay()

    @property
    def missed(self) -> dict[str, str]:
        """Return by asset why a unit is planned without."""
        return {asset: track.missed for asset, track in self._tracks.items() if track.missed is not None}

    @property
    def loop_delay_s(self) -> float | None:
        """Return how long storage takes to follow a setpoint, None before it has been seen often enough."""
        return self._delay.typical_s

    def alarms(self) -> dict[str, str]:
        """Return what people must look at: units that go the wrong way (G12)."""
        return {
            f"sign:{asset}": f"{asset} moves against its setpoint ({track.missed}): it is left alone; check the sign "
            "of its setpoint, of its meter and of its current transformers, then reload"
            for asset, track in self._tracks.items()
            if track.wrong_way
        }

    def judge(self, snapshot: SiteSnapshot, mode: Mode) -> SiteSnapshot:
        """Judge every unit by the newest measurements; return the snapshot without those that miss setpoints."""
        on_grid = _on_grid(snapshot, mode)
        sets_follow = on_grid or self._storage_has_room(snapshot)
        for state in _states(snapshot):
            if (unit := self._units.get(state.id)) is not None:
                evidence = self._evidence(unit, state, on_grid=on_grid, sets_follow=sets_follow)
                if isinstance(state, BlockState):
                    self._time_step(unit, state.id, evidence, now_s=snapshot.at_s)
                self._tracks[state.id] = judged(
                    self._tracks[state.id], evidence, now_s=snapshot.at_s, period_s=self._site.control.period_s
                )
        device_ids = {asset: unit.device.device_id for asset, unit in self._units.items()}
        return without(snapshot, self.missed, device_ids=device_ids)

    def _time_step(self, unit: _Unit, asset: str, evidence: Evidence, *, now_s: float) -> None:
        """Measure how long a block takes to follow; one that is not free, or is probed, shows nothing."""
        follows = evidence.free and not evidence.withheld and asset not in self.missed
        self._steps[asset], delay_s = timed_step(
            self._steps.get(asset, DelayTrack()),
            asked_kw=evidence.asked_kw if follows else None,
            power_kw=evidence.power_kw,
            rated_kw=unit.rated_kw,
            now_s=now_s,
            period_s=self._site.control.period_s,
        )
        if delay_s is not None:
            self._delay = self._delay.with_delay(delay_s)

    def asked(self, setpoints: Setpoints) -> None:
        """Remember what a cycle asked for, as the drivers narrow it."""
        asked = {block.id: block.power_kw for block in setpoints.blocks}
        asked |= {
            genset.id: genset.power_kw for genset in setpoints.gensets if genset.run and genset.power_kw is not None
        }
        asked |= {pv.id: pv.limit_kw for pv in setpoints.pv}
        self._asked_kw = {
            asset: min(max(kw, limits.lowest_kw), limits.highest_kw)
            for asset, kw in asked.items()
            if asset in self._units and (limits := self._limits(asset)) is not None
        }

    def probes(self, snapshot: SiteSnapshot, context: GuardContext) -> Setpoints:
        """Return the probes of this cycle, guarded: those that begin now, and those under way once more."""
        asked = [
            setpoint
            for state in _states(snapshot)
            if state.id in self._units and (setpoint := self._probe(state, snapshot, context)) is not None
        ]
        if not asked:
            return Setpoints()
        requested = Setpoints(
            blocks=tuple(one for one in asked if isinstance(one, BlockSetpoint)),
            gensets=tuple(one for one in asked if isinstance(one, GensetSetpoint)),
            pv=tuple(one for one in asked if isinstance(one, PvSetpoint)),
        )
        allowed = guard(requested, self._site, _admitted(snapshot, {one.id for one in asked}), context).setpoints
        for block in allowed.blocks:
            self._tracks[block.id] = narrowed_probe(self._tracks[block.id], block.power_kw)
        for genset in allowed.gensets:
            if genset.power_kw is not None:
                self._tracks[genset.id] = narrowed_probe(self._tracks[genset.id], genset.power_kw)
        return allowed

    def _probe(
        self, state: _State, snapshot: SiteSnapshot, context: GuardContext
    ) -> BlockSetpoint | GensetSetpoint | PvSetpoint | None:
        track, unit = self._tracks[state.id], self._units[state.id]
        if track.probe is not None:
            return _setpoint(state, track.probe.power_kw)
        if not track.wants_probe(snapshot.at_s) or state.power_kw is None:
            return None
        low_kw, high_kw = _range_kw(unit, state)
        step_kw = _PROBE_TOLERANCES * unit.tolerance_kw
        if isinstance(state, PvState):
            # a limit shows only where it lies below what the block delivers
            power_kw = max(0.0, state.power_kw - step_kw) if state.power_kw > step_kw else high_kw
        elif not self._is_free(state, snapshot, context.mode):
            shown_kw = state.power_kw if state.setpoint_kw is None else state.setpoint_kw
            power_kw = min(max(shown_kw, low_kw), high_kw)
        else:
            power_kw = probe_kw(state.power_kw, lowest_kw=low_kw, highest_kw=high_kw, step_kw=step_kw)
        self._tracks[state.id] = probing(track, power_kw, now_s=snapshot.at_s, measured_kw=state.power_kw)
        return _setpoint(state, power_kw)

    def _is_free(self, state: _State, snapshot: SiteSnapshot, mode: Mode) -> bool:
        on_grid = _on_grid(snapshot, mode)
        return _is_free(state, on_grid=on_grid, sets_follow=on_grid or self._storage_has_room(snapshot))

    def _evidence(self, unit: _Unit, state: _State, *, on_grid: bool, sets_follow: bool) -> Evidence:
        outcome = unit.commanded.outcome()
        if (
            isinstance(state, GensetState)
            and not state.carries
            and outcome is not None
            and outcome.outcome is not Outcome.ACCEPTED
            and outcome.written_kw is not None
        ):
            # the power of a set counts only while it carries load; until then its controller may show what it likes
            outcome = None
        limits = self._limits(state.id)
        storage_like = not isinstance(state, GensetState)
        periods = _LONGEST_STORAGE_RAMP_PERIODS if storage_like else _LONGEST_SET_RAMP_PERIODS
        withheld = unit.commanded.withheld() if isinstance(unit.commanded, Withholds) else None
        return Evidence(
            asked_kw=self._asked_kw.get(state.id),
            power_kw=state.power_kw,
            outcome=outcome,
            withheld=withheld is not None,
            heard=unit.device.trouble() is None,
            free=_is_free(state, on_grid=on_grid, sets_follow=sets_follow),
            one_sided=isinstance(state, PvState),
            tolerance_kw=unit.tolerance_kw,
            ramp_kw_per_s=_ramp_kw_per_s(unit, limits),
            longest_ramp_s=periods * self._site.control.period_s,
        )

    def _limits(self, asset: str) -> PowerLimits | None:
        commanded = self._units[asset].commanded
        return commanded.power_limits() if isinstance(commanded, LimitsPower) else None

    def _storage_has_room(self, snapshot: SiteSnapshot) -> bool:
        """Return whether forming storage carries what the sets leave, so that these can keep to their setpoints."""
        for state in snapshot.blocks:
            unit = self._units.get(state.id)
            if unit is None or state.forming is not True or state.power_kw is None:
                continue
            low_kw, high_kw = _range_kw(unit, state)
            room_kw = _ROOM_FRAC * (high_kw - low_kw)
            if low_kw + room_kw < state.power_kw < high_kw - room_kw:
                return True
        return False


def _units(site: Site, devices: Mapping[str, Device]) -> Iterator[tuple[str, _Unit]]:
    rated: dict[str, tuple[BatteryPool | GensetClass | None, float]] = {}
    rated |= {block.id: (pool, pool.pcs_kw) for pool in site.batteries for block in pool.blocks}
    # a set that takes no power has none that it could miss; whether it starts its state tells
    rated |= {unit: (kind, kind.rated_kw) for kind in site.gensets if kind.takes_power for unit in kind.unit_ids}
    rated |= {block: (None, plant.ac_kw) for plant in site.pv for block in plant.block_ids}
    share = max(_TOLERANCE_FRAC, _TOLERANCE_DEADBANDS * site.control.deadband_frac)
    for asset, (kind, rated_kw) in rated.items():
        device = devices.get(asset)
        if device is not None and isinstance(device, Commanded):
            unit = _Unit(device=device, commanded=device, kind=kind, rated_kw=rated_kw, tolerance_kw=share * rated_kw)
            yield asset, unit


def _states(snapshot: SiteSnapshot) -> Iterator[_State]:
    yield from snapshot.blocks
    yield from snapshot.gensets
    yield from snapshot.pv


def _on_grid(snapshot: SiteSnapshot, mode: Mode) -> bool:
    """Return whether the grid carries what the units leave; the breaker is known before the mode follows it."""
    return mode.is_parallel and snapshot.pcc is not None and snapshot.pcc.breaker_closed is True


def _is_free(state: _State, *, on_grid: bool, sets_follow: bool) -> bool:
    """Return whether the measured power must be the one asked for."""
    match state:
        case BlockState():
            # islanded, the droop of a forming unit goes where the load is; a tapering battery gives less than asked
            return state.ready and not state.alarm and (on_grid or state.forming is False)
        case GensetState():
            return state.carries and sets_follow
        case PvState():
            return True


def _ramp_kw_per_s(unit: _Unit, limits: PowerLimits | None) -> float | None:
    ramps = [] if limits is None or limits.ramp_kw_per_s is None else [limits.ramp_kw_per_s]
    if isinstance(unit.kind, GensetClass):
        ramps.append(unit.kind.ramp_frac_per_s * unit.kind.rated_kw)
    return min(ramps, default=None)


def _range_kw(unit: _Unit, state: _State) -> tuple[float, float]:
    """Return what the unit may be asked for now."""
    if isinstance(unit.kind, BatteryPool) and isinstance(state, BlockState):
        return -live_charge_kw(unit.kind, state), live_discharge_kw(unit.kind, state)
    if isinstance(unit.kind, GensetClass):
        return unit.kind.min_stable_kw, unit.kind.rated_kw
    return 0.0, unit.rated_kw


def _setpoint(state: _State, power_kw: float) -> BlockSetpoint | GensetSetpoint | PvSetpoint:
    match state:
        case BlockState():
            return BlockSetpoint(id=state.id, power_kw=power_kw, reasons=_PROBE_REASON)
        case GensetState():
            # a probe neither starts nor stops a set
            runs = state.phase in _ENGINE_RUNS
            return GensetSetpoint(id=state.id, run=runs, power_kw=power_kw, reasons=_PROBE_REASON)
        case PvState():
            return PvSetpoint(id=state.id, limit_kw=power_kw, reasons=_PROBE_REASON)


def _admitted(snapshot: SiteSnapshot, assets: set[str]) -> SiteSnapshot:
    """Return the snapshot in which these units take setpoints, for the guard to look at their probes."""
    return replace(
        snapshot,
        blocks=tuple(replace(b, controllable=True) if b.id in assets else b for b in snapshot.blocks),
        gensets=tuple(replace(g, controllable=True) if g.id in assets else g for g in snapshot.gensets),
        pv=tuple(replace(p, controllable=True) if p.id in assets else p for p in snapshot.pv),
    )
