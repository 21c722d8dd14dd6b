"""The same seed gives the same site; instruments show it the same way in process and over registers."""

from datetime import timedelta

import numpy as np
import pytest

from drivers.sim.devices import shown_values, simulated_devices
from drivers.sim.plant import Plant
from drivers.sim.port_twin import PortDevice, PortGenset, PortPcs, PortPv, port_device
from ems.model.readings import LoadReading, PcsReading
from ems.model.setpoints import Outcome
from ems.ports import Curtails, Device, SetsPower, StartsAndStops
from ems.runtime.clock import ManualClock
from tests.twin.settings import START, device_specs, exact, plant_of, spec_of

SITE = "edge-node"


def test_the_same_seed_gives_the_same_hours() -> None:
    first, second = _after(seed=5), _after(seed=5)

    assert first.totals == second.totals
    assert first.stored_kwh == second.stored_kwh


def test_another_seed_gives_other_hours() -> None:
    assert _after(seed=5).totals != _after(seed=6).totals


@pytest.mark.parametrize("step_s", [15.0, 300.0])
def test_weather_and_load_do_not_depend_on_the_step(step_s: float) -> None:
    # swings below a minute show only in steps below a minute and have no mean
    reference, other = _after(seed=5, step_s=60.0), _after(seed=5, step_s=step_s)

    assert other.totals.pv_available == pytest.approx(reference.totals.pv_available, rel=1e-6)
    assert other.totals.load_it == pytest.approx(reference.totals.load_it, rel=2e-3)


@pytest.mark.parametrize("site", ["edge-node", "weak-grid-campus"])
def test_clouds_have_the_mean_of_the_record(site: str) -> None:
    plant = plant_of(site)
    weighted = total = 0.0

    for number in range(40):
        day = plant._sky.day(START.replace(hour=8) + timedelta(days=9 * number), number)
        light = day.ghi_w_per_m2 if day.poa_w_per_m2 is None else day.poa_w_per_m2
        weighted += float((day.cloud_frac * light[:, None]).sum())
        total += float(light.sum()) * day.cloud_frac.shape[1]

    # the standard error of forty days is 0.12 %
    assert weighted / total == pytest.approx(1.0, abs=0.005)


def test_hourly_means_of_the_record_are_kept() -> None:
    plant = plant_of(SITE)
    day = plant._sky.day(START.replace(hour=8), 0)
    recorded = plant._sky._columns["dni"]

    first = ((START.replace(hour=8) - START.replace(month=1, day=1, hour=0)).days) * 1440 + 8 * 60
    hours = day.dni_w_per_m2.reshape(24, 60).mean(axis=1)
    expected = recorded[first : first + 1440].reshape(24, 60).mean(axis=1)
    bright = expected > 50.0
    assert bright.sum() >= 6
    assert np.allclose(hours[bright], expected[bright])


def test_port_devices_show_the_values_that_the_register_bank_serves() -> None:
    clock = ManualClock(START)
    ported, banked = (simulated_devices(_after(seed=5)) for _ in range(2))
    for spec in device_specs(SITE):
        # the wire drivers arm the watchdog on connecting
        if spec.watchdog_s is not None:
            banked[spec.asset].command("watchdog_s", spec.watchdog_s)

    for spec in device_specs(SITE):
        reading = port_device(spec, ported[spec.asset], clock).reading()
        assert reading is not None
        expected = shown_values(reading, serial=spec.id)
        assert shown_values(banked[spec.asset].reading(spec.id), serial=spec.id) == expected


def test_port_devices_have_the_capabilities_of_their_kind() -> None:
    clock = ManualClock(START)
    simulated = simulated_devices(plant_of(SITE))
    devices = {spec.asset: port_device(spec, simulated[spec.asset], clock) for spec in device_specs(SITE)}
    kinds: dict[str, tuple[type[PortDevice], tuple[bool, bool, bool]]] = {
        "bess01": (PortPcs, (True, False, False)),
        "gen01": (PortGenset, (True, True, False)),
        "pv01": (PortPv, (False, False, True)),
        "it": (PortDevice, (False, False, False)),
    }

    for asset, (kind, capabilities) in kinds.items():
        device: object = devices[asset]
        assert type(device) is kind
        assert isinstance(device, Device)
        found = tuple(isinstance(device, protocol) for protocol in (SetsPower, StartsAndStops, Curtails))
        assert found == capabilities


def test_a_port_command_acts_after_the_latency_and_a_wild_one_is_refused() -> None:
    clock = ManualClock(START)
    plant = plant_of(SITE)
    simulated = simulated_devices(plant)
    spec = next(spec for spec in device_specs(SITE) if spec.asset == "bess01")
    device = port_device(spec, simulated["bess01"], clock)
    assert isinstance(device, PortPcs)
    block = plant.blocks["bess01"]

    device.set_power(40.0, valid_until_s=99.0)
    accepted = device.outcome()
    plant.advance(1.0)
    early_kw = block.setpoint_kw
    for _ in range(5):
        plant.advance(1.0)
    device.set_power(9999.0, valid_until_s=99.0)
    refused = device.outcome()

    assert accepted is not None
    assert accepted.outcome is Outcome.ACCEPTED
    assert plant.spec.errors.command_latency_s > 0.0
    assert early_kw == 0.0
    assert block.setpoint_kw == 40.0
    assert refused is not None
    assert refused.outcome is Outcome.REFUSED


def test_perfect_instruments_show_the_truth() -> None:
    plant = plant_of(SITE, spec=exact(spec_of(SITE)))
    for _ in range(30):
        plant.advance(60.0)
    simulated = simulated_devices(plant)

    pcs, meter = simulated["bess01"].reading("pcs"), simulated["it"].reading("meter")

    assert isinstance(pcs, PcsReading)
    assert isinstance(meter, LoadReading)
    assert pcs.power_kw == plant.blocks["bess01"].power_kw
    assert meter.load_kw == plant.load.it_kw
    assert meter.energy_wh == int(1000.0 * plant.totals.load_it)


def test_real_instruments_are_a_little_off_and_their_counters_never_fall() -> None:
    plant = plant_of(SITE)
    device = simulated_devices(plant)["it"]
    counters, errors = [], []

    for _ in range(300):
        plant.advance(10.0)
        reading = device.reading("meter")
        assert isinstance(reading, LoadReading)
        assert reading.energy_wh is not None
        assert reading.load_kw is not None
        counters.append(reading.energy_wh)
        errors.append(reading.load_kw / plant.load.it_kw - 1.0)

    assert counters == sorted(counters)
    assert len(set(errors)) == len(errors)
    assert max(abs(error) for error in errors) < 0.1


def _after(*, seed: int, step_s: float = 60.0, duration_s: float = 7200.0) -> Plant:
    plant = plant_of(SITE, seed=seed)
    for _ in range(round(duration_s / step_s)):
        plant.advance(step_s)
    return plant
