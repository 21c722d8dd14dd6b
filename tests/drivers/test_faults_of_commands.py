"""Devices that do not do what they are told: noticed with the next setpoint, and commanded again when it is over."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from drivers.battery.pcs import PcsDevice
from drivers.pv.block import PvBlock
from drivers.sim.wire.faults import Faults
from ems.model.device import Framing
from ems.model.setpoints import Outcome
from tests.drivers.rig import PlantDevice, Rig, device_spec, pcs, running

# from the setpoint step to the verdict, for storage and PV
NOTICED_S = 10.0
RECOVERY_S = 10.0
FRAMINGS = (Framing.TCP, Framing.RTU_OVER_TCP)


@dataclass(frozen=True, slots=True)
class Kind:
    """How a kind of device is placed and told a power."""

    map: str
    plant: Callable[[], PlantDevice]
    command: str
    tell: Callable[[Rig, float], None]


def _tell_pcs(rig: Rig, power_kw: float) -> None:
    rig.device(PcsDevice).set_power(power_kw, valid_until_s=rig.clock.monotonic_s() + 15.0)


def _tell_pv(rig: Rig, limit_kw: float) -> None:
    rig.device(PvBlock).set_limit(limit_kw, valid_until_s=rig.clock.monotonic_s() + 15.0)


def _pv() -> PlantDevice:
    shown = {"power_kw": 800.0, "available_kw": 900.0, "limit_kw": 2000.0, "energy_wh": 7}
    return PlantDevice(shown, follows={"limit_kw": "limit_kw"})


KINDS = [
    pytest.param(Kind("generic-pcs", pcs, "power_kw", _tell_pcs), id="pcs"),
    pytest.param(Kind("generic-pv", _pv, "limit_kw", _tell_pv), id="pv"),
]


def outcome(rig: Rig) -> Outcome | None:
    device = rig.devices[1]
    assert isinstance(device, PcsDevice | PvBlock)
    newest = device.outcome()
    return None if newest is None else newest.outcome


@pytest.mark.wire
@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_device_that_ignores_writes_has_failed_its_next_setpoint(kind: Kind, framing: Framing) -> None:
    plant = kind.plant()
    async with running((device_spec(kind.map), plant), framing=framing) as rig:
        await rig.first_reading()
        kind.tell(rig, 1000.0)
        await rig.clock.until(lambda: outcome(rig) is Outcome.ACCEPTED)

        await rig.server.set_faults(Faults(ignore_writes=True))
        kind.tell(rig, 600.0)
        noticed_s = await rig.clock.until(lambda: outcome(rig) is Outcome.FAILED)
        await rig.clock.run(30.0)
        during = plant.commanded(kind.command)[-1]
        await rig.heal()
        kind.tell(rig, 700.0)
        recovered_s = await rig.clock.until(lambda: outcome(rig) is Outcome.ACCEPTED)

    assert noticed_s <= NOTICED_S
    assert during == 1000.0
    assert recovered_s <= RECOVERY_S
    assert plant.commanded(kind.command)[-1] == 700.0


@pytest.mark.wire
@pytest.mark.parametrize("framing", FRAMINGS)
async def test_a_device_that_says_that_it_is_under_local_control_is_told_nothing(framing: Framing) -> None:
    plant = pcs()
    async with running((device_spec("generic-pcs"), plant), framing=framing) as rig:
        await rig.first_reading()
        _tell_pcs(rig, 1000.0)
        await rig.clock.until(lambda: outcome(rig) is Outcome.ACCEPTED)

        await rig.server.set_faults(Faults(local=True))
        await rig.clock.run(1.1)
        _tell_pcs(rig, 600.0)
        refused = outcome(rig)
        n_told = len(plant.commands)
        await rig.clock.run(30.0)
        n_during = len(plant.commands)
        await rig.heal()
        await rig.clock.run(1.1)
        _tell_pcs(rig, 700.0)
        recovered_s = await rig.clock.until(lambda: outcome(rig) is Outcome.ACCEPTED)

    assert refused is Outcome.REFUSED
    assert n_during == n_told
    assert recovered_s <= RECOVERY_S
    assert plant.commanded("power_kw")[-1] == 700.0
