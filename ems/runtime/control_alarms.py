"""What control itself has to tell people about a cycle, by name: contingencies, units to isolate, long runs."""

from ems.control.step import Decision
from ems.model.site import Site
from ems.model.units import hours


def control_alarms(site: Site, decision: Decision, *, now_s: float) -> dict[str, str]:
    """Return the alarms of a decision; each lasts as long as it is in here."""
    alarms = {f"isolate:{each.asset_id}": f"{each.asset_id}: {each.reason}" for each in decision.isolations}
    alarms |= {f"confirm:{asset}": text for asset, text in decision.proposals.items()}
    contingency = decision.state.contingency
    if contingency is not None:
        lasts_s = contingency.until_s - contingency.since_s
        alarms["contingency"] = (
            f"contingency declared, {contingency.reason}: storage may go below its floor for {lasts_s:.0f} s at most"
        )
    for kind in site.gensets:
        for unit in kind.unit_ids:
            track = decision.state.gensets.get(unit)
            since_s = None if track is None else track.carries_since_s
            if since_s is None or kind.max_run_h is None or hours(now_s - since_s) <= kind.max_run_h:
                continue
            run_h = hours(now_s - since_s)
            alarms[f"long_run:{unit}"] = f"{unit} has run for {run_h:.0f} h, more than {kind.max_run_h:g} h"
    return alarms
