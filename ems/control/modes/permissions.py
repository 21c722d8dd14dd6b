"""What of a request a mode lets pass; the guard asks, after every source."""

from dataclasses import dataclass, replace

from ems.control.modes.table import Write, allows
from ems.control.state import Mode
from ems.model.readings import GensetPhase
from ems.model.setpoints import GensetSetpoint, Setpoints, TieSetpoint
from ems.model.snapshot import SiteSnapshot

_RUNS = frozenset({GensetPhase.STARTING, GensetPhase.WARMING_UP, GensetPhase.SYNCHRONISING, GensetPhase.RUNNING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Forbidden:
    """A command that the mode does not let pass."""

    asset_id: str
    requested_kw: float
    write: Write


def permitted(
    requested: Setpoints, snapshot: SiteSnapshot, mode: Mode, *, stop_all: bool = False
) -> tuple[Setpoints, tuple[Forbidden, ...]]:
    """Return what the mode lets pass, and what it does not; `stop_all` lets sets be stopped."""
    forbidden: list[Forbidden] = []
    if not allows(mode, Write.BLOCKS):
        forbidden += [
            Forbidden(asset_id=block.id, requested_kw=block.power_kw, write=Write.BLOCKS) for block in requested.blocks
        ]
        requested = replace(requested, blocks=())
    if not allows(mode, Write.PV):
        forbidden += [Forbidden(asset_id=pv.id, requested_kw=pv.limit_kw, write=Write.PV) for pv in requested.pv]
        requested = replace(requested, pv=())
    if not allows(mode, Write.ENERGISE):
        forbidden += [
            Forbidden(asset_id=block.id, requested_kw=0.0, write=Write.ENERGISE) for block in requested.energise
        ]
        requested = replace(requested, energise=())
    gensets, refused = _gensets(requested.gensets, snapshot, mode, stop_all=stop_all)
    tie, ties = _tie(requested.tie, mode)
    return replace(requested, gensets=gensets, tie=tie), (*forbidden, *refused, *ties)


def _gensets(
    requested: tuple[GensetSetpoint, ...], snapshot: SiteSnapshot, mode: Mode, *, stop_all: bool
) -> tuple[tuple[GensetSetpoint, ...], tuple[Forbidden, ...]]:
    runs = {genset.id: genset.phase in _RUNS for genset in snapshot.gensets}
    passed, forbidden = [], []
    for setpoint in requested:
        stops = not setpoint.run and runs[setpoint.id]
        # a set that rests is told so again in modes that start sets; no mode without a start writes to sets at all
        write = Write.SETS_STOP if stops else Write.SETS_START
        if allows(mode, write) or (stops and stop_all):
            passed.append(setpoint)
        else:
            forbidden.append(Forbidden(asset_id=setpoint.id, requested_kw=setpoint.power_kw or 0.0, write=write))
    return tuple(passed), tuple(forbidden)


def _tie(requested: TieSetpoint | None, mode: Mode) -> tuple[TieSetpoint | None, tuple[Forbidden, ...]]:
    """Neither a permit nor a request is let through elsewhere; taking both back always is, where anything is."""
    if requested is None:
        return None, ()
    forbidden = []
    if requested.permit_close and not allows(mode, Write.TIE_CLOSE):
        forbidden.append(Forbidden(asset_id="pcc", requested_kw=0.0, write=Write.TIE_CLOSE))
        requested = replace(requested, permit_close=False)
    if requested.request_open and not allows(mode, Write.TIE_OPEN):
        forbidden.append(Forbidden(asset_id="pcc", requested_kw=0.0, write=Write.TIE_OPEN))
        requested = replace(requested, request_open=False)
    return requested, tuple(forbidden)
