"""A link that only reads lets no write pass, whatever a driver wants."""

from drivers.modbus.link import ModbusLink
from drivers.sim.wire.server import WireServer
from ems.model.setpoints import Outcome
from ems.ports import SetsPower
from tests.drivers.clock import SteppedClock
from tests.drivers.rig import LINK, background, build, device_spec, link_spec, pcs, registers


async def test_a_write_is_refused_before_it_leaves_and_reading_goes_on() -> None:
    clock, spec, plant = SteppedClock(), device_spec("generic-pcs"), pcs()
    units = registers(((spec, plant),), (), clock)
    async with WireServer("127.0.0.1", 0, units=units, clock=clock) as server:
        link = ModbusLink(link_spec(server.port), clock=clock, read_only=True)
        device = build(spec, clock=clock, links={LINK: link})
        async with background(link.run()):
            await clock.until(lambda: device.reading() is not None)
            assert isinstance(device, SetsPower)
            for _ in range(10):
                device.set_power(100.0, valid_until_s=clock.monotonic_s() + 10.0)
                await clock.run(1.0)
            outcome, reading = device.outcome(), device.reading()

            assert server.n_writes == 0
            assert plant.commands == []
            assert outcome is not None
            assert outcome.outcome is Outcome.REFUSED
            assert reading is not None
            assert clock.monotonic_s() - reading.at_s < 3.0
