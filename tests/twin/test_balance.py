"""The plant neither makes nor loses energy: sources are sinks, losses and the change of what is stored."""

from random import Random

import pytest

from drivers.sim.plant import Plant
from tests.twin.settings import plant_of

SITES = pytest.mark.parametrize("site", ["edge-node", "desert-offgrid", "weak-grid-campus"])


@SITES
@pytest.mark.parametrize(("step_s", "n_steps"), [(1.0, 900), (60.0, 480), (300.0, 100)])
def test_energy_balance_closes_under_any_command(site: str, step_s: float, n_steps: int) -> None:
    plant = plant_of(site)
    stored_kwh = plant.stored_kwh
    random = Random(site)

    for _ in range(n_steps):
        _command(plant, random)
        plant.advance(step_s)

    totals = plant.totals
    sources = totals.pv_used + totals.genset + totals.grid_import - totals.grid_export
    sinks = totals.delivered + totals.losses + plant.stored_kwh - stored_kwh
    assert totals.delivered > 0.0
    assert sources == pytest.approx(sinks, rel=1e-9, abs=1e-9 * totals.delivered)


@SITES
def test_every_step_balances_at_the_bus(site: str) -> None:
    plant = plant_of(site)
    random = Random(site)

    for _ in range(200):
        _command(plant, random)
        before = plant.totals.losses
        served_kwh = plant.totals.delivered
        storage_kwh = _storage_kwh(plant)
        sources_kwh = _sources_kwh(plant)
        plant.advance(60.0)
        # what went into the bus in this step is what the loads got, and cable losses inside `losses`
        entered = _sources_kwh(plant) - sources_kwh + _storage_kwh(plant) - storage_kwh
        served = plant.totals.delivered - served_kwh
        assert 0.0 <= entered - served <= plant.totals.losses - before + 1e-9


def test_load_is_served_whole_or_counted_as_unserved() -> None:
    plant = plant_of("desert-offgrid")
    for block in plant.blocks.values():
        block.in_operation = False
    for pv in plant.pv.values():
        pv.limit_kw = 0.0

    plant.advance(60.0)

    assert plant.totals.delivered == pytest.approx(0.0, abs=1e-9)
    assert plant.unserved_kw > plant.site.it.idle_kw
    assert plant.totals.unserved == pytest.approx(plant.unserved_kw / 60.0)


def test_curtailed_pv_is_available_but_not_used() -> None:
    plant = plant_of("desert-offgrid")
    for pv in plant.pv.values():
        pv.limit_kw = 1000.0

    plant.advance(60.0)

    assert plant.totals.pv_available > plant.totals.pv_used
    assert sum(pv.power_kw for pv in plant.pv.values()) == pytest.approx(14_000.0)


def _command(plant: Plant, random: Random) -> None:
    """Now and then ask any unit for anything."""
    if random.random() > 0.2:
        return
    for block in plant.blocks.values():
        block.command(random.uniform(-1.0, 1.0) * block.pool.pcs_kw, plant.elapsed_s + 1.0)
    for genset in plant.gensets.values():
        genset.command("run", float(random.random() < 0.5), plant.elapsed_s)
        genset.command("power_kw", random.random() * genset.kind.rated_kw, plant.elapsed_s)
    for pv in plant.pv.values():
        pv.limit_kw = random.random() * pv.rated_kw
    if plant.grid is not None:
        plant.grid.forced = random.random() < 0.3


def _sources_kwh(plant: Plant) -> float:
    totals = plant.totals
    return totals.pv_used + totals.genset + totals.grid_import - totals.grid_export


def _storage_kwh(plant: Plant) -> float:
    return plant.totals.battery_discharge - plant.totals.battery_charge
