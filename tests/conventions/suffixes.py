"""The unit that the end of a name states; docs/signs-and-units.md explains each to people."""

from typing import Final

SUFFIXES: Final = frozenset(
    {
        # power, heat flow, energy
        "kw", "kvar", "kva", "kw_th", "kwp", "kwh", "kwh_th", "kw_per_s", "kw_per_container", "wh",
        # shares
        "pct", "frac", "frac_per_s", "frac_per_h", "frac_per_day", "frac_per_k",
        # temperature, coolant
        "degc", "k", "delta_k", "m3", "m3_per_h", "kpa",
        # fuel, emissions
        "g", "g_per_h", "l", "l_per_h", "l_per_kwh", "kgco2e", "kgco2e_per_kwh", "kgco2e_per_l", "mgco2e",
        # money
        "cost", "cost_per_kwh", "cost_per_h", "cost_per_l",
        "price_per_kwh", "prices_per_kwh", "price_per_l", "price_per_t", "prices_per_t", "price_per_kg", "price_per_kw",
        "price_per_kw_month", "value_per_kwh",
        # time, rates
        "s", "min", "h", "per_h",
        # electricity, weather, place
        "hz", "v", "a", "kohm", "rpm", "w_per_m2", "m_per_s", "deg", "m",
        # reports, summaries and the cluster contract only
        "gco2e_per_kwh", "g_per_kwh", "kw_per_min",
    }
)  # fmt: skip

WITHOUT_UNIT: Final = {
    "max_cop": "heat over electricity",
    "balance_exponent": "an exponent",
    "max_age_periods": "a number of planning periods",
    "speed": "simulated seconds per real second",
    "stretch": "the factor by which an accelerated run stretches its periods",
    "origin": "an instant, in POSIX seconds",
    "days": "a number of days, as on the command line",
    "years": "a number of years of use",
    "frac_of_it": "a share, named for what it is a share of",
    "aux_frac_of_it": "a share, named for what it is a share of",
    "aux_frac_of_power": "a share, named for what it is a share of",
    "max_hours_per_day": "hours, as the cluster contract names them",
    "max_slowdown_share": "a share, as the cluster contract names it",
    "power_to_progress": "pairs of shares, as the cluster contract names them",
    "penalty_per_kwh": "site currency per kWh, as the cluster contract names it",
}

# fields of classes that hold numbers of every unit, or that say the unit themselves
NAMED_ELSEWHERE: Final = {
    "EvenSeries": "a series; its unit stands in the name of the field that holds it",
    "PriceProblem": "prices, as the class says; in site currency per kWh, kg or change",
    "Violation": "a limit of any unit, which `what` names",
    "MatrixProblem": "the solver's matrix form: rows and columns of every unit, objective in site currency",
    "Range": "what a number of any unit may be",
    "LinearSolution": "the solver's answer with what a unit more of each row changes, of every unit",
    "Solution": "the solver's answer, objective in site currency",
    "YearTable": "columns of a file, whose header names the units",
    "Reason": "figures by name, and each name ends in its unit",
    "PlanReasonPart": "figures by name, and each name ends in its unit",
    "RelaxedItem": "figures by name, and each name ends in its unit",
    "RelaxedPart": "figures by name, and each name ends in its unit",
    "Event": "figures by name, and each name ends in its unit",
    "EventMessage": "figures by name, and each name ends in its unit",
    "Sample": "one recorded value; its unit is the end of its point's name",
    "HandCommand": "one commanded value; its unit is the end of the command's name",
    "PointRow": "one value as it is shown; its unit stands beside it",
    "CostTerms": "the cost by the keys of the summary, in site currency",
    "TrueEnergies": "energies by the keys of the summary, in kWh",
    "IntervalMeter": "counters by name, each in its own unit",
    "_Mean": "a mean of any quantity; the name of the object says which",
    "Metric": "a value of any unit, as its name says",
    "MetricValue": "a value of any unit, as its metric's name says",
    "Property": "a property of a metric, of any kind",
    "Figure": "a number of a report, with its unit beside it, and inputs whose names end in theirs",
    "RampPart": "up and down; the unit stands in the name of the field that holds it",
}


def unit_of(name: str) -> str | None:
    """Return the suffix with which a name ends, None if it states no known unit.

    What follows a `per` belongs to the unit: `unserved_per_kwh` is not an energy.
    """
    parts = name.split("_")
    for first in range(len(parts)):
        suffix = "_".join(parts[first:])
        if suffix in SUFFIXES and (first == 0 or parts[first - 1] != "per"):
            return suffix
    return None
