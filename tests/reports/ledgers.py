"""Ledger rows by hand: quarter hours of the campus, chained in numbers only."""

from collections.abc import Mapping
from typing import Any

from ems.accounting.ledger import Factors, LedgerState, next_record
from ems.model.site import Site
from tests.accounting.intervals import metered

FACTORS = Factors(diesel_kgco2e_per_l=2.66155, grid_kgco2e_per_kwh=0.4)


def rows(site: Site, *intervals: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one row per interval; `wh` are its energies, other keys those of `metered()` or `operation`."""
    state, made = LedgerState(), []
    for number, each in enumerate(intervals):
        fields = {name: value for name, value in each.items() if name not in ("wh", "operation")}
        row, state = next_record(site, metered(each["wh"], number=number, **fields), state, FACTORS)
        row["seq"] = number + 2
        if "operation" in each:
            row["operation"] = each["operation"]
        made.append(row)
    return made
