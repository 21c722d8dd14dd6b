"""The running accounts of the daemon: ledger records as intervals close, and totals since the ledger began."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from ems.accounting.ledger import Factors, LedgerState, next_record
from ems.accounting.metering import IntervalMeter, MeteredInterval
from ems.accounting.tracing import SOURCES
from ems.accounting.whole import WholeStore
from ems.forecast.yearly import YearTable
from ems.model.carbon_budget import CarbonSpent
from ems.model.site import Site
from ems.model.status import CarbonBudgetState, CarbonTotals, EnergyTotals
from ems.model.units import G_PER_KG, MG_PER_KG, WH_PER_KWH
from ems.runtime.cycle import CycleRecord
from ems.runtime.operation import OperationMeter
from ems.runtime.prices import SitePrices

# takes one ledger record, ready for JSON
RecordSink = Callable[[dict[str, object]], None]


class Accounts:
    """Feeds snapshots to the meter and closed intervals to the ledger."""

    def __init__(
        self,
        site: Site,
        *,
        interval_min: int,
        carbon: YearTable | None,
        sink: RecordSink,
        prices: SitePrices | None = None,
    ) -> None:
        self._site = site
        self._prices = SitePrices(site) if prices is None else prices
        self._carbon = carbon
        self._sink = sink
        self._meter = IntervalMeter(site, interval_min)
        self._operation = OperationMeter(site, self._prices)
        self._ledger = LedgerState()
        self._since: datetime | None = None
        self._until: datetime | None = None
        self._kwh: dict[str, float] = dict.fromkeys(_KWH, 0.0)
        self._fuel_l = 0.0
        self._cost = 0.0
        self._scope1_kg = 0.0
        self._scope2_kg = 0.0
        self._last: dict[str, object] | None = None
        self._spent: CarbonSpent | None = None

    def observe(self, record: CycleRecord) -> bool:
        """Take a cycle; return whether an interval has closed."""
        storage = record.decision.storage
        self._operation.add(record)
        interval = self._meter.observe(record.snapshot, stored_kwh=None if storage is None else storage.stored_kwh)
        if interval is None:
            return False
        factors = Factors(
            diesel_kgco2e_per_l=self._site.economics.diesel_kgco2e_per_l,
            grid_kgco2e_per_kwh=self._grid_factor(interval.start_utc),
        )
        line, self._ledger = next_record(self._site, interval, self._ledger, factors)
        line["operation"] = self._operation.taken(interval)
        self._add(interval, factors)
        self._last = line
        # last: a sink may keep the accounts together with their record
        self._sink(line)
        return True

    def import_price_per_kwh(self, instant: datetime) -> float | None:
        """Return what an imported kWh costs; None without a grid."""
        return self._prices.import_price_per_kwh(instant)

    def flag(self, text: str) -> None:
        """Flag the record of the open interval."""
        self._meter.flag(text)

    def energy(self) -> EnergyTotals | None:
        """Return the totals, None before the first interval has closed."""
        if self._since is None or self._until is None:
            return None
        return EnergyTotals(
            since_utc=self._since, until_utc=self._until, fuel_l=self._fuel_l, cost=self._cost, **self._kwh
        )

    def carbon(self) -> CarbonTotals | None:
        """Return emissions and the shares of the last interval, None before the first has closed."""
        energy = self.energy()
        if energy is None or self._last is None:
            return None
        total_kg = self._scope1_kg + self._scope2_kg
        delivered = energy.delivered_kwh
        return CarbonTotals(
            since_utc=energy.since_utc,
            until_utc=energy.until_utc,
            scope1_kgco2e=self._scope1_kg,
            scope2_kgco2e=self._scope2_kg,
            ci_operational_gco2e_per_kwh=total_kg / delivered * G_PER_KG if delivered > 0.0 else None,
            interval_gco2e_per_kwh=_interval_intensity(self._last),
            interval_shares_frac=_shares(self._last),
            budget=self._budget(energy.until_utc),
        )

    def _budget(self, until: datetime) -> CarbonBudgetState | None:
        allowance, spent = self._site.economics.carbon_budget, self._spent
        if allowance is None or spent is None:
            return None
        return CarbonBudgetState(
            since_utc=spent.since_utc,
            kgco2e=spent.kgco2e,
            accrued_kgco2e=allowance.accrued_kg(spent.since_utc, until),
            period_kgco2e=allowance.kgco2e,
        )

    def carbon_spent(self) -> CarbonSpent | None:
        """Return what was emitted in the carbon budget's newest period, None without one or before an interval."""
        return self._spent

    def document(self) -> dict[str, object]:
        """Return what a restart needs to go on with the same ledger, in the middle of the same interval."""
        store = self._ledger.store
        return {
            "seq": self._ledger.n_intervals,
            "store_wh": None if store is None else dict(store.energy_wh),
            "store_mgco2e": 0 if store is None else store.carbon_mgco2e,
            "since": None if self._since is None else self._since.isoformat(),
            "until": None if self._until is None else self._until.isoformat(),
            "kwh": dict(self._kwh),
            "fuel_l": self._fuel_l,
            "cost": self._cost,
            "scope1_kg": self._scope1_kg,
            "scope2_kg": self._scope2_kg,
            "open": self._meter.document(),
            "operation": self._operation.document(),
            "spent": None if self._spent is None else _spent_document(self._spent),
        }

    def restore(self, document: dict[str, Any]) -> None:
        """Go on where a document of `document()` stopped.

        Raises:
            ValueError, TypeError, KeyError: It is not one; nothing is changed.
        """
        store_wh = document["store_wh"]
        store = None
        if store_wh is not None:
            # documents of versions before 2 had fractions
            energy = {name: round(store_wh[name]) for name in SOURCES}
            store = WholeStore(energy_wh=energy, carbon_mgco2e=round(document["store_mgco2e"]))
        since, until = (
            datetime.fromisoformat(text) if (text := document[name]) else None for name in ("since", "until")
        )
        kwh = {name: float(document["kwh"][name]) for name in _KWH}
        fuel_l, cost, scope1_kg, scope2_kg = (
            float(document[name]) for name in ("fuel_l", "cost", "scope1_kg", "scope2_kg")
        )
        seq = int(document["seq"])
        # documents of before this entry had none: counting begins anew
        spent = None if (found := document.get("spent")) is None else _spent(found)
        # documents of before this entry had none: the interval that was open then begins anew
        unfinished, counted = document.get("open"), document.get("operation")
        operation = OperationMeter(self._site, self._prices)
        if unfinished is not None and counted is not None:
            operation.restore(counted)
        if unfinished is not None:
            self._meter.restore(unfinished)
        self._operation = operation
        self._fuel_l, self._cost, self._scope1_kg, self._scope2_kg = fuel_l, cost, scope1_kg, scope2_kg
        self._ledger = LedgerState(n_intervals=seq, store=store)
        self._since, self._until, self._kwh = since, until, kwh
        self._spent = spent

    def _grid_factor(self, utc: datetime) -> float:
        return 0.0 if self._carbon is None else self._carbon.value("kgco2e_per_kwh", utc)

    def _add(self, interval: MeteredInterval, factors: Factors) -> None:
        if self._since is None:
            self._since = interval.start_utc
        self._until = interval.end_utc
        for name in _KWH:
            self._kwh[name] += getattr(interval, name.replace("_kwh", "_wh")) / WH_PER_KWH
        self._fuel_l += interval.fuel_l
        imported = interval.import_wh / WH_PER_KWH
        scope1_kg = interval.fuel_l * factors.diesel_kgco2e_per_l
        scope2_kg = imported * factors.grid_kgco2e_per_kwh
        self._scope1_kg += scope1_kg
        self._scope2_kg += scope2_kg
        self._spend(interval.start_utc, scope1_kg + scope2_kg)
        self._cost += interval.fuel_l * self._site.economics.diesel_price_per_l
        self._cost += imported * (self._prices.import_price_per_kwh(interval.start_utc) or 0.0)

    def _spend(self, start: datetime, kgco2e: float) -> None:
        allowance = self._site.economics.carbon_budget
        if allowance is None:
            return
        if self._spent is None:
            begin = allowance.begin_of(start)
            self._spent = CarbonSpent(period_begin_utc=begin, since_utc=start, kgco2e=kgco2e)
        else:
            self._spent = self._spent.with_emission(allowance, start, kgco2e)


_KWH = (
    "pv_kwh",
    "genset_kwh",
    "import_kwh",
    "export_kwh",
    "charge_kwh",
    "discharge_kwh",
    "it_kwh",
    "cooling_kwh",
    "aux_kwh",
)
_LOADS = ("it", "cooling", "site_aux")


def _spent_document(spent: CarbonSpent) -> dict[str, object]:
    return {
        "period_begin": spent.period_begin_utc.isoformat(),
        "since": spent.since_utc.isoformat(),
        "kgco2e": spent.kgco2e,
    }


def _spent(document: dict[str, Any]) -> CarbonSpent:
    return CarbonSpent(
        period_begin_utc=datetime.fromisoformat(document["period_begin"]),
        since_utc=datetime.fromisoformat(document["since"]),
        kgco2e=float(document["kgco2e"]),
    )


def _interval_intensity(line: dict[str, object]) -> float | None:
    value = line["intensity_mgco2e_per_kwh"]
    return value * G_PER_KG / MG_PER_KG if isinstance(value, int | float) else None


def _shares(line: dict[str, object]) -> dict[str, float]:
    """Return each source's share of what the loads received, storage traced through."""
    energy = line["energy_wh"]
    flows = energy["flows"] if isinstance(energy, dict) else {}
    by_source = {source: float(sum(sinks[load] for load in _LOADS)) for source, sinks in flows.items()}
    total = sum(by_source.values())
    return {source: wh / total for source, wh in by_source.items()} if total > 0.0 else {}
