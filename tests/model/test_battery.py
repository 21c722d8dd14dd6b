from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ems.model.battery import AcBlock, BatteryPool

POOL = BatteryPool(
    id="bess",
    blocks=(AcBlock(id="b1", container_ids=("c1", "c2")), AcBlock(id="b2", container_ids=("c3", "c4"))),
    pcs_kw=4200.0,
    max_charge_kw=3500.0,
    max_discharge_kw=4000.0,
    container_kwh=5000.0,
    charge_eff_frac=0.96,
    discharge_eff_frac=0.95,
    no_load_kw=24.0,
    self_discharge_frac_per_day=0.001,
    soc_tech_min_pct=5.0,
    soc_max_pct=95.0,
    soc_error_pct=3.0,
    warn_degc=35.0,
    max_degc=45.0,
    cell_min_v=2.5,
    cell_max_v=3.65,
    can_form=True,
    min_forming_blocks=1,
    wear_cost_per_kwh=0.01,
    aux_base_kw_per_container=1.0,
)


def test_ratings_are_those_of_all_blocks() -> None:
    assert (POOL.n_blocks, POOL.block_kwh, POOL.rated_kwh) == (2, 10000.0, 20000.0)
    assert (POOL.rated_charge_kw, POOL.rated_discharge_kw) == (7000.0, 8000.0)


def test_blocks_with_containers_missing_count_what_they_have() -> None:
    short = replace(POOL, blocks=(POOL.blocks[0], AcBlock(id="b2", container_ids=("c3",))))

    assert short.rated_kwh == 15000.0


@pytest.mark.parametrize(
    ("cell_degc", "factor"), [(-10.0, 1.0), (35.0, 1.0), (37.5, 0.75), (40.0, 0.5), (45.0, 0.0), (60.0, 0.0)]
)
def test_power_falls_from_the_warning_to_the_greatest_temperature(cell_degc: float, factor: float) -> None:
    assert POOL.temperature_factor(cell_degc) == pytest.approx(factor)


@settings(derandomize=True, deadline=None)
@given(cooler=st.floats(-30.0, 80.0), warmer=st.floats(-30.0, 80.0))
def test_a_warmer_cell_never_gives_more(cooler: float, warmer: float) -> None:
    cooler, warmer = sorted((cooler, warmer))

    assert 0.0 <= POOL.temperature_factor(warmer) <= POOL.temperature_factor(cooler) <= 1.0


@pytest.mark.parametrize(("soc_pct", "usable_kwh"), [(58.0, 10000.0), (8.0, 0.0), (3.0, 0.0)])
def test_usable_energy_lies_above_a_soc(soc_pct: float, usable_kwh: float) -> None:
    assert POOL.usable_kwh(soc_pct=soc_pct, full_kwh=20000.0, above_pct=8.0) == pytest.approx(usable_kwh)
