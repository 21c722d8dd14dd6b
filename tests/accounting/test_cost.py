"""Cost terms by hand: each has its own quantity, the sum is the total, stored energy is worth what it avoids."""

from dataclasses import asdict, replace

import pytest

from ems.accounting.cost import RunTotals, StoredValue, cost_terms, stored_value
from tests.accounting.intervals import START
from tests.control.scene import small

DESERT = small("desert-offgrid")
CAMPUS = small("weak-grid-campus")
NOTHING = RunTotals(
    fuel_l=0.0,
    n_starts=0,
    genset_run_h=0.0,
    discharge_kwh=0.0,
    export_kwh=0.0,
    import_cost=0.0,
    import_kgco2e=0.0,
    peak_kw=0.0,
    stored_start_kwh=100.0,
    stored_end_kwh=100.0,
)
VALUE = StoredValue(value_per_kwh=0.25, kgco2e_per_kwh=0.6)


def test_a_day_of_nothing_off_grid_costs_nothing() -> None:
    terms = cost_terms(DESERT, NOTHING, VALUE)

    assert set(asdict(terms).values()) == {0.0}
    assert terms.total() == 0.0


@pytest.mark.parametrize(
    ("changes", "term", "cost"),
    [
        ({"fuel_l": 1000.0}, "fuel", 1000.0 * DESERT.economics.diesel_price_per_l),
        ({"n_starts": 3}, "starts", 3.0 * DESERT.gensets[0].start_wear_cost),
        ({"genset_run_h": 10.0}, "genset_wear", 10.0 * DESERT.gensets[0].run_wear_cost_per_h),
        ({"discharge_kwh": 5000.0}, "battery_wear", 5000.0 * DESERT.batteries[0].wear_cost_per_kwh),
        ({"import_cost": 77.0}, "energy_import", 77.0),
        ({"stored_end_kwh": 60.0}, "storage_delta", 10.0),
        ({"stored_end_kwh": 140.0}, "storage_delta", -10.0),
    ],
)
def test_each_quantity_has_its_term(changes: dict[str, float], term: str, cost: float) -> None:
    totals = replace(NOTHING, **changes)  # type: ignore[arg-type] # one of the starts is a count

    terms = cost_terms(DESERT, totals, VALUE)

    assert getattr(terms, term) == pytest.approx(cost)
    assert terms.total() == pytest.approx(cost + terms.co2)


def test_the_co2_price_counts_fuel_and_import() -> None:
    economics = replace(DESERT.economics, co2_price_per_t=100.0, diesel_kgco2e_per_l=2.5)
    site = replace(DESERT, economics=economics)

    terms = cost_terms(site, replace(NOTHING, fuel_l=1000.0, import_kgco2e=500.0), VALUE)

    # 2.5 t and 0.5 t at 100 a tonne
    assert terms.co2 == pytest.approx(300.0)


@pytest.mark.parametrize(("peak_kw", "ratchet_kw", "billed_kw"), [(9000.0, 8000.0, 9000.0), (7000.0, 8000.0, 8000.0)])
def test_the_demand_charge_is_that_of_the_month_or_of_the_ratchet(
    peak_kw: float, ratchet_kw: float, billed_kw: float
) -> None:
    grid = CAMPUS.grid
    assert grid is not None
    assert grid.tariff.demand is not None
    demand = replace(grid.tariff.demand, price_per_kw_month=7.0, ratchet_kw=ratchet_kw)
    site = replace(CAMPUS, grid=replace(grid, tariff=replace(grid.tariff, demand=demand)))

    terms = cost_terms(site, replace(NOTHING, peak_kw=peak_kw), VALUE)

    assert terms.demand == pytest.approx(7.0 * billed_kw)


def test_stored_energy_off_grid_is_worth_the_diesel_that_it_avoids() -> None:
    value = stored_value(DESERT, at=START, grid_kgco2e_per_kwh=0.0)

    litres = DESERT.batteries[0].discharge_eff_frac * DESERT.gensets[0].fuel.best_fuel_l_per_kwh()
    economics = DESERT.economics
    per_l = economics.diesel_price_per_l + economics.diesel_kgco2e_per_l * economics.co2_price_per_t / 1000.0
    assert value.value_per_kwh == pytest.approx(litres * per_l)
    assert value.kgco2e_per_kwh == pytest.approx(litres * economics.diesel_kgco2e_per_l)


def test_stored_energy_on_the_grid_is_worth_the_cheap_hour() -> None:
    assert CAMPUS.grid is not None
    value = stored_value(CAMPUS, at=START, grid_kgco2e_per_kwh=0.4)

    eff = CAMPUS.batteries[0].discharge_eff_frac
    cheapest = min(price for _, price in CAMPUS.grid.tariff.season_at(START).prices_per_kwh)
    co2 = 0.4 * CAMPUS.economics.co2_price_per_t / 1000.0
    assert value.value_per_kwh == pytest.approx(eff * (cheapest + co2))
    assert value.kgco2e_per_kwh == pytest.approx(0.4 * eff)
