"""How the plant worked in the open accounting interval, counted cycle by cycle for the ledger's record.

Whole seconds, Wh, mg and millionths of the site's currency: the record is hashed, and sums must close. What no cycle
could know stays out of the record.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ems.accounting.metering import MeteredInterval
from ems.control.readiness import readiness_of
from ems.control.state import Mode
from ems.model.genset import GensetClass
from ems.model.readings import GensetPhase
from ems.model.site import Site
from ems.model.snapshot import GensetState
from ems.model.units import SECONDS_PER_HOUR, WH_PER_KWH, energy_kwh
from ems.runtime.cycle import CycleRecord
from ems.runtime.prices import SitePrices

_MICRO: Final = 1_000_000
_MILLI: Final = 1000
# modes in which the loads have no supply, as measured at the bus
_DEAD: Final = (Mode.DEAD_BUS, Mode.BLACK_START)
# the resilience index is worked out this often: it changes with storage and sets, not within seconds
_INDEX_EVERY_S: Final = 60.0
_TURNING: Final = (
    GensetPhase.WARMING_UP,
    GensetPhase.SYNCHRONISING,
    GensetPhase.RUNNING,
    GensetPhase.COOLING_DOWN,
)


@dataclass(slots=True)
class _Unit:
    """One genset since the interval began."""

    run_s: float = 0.0
    loaded_s: float = 0.0
    band_s: float = 0.0
    n_starts: int = 0


@dataclass(slots=True)
class _Counts:
    """The open interval."""

    units: dict[str, _Unit] = field(default_factory=dict)
    pollutants_g: dict[str, float] = field(default_factory=dict)
    curtailed_kwh: float = 0.0
    interruption_s: float = 0.0
    n_interruptions: int = 0
    unserved_kwh: float = 0.0
    index_pct_s: float = 0.0
    index_s: float = 0.0
    index_min_pct: float | None = None


class OperationMeter:
    """Add every cycle with `add`; `taken` gives the interval's counts and begins the next."""

    def __init__(self, site: Site, prices: SitePrices) -> None:
        self._site = site
        self._prices = prices
        self._counts = _Counts()
        self._turning: dict[str, bool] = {}
        self._was_dead = False
        self._it_kw: float | None = None
        self._index_due_s = 0.0
        self._index_pct: float | None = None

    def add(self, record: CycleRecord) -> None:
        """Count one cycle."""
        self._add_gensets(record)
        self._add_curtailment(record)
        self._add_interruption(record)
        self._add_index(record)

    def taken(self, interval: MeteredInterval) -> dict[str, object]:
        """Return the counts of the interval that has just closed, ready for the record."""
        counts, self._counts = self._counts, _Counts()
        units = counts.units
        body: dict[str, object] = {
            "gensets": {
                unit: {
                    "run_s": round(units[unit].run_s),
                    "loaded_s": round(units[unit].loaded_s),
                    "band_s": round(units[unit].band_s),
                    "n_starts": units[unit].n_starts,
                }
                for unit in sorted(units)
                # a set that did not turn is named by the site's meters; its zeros would fill the ledger
                if units[unit].run_s > 0.0
            },
            "curtailed_wh": round(counts.curtailed_kwh * WH_PER_KWH),
            "interruption_s": round(counts.interruption_s),
            "n_interruptions": counts.n_interruptions,
            "unserved_wh": round(counts.unserved_kwh * WH_PER_KWH),
            **{f"{name}_mg": round(grams * _MILLI) for name, grams in sorted(counts.pollutants_g.items())},
            **self._costs(interval, units),
        }
        if counts.index_s > 0.0 and counts.index_min_pct is not None:
            body["index_min_milli"] = round(counts.index_min_pct * _MILLI)
            body["index_mean_milli"] = round(counts.index_pct_s / counts.index_s * _MILLI)
        return body

    def document(self) -> dict[str, object]:
        """Return the open interval's counts for a restart, ready for JSON."""
        counts = self._counts
        return {
            "units": {
                unit: {"run_s": each.run_s, "loaded_s": each.loaded_s, "band_s": each.band_s, "n_starts": each.n_starts}
                for unit, each in counts.units.items()
            },
            "pollutants_g": dict(counts.pollutants_g),
            "curtailed_kwh": counts.curtailed_kwh,
            "interruption_s": counts.interruption_s,
            "n_interruptions": counts.n_interruptions,
            "unserved_kwh": counts.unserved_kwh,
        }

    def restore(self, document: Mapping[str, Any]) -> None:
        """Go on with an open interval of `document()`.

        Raises:
            ValueError, TypeError, KeyError: It is not one; nothing is changed.
        """
        kept, grams = document["units"], document["pollutants_g"]
        if not isinstance(kept, dict) or not isinstance(grams, dict):
            raise TypeError("the counts of operation are no objects")
        units = {
            str(unit): _Unit(
                run_s=float(each["run_s"]),
                loaded_s=float(each["loaded_s"]),
                band_s=float(each["band_s"]),
                n_starts=int(each["n_starts"]),
            )
            for unit, each in kept.items()
        }
        self._counts = _Counts(
            units=units,
            pollutants_g={str(name): float(mass_g) for name, mass_g in grams.items()},
            curtailed_kwh=float(document["curtailed_kwh"]),
            interruption_s=float(document["interruption_s"]),
            n_interruptions=int(document["n_interruptions"]),
            unserved_kwh=float(document["unserved_kwh"]),
        )

    def _add_gensets(self, record: CycleRecord) -> None:
        states = {genset.id: genset for genset in record.snapshot.gensets}
        for kind in self._site.gensets:
            for unit in kind.unit_ids:
                self._add_unit(kind, states[unit], record.dt_s)

    def _add_unit(self, kind: GensetClass, state: GensetState, dt_s: float) -> None:
        if state.phase is None:
            return
        turning, before = state.phase in _TURNING, self._turning.get(state.id)
        self._turning[state.id] = turning
        counts = self._counts.units.setdefault(state.id, _Unit())
        if turning and before is False:
            counts.n_starts += 1
        if not turning:
            return
        counts.run_s += dt_s
        power_kw = state.power_kw if state.carries else 0.0
        if power_kw is None:
            return
        for pollutant in kind.pollutants:
            grams = pollutant.g_per_h(power_kw) * dt_s / SECONDS_PER_HOUR
            self._counts.pollutants_g[pollutant.id] = self._counts.pollutants_g.get(pollutant.id, 0.0) + grams
        if not state.carries:
            return
        counts.loaded_s += dt_s
        if kind.in_band(power_kw):
            counts.band_s += dt_s

    def _add_curtailment(self, record: CycleRecord) -> None:
        for block in record.snapshot.pv:
            if block.available_kw is not None and block.power_kw is not None:
                unused_kw = max(0.0, block.available_kw - block.power_kw)
                self._counts.curtailed_kwh += energy_kwh(unused_kw, record.dt_s)

    def _add_interruption(self, record: CycleRecord) -> None:
        dead = record.decision.state.mode in _DEAD
        it_kw = record.snapshot.it.load_kw
        if not dead:
            # what the load was before it lost its supply
            self._it_kw = it_kw if it_kw is not None else self._it_kw
        else:
            self._counts.n_interruptions += 0 if self._was_dead else 1
            self._counts.interruption_s += record.dt_s
            missing_kw = max(0.0, (self._it_kw or 0.0) - (it_kw or 0.0))
            self._counts.unserved_kwh += energy_kwh(missing_kw, record.dt_s)
        self._was_dead = dead

    def _add_index(self, record: CycleRecord) -> None:
        now_s = record.snapshot.at_s
        if now_s >= self._index_due_s:
            self._index_due_s = now_s + _INDEX_EVERY_S
            readiness = readiness_of(self._site, record.snapshot, record.decision)
            self._index_pct = None if readiness is None else readiness.index_pct
        if self._index_pct is None:
            return
        counts = self._counts
        counts.index_pct_s += self._index_pct * record.dt_s
        counts.index_s += record.dt_s
        lowest = counts.index_min_pct
        counts.index_min_pct = self._index_pct if lowest is None else min(lowest, self._index_pct)

    def _costs(self, interval: MeteredInterval, units: Mapping[str, _Unit]) -> dict[str, int]:
        site, economics = self._site, self._site.economics
        price = self._prices.import_price_per_kwh(interval.start_utc) or 0.0
        export_price = 0.0 if site.grid is None else site.grid.tariff.export_price_per_kwh
        wear = 0.0
        for kind in site.gensets:
            for unit in kind.unit_ids:
                each = units.get(unit, _Unit())
                wear += each.run_s / SECONDS_PER_HOUR * kind.run_wear_cost_per_h + each.n_starts * kind.start_wear_cost
        cells = max((pool.wear_cost_per_kwh for pool in site.batteries), default=0.0)
        amounts = {
            "fuel_cost_micro": interval.fuel_l * economics.diesel_price_per_l,
            "import_cost_micro": interval.import_wh / WH_PER_KWH * price,
            "export_revenue_micro": interval.export_wh / WH_PER_KWH * export_price,
            "genset_wear_cost_micro": wear,
            "battery_wear_cost_micro": interval.discharge_wh / WH_PER_KWH * cells,
        }
        return {name: round(amount * _MICRO) for name, amount in amounts.items()}
