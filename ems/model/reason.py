"""Why a plan does something: codes that programs know, with the figures behind them."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

# what a reason speaks about when it is no single asset
SITE: Final = "site"
GRID: Final = "grid"
PV: Final = "pv"
FUEL: Final = "fuel"
CHILLERS: Final = "chillers"


class ReasonCode(StrEnum):
    """Codes of `PlanStep.binding` (limits that a step touches) and of `PlanStep.reasons` (why an asset does it)."""

    # limits
    RESERVE = "reserve"
    FLOOR = "floor"
    STORE_FULL = "store_full"
    STORE_EMPTY = "store_empty"
    CHARGE_LIMIT = "charge_limit"
    DISCHARGE_LIMIT = "discharge_limit"
    IMPORT_LIMIT = "import_limit"
    EXPORT_LIMIT = "export_limit"
    BILLED_PEAK = "billed_peak"
    PCC_RAMP = "pcc_ramp"
    GROUP_LIMIT = "group_limit"
    GENSET_MAXIMUM = "genset_maximum"
    GENSET_MINIMUM = "genset_minimum"
    MINIMUM_UP_TIME = "minimum_up_time"
    MINIMUM_DOWN_TIME = "minimum_down_time"
    WARM_UP = "warm_up"
    QUIET_HOURS = "quiet_hours"
    MAINTENANCE = "maintenance"
    FUEL_STOCK = "fuel_stock"
    CARBON_BUDGET = "carbon_budget"
    # what happens because of none of them alone
    MARGINAL_SOURCE = "marginal_source"
    CHEAPEST = "cheapest"
    TOO_DEAR = "too_dear"
    ENERGY_TO_FLOOR = "energy_to_floor"
    EXERCISE = "exercise"
    NO_GRID = "no_grid"
    CHARGE_SURPLUS = "charge_surplus"
    CHARGE_FOR_LATER = "charge_for_later"
    CHARGE_FOR_END = "charge_for_end"
    CHARGE_TO_FLOOR = "charge_to_floor"
    RECALIBRATION = "recalibration"
    KEPT_FOR_LATER = "kept_for_later"
    NO_TAKER = "no_taker"
    EXPORT_PAYS = "export_pays"
    UNSERVED = "unserved"
    SURPLUS = "surplus"
    OFFER_DEFERRED = "offer_deferred"
    OFFER_SERVED = "offer_served"
    OFFER_REDUCED = "offer_reduced"
    OFFER_MIN_RUN = "offer_min_run"
    OFFER_MIN_PAUSE = "offer_min_pause"
    COLD_STORED = "cold_stored"
    COLD_USED = "cold_used"
    RULES = "rules"
    COST = "cost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One limit that is touched, or one answer to why an asset does what it does in a step.

    `about` names what the code speaks of beside the asset (reserve class and contingency, the taker, the source);
    the figures are named like fields, with their unit at the end of the name.
    """

    code: ReasonCode
    asset: str
    text: str
    about: str = ""
    figures: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeMeaning:
    """One row of the documented table: whether the code is a limit, what it says, and which figures it may carry."""

    limit: bool
    meaning: str
    figures: tuple[str, ...]


def _limit(meaning: str, *figures: str) -> CodeMeaning:
    return CodeMeaning(limit=True, meaning=meaning, figures=figures)


def _why(meaning: str, *figures: str) -> CodeMeaning:
    return CodeMeaning(limit=False, meaning=meaning, figures=figures)


_PRICED: Final = ("cost_per_kwh", "marginal_price_per_kwh")

MEANINGS: Final[Mapping[ReasonCode, CodeMeaning]] = MappingProxyType(
    {
        ReasonCode.RESERVE: _limit(
            "a reserve requirement has no margin, or would be short with one set less; `about`: class and contingency",
            "required_kw",
            "held_kw",
            "held_without_kw",
        ),
        ReasonCode.FLOOR: _limit("all stores together are at their floor", "stored_end_kwh", "floor_kwh"),
        ReasonCode.STORE_FULL: _limit("the pool ends the step full", "stored_end_kwh"),
        ReasonCode.STORE_EMPTY: _limit("the pool ends the step at its technical minimum", "stored_end_kwh"),
        ReasonCode.CHARGE_LIMIT: _limit("the pool charges with all the power it has", "limit_kw"),
        ReasonCode.DISCHARGE_LIMIT: _limit("the pool discharges with all the power it has", "limit_kw"),
        ReasonCode.IMPORT_LIMIT: _limit("import is at the connection's limit", "limit_kw"),
        ReasonCode.EXPORT_LIMIT: _limit("export is at the connection's limit", "limit_kw"),
        ReasonCode.BILLED_PEAK: _limit(
            "import is at the peak that is paid, so that more would raise it", "peak_kw", "price_per_kw"
        ),
        ReasonCode.PCC_RAMP: _limit("the exchange changes as fast as the contract allows", "ramp_kw_per_min"),
        ReasonCode.GROUP_LIMIT: _limit("a transformer, collector or feeder is at its limit", "power_kw", "limit_kw"),
        ReasonCode.GENSET_MAXIMUM: _limit("the class delivers all that its running sets can", "power_kw"),
        ReasonCode.GENSET_MINIMUM: _limit("the class runs at its minimum load", "power_kw"),
        ReasonCode.MINIMUM_UP_TIME: _limit(
            "sets must go on running; `left_h`: until the first of them may stop", "n_sets", "left_h"
        ),
        ReasonCode.MINIMUM_DOWN_TIME: _limit(
            "sets must rest; `left_h`: until the first of them may start", "n_sets", "left_h"
        ),
        ReasonCode.WARM_UP: _limit(
            "sets warm up: they run and do not deliver yet; `left_h`: from the step's start until the last one does",
            "n_sets",
            "left_h",
        ),
        ReasonCode.QUIET_HOURS: _limit("quiet hours allow no more sets", "n_sets"),
        ReasonCode.MAINTENANCE: _limit("maintenance leaves no more sets", "n_sets"),
        ReasonCode.FUEL_STOCK: _limit("the tank is down to the fuel that must stay", "stock_end_l", "reserve_l"),
        ReasonCode.CARBON_BUDGET: _limit(
            "the carbon budget is used up; the price of its last kilogram", "budget_kgco2e", "shadow_price_per_kg"
        ),
        ReasonCode.MARGINAL_SOURCE: _why(
            "where one more kWh in this step would come from, as far as the prices tell; `about`: the source",
            "marginal_price_per_kwh",
            "marginal_gco2e_per_kwh",
        ),
        ReasonCode.CHEAPEST: _why(
            "the asset supplies because its kWh costs no more than the next one; `about`: the dearer alternative",
            *_PRICED,
            "alternative_price_per_kwh",
        ),
        ReasonCode.TOO_DEAR: _why("the asset stands by: its kWh costs more than the next one", *_PRICED),
        ReasonCode.ENERGY_TO_FLOOR: _why(
            "sets run because the store would else reach its floor in this run", "ahead_h", "floor_kwh"
        ),
        ReasonCode.EXERCISE: _why("a start that is due: test run or burn-off", "min_load_frac"),
        ReasonCode.NO_GRID: _why("the grid is away in this step"),
        ReasonCode.CHARGE_SURPLUS: _why("the pool takes PV power that nothing else needs", "charge_kw", "surplus_kw"),
        ReasonCode.CHARGE_FOR_LATER: _why(
            "the pool charges for a later step, where a kWh is worth more; `about`: its start, UTC",
            "charge_kw",
            "ahead_h",
            "marginal_price_per_kwh",
            "later_price_per_kwh",
        ),
        ReasonCode.CHARGE_FOR_END: _why(
            "the pool charges for the value of stored energy: at the horizon's end, or held against an outage",
            "charge_kw",
            "value_per_kwh",
            "hold_value_per_kwh",
        ),
        ReasonCode.CHARGE_TO_FLOOR: _why(
            "the pool charges because energy is missing to the floor", "charge_kw", "missing_kwh"
        ),
        ReasonCode.RECALIBRATION: _why(
            "the pool charges above its maximum: a full charge is due", "charge_kw", "rack_spread_pct"
        ),
        ReasonCode.KEPT_FOR_LATER: _why(
            "the pool waits: its energy is worth more later; `about`: the start of that step, UTC",
            "ahead_h",
            "marginal_price_per_kwh",
            "later_price_per_kwh",
        ),
        ReasonCode.NO_TAKER: _why(
            "PV is curtailed: nothing takes it; `about`: what stands in the way", "curtailed_kw", "ahead_h"
        ),
        ReasonCode.EXPORT_PAYS: _why("exported energy earns more than it is worth here", "price_per_kwh"),
        ReasonCode.UNSERVED: _why("load cannot be supplied", "unserved_kw"),
        ReasonCode.SURPLUS: _why("supply that nothing takes: sets must run at their minimum", "surplus_kw"),
        ReasonCode.OFFER_DEFERRED: _why(
            "the class waits in this step; its energy is due by its deadline", "marginal_price_per_kwh", "left_h"
        ),
        ReasonCode.OFFER_SERVED: _why(
            "the class runs at all it asks for", "power_kw", "value_per_kwh", "marginal_price_per_kwh"
        ),
        ReasonCode.OFFER_REDUCED: _why(
            "the class runs at less than it asks for",
            "power_kw",
            "max_kw",
            "value_per_kwh",
            "marginal_price_per_kwh",
        ),
        ReasonCode.OFFER_MIN_RUN: _why(
            "the class runs no further than its least run asks for; `left_h`: until the first of it may pause",
            "power_kw",
            "running_frac",
            "left_h",
        ),
        ReasonCode.OFFER_MIN_PAUSE: _why(
            "what rests of the class is within its least pause; `left_h`: until the first of it may start",
            "power_kw",
            "running_frac",
            "left_h",
        ),
        ReasonCode.COLD_STORED: _why("the cold tank is charged", "tank_charge_kw_th", "marginal_price_per_kwh"),
        ReasonCode.COLD_USED: _why("the cold tank is discharged", "tank_discharge_kw_th", "marginal_price_per_kwh"),
        ReasonCode.RULES: _why("the plan follows the threshold rules, not an optimum"),
        ReasonCode.COST: _why("no single limit explains it: it costs least over the whole horizon", *_PRICED),
    }
)
