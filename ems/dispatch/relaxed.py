"""Requirements that a plan cannot keep: what each means, why it usually happens, and what to do about it.

A requirement is a priced slack of the model; its name is what the model reports in `Plan.relaxed`. A name may carry
details after a colon (`reserve: r1 after grid`: class and contingency), which belong to the row of the part before it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from ems.model.plan import Plan, PlanStep
from ems.model.reason import ReasonCode


@dataclass(frozen=True, slots=True, kw_only=True)
class RelaxedMeaning:
    """One row of the catalogue; `term` is the term of the objective that holds its price."""

    term: str
    meaning: str
    cause: str
    action: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RelaxedItem:
    """A requirement that one plan does not keep; `cost` is the whole term's, figures by name with their unit."""

    name: str
    meaning: str
    cause: str
    action: str
    cost: float
    figures: tuple[tuple[str, float], ...] = ()


CATALOGUE: Final[Mapping[str, RelaxedMeaning]] = MappingProxyType(
    {
        "unserved": RelaxedMeaning(
            term="unserved_cost",
            meaning="load cannot be supplied in some steps",
            cause="too few sets are available, the store runs empty, or an import limit or outage leaves too little",
            action="make more sets available or ask the cluster for less load before the first step concerned",
        ),
        "surplus": RelaxedMeaning(
            term="surplus_cost",
            meaning="the plan has power that nothing takes",
            cause="sets must run on at their minimum load while the store is full",
            action="nothing if it is short: control limits PV and lets the store take it; else shorten the minimum run",
        ),
        "stored energy": RelaxedMeaning(
            term="missing_cost",
            meaning="the plan draws energy that the store does not have",
            cause="the store is measured at or below its technical minimum and must still carry the site",
            action="check the measured state of charge; start sets by hand if they do not start by themselves",
        ),
        "floor": RelaxedMeaning(
            term="floor_cost",
            meaning="the store goes below the energy that is held for emergencies",
            cause="the state at the start is below the floor already, or supply is too small to keep it",
            action="watch the store; charging back begins at once, more sets or less load shortens it",
        ),
        "reserve": RelaxedMeaning(
            term="reserve_cost",
            meaning="the site would not survive the worst loss without shedding load in some steps",
            cause="units are out for maintenance or by a fault, or the store has too little energy or power",
            action="bring units back, or reduce load in the steps whose reserve shows a shortfall",
        ),
        "down reserve": RelaxedMeaning(
            term="reserve_cost",
            meaning="the site could not take up a sudden loss of load or of export",
            cause="the store is full or charges with all its power",
            action="allow PV to be limited, or lower the upper end of the store's window",
        ),
        "ramp at the PCC": RelaxedMeaning(
            term="limit_cost",
            meaning="the exchange with the grid changes faster than the contract allows",
            cause="a step of load or PV, or the start or end of an outage, that storage cannot smooth",
            action="keep power and room in the store free for it, or ask for another ramp in the contract",
        ),
        "curtailed hours": RelaxedMeaning(
            term="limit_cost",
            meaning="a class of the cluster's load is curtailed for longer than its offer allows",
            cause="supply is short for longer than the offer was made for",
            action="ask the cluster for a longer offer, or make more supply available",
        ),
        "cooling capacity": RelaxedMeaning(
            term="unserved_cost",
            meaning="the chillers cannot remove all heat in some steps",
            cause="it is hotter than the chillers are built for, or too few of them are available",
            action="bring chillers back or ask the cluster for less load before the first step concerned",
        ),
        "chiller minimum load": RelaxedMeaning(
            term="limit_cost",
            meaning="a chiller runs below its minimum load and will cycle",
            cause="there is less heat than the smallest load of one chiller, and the tank cannot take the rest",
            action="nothing if it is short; else leave the chiller off and let the supply temperature rise a little",
        ),
        "tank floor": RelaxedMeaning(
            term="floor_cost",
            meaning="the tank of cold holds less than a restart of the chillers takes",
            cause="it is measured below its floor, or chillers have no capacity to fill it",
            action="watch the tank; filling begins at once, more chillers or less load shortens it",
        ),
        "minimum up time": RelaxedMeaning(
            term="limit_cost",
            meaning="sets stop before their minimum run is over",
            cause="the set is no longer available, or would have to deliver power that nothing takes",
            action="look at the set; repeated cases mean that the minimum run is longer than the site can use",
        ),
        "minimum down time": RelaxedMeaning(
            term="limit_cost",
            meaning="sets start again before their minimum rest is over",
            cause="load or loss of supply that nothing else could carry",
            action="look at which units are unavailable; check that the rest is not longer than the maker asks for",
        ),
        "quiet hours": RelaxedMeaning(
            term="limit_cost",
            meaning="more sets run in quiet hours than are permitted then",
            cause="the store does not carry the load through them, or the reserve asks for running sets",
            action="let the store be charged before the quiet hours, or announce the run to who asks for quiet",
        ),
        "permitted run hours": RelaxedMeaning(
            term="limit_cost",
            meaning="sets run for more hours than their permit allows",
            cause="more energy is missing than the permitted hours can make",
            action="ask the cluster for less load, or the authority for more hours",
        ),
        "exercise run": RelaxedMeaning(
            term="exercise_cost",
            meaning="a test or burn-off run that is due is left out",
            cause="reserve or room in the store is short in its window, or the run costs more than missing it",
            action="nothing once; start the set by hand if it is left out day after day",
        ),
        "fuel": RelaxedMeaning(
            term="missing_cost",
            meaning="a set that warms up burns fuel that the tank does not have",
            cause="the tank is measured as good as empty while a set starts",
            action="check the gauge; order fuel now, or stop the set by hand",
        ),
        "fuel reserve": RelaxedMeaning(
            term="limit_cost",
            meaning="the fuel tank falls below its reserve",
            cause="deliveries come too late or are too small for what the sets burn",
            action="order fuel now, and announce the delivery in the configuration",
        ),
    }
)


def relaxed_meaning(name: str) -> RelaxedMeaning:
    """Return the row of the catalogue for a name that a plan reports.

    Raises:
        KeyError: Nobody has written the row yet.
    """
    return CATALOGUE[name.partition(":")[0].strip()]


def relaxed_items(plan: Plan) -> tuple[RelaxedItem, ...]:
    """Return every requirement that a plan does not keep, with what it costs and how large it is."""
    terms = plan.objective.terms()
    items = []
    for name in plan.relaxed:
        row = relaxed_meaning(name)
        items.append(
            RelaxedItem(
                name=name,
                meaning=row.meaning,
                cause=row.cause,
                action=row.action,
                cost=terms[row.term],
                figures=_figures(plan, name),
            )
        )
    return tuple(items)


def _figures(plan: Plan, name: str) -> tuple[tuple[str, float], ...]:
    """Return the largest shortfall and the hours of it, where the plan's steps show it."""
    amounts = [(_amount(step, name), step.duration_h) for step in plan.steps]
    most = max((amount for amount, _ in amounts), default=0.0)
    if most <= 0.0:
        return ()
    unit = "kwh" if name == "floor" else "kw"
    return ((f"most_{unit}", most), ("lasts_h", sum(hours for amount, hours in amounts if amount > 0.0)))


def _amount(step: PlanStep, name: str) -> float:
    match name.partition(":")[0]:
        case "unserved":
            return step.unserved_kw
        case "surplus":
            return step.surplus_kw
        case "reserve" | "down reserve":
            reserve_id = name.partition(":")[2].partition(" after ")[0].strip()
            return max((item.shortfall_kw for item in step.reserve if item.id == reserve_id), default=0.0)
        case "floor":
            figures = next((dict(limit.figures) for limit in step.binding if limit.code is ReasonCode.FLOOR), None)
            return 0.0 if figures is None else max(0.0, figures["floor_kwh"] - figures["stored_end_kwh"])
        case _:
            return 0.0
