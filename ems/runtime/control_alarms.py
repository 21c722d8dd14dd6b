"""What control itself has to tell people about a cycle, by name: contingencies and units that ought to be isolated."""

from ems.control.step import Decision


def control_alarms(decision: Decision) -> dict[str, str]:
    """Return the alarms of a decision; each lasts as long as it is in here."""
    alarms = {f"isolate:{each.asset_id}": f"{each.asset_id}: {each.reason}" for each in decision.isolations}
    alarms |= {f"confirm:{asset}": text for asset, text in decision.proposals.items()}
    contingency = decision.state.contingency
    if contingency is not None:
        lasts_s = contingency.until_s - contingency.since_s
        alarms["contingency"] = (
            f"contingency declared, {contingency.reason}: storage may go below its floor for {lasts_s:.0f} s at most"
        )
    return alarms
