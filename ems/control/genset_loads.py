"""What each running set carries: the plan's share, else the net load inside the economic band."""

from collections.abc import Sequence

from ems.control.allocation import share_by_rating
from ems.control.measurement import Storage
from ems.control.state import ControlState
from ems.control.totals import Course, Flows
from ems.model.genset import GensetClass
from ems.model.site import Site
from ems.model.snapshot import SiteSnapshot


def genset_loads(
    site: Site,
    snapshot: SiteSnapshot,
    course: Course,
    storage: Storage,
    flows: Flows,
    state: ControlState,
    *,
    trim_kw: float,
) -> dict[str, float]:
    """Return the power of each set that carries load: the plan's, else the net load inside the economic band.

    Sets that take no setpoint have none here; what they carry is measured and left to them.
    """
    powers: dict[str, float] = {}
    shared: list[GensetClass] = []
    left_kw = flows.net_load_kw - sum(own_kw(kind, snapshot) for kind in site.gensets)
    for place, kind in enumerate(site.gensets):
        carrying = _carrying(kind, snapshot)
        if not carrying or not kind.takes_power:
            continue
        n = len(carrying)
        planned = course.step.gensets[place] if course.followed and course.step is not None else None
        if storage.near_floor:
            # bring the store back above its floor at the upper edge of the band
            total = n * kind.band_high_frac * kind.rated_kw
        elif planned is not None and not state.energy_run:
            # sets that the plan does not count run on for reserve or minimum time, as low as they may
            share = min(1.0, n / planned.n_on) if planned.n_on else 0.0
            total = planned.power_kw * share + trim_kw
        else:
            shared.append(kind)
            continue
        # what storage cannot carry goes to the sets, up to their rating
        powers |= _shared((kind,), snapshot, max(total, left_kw - storage.max_discharge_kw))
        left_kw -= sum(powers[unit] for unit in carrying)
    return powers | _shared(shared, snapshot, left_kw)


def _shared(kinds: Sequence[GensetClass], snapshot: SiteSnapshot, total_kw: float) -> dict[str, float]:
    """Share a power among the sets that carry load, each at the same share of its rating, none below its minimum."""
    units = {unit: kind for kind in kinds for unit in _carrying(kind, snapshot)}
    return share_by_rating(
        total_kw,
        {unit: (kind.min_stable_kw, kind.rated_kw) for unit, kind in units.items()},
        rated_kw={unit: kind.rated_kw for unit, kind in units.items()},
    )


def least_kw(site: Site, snapshot: SiteSnapshot) -> float:
    """Return the lowest total that the running sets can go down to; those without setpoint stay where they are."""
    return sum(
        len(_carrying(kind, snapshot)) * kind.min_stable_kw if kind.takes_power else own_kw(kind, snapshot)
        for kind in site.gensets
    )


def own_kw(kind: GensetClass, snapshot: SiteSnapshot) -> float:
    """Return what the sets of a class carry whose power is a matter of their governors."""
    if kind.takes_power:
        return 0.0
    return sum(genset.power_kw or 0.0 for genset in snapshot.gensets if genset.id in kind.unit_ids and genset.carries)


def _carrying(kind: GensetClass, snapshot: SiteSnapshot) -> list[str]:
    states = {genset.id: genset for genset in snapshot.gensets}
    return [unit for unit in kind.unit_ids if states[unit].carries]
