"""What physically happened in the twin: energies, and import priced step by step."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from drivers.sim.plant import Plant
from ems.forecast.yearly import YearTable
from ems.model.site import Site
from ems.model.timegrid import clock_floor
from ems.runtime.prices import SitePrices
from ems.studies.summary import GridAccount, TrueEnergies

_DEFAULT_INTERVAL_MIN = 15
_DAY_S = 86400.0


class GridBook:
    """Cost, carbon and the billed peak of the true import."""

    def __init__(
        self,
        site: Site,
        carbon: YearTable | None,
        *,
        prices: SitePrices | None = None,
        peak_so_far_kw: float = 0.0,
    ) -> None:
        self._site = site
        self._prices = SitePrices(site) if prices is None else prices
        self._carbon = carbon
        self._cost = 0.0
        self._kgco2e = 0.0
        self._factor_sum = 0.0
        self._n_factors = 0
        self._peak_kw = peak_so_far_kw
        self._interval: datetime | None = None
        self._interval_kwh = 0.0
        self._interval_s = 0.0

    def price_per_kwh(self, utc: datetime) -> float | None:
        """Return the import price, None without a grid."""
        return self._prices.import_price_per_kwh(utc)

    def kgco2e_per_kwh(self, utc: datetime) -> float | None:
        """Return the grid's carbon intensity, None without a grid."""
        return None if self._carbon is None else self._carbon.value("kgco2e_per_kwh", utc)

    def add(self, utc: datetime, import_kwh: float, *, dt_s: float) -> None:
        """Add the import of one step that began at `utc`."""
        price, factor = self.price_per_kwh(utc), self.kgco2e_per_kwh(utc)
        if price is None:
            return
        self._cost += import_kwh * price
        self._bill(utc, import_kwh, dt_s)
        if factor is not None:
            self._kgco2e += import_kwh * factor
            self._factor_sum += factor
            self._n_factors += 1

    def account(self) -> GridAccount:
        """Return the account so far, the running billing interval included."""
        return GridAccount(
            import_cost=self._cost,
            import_kgco2e=self._kgco2e,
            peak_kw=max(self._peak_kw, self._interval_peak_kw()),
            mean_kgco2e_per_kwh=self._factor_sum / self._n_factors if self._n_factors else 0.0,
        )

    def _bill(self, utc: datetime, import_kwh: float, dt_s: float) -> None:
        """Keep the highest mean over billing intervals."""
        start = clock_floor(utc, self._interval_min())
        if start != self._interval:
            self._peak_kw = max(self._peak_kw, self._interval_peak_kw())
            self._interval, self._interval_kwh, self._interval_s = start, 0.0, 0.0
        self._interval_kwh += import_kwh
        self._interval_s += dt_s

    def _interval_peak_kw(self) -> float:
        """Return the running interval's mean, zero while less than half of it has been seen."""
        if self._interval_s <= 0.5 * 60.0 * self._interval_min():
            return 0.0
        return self._interval_kwh * 3600.0 / self._interval_s

    def _interval_min(self) -> int:
        demand = None if self._site.grid is None else self._site.grid.tariff.demand
        return _DEFAULT_INTERVAL_MIN if demand is None else demand.interval_min


def most_starts(genset_starts_s: Iterable[Sequence[float]]) -> int:
    """Return the most starts of one set in one day of a run; days are counted from the run's start."""
    return max(
        (max(Counter(at_s // _DAY_S for at_s in starts).values()) for starts in genset_starts_s if starts), default=0
    )


def true_energies(plant: Plant, *, stored_start_kwh: float) -> TrueEnergies:
    """Return what physically happened in the twin since its start."""
    totals = plant.totals
    return TrueEnergies(
        load_it=totals.load_it,
        load_cooling=totals.load_cooling,
        load_aux=totals.load_aux,
        pv_available=totals.pv_available,
        pv_used=totals.pv_used,
        genset=totals.genset,
        grid_import=totals.grid_import,
        grid_export=totals.grid_export,
        battery_charge=totals.battery_charge,
        battery_discharge=totals.battery_discharge,
        losses=totals.losses,
        unserved=totals.unserved,
        stored_start=stored_start_kwh,
        stored_end=plant.stored_kwh,
        fuel_l=totals.fuel_l,
        fuel_delivered_l=0.0 if plant.tank is None else plant.tank.delivered_l,
        genset_run_h=sum(genset.run_s for genset in plant.gensets.values()) / 3600.0,
        genset_starts=sum(genset.n_starts for genset in plant.gensets.values()),
        n_gensets=len(plant.gensets),
        most_starts_set_day=most_starts(genset.started_at_s for genset in plant.gensets.values()),
        n_outages=0 if plant.grid is None else plant.grid.n_outages,
    )
