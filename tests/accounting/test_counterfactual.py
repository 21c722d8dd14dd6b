"""The site as it would have been: the same commands give the measured import, unknown sources stop the model."""

import json
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given

from ems.accounting.comparison import Figures, Side, Tariffs, figures_document, figures_of, of_model, priced, result_of
from ems.accounting.counterfactual import (
    ModelSite,
    Orders,
    advanced,
    begun,
    bus_load_kw,
    followed,
    shown,
    site_document,
    site_of,
)
from ems.model.readings import GensetPhase
from ems.model.site import Site
from ems.model.snapshot import SiteSnapshot
from tests.control.draws import SEEDS, cases
from tests.control.scene import START, healthy, small, with_sets

CAMPUS = small("weak-grid-campus")
DESERT = small("desert-offgrid")


def model_of(measured: SiteSnapshot, site: Site = DESERT) -> ModelSite:
    model = begun(site, measured)
    assert model is not None
    return model


@cases(100, n_full=5_000)
@given(seed=SEEDS)
def test_the_site_s_own_powers_give_the_measured_import_and_any_others_keep_the_balance(seed: int) -> None:
    random = Random(seed)
    pool = CAMPUS.batteries[0]
    measured = healthy(CAMPUS, soc_pct=random.uniform(40.0, 60.0), pv_kw=random.uniform(0.0, 900.0))
    own_kw = {block.id: random.uniform(-0.5, 0.5) * pool.max_charge_kw for block in measured.blocks}
    measured = replace(measured, blocks=tuple(replace(b, power_kw=own_kw[b.id]) for b in measured.blocks))
    model = model_of(measured, CAMPUS)
    assert measured.pcc is not None

    alike = advanced(CAMPUS, measured, model, Orders(power_kw=own_kw), dt_s=1.0)
    asked_kw = {name: random.uniform(-2.0, 2.0) * pool.max_charge_kw for name in own_kw}
    other = advanced(CAMPUS, measured, model, Orders(power_kw=asked_kw), dt_s=1.0)

    assert alike is not None
    assert other is not None
    assert alike.grid_kw == pytest.approx(measured.pcc.power_kw, abs=1e-6)
    delivered_kw = sum(block.power_kw for block in other.blocks.values()) + sum(other.pv_kw.values()) + other.grid_kw
    assert delivered_kw == pytest.approx(bus_load_kw(CAMPUS, measured), abs=1e-6)
    assert all(abs(block.power_kw) <= pool.pcs_kw for block in other.blocks.values())


def test_what_is_imported_less_is_taken_from_the_cells_at_their_efficiency() -> None:
    measured, pool = healthy(CAMPUS, soc_pct=60.0), CAMPUS.batteries[0]
    model = model_of(measured, CAMPUS)
    orders = Orders(power_kw={"bess01": 1000.0})

    for _ in range(3600):
        after = advanced(CAMPUS, measured, model, orders, dt_s=1.0)
        assert after is not None
        model = after

    idle_kw = pool.no_load_kw / pool.discharge_eff_frac
    used_kwh = 1000.0 / pool.discharge_eff_frac + len(model.blocks) * idle_kw
    begin = model_of(measured, CAMPUS)
    assert begin.stored_kwh - model.stored_kwh == pytest.approx(used_kwh, rel=1e-6)
    assert measured.pcc is not None
    assert model.import_wh / 1000.0 == pytest.approx((measured.pcc.power_kw or 0.0) - 1000.0, rel=1e-6)


def test_a_step_in_which_a_source_is_unknown_is_none() -> None:
    measured = healthy(DESERT)
    blind = replace(measured, blocks=(replace(measured.blocks[0], power_kw=None), *measured.blocks[1:]))
    model = model_of(measured)

    assert advanced(DESERT, blind, model, Orders(), dt_s=1.0) is None
    assert followed(DESERT, blind, model, dt_s=1.0) is None
    assert begun(DESERT, blind) is None


def test_an_island_is_carried_by_its_forming_blocks_and_what_they_cannot_is_unserved() -> None:
    measured = healthy(DESERT, soc_pct=60.0)
    load_kw = bus_load_kw(DESERT, measured)
    carried = advanced(DESERT, measured, model_of(measured), Orders(power_kw={"bess01": -500.0}), dt_s=1.0)
    empty = model_of(healthy(DESERT, soc_pct=0.0))
    short = advanced(DESERT, measured, empty, Orders(), dt_s=3600.0)

    assert carried is not None
    assert sum(block.power_kw for block in carried.blocks.values()) == pytest.approx(load_kw)
    assert short is not None
    assert short.unserved_wh / 1000.0 == pytest.approx(load_kw)


def test_a_set_is_started_in_its_time_and_burns_by_its_curve() -> None:
    measured, kind = healthy(DESERT, soc_pct=60.0), DESERT.gensets[0]
    model, orders = model_of(measured), Orders(run={"gen01": True}, power_kw={"gen01": 1000.0})
    start_s = kind.detect_s + kind.start_s + kind.warm_up_s + kind.sync_s
    seconds = 0
    while model.sets["gen01"].phase is not GensetPhase.RUNNING:
        after = advanced(DESERT, measured, model, orders, dt_s=1.0)
        assert after is not None
        model, seconds = after, seconds + 1
    assert seconds == pytest.approx(start_s, abs=1.0)
    burnt_l = model.sets["gen01"].fuel_l
    hour = advanced(DESERT, measured, model, orders, dt_s=3600.0)

    assert hour is not None
    assert hour.sets["gen01"].n_starts == 1
    assert hour.sets["gen01"].fuel_l - burnt_l == pytest.approx(kind.fuel.fuel_l_per_h(1000.0))
    picture = shown(DESERT, measured, hour, orders)
    assert picture.gensets[0].carries
    assert picture.gensets[0].controllable


def test_the_site_s_own_course_counts_its_starts_and_its_diesel_by_the_curve() -> None:
    resting = healthy(DESERT, soc_pct=60.0)
    running, kind = with_sets(resting, {"gen01": 1000.0}), DESERT.gensets[0]

    after = followed(DESERT, running, model_of(resting), dt_s=3600.0)

    assert after is not None
    figures = of_model(model_of(resting), after)
    assert figures.n_starts == 1
    assert figures.run_h == pytest.approx(1.0)
    assert figures.fuel_l == pytest.approx(kind.start_fuel_l + kind.fuel.fuel_l_per_h(1000.0))
    assert figures.genset_kwh == pytest.approx(1000.0)


def test_cost_and_emissions_of_a_side_by_hand() -> None:
    figures = priced(Figures(import_kwh=100.0), Tariffs(import_price_per_kwh=0.2, grid_kgco2e_per_kwh=0.5))
    side = Side().plus(figures, gained_kwh=0.0, duration_h=0.25)

    result = result_of(CAMPUS, side, at=START, grid_kgco2e_per_kwh=0.5)

    assert side.peak_kw == pytest.approx(400.0)
    assert result.cost == pytest.approx(20.0 + 50.0 * CAMPUS.economics.co2_price_per_kg)
    assert result.kgco2e == pytest.approx(50.0)


def test_model_and_figures_survive_a_restart() -> None:
    model = model_of(healthy(DESERT))
    figures = Figures(import_kwh=1.5, n_starts=2)

    assert site_of(json.loads(json.dumps(site_document(model)))) == model
    assert figures_of(json.loads(json.dumps(figures_document(figures)))) == figures
    with pytest.raises(KeyError):
        site_of({})
