from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ems.model.fuel import FuelCurve, FuelPoint
from tests.dispatch.sites import site

# ten sets of 2 MW with a band of 0.7 to 0.9
SETS = replace(
    site("desert-offgrid").gensets[0],
    rated_kw=2000.0,
    min_stable_kw=600.0,
    band_low_frac=0.7,
    band_high_frac=0.9,
    run_wear_cost_per_h=0.0,
    fuel=FuelCurve(
        points=tuple(
            FuelPoint(power_kw=kw, fuel_l_per_h=litres)
            for kw, litres in ((500.0, 150.0), (1000.0, 260.0), (1500.0, 380.0), (2000.0, 520.0))
        )
    ),
)


@pytest.mark.parametrize(
    ("load_kw", "n_sets"), [(-5.0, 0), (0.0, 0), (1.0, 1), (1800.0, 1), (1800.1, 2), (3600.0, 2), (99999.0, 10)]
)
def test_sets_to_carry_fill_the_band_from_above(load_kw: float, n_sets: int) -> None:
    assert SETS.sets_to_carry(load_kw) == n_sets


@settings(derandomize=True, deadline=None)
@given(load_kw=st.floats(0.1, 18000.0))
def test_one_set_fewer_would_run_above_the_band(load_kw: float) -> None:
    n_sets = SETS.sets_to_carry(load_kw)

    assert load_kw <= n_sets * 1800.0 + 1e-3
    assert load_kw > (n_sets - 1) * 1800.0 - 1e-3


@pytest.mark.parametrize(("wear_cost_per_h", "best_kw"), [(0.0, 1500.0), (50.0, 2000.0)])
def test_economic_output_moves_up_with_the_cost_of_a_running_hour(wear_cost_per_h: float, best_kw: float) -> None:
    # cost per kWh at 1.0 per litre: 380/1500 = 0.2533 against 520/2000 = 0.26; with 50 per hour 0.2867 against 0.285
    worn = replace(SETS, run_wear_cost_per_h=wear_cost_per_h)

    assert worn.economic_kw(fuel_cost_per_l=1.0) == best_kw


def test_running_cost_is_fuel_and_wear() -> None:
    worn = replace(SETS, run_wear_cost_per_h=12.0)

    assert worn.running_cost_per_h(1000.0, fuel_cost_per_l=1.5) == pytest.approx(260.0 * 1.5 + 12.0)
