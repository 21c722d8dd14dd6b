"""The message of shadow mode: what the controller would have saved."""

from dataclasses import asdict
from datetime import datetime

from ems.accounting.comparison import Compared, Comparison
from ems.contract.comparison import ComparedPart, ComparisonMessage

_PRICED = ("import_cost", "import_kgco2e")


def comparison_message(utc: datetime, comparison: Comparison, *, currency: str) -> ComparisonMessage:
    """Return the comparison so far."""
    own, controller = comparison.own, comparison.controller
    return ComparisonMessage(
        ts=utc,
        since_utc=comparison.since_utc,
        until_utc=comparison.until_utc,
        n_intervals=comparison.n_intervals,
        n_left_out=comparison.n_left_out,
        currency=currency,
        saved_cost=comparison.saved.cost,
        saved_demand_cost=comparison.saved.demand_cost,
        saved_kgco2e=comparison.saved.kgco2e,
        last_import_kwh=own.newest.import_kwh - controller.newest.import_kwh,
        last_fuel_l=own.newest.fuel_l - controller.newest.fuel_l,
        controller=_part(controller),
        own=_part(own),
        metered=_part(comparison.metered),
    )


def _part(compared: Compared) -> ComparedPart:
    figures = {name: value for name, value in asdict(compared.side.figures).items() if name not in _PRICED}
    return ComparedPart(
        **figures,
        peak_kw=compared.side.peak_kw,
        gained_kwh=compared.side.gained_kwh,
        cost=compared.result.cost,
        demand_cost=compared.result.demand_cost,
        emitted_kgco2e=compared.result.kgco2e,
    )
