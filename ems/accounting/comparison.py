"""What the controller would have cost and emitted against what the site did, over the same hours and the same model."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, Final

from ems.accounting.cost import RunTotals, cost_terms, stored_value
from ems.accounting.counterfactual import ModelSite
from ems.accounting.metering import MeteredInterval
from ems.model.site import Site
from ems.model.units import WH_PER_KWH

# what every reader of the figures has to know
LIMITS: Final = (
    "load, sun, grid and temperatures are taken as measured: the controller's effect on them is not in the figures",
    "PV that the site itself curtails is known only where its inverters tell what they could deliver",
    (
        "cells and fuel are the configured efficiencies and curves, on both sides of the comparison; `model_error` "
        "shows how far they lie from the meters on the site's own course"
    ),
    (
        "storage follows setpoints at once, sets start at the first attempt, and no unit fails in the model unless "
        "the real one does"
    ),
    "energy in the store at the end is valued at what it avoids; the demand charge is that of the month so far",
    "the cluster is not asked for anything",
    "intervals in which a source was not known are left out on both sides",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One side of the comparison: sums in kWh, litres and hours, import priced and weighted hour by hour."""

    import_kwh: float = 0.0
    export_kwh: float = 0.0
    pv_kwh: float = 0.0
    genset_kwh: float = 0.0
    discharge_kwh: float = 0.0
    unserved_kwh: float = 0.0
    fuel_l: float = 0.0
    run_h: float = 0.0
    n_starts: int = 0
    import_cost: float = 0.0
    import_kgco2e: float = 0.0

    def plus(self, other: "Figures") -> "Figures":
        """Return the sum of both."""
        return Figures(**{each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(Figures)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariffs:
    """Price and intensity of an imported kWh in one interval; None: the site has no grid."""

    import_price_per_kwh: float | None
    grid_kgco2e_per_kwh: float | None


def of_model(before: ModelSite, after: ModelSite) -> Figures:
    """Return what the model did between two of its states."""
    sets = after.sets
    return Figures(
        import_kwh=(after.import_wh - before.import_wh) / WH_PER_KWH,
        export_kwh=(after.export_wh - before.export_wh) / WH_PER_KWH,
        pv_kwh=(sum(after.pv_wh.values()) - sum(before.pv_wh.values())) / WH_PER_KWH,
        genset_kwh=sum(one.energy_wh - before.sets[name].energy_wh for name, one in sets.items()) / WH_PER_KWH,
        discharge_kwh=sum(block.discharge_wh - before.blocks[name].discharge_wh for name, block in after.blocks.items())
        / WH_PER_KWH,
        unserved_kwh=(after.unserved_wh - before.unserved_wh) / WH_PER_KWH,
        fuel_l=sum(one.fuel_l - before.sets[name].fuel_l for name, one in sets.items()),
        run_h=sum(one.run_h - before.sets[name].run_h for name, one in sets.items()),
        n_starts=sum(one.n_starts - before.sets[name].n_starts for name, one in sets.items()),
    )


def of_meters(interval: MeteredInterval) -> Figures:
    """Return what the site's own counters say of an interval; starts and run hours are not counted by meters."""
    return Figures(
        import_kwh=interval.import_wh / WH_PER_KWH,
        export_kwh=interval.export_wh / WH_PER_KWH,
        pv_kwh=interval.pv_wh / WH_PER_KWH,
        genset_kwh=interval.genset_wh / WH_PER_KWH,
        discharge_kwh=interval.discharge_wh / WH_PER_KWH,
        fuel_l=interval.fuel_l,
    )


def priced(figures: Figures, tariffs: Tariffs) -> Figures:
    """Return the figures of one interval with its import priced."""
    return replace(
        figures,
        import_cost=figures.import_kwh * (tariffs.import_price_per_kwh or 0.0),
        import_kgco2e=figures.import_kwh * (tariffs.grid_kgco2e_per_kwh or 0.0),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Figures since the comparison began, the highest mean import of an interval, what the store has gained."""

    figures: Figures = Figures()
    peak_kw: float = 0.0
    gained_kwh: float = 0.0

    def plus(self, figures: Figures, *, gained_kwh: float, duration_h: float) -> "Side":
        """Return the side with one more interval."""
        mean_kw = figures.import_kwh / duration_h if duration_h > 0.0 else 0.0
        return Side(
            figures=self.figures.plus(figures),
            peak_kw=max(self.peak_kw, mean_kw),
            gained_kwh=self.gained_kwh + gained_kwh,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Cost in site currency and operational emissions of one side, the value of stored energy included in both."""

    cost: float
    demand_cost: float
    kgco2e: float


def result_of(site: Site, side: Side, *, at: datetime, grid_kgco2e_per_kwh: float) -> Result:
    """Return cost and emissions of one side; demand is the charge of a whole month at the peak so far."""
    value = stored_value(site, at=at, grid_kgco2e_per_kwh=grid_kgco2e_per_kwh)
    figures = side.figures
    terms = cost_terms(
        site,
        RunTotals(
            fuel_l=figures.fuel_l,
            n_starts=figures.n_starts,
            genset_run_h=figures.run_h,
            discharge_kwh=figures.discharge_kwh,
            export_kwh=figures.export_kwh,
            import_cost=figures.import_cost,
            import_kgco2e=figures.import_kgco2e,
            peak_kw=side.peak_kw,
            stored_start_kwh=0.0,
            stored_end_kwh=side.gained_kwh,
        ),
        value,
    )
    burnt_kg = figures.fuel_l * site.economics.diesel_kgco2e_per_l + figures.import_kgco2e
    return Result(
        cost=terms.total() - terms.demand,
        demand_cost=terms.demand,
        kgco2e=burnt_kg - side.gained_kwh * value.kgco2e_per_kwh,
    )


def figures_document(figures: Figures) -> dict[str, float]:
    """Return figures ready for JSON, rounded for reading."""
    return {each.name: round(float(getattr(figures, each.name)), 4) for each in fields(Figures)}


def figures_of(document: Mapping[str, Any]) -> Figures:
    """Return the figures of a document of before.

    Raises:
        ValueError, TypeError, KeyError: It is not one.
    """
    sums: dict[str, Any] = {each.name: float(document[each.name]) for each in fields(Figures)}
    return Figures(**{**sums, "n_starts": int(document["n_starts"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One side with its result, and its figures of the newest interval."""

    side: Side
    result: Result
    newest: Figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The controller through the model, the site's own course through it, and the site by its meters.

    Saved is the site's own course less the controller's; the error of the model is its own course less the meters.
    """

    since_utc: datetime
    until_utc: datetime
    n_intervals: int
    n_left_out: int
    controller: Compared
    own: Compared
    metered: Compared

    @property
    def saved(self) -> Result:
        """Return what the controller would have saved since the begin; less than nothing where it costs more."""
        return _less(self.own.result, self.controller.result)

    @property
    def error(self) -> Result:
        """Return by how much the model's view of the site's own course is above what its meters say."""
        return _less(self.own.result, self.metered.result)


def _less(one: Result, other: Result) -> Result:
    return Result(
        cost=one.cost - other.cost,
        demand_cost=one.demand_cost - other.demand_cost,
        kgco2e=one.kgco2e - other.kgco2e,
    )
