"""Bounds set by people, in one cycle: the site, the picture of it and the reasons as they leave them.

A bound narrows what the configuration and the devices allow, so that every later step of the cycle, the guard
included, works within it. Emergency rules stand above: a banned set still starts where reserve or energy is short,
and load is served by an import above the limit rather than not at all.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from ems.control.authority import AskedExchange, Authority
from ems.control.authority import Bound as Edge
from ems.model.bounds import Bound, tightest
from ems.model.genset import GensetClass
from ems.model.genset_rules import Maintenance
from ems.model.setpoints import Cause, Reason
from ems.model.site import Site
from ems.model.snapshot import BlockState, SiteSnapshot

# work that has begun
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


def narrowed(site: Site, bounds: tuple[Bound, ...], utc: datetime) -> Site:
    """Return the site as the bounds that hold now leave it; sets that are out of service count as in maintenance."""
    if not bounds:
        return site
    now = tightest(bounds, utc)
    grid = site.grid
    if grid is not None:
        grid = replace(
            grid,
            import_limit_kw=_least(grid.import_limit_kw, now.import_kw),
            export_limit_kw=_least(grid.export_limit_kw, now.export_kw),
        )
    floor_pct = max(site.reserve.least_soc_pct, now.soc_floor_pct or 0.0)
    return replace(
        site,
        grid=grid,
        reserve=replace(site.reserve, least_soc_pct=floor_pct),
        gensets=tuple(_in_service(kind, bounds) for kind in site.gensets),
    )


def bounded(snapshot: SiteSnapshot, bounds: tuple[Bound, ...]) -> SiteSnapshot:
    """Return the picture in which blocks offer no more than their bounds; one that is out of service is not written."""
    held = [bound for bound in bounds if bound.assets and bound.holds_at(snapshot.utc)]
    if not held:
        return snapshot
    return replace(snapshot, blocks=tuple(_bounded(block, held) for block in snapshot.blocks))


def banned_units(bounds: tuple[Bound, ...], utc: datetime) -> frozenset[str]:
    """Return the sets that only an emergency may start."""
    return _assets(bound for bound in bounds if bound.bans_starts and bound.holds_at(utc))


def tested_units(bounds: tuple[Bound, ...], utc: datetime) -> frozenset[str]:
    """Return the sets that are to run for a test."""
    return _assets(bound for bound in bounds if bound.tests and bound.holds_at(utc))


def asked_exchange(bounds: tuple[Bound, ...], utc: datetime) -> AskedExchange:
    """Return what people leave of the exchange at the PCC, each edge with the command that set it."""
    now = tightest(bounds, utc)
    held = [bound for bound in bounds if bound.holds_at(utc)]
    imports = next((bound for bound in held if bound.import_kw is not None and bound.import_kw == now.import_kw), None)
    exports = next((bound for bound in held if bound.export_kw is not None and bound.export_kw == now.export_kw), None)
    return AskedExchange(
        lowest=None if exports is None or now.export_kw is None else _edge(exports, "export", now.export_kw, sign=-1.0),
        highest=None if imports is None or now.import_kw is None else _edge(imports, "import", now.import_kw, sign=1.0),
    )


def _edge(bound: Bound, way: str, limit_kw: float, *, sign: float) -> Edge:
    text = f"command {bound.id} of {bound.issuer}: {way} up to {limit_kw:.0f} kW until "
    reason = Reason(cause=Cause.COMMAND, text=f"{text}{bound.until_utc:%Y-%m-%d %H:%M:%S} UTC")
    return Edge(limit_kw=sign * limit_kw, by=Authority.OPERATOR, reason=reason)


def _bounded(block: BlockState, bounds: list[Bound]) -> BlockState:
    mine = [bound for bound in bounds if block.id in bound.assets]
    if not mine:
        return block
    charges = [bound.charge_kw for bound in mine if bound.charge_kw is not None]
    discharges = [bound.discharge_kw for bound in mine if bound.discharge_kw is not None]
    return replace(
        block,
        max_charge_kw=None if block.max_charge_kw is None else min((block.max_charge_kw, *charges)),
        max_discharge_kw=None if block.max_discharge_kw is None else min((block.max_discharge_kw, *discharges)),
        controllable=block.controllable and not any(bound.out_of_service for bound in mine),
    )


def _in_service(kind: GensetClass, bounds: tuple[Bound, ...]) -> GensetClass:
    work = tuple(
        Maintenance(unit_id=unit, start_utc=bound.start_utc or _LONG_AGO, end_utc=bound.until_utc)
        for bound in bounds
        if bound.out_of_service
        for unit in kind.unit_ids
        if unit in bound.assets
    )
    return replace(kind, maintenance=(*kind.maintenance, *work)) if work else kind


def _assets(bounds: Iterable[Bound]) -> frozenset[str]:
    return frozenset(asset for bound in bounds for asset in bound.assets)


def _least(configured_kw: float, bound_kw: float | None) -> float:
    return configured_kw if bound_kw is None else min(configured_kw, bound_kw)
