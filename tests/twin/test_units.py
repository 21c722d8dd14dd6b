"""Single units of the twin: a set's sequence and fuel, a PCS without its controller, a container's limits, the tank."""

from itertools import pairwise

import numpy as np
import pytest

from drivers.sim.battery import TwinBlock, TwinContainer
from drivers.sim.genset import TwinGenset, TwinTank
from drivers.sim.plant import TwinPvBlock
from drivers.sim.source_devices import SimulatedPcs
from ems.model.readings import GensetPhase
from tests.twin.settings import plant_of

DESERT = plant_of("desert-offgrid").site
KIND = DESERT.gensets[0]
POOL = DESERT.batteries[0]


def test_a_set_starts_synchronises_and_ramps_as_its_data_say() -> None:
    genset = _genset()
    genset.command("run", 1.0, 0.0)
    genset.command("power_kw", 1500.0, 0.0)

    entered = _phases(genset, 200)

    assert entered[GensetPhase.SYNCHRONISING] == round(KIND.start_s)
    assert entered[GensetPhase.RUNNING] == round(KIND.start_s + KIND.sync_s)
    assert genset.power_kw == pytest.approx(1500.0)
    assert genset.n_starts == len(genset.started_at_s) == 1


def test_a_set_takes_up_load_at_its_ramp() -> None:
    genset = _running()
    genset.power_kw = 600.0
    genset.command("power_kw", 2000.0, 0.0)

    genset.advance(0.0, 1.0)
    genset.settle(genset.range_kw().wanted_kw, 1.0)

    assert genset.power_kw == pytest.approx(600.0 + KIND.ramp_frac_per_s * KIND.rated_kw)


def test_a_set_cools_down_after_its_breaker_has_opened() -> None:
    genset = _running()
    genset.command("run", 0.0, 0.0)

    entered = _phases(genset, round(KIND.cooldown_s) + 60)

    assert entered[GensetPhase.COOLING_DOWN] == 1
    assert KIND.cooldown_s <= entered[GensetPhase.STOPPED] <= KIND.cooldown_s + 15
    assert genset.power_kw == 0.0


def test_a_set_that_still_turns_only_has_to_synchronise() -> None:
    genset = _running()
    genset.command("run", 0.0, 0.0)
    _phases(genset, 30)
    genset.command("run", 1.0, 30.0)

    entered = _phases(genset, 60, at_s=30)

    assert GensetPhase.STARTING not in entered
    assert entered[GensetPhase.RUNNING] == 30 + round(KIND.sync_s)


def test_a_failing_start_ends_in_a_fault_after_every_attempt() -> None:
    genset = _genset(start_failure_frac=1.0)
    genset.command("run", 1.0, 0.0)

    entered = _phases(genset, 400)

    cranking_s = KIND.attempts * KIND.crank_s + (KIND.attempts - 1) * KIND.rest_s
    assert entered[GensetPhase.FAULT] == round(cranking_s)
    assert GensetPhase.RUNNING not in entered


def test_a_command_acts_after_its_latency() -> None:
    genset = _genset()
    genset.command("run", 1.0, 5.0)

    entered = _phases(genset, 20)

    assert entered[GensetPhase.STARTING] == 6


@pytest.mark.parametrize("dt_s", [1.0, 7.0, 60.0, 300.0])
def test_a_start_takes_as_long_in_steps_of_any_length(dt_s: float) -> None:
    genset = _genset()
    genset.command("run", 1.0, 0.0)
    genset.command("power_kw", 1600.0, 0.0)
    duration_s = 2100.0

    for number in range(round(duration_s / dt_s)):
        genset.advance(number * dt_s, dt_s)
        genset.settle(genset.range_kw().wanted_kw, dt_s)

    until_load_s = KIND.start_s + KIND.sync_s
    ramp_s = 1600.0 / (KIND.ramp_frac_per_s * KIND.rated_kw)
    assert genset.run_s == pytest.approx(duration_s - until_load_s)
    assert genset.energy_kwh == pytest.approx(1600.0 * (duration_s - until_load_s - ramp_s / 2.0) / 3600.0)


@pytest.mark.parametrize("point", KIND.fuel.points, ids=lambda point: f"{point.power_kw:.0f} kW")
def test_fuel_follows_the_maker_s_points(point: object) -> None:
    power_kw = getattr(point, "power_kw", 0.0)
    genset = _running()
    genset.power_kw = power_kw
    genset.setpoint_kw = max(power_kw, KIND.min_stable_kw)
    genset.advance(0.0, 3600.0)

    litres = genset.settle(power_kw, 3600.0)

    assert litres == pytest.approx(KIND.fuel.fuel_l_per_h(power_kw), rel=5e-3)


@pytest.mark.parametrize("load_frac", [0.35, 0.6, 0.7, 0.85, 0.95])
def test_fuel_between_the_points_stays_close_to_the_straight_lines(load_frac: float) -> None:
    genset = _running()
    genset.power_kw = genset.setpoint_kw = load_frac * KIND.rated_kw
    genset.advance(0.0, 3600.0)

    litres = genset.settle(genset.power_kw, 3600.0)

    assert litres == pytest.approx(KIND.fuel.fuel_l_per_h(load_frac * KIND.rated_kw), rel=0.02)


def test_a_silent_controller_leaves_a_set_as_it_is() -> None:
    plant = plant_of("desert-offgrid")
    genset = plant.gensets["gen01"]
    genset.command("run", 1.0, 0.0)
    genset.command("power_kw", 1200.0, 0.0)

    for _ in range(120):
        plant.advance(30.0)

    assert genset.phase is GensetPhase.RUNNING
    assert genset.setpoint_kw == 1200.0


def test_a_silent_controller_lets_a_pcs_on_the_grid_hold_and_then_come_down() -> None:
    block = _block()
    block.command(2000.0, 0.0)

    powers = []
    for second in range(300):
        block.follow(float(second), 1.0, islanded=False)
        powers.append(block.setpoint_kw)

    assert powers[:30] == [2000.0] * 30
    assert powers[31] < 2000.0
    assert all(later <= earlier for earlier, later in pairwise(powers))
    assert powers[-1] < 0.02 * 2000.0


def test_a_silent_controller_leaves_a_forming_pcs_of_an_island_on_its_droop_without_a_setpoint() -> None:
    block = _block()
    block.command(2000.0, 0.0)

    powers = []
    for second in range(60):
        block.follow(float(second), 1.0, islanded=True)
        powers.append(block.setpoint_kw)

    assert powers == [2000.0] * 30 + [0.0] * 30


def test_the_setpoint_that_a_silent_master_leaves_at_an_island_is_seen_to_go() -> None:
    plant = plant_of("desert-offgrid")
    (block, *_) = plant.blocks.values()
    pcs = SimulatedPcs(plant, block)
    pcs.command("watchdog_s", 10.0)
    pcs.command("power_kw", -20.0)

    plant.advance(10.0)
    held_kw = pcs.reading("pcs").setpoint_kw
    for _ in range(5):
        plant.advance(10.0)
    reading = pcs.reading("pcs")

    assert held_kw == -20.0
    assert (reading.setpoint_kw, reading.forming, reading.ready) == (0.0, True, True)
    assert plant.unserved_kw == 0.0


def test_a_silent_controller_lifts_the_limit_of_pv() -> None:
    pv = TwinPvBlock(id="pv01", rated_kw=4000.0, limit_kw=500.0, watchdog_s=30.0)

    pv.advance(3000.0, 30.0)
    held_kw = pv.wanted_kw()
    pv.advance(3000.0, 1.0)

    assert held_kw == 500.0
    assert pv.wanted_kw() == 3000.0


def test_a_full_container_takes_nothing_and_an_empty_one_gives_nothing() -> None:
    full, empty = _container(soc_pct=99.5), _container(soc_pct=0.5)

    assert full.max_charge_kw == 0.0
    assert full.max_discharge_kw == pytest.approx(0.5 * full.full_kwh)
    assert empty.max_discharge_kw == 0.0
    assert empty.max_charge_kw == pytest.approx(0.5 * empty.full_kwh)


def test_a_hot_container_gives_less() -> None:
    container = _container(soc_pct=50.0)
    container.cell_degc = 40.0

    # the supplier's line falls from 100 % at 35 to 50 % at 45 degC
    assert container.max_discharge_kw == pytest.approx(0.75 * 0.5 * container.full_kwh)


@pytest.mark.parametrize("power_kw", [-3000.0, 0.0, 3000.0])
def test_a_block_loses_what_its_cells_and_terminals_differ_by(power_kw: float) -> None:
    block = _block()
    before_kwh = sum(container.stored_kwh for container in block.containers)

    lost_kwh = block.advance(power_kw, 25.0, 900.0)

    given_kwh = before_kwh - sum(container.stored_kwh for container in block.containers)
    assert given_kwh == pytest.approx(power_kw / 4.0 + lost_kwh)
    assert lost_kwh >= POOL.no_load_kw / 4.0


def test_an_empty_battery_takes_its_pcs_out_of_operation() -> None:
    block = _block()
    for container in block.containers:
        container.stored_kwh = 0.001

    block.advance(500.0, 25.0, 60.0)

    assert not block.forming
    assert block.range_kw(60.0) == (0.0, 0.0)


def test_fuel_is_ordered_below_the_level_and_comes_after_the_lead_time() -> None:
    tank = TwinTank(
        capacity_l=400_000.0,
        stored_l=300_100.0,
        order_below_l=300_000.0,
        delivery_l=35_000.0,
        max_deliveries_per_day=3,
        lead_time_s=86_400.0,
    )

    tank.advance(50.0, 0.0)
    calm = list(tank.arrivals_s)
    tank.advance(200.0, 3600.0)
    tank.advance(0.0, 3600.0 + 86_399.0)
    before_l = tank.stored_l
    tank.advance(0.0, 3600.0 + 86_400.0)

    assert calm == []
    assert before_l == pytest.approx(299_850.0)
    assert tank.stored_l == pytest.approx(334_850.0)
    assert tank.delivered_l == 35_000.0


def test_the_supplier_comes_at_most_three_times_a_day() -> None:
    tank = TwinTank(
        capacity_l=400_000.0,
        stored_l=100_000.0,
        order_below_l=300_000.0,
        delivery_l=35_000.0,
        max_deliveries_per_day=3,
        lead_time_s=86_400.0,
    )

    for minute in range(60):
        tank.advance(0.0, 60.0 * minute)

    assert len(tank.arrivals_s) == 3


def _genset(*, start_failure_frac: float = 0.0) -> TwinGenset:
    return TwinGenset(
        id="gen01",
        kind=KIND,
        unit_factor=1.0,
        rng=np.random.default_rng(1),
        start_failure_frac=start_failure_frac,
    )


def _running() -> TwinGenset:
    genset = _genset()
    genset.phase = GensetPhase.RUNNING
    genset.run_wanted = True
    return genset


def _phases(genset: TwinGenset, duration_s: int, *, at_s: int = 0) -> dict[GensetPhase, int]:
    """Run a set by seconds and return after how many it is first seen in each phase; the bus takes what it gives."""
    entered: dict[GensetPhase, int] = {}
    for second in range(at_s, at_s + duration_s):
        genset.advance(float(second), 1.0)
        genset.settle(genset.range_kw().wanted_kw, 1.0)
        entered.setdefault(genset.phase, second + 1)
    return entered


def _container(*, soc_pct: float) -> TwinContainer:
    return TwinContainer(id="c", full_kwh=5000.0, stored_kwh=50.0 * soc_pct, cell_degc=25.0, aux_base_kw=2.0)


def _block() -> TwinBlock:
    containers = [_container(soc_pct=60.0) for _ in range(4)]
    return TwinBlock(id="bess01", pool=POOL, containers=containers, watchdog_s=10.0)
