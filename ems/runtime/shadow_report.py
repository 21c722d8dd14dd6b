"""`shadow.json`: what a controller in shadow mode would have saved so far, with the limits of saying so."""

from ems.accounting.comparison import LIMITS, Compared, Comparison, figures_document
from ems.model.site import Site


def report_of(site: Site, comparison: Comparison) -> dict[str, object]:
    """Return the report as it is kept in `shadow.json`; money in site currency, emissions in kg CO2e."""
    saved, error = comparison.saved, comparison.error
    own, controller, metered = (
        each.side.figures for each in (comparison.own, comparison.controller, comparison.metered)
    )
    return {
        "v": 1,
        "site": site.id,
        "currency": site.economics.currency,
        "since": comparison.since_utc.isoformat(),
        "until": comparison.until_utc.isoformat(),
        "n_intervals": comparison.n_intervals,
        "n_left_out": comparison.n_left_out,
        "saved": {
            "cost": round(saved.cost, 2),
            "demand_cost": round(saved.demand_cost, 2),
            "kgco2e": round(saved.kgco2e, 2),
            "fuel_l": round(own.fuel_l - controller.fuel_l, 2),
            "import_kwh": round(own.import_kwh - controller.import_kwh, 2),
        },
        "model_error": {
            "cost": round(error.cost, 2),
            "kgco2e": round(error.kgco2e, 2),
            "fuel_l": round(own.fuel_l - metered.fuel_l, 2),
            "import_kwh": round(own.import_kwh - metered.import_kwh, 2),
            "gained_kwh": round(comparison.own.side.gained_kwh - comparison.metered.side.gained_kwh, 2),
        },
        "controller": _compared_document(comparison.controller),
        "own": _compared_document(comparison.own),
        "metered": _compared_document(comparison.metered),
        "limits": list(LIMITS),
    }


def _compared_document(compared: Compared) -> dict[str, object]:
    return {
        **figures_document(compared.side.figures),
        "peak_kw": round(compared.side.peak_kw, 1),
        "gained_kwh": round(compared.side.gained_kwh, 2),
        "cost": round(compared.result.cost, 2),
        "demand_cost": round(compared.result.demand_cost, 2),
        "kgco2e": round(compared.result.kgco2e, 2),
    }
