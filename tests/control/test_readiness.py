"""What would be survived now: losses, how long the load lives after them, and the index."""

from dataclasses import replace

import pytest

from ems.control.readiness import Component, Readiness, readiness_of, thermal_min
from ems.control.state import Mode
from ems.control.step import Decision, step
from ems.control.survival import End, Survival
from ems.model.cooling_units import CduState
from ems.model.load import CoolingUnits
from ems.model.site import Site, SlowReserve
from ems.model.snapshot import SiteSnapshot
from tests.control.scene import healthy, small, steady, with_sets

CAMPUS = small("weak-grid-campus")
DESERT = small("desert-offgrid")
POOL, KIND = DESERT.batteries[0], DESERT.gensets[0]


def _ready(site: Site, snapshot: SiteSnapshot | None = None, mode: Mode = Mode.GRID) -> Readiness:
    snapshot = healthy(site) if snapshot is None else snapshot
    found = readiness_of(site, snapshot, _decision(site, snapshot, mode))
    assert found is not None
    return found


def _decision(site: Site, snapshot: SiteSnapshot, mode: Mode) -> Decision:
    return step(site, snapshot, None, steady(site, snapshot, mode))


def _loss(found: Readiness, kind: str) -> Survival:
    return next(loss for loss in found.survivals if loss.kind == kind)


def _part(found: Readiness, name: str) -> Component:
    return next(each for each in found.components if each.name == name)


def test_before_control_has_taken_over_nothing_is_said() -> None:
    snapshot = healthy(CAMPUS)
    decision = _decision(CAMPUS, snapshot, Mode.GRID)

    assert readiness_of(CAMPUS, snapshot, replace(decision, storage=None)) is None
    assert readiness_of(CAMPUS, snapshot, replace(decision, context=None)) is None


def test_the_loss_of_the_grid_is_carried_until_the_fuel_is_used_up() -> None:
    snapshot = healthy(CAMPUS)
    found = _ready(CAMPUS, snapshot)
    loss = _loss(found, "grid")

    decision = _decision(CAMPUS, snapshot, Mode.GRID)
    load_kw, storage = decision.powers.load_kw, decision.storage
    assert load_kw is not None
    assert storage is not None
    assert CAMPUS.tank is not None
    kind, eff = CAMPUS.gensets[0], CAMPUS.batteries[0].discharge_eff_frac
    assert snapshot.tank_l is not None
    # storage carries all until the three sets do, and the rest of it when their tank is empty
    carry_h = kind.carry_s / 3600.0
    fuel_h = (snapshot.tank_l - CAMPUS.tank.reserve_l) / (3 * kind.fuel.fuel_l_per_h(load_kw / 3.0))
    left_kwh = (storage.stored_kwh - storage.tech_kwh) * eff - load_kw * carry_h
    expected_h = carry_h + fuel_h + left_kwh / load_kw
    assert loss.lost_kw == pytest.approx(load_kw, rel=0.01)
    assert loss.short_kw == 0.0
    assert loss.it_carried_kw == snapshot.it.load_kw
    assert loss.lives_h == pytest.approx(expected_h)
    assert loss.ends_by is End.FUEL


def test_more_load_than_the_sets_carry_lives_as_long_as_the_store_fills_the_gap() -> None:
    site = replace(CAMPUS, gensets=(replace(CAMPUS.gensets[0], unit_ids=("gen01",)),))
    calm = healthy(CAMPUS)
    snapshot = replace(calm, gensets=calm.gensets[:1])
    decision = _decision(site, snapshot, Mode.GRID)
    load_kw, storage = decision.powers.load_kw, decision.storage
    assert load_kw is not None
    assert storage is not None

    loss = _loss(_ready(site, snapshot), "grid")

    kind, eff = site.gensets[0], site.batteries[0].discharge_eff_frac
    carry_h = kind.carry_s / 3600.0
    left_kwh = (storage.stored_kwh - storage.tech_kwh) * eff - load_kw * carry_h
    assert loss.lives_h == pytest.approx(carry_h + left_kwh / (load_kw - kind.rated_kw))
    assert loss.ends_by is End.ENERGY


def test_an_empty_store_that_cannot_wait_for_the_sets_ends_by_energy() -> None:
    lowest_pct = POOL.soc_tech_min_pct + POOL.soc_error_pct
    snapshot = healthy(DESERT, soc_pct=lowest_pct + 0.1)
    found = _ready(DESERT, snapshot, Mode.ISLAND)

    decision = _decision(DESERT, snapshot, Mode.ISLAND)
    load_kw, storage = decision.powers.load_kw, decision.storage
    assert load_kw is not None
    assert storage is not None
    container = _loss(found, "container")
    n_containers = len(POOL.blocks[0].container_ids) * len(POOL.blocks)
    energy_kwh = (1.0 - 1.0 / n_containers) * (storage.stored_kwh - storage.tech_kwh)
    assert container.ends_by is End.ENERGY
    assert container.lives_h == pytest.approx(energy_kwh * POOL.discharge_eff_frac / load_kw, rel=1e-3)
    assert found.weakest in {"energy", "endurance", "power"}


def test_the_largest_running_set_is_the_one_that_is_lost() -> None:
    snapshot = with_sets(healthy(DESERT), {"gen01": 800.0, "gen02": 900.0})

    loss = _loss(_ready(DESERT, snapshot, Mode.ISLAND), "genset")

    assert loss.asset == "gen02"
    assert loss.lost_kw == 900.0
    assert loss.short_kw == 0.0


def test_load_that_no_converter_takes_over_is_short_and_falls_on_the_racks() -> None:
    # two sets carry nearly everything, and storage may give 100 kW per block
    calm = healthy(DESERT)
    weak = replace(calm, blocks=tuple(replace(block, max_discharge_kw=100.0, power_kw=0.0) for block in calm.blocks))
    snapshot = with_sets(weak, {"gen01": 1500.0})
    snapshot = replace(snapshot, blocks=weak.blocks)

    loss = _loss(_ready(DESERT, snapshot, Mode.ISLAND), "genset")

    assert loss.short_kw == pytest.approx(1500.0 - 300.0)
    assert snapshot.it.load_kw is not None
    assert loss.it_carried_kw == pytest.approx(snapshot.it.load_kw - 1200.0)


def test_a_pv_block_on_a_strong_grid_is_no_end() -> None:
    site = replace(CAMPUS, grid=None if CAMPUS.grid is None else replace(CAMPUS.grid, import_limit_kw=50_000.0))

    loss = _loss(_ready(site, healthy(CAMPUS, pv_kw=2000.0)), "pv_block")

    assert loss.lost_kw == pytest.approx(1000.0)
    assert loss.lives_h is None
    assert loss.ends_by is End.NOTHING


def test_a_cdu_that_is_one_too_many_takes_it_load_with_it() -> None:
    calm = healthy(CAMPUS)
    it_kw = calm.it.load_kw
    assert it_kw is not None
    plant = replace(
        CAMPUS.cooling,
        liquid_share_frac=0.8,
        cdus=CoolingUnits(unit_ids=("cdu01", "cdu02"), capacity_kw_th=0.5 * it_kw),
    )
    cdus = (
        CduState(id="cdu01", running=True, leak=False, heat_kw_th=1000.0),
        CduState(id="cdu02", running=True, leak=False, heat_kw_th=1200.0),
    )
    snapshot = replace(calm, cooling=replace(calm.cooling, cdus=cdus))

    found = _ready(replace(CAMPUS, cooling=plant), snapshot)
    loss = _loss(found, "cdu")

    # 0.8 of the heat goes through CDUs, one of them takes 0.5
    assert loss.asset == "cdu02"
    assert loss.short_kw == pytest.approx(0.3 * it_kw)
    assert loss.ends_by is End.COOLING
    assert _part(found, "cooling").share_frac == pytest.approx(0.7)


def test_the_index_is_the_weakest_component_and_says_so() -> None:
    calm = healthy(CAMPUS)
    unarmed = tuple(replace(block, fallback_armed=number == 0) for number, block in enumerate(calm.blocks))

    found = _ready(CAMPUS, replace(calm, blocks=unarmed))

    shares = [each.share_frac for each in found.components if each.share_frac is not None]
    assert found.index_pct == pytest.approx(100.0 * min(shares))
    assert _part(found, "armed").share_frac == pytest.approx(1.0 / 3.0)
    assert found.weakest is not None
    assert found.weakest in found.sentence


def test_what_nothing_tells_is_left_out_and_named() -> None:
    calm = healthy(CAMPUS)
    silent = replace(
        calm,
        blocks=tuple(replace(block, fallback_armed=None) for block in calm.blocks),
        cooling=replace(calm.cooling, capacity_kw_th=None),
    )

    found = _ready(CAMPUS, silent)

    assert _part(found, "armed").share_frac is None
    assert _part(found, "cooling").share_frac is None
    assert found.index_pct is not None
    assert found.sentence.endswith("not known: armed, cooling.")


def test_sets_are_counted_with_one_to_spare() -> None:
    calm = healthy(DESERT)
    faulty = replace(calm.gensets[0], controllable=False)

    whole = _part(_ready(DESERT, calm, Mode.ISLAND), "sets")
    less = _part(_ready(DESERT, replace(calm, gensets=(faulty, *calm.gensets[1:])), Mode.ISLAND), "sets")

    assert whole.share_frac == 1.0
    # three are there and all three are wanted for this load
    assert less.share_frac == pytest.approx(2.0 / 3.0)


def test_r2_counts_sets_at_rest_that_start_in_time() -> None:
    slow = SlowReserve(sustain_s=120.0, pv_drop_frac=0.6, error_quantile_frac=0.9, start_quantile_frac=0.999)
    site = replace(DESERT, reserve=replace(DESERT.reserve, r2=slow))
    fast = replace(KIND, start_failure_frac=0.0, detect_s=1.0, start_s=15.0, sync_s=15.0, ramp_frac_per_s=0.1)
    late = replace(fast, start_s=200.0)

    with_starts = _ready(replace(site, gensets=(fast,)), mode=Mode.ISLAND).r2
    without = _ready(replace(site, gensets=(late,)), mode=Mode.ISLAND).r2

    assert with_starts is not None
    assert without is not None
    assert with_starts.held_kw - without.held_kw == pytest.approx(3 * KIND.rated_kw)
    assert _ready(replace(DESERT, reserve=replace(DESERT.reserve, r2=None)), mode=Mode.ISLAND).r2 is None


def test_the_water_in_the_loops_takes_the_heat_for_some_minutes() -> None:
    site = replace(CAMPUS, cooling=replace(CAMPUS.cooling, coolant_m3=100.0, lost_supply_degc=50.0))
    snapshot = healthy(CAMPUS)
    assert snapshot.it.load_kw is not None

    # 10 K above the measured 40 degC, 1.163 kWh per m3 and kelvin
    assert thermal_min(site, snapshot) == pytest.approx(60.0 * 1163.0 / snapshot.it.load_kw)
    assert thermal_min(CAMPUS, snapshot) is None
