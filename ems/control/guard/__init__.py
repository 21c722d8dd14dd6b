"""The last word on every setpoint, pure and fast.

Runs after every source. A rule only narrows what was asked; each clip names its rule and reason. On a forming
unit in an island the energy rules act through load, gensets and PV, never by taking the unit to zero (G0).
"""

from ems.control.guard.blocks import guarded_blocks, isolations
from ems.control.guard.gensets import guarded_gensets
from ems.control.guard.interlocks import guarded_energise, guarded_tie, within_mode
from ems.control.guard.pv import guarded_pv
from ems.control.guard.rules import STORAGE, Clip, GuardContext, Guarded, Isolation, Rule
from ems.control.guard.sums import within_sums
from ems.control.guard.supplies import guarded_supplies
from ems.model.setpoints import Setpoints
from ems.model.site import Site
from ems.model.snapshot import SiteSnapshot

__all__ = ["STORAGE", "Clip", "GuardContext", "Guarded", "Isolation", "Rule", "guard", "guarded_supplies"]


def guard(requested: Setpoints, site: Site, snapshot: SiteSnapshot, context: GuardContext) -> Guarded:
    """Return the setpoints that may be written."""
    clips: list[Clip] = []
    requested = within_mode(requested, snapshot, context, clips)
    blocks = guarded_blocks(requested.blocks, site, snapshot, context, clips)
    gensets = guarded_gensets(requested.gensets, site, snapshot, context, clips)
    pv = guarded_pv(requested.pv, site, snapshot, context, clips)
    allowed = within_sums(Setpoints(blocks=blocks, gensets=gensets, pv=pv), site, snapshot, context, clips)
    supplies = guarded_supplies(requested.supplies, site, clips)
    return Guarded(
        setpoints=Setpoints(
            blocks=allowed.blocks,
            gensets=allowed.gensets,
            pv=allowed.pv,
            supplies=supplies,
            energise=guarded_energise(requested.energise, snapshot, clips),
            tie=guarded_tie(requested.tie, snapshot, clips),
        ),
        clips=tuple(clips),
        isolations=isolations(site, snapshot, context),
    )
