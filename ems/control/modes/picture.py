"""What a picture of the plant lacks: for the first decisions of a run, and for any at all."""

from ems.control.measurement import Powers
from ems.model.site import Site
from ems.model.snapshot import SiteSnapshot


def missing_values(site: Site, snapshot: SiteSnapshot) -> tuple[str, ...]:
    """Return what a complete picture lacks, one entry per asset."""
    missing = [block.id for block in snapshot.blocks if block.power_kw is None or block.soc_pct is None]
    missing += [genset.id for genset in snapshot.gensets if genset.phase is None or genset.breaker_closed is None]
    missing += [pv.id for pv in snapshot.pv if pv.power_kw is None]
    if snapshot.it.load_kw is None:
        missing.append("it meter")
    if site.grid is not None and (snapshot.pcc is None or snapshot.pcc.breaker_closed is None):
        missing.append("pcc")
    return tuple(missing)


def blind_spots(site: Site, snapshot: SiteSnapshot, powers: Powers) -> tuple[str, ...]:
    """Return what the EMS must know or reach to go on, and does not: the causes of DEGRADED."""
    causes = []
    if powers.load_kw is None:
        causes.append("the load is unknown: neither its meters nor a complete set of sources is fresh")
    known = [block for block in snapshot.blocks if block.power_kw is not None]
    if snapshot.blocks and 2 * len(known) < len(snapshot.blocks):
        causes.append(f"only {len(known)} of {len(snapshot.blocks)} AC blocks answer")
    if snapshot.blocks and not any(block.controllable for block in snapshot.blocks):
        causes.append("no AC block takes setpoints")
    if site.grid is not None and (snapshot.pcc is None or snapshot.pcc.breaker_closed is None):
        causes.append("the position of the PCC breaker is unknown")
    return tuple(causes)
