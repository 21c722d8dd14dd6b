"""Whether the PCC's meter agrees with all other meters of the site (G13), and what takes its place where not.

Sources, storage and metered loads give the power at the PCC a second time. A lasting difference says that one of the
meters is wrong, not which: control goes on with the derived value, limits hold for both, and nothing is done that
could export.
"""

from dataclasses import dataclass, replace
from typing import Final

from ems.control.measurement import MAX_SPREAD_S, measure_powers
from ems.model.site import Site
from ems.model.snapshot import Problem, SiteSnapshot

_SECOND_LOOK_PERIODS: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceTrack:
    """How the meters have agreed: since when they do not, whether the PCC's is believed, since when they do again."""

    off_since_s: float | None = None
    good_since_s: float | None = None
    distrusted: str | None = None


def tolerance_kw(site: Site) -> float:
    """Return the difference between meter and sum that is still agreement; zero without a grid."""
    if site.grid is None:
        return 0.0
    return max(site.control.balance_frac * site.grid.import_limit_kw, site.control.balance_min_kw)


def balanced(
    site: Site, snapshot: SiteSnapshot, track: BalanceTrack, *, device_id: str
) -> tuple[BalanceTrack, SiteSnapshot]:
    """Return the track after this cycle, and the snapshot with a PCC power that can be believed.

    The meter is believed as long as nothing contradicts it. Where it is not, and the sum is not complete, the power at
    the PCC is unknown. `device_id` is the meter's.
    """
    pcc = snapshot.pcc
    if site.grid is None or pcc is None or pcc.power_kw is None or pcc.breaker_closed is not True:
        return BalanceTrack(), snapshot
    derived_kw = _derived_kw(site, snapshot)
    if derived_kw is not None:
        track = _compared(site, track, now_s=snapshot.at_s, metered_kw=pcc.power_kw, derived_kw=derived_kw)
    if track.distrusted is None:
        return track, snapshot
    problem = Problem(device_id=device_id, value="power_kw", reason=track.distrusted)
    doubted = replace(pcc, power_kw=derived_kw, metered_kw=pcc.power_kw)
    return track, replace(snapshot, pcc=doubted, problems=(*snapshot.problems, problem))


def _derived_kw(site: Site, snapshot: SiteSnapshot) -> float | None:
    """Return what the loads leave over for the grid, None unless all of them and all sources are known."""
    metered = (snapshot.it.load_kw, snapshot.cooling_load.load_kw, snapshot.aux.load_kw)
    powers = measure_powers(site, snapshot)
    if None in metered or powers.load_kw is None or snapshot.spread_s > MAX_SPREAD_S:
        return None
    sources = (powers.pv_kw, powers.gensets_kw, powers.storage_kw)
    known = [power for power in sources if power is not None]
    return powers.load_kw - sum(known) if len(known) == len(sources) else None


def _compared(site: Site, track: BalanceTrack, *, now_s: float, metered_kw: float, derived_kw: float) -> BalanceTrack:
    lasting_s = max(site.control.balance_s, _SECOND_LOOK_PERIODS * site.control.period_s)
    off = abs(metered_kw - derived_kw) > tolerance_kw(site)
    off_since = (now_s if track.off_since_s is None else track.off_since_s) if off else None
    good_since = None if off else (now_s if track.good_since_s is None else track.good_since_s)
    distrusted = track.distrusted
    if distrusted is None and off_since is not None and now_s - off_since >= lasting_s:
        distrusted = (
            f"the meter shows {metered_kw:.0f} kW, all other meters together give {derived_kw:.0f} kW, for "
            f"{now_s - off_since:.0f} s: one of them is wrong"
        )
    elif distrusted is not None and good_since is not None and now_s - good_since >= lasting_s:
        distrusted = None
    return BalanceTrack(off_since_s=off_since, good_since_s=good_since, distrusted=distrusted)
