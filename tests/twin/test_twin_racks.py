"""Racks of a simulated container: how current divides, what drifts apart and levels out, and a rack that is out."""

from dataclasses import replace

import pytest

from drivers.modbus.mapfile import load_map
from drivers.sim.battery import TwinContainer
from drivers.sim.bms import SimulatedBms
from drivers.sim.devices import shown_values
from drivers.sim.racks import TwinRack, draw, in_service, split
from drivers.sim.wire.racks import RackedContainer
from drivers.sim.wire.words import Value
from ems.config.build import build_twin
from ems.config.schema.twin import TwinRacksTable
from ems.model.readings import BmsReading
from ems.model.twin import TwinRacks
from tests.twin.settings import exact, files_of, plant_of, spec_of

SITE = "edge-node"
FIVE = TwinRacks(count=5, capacity_tolerance_frac=0.02, resistance_tolerance_frac=0.05)
EQUAL = replace(FIVE, capacity_tolerance_frac=0.0, resistance_tolerance_frac=0.0)
FULL_KWH = 5000.0


def container(spec: TwinRacks = FIVE, *, soc_pct: float = 60.0) -> TwinContainer:
    stored_kwh = FULL_KWH * soc_pct / 100.0
    return TwinContainer(
        id="c01",
        full_kwh=FULL_KWH,
        stored_kwh=stored_kwh,
        cell_degc=25.0,
        aux_base_kw=0.0,
        racks=split(spec, full_kwh=FULL_KWH, stored_kwh=stored_kwh, seed=1, name="c01"),
    )


def run(of: TwinContainer, power_kw: float, *, hours: float, dt_s: float = 10.0) -> None:
    for _ in range(round(hours * 3600.0 / dt_s)):
        of.advance(power_kw, 25.0, dt_s)


def spread_pct(of: TwinContainer) -> float:
    socs = [rack.soc_pct for rack in in_service(of.racks)]
    return max(socs) - min(socs)


def bms(spec: TwinRacks = FIVE) -> SimulatedBms:
    plant = plant_of(SITE, spec=replace(exact(spec_of(SITE)), racks=spec))
    block = next(iter(plant.blocks.values()))
    return SimulatedBms(plant, block.containers[0], block.pool)


def told(of: SimulatedBms) -> BmsReading:
    return of.reading("bms")


def test_equal_racks_share_the_current_and_stay_together() -> None:
    even = container(EQUAL)

    run(even, 1000.0, hours=1.0 / 360.0)

    # 1000 kW at 792 V without load, of five racks
    assert [rack.current_a for rack in even.racks] == pytest.approx([1_000_000.0 / 792.0 / 5.0] * 5, rel=1e-3)
    run(even, 1000.0, hours=1.0)
    assert spread_pct(even) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("power_kw", [2000.0, -1500.0])
def test_racks_hold_together_what_their_container_holds(power_kw: float) -> None:
    uneven = container()

    run(uneven, power_kw, hours=0.5)

    assert sum(rack.stored_kwh for rack in uneven.racks) == pytest.approx(uneven.stored_kwh)
    assert sum(rack.full_kwh for rack in uneven.racks) == pytest.approx(FULL_KWH)


def test_the_rack_of_least_resistance_gives_most_and_becomes_the_emptiest_and_warmest() -> None:
    low = TwinRack(full_kwh=1000.0, stored_kwh=600.0, resistance_ohm=0.03)
    high = TwinRack(full_kwh=1000.0, stored_kwh=600.0, resistance_ohm=0.04)

    draw([low, high], power_kw=400.0, drawn_kwh=400.0 * 60.0 / 3600.0, dt_s=60.0)

    # at equal charge the currents divide as the conductances, 4 to 3
    assert low.current_a / high.current_a == pytest.approx(4.0 / 3.0)
    assert low.soc_pct < high.soc_pct
    assert low.warmer_k > 0.0 > high.warmer_k


def test_racks_drift_apart_under_load_and_level_out_at_rest() -> None:
    uneven = container()
    at_rest = spread_pct(uneven)

    run(uneven, 2000.0, hours=0.5)
    loaded = spread_pct(uneven)
    run(uneven, 0.0, hours=3.0)

    assert at_rest == pytest.approx(0.0, abs=1e-9)
    assert 0.1 < loaded < 5.0
    assert spread_pct(uneven) < 0.1 * loaded


def test_a_rack_that_is_out_keeps_its_charge_and_the_others_carry() -> None:
    whole, lacking = container(EQUAL), container(EQUAL)
    lacking.racks[1].closed = False

    run(lacking, 500.0, hours=1.0)

    assert lacking.racks[1].soc_pct == pytest.approx(60.0)
    assert lacking.racks[1].current_a == 0.0
    assert lacking.max_discharge_kw == pytest.approx(0.8 * whole.max_discharge_kw)
    assert lacking.soc_pct < 60.0 - 500.0 / FULL_KWH * 100.0
    assert lacking.available_kwh == pytest.approx(lacking.stored_kwh - 600.0)
    assert lacking.room_kwh == pytest.approx(FULL_KWH - lacking.stored_kwh - 400.0)


def test_a_container_without_any_rack_in_service_gives_nothing() -> None:
    out = container(EQUAL)
    for rack in out.racks:
        rack.closed = False

    assert (out.max_charge_kw, out.max_discharge_kw) == (0.0, 0.0)


def test_the_weakest_rack_limits_its_container() -> None:
    nearly = container(EQUAL, soc_pct=97.0)
    nearly.racks[0].stored_kwh = 0.985 * nearly.racks[0].full_kwh

    # the BMS tapers over 3 % below 99 %: half a percent are left of them
    assert nearly.max_charge_kw == pytest.approx(0.5 * FULL_KWH * 0.5 / 3.0)


def test_the_bms_shows_every_rack_and_takes_one_out() -> None:
    shown = bms()
    before = told(shown)

    assert shown.command("rack 2", 0.0)
    after = told(shown)

    assert before.racks is not None
    assert after.racks is not None
    assert [rack.in_service for rack in after.racks] == [True, False, True, True, True]
    assert (after.racks[1].max_charge_a, after.racks[1].current_a) == (0.0, 0.0)
    assert after.max_discharge_kw == pytest.approx(0.8 * (before.max_discharge_kw or 0.0), rel=0.05)
    assert shown.command("rack 2", 1.0)
    assert not shown.command("rack 6", 0.0)
    assert not shown.command("power_kw", 1.0)


def test_a_rack_of_another_voltage_is_not_let_in_again() -> None:
    shown = bms()
    shown.command("rack 1", 0.0)
    rack = shown._container.racks[0]
    rack.stored_kwh = 0.2 * rack.full_kwh

    assert not shown.command("rack 1", 1.0)
    assert not rack.closed


def test_racks_of_the_container_fill_those_of_a_map_and_more_of_the_map_are_out() -> None:
    shown = bms(replace(FIVE, count=3))

    class OnTheWire:
        def values(self) -> dict[str, Value]:
            return dict(shown_values(told(shown), serial="S"))

        def command(self, name: str, value: float) -> bool:
            return shown.command(name, value)

    values = RackedContainer(load_map("soltaro-cluster-c", ()), OnTheWire()).values()

    reading = told(shown)
    assert reading.racks is not None
    assert values["rack 2 soc_pct"] == reading.racks[1].soc_pct
    assert [values.get(f"rack {number} in_service") for number in range(1, 6)] == [True, True, True, False, False]


def test_racks_are_drawn_by_the_seed_and_the_name_of_their_container() -> None:
    def sizes(seed: int, name: str) -> list[float]:
        return [rack.full_kwh for rack in split(FIVE, full_kwh=FULL_KWH, stored_kwh=0.0, seed=seed, name=name)]

    assert sizes(1, "c01") == sizes(1, "c01")
    assert sizes(1, "c01") != sizes(2, "c01")
    assert sizes(1, "c01") != sizes(1, "c02")


def test_a_container_without_racks_is_one_piece() -> None:
    plant = plant_of(SITE)
    block = next(iter(plant.blocks.values()))

    assert told(SimulatedBms(plant, block.containers[0], block.pool)).racks is None


def test_racks_of_the_configuration_are_those_of_the_plant() -> None:
    twin = files_of(SITE).twin
    assert twin is not None
    table = TwinRacksTable(count=4, capacity_tolerance_frac=0.02, resistance_tolerance_frac=0.1)

    spec = build_twin(twin.model_copy(update={"racks": table}))

    assert spec.racks == TwinRacks(count=4, capacity_tolerance_frac=0.02, resistance_tolerance_frac=0.1)
    blocks = plant_of(SITE, spec=spec).blocks.values()
    assert {len(each.racks) for block in blocks for each in block.containers} == {4}


def test_a_container_is_found_by_its_name() -> None:
    plant = plant_of(SITE, spec=replace(exact(spec_of(SITE)), racks=FIVE))
    first = next(iter(plant.blocks.values())).containers[0]

    assert plant.container(first.id) is first
    assert first.switch_rack(3, closed=False)
    assert [rack.closed for rack in first.racks] == [True, True, False, True, True]
    assert not first.switch_rack(0, closed=False)
    with pytest.raises(KeyError):
        plant.container("no-such")
