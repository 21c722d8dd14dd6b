"""The link and its devices while the line or the peer misbehaves, on loopback."""

import asyncio

import pytest

from drivers.battery.pcs import PcsDevice
from drivers.modbus.link import ModbusLink
from drivers.modbus.statistics import ErrorKind
from ems.model.readings import LoadReading, PcsReading
from tests.drivers.clock import SteppedClock
from tests.drivers.rig import LINK, Rig, background, build, device_spec, link_spec, meter, pcs, running

pytestmark = pytest.mark.wire


def power(rig: Rig, unit: int = 1) -> float | None:
    reading = rig.devices[unit].reading()
    assert isinstance(reading, PcsReading)
    return reading.power_kw


def age_s(rig: Rig, unit: int = 1) -> float:
    reading = rig.devices[unit].reading()
    assert reading is not None
    return rig.clock.monotonic_s() - reading.at_s


async def test_fast_blocks_are_read_every_period_and_slow_ones_more_seldom() -> None:
    async with running((device_spec("generic-pcs", fast_s=1.0, slow_s=5.0), pcs())) as rig:
        await rig.first_reading()
        before = rig.link.statistics()

        await rig.clock.run(10.0)

        after = rig.link.statistics()
    # ten fast rounds and two slow ones of one request each
    assert after.n_requests - before.n_requests == 12
    assert after.connected
    assert after.n_connections == 1
    assert after.n_errors == {}
    assert after.latency.quantile_s(0.5) is not None


async def test_a_silent_device_is_in_trouble_and_recovers() -> None:
    async with running((device_spec("generic-pcs"), plant := pcs())) as rig:
        await rig.first_reading()
        await rig.fail(mute=True)

        await rig.clock.run(8.0)
        silent_s, trouble, connected = age_s(rig), rig.devices[1].trouble(), rig.link.statistics()
        plant.shown["power_kw"] = 321.0
        await rig.heal()
        await rig.clock.until(lambda: power(rig) == 321.0, limit_s=12.0)

        healed = rig.devices[1].trouble()
    assert silent_s > 7.0
    assert trouble == "line unit 1: no answer within 1 s (reading 24 registers at input:0)"
    assert connected.n_errors[ErrorKind.TIMEOUT] >= 2
    assert healed is None


async def test_a_single_lost_answer_costs_a_time_out_and_no_more() -> None:
    async with running((device_spec("generic-pcs"), pcs())) as rig:
        await rig.first_reading()
        await rig.fail(mute=True)
        await rig.clock.until(lambda: ErrorKind.TIMEOUT in rig.link.statistics().n_errors)
        await rig.heal()

        await rig.clock.until(lambda: age_s(rig) < 0.5, limit_s=1.5)

        trouble = rig.devices[1].trouble()
    assert trouble is None


async def test_a_peer_that_refuses_connections_is_tried_for_ever_but_not_too_often() -> None:
    async with running((device_spec("generic-pcs"), pcs())) as rig:
        await rig.first_reading()
        await rig.fail(refuse=True)

        await rig.clock.run(60.0)
        trouble, errors = rig.devices[1].trouble(), rig.link.statistics().n_errors
        await rig.heal()
        took_s = await rig.clock.until(lambda: age_s(rig) < 1.0)

    assert trouble is not None
    assert trouble.startswith("line: no connection to 127.0.0.1:")
    # pauses of 1, 2, then 4 s, up to a quarter shorter: 60 s hold 15 to 20 attempts
    assert 15 <= errors[ErrorKind.NO_CONNECTION] <= 21
    assert took_s < 5.0


async def test_a_peer_that_does_not_take_the_connection_in_time_is_given_up() -> None:
    # shorter than one turn of the event loop on this clock
    async with running((device_spec("generic-pcs"), pcs()), timeout_s=0.001) as rig:
        await rig.clock.run(1.0)

        trouble = rig.devices[1].trouble()
    assert trouble is not None
    assert trouble.endswith("in time")


async def test_a_connection_that_breaks_is_noticed_at_once_and_made_again() -> None:
    async with running((device_spec("generic-pcs"), pcs())) as rig:
        await rig.first_reading()
        await rig.clock.run(5.0)

        await rig.fail(refuse=True)
        await rig.heal()
        took_s = await rig.clock.until(lambda: rig.link.statistics().n_connections == 2)

        errors = rig.link.statistics().n_errors
    # the last attempt is long past, so the next one does not wait
    assert took_s < 0.2
    assert errors == {ErrorKind.DISCONNECTED: 1}


async def test_a_connection_that_breaks_while_an_answer_is_awaited_does_not_cost_the_time_out() -> None:
    async with running((device_spec("generic-pcs"), pcs()), timeout_s=30.0) as rig:
        await rig.first_reading()
        await rig.fail(mute=True)
        await rig.clock.run(2.0)

        await rig.fail(refuse=True)
        await rig.heal()
        took_s = await rig.clock.until(lambda: age_s(rig) < 0.5)

    assert took_s < 1.0


@pytest.mark.parametrize(
    ("fault", "kind", "reason"),
    [
        ({"garbage": True}, ErrorKind.MALFORMED, "this is no Modbus TCP"),
        ({"missing_registers": 1}, ErrorKind.SHORT, "bytes of values instead of"),
    ],
)
async def test_what_is_no_proper_answer_never_becomes_a_reading(
    fault: dict[str, int], kind: ErrorKind, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with running((device_spec("generic-pcs"), pcs(power_kw=100.0))) as rig:
        await rig.fail(**fault)

        await rig.clock.run(10.0)
        reading, trouble, errors = rig.devices[1].reading(), rig.devices[1].trouble(), rig.link.statistics().n_errors
        await rig.heal()
        await rig.first_reading()

    assert reading is None
    assert trouble is not None
    assert reason in trouble
    assert errors[kind] >= 2
    assert power(rig) == 100.0
    # neither the library nor the event loop has anything to say that we have not said
    assert caplog.records == []


async def test_an_answer_that_comes_too_late_is_never_used() -> None:
    seen: set[float | None] = set()
    async with running((device_spec("generic-pcs"), plant := pcs(power_kw=100.0))) as rig:
        await rig.first_reading()
        # each answer comes 0.2 s after its time-out, with the value of that moment
        await rig.fail(delay_s=1.2)
        for step in range(40):
            plant.shown["power_kw"] = 1000.0 + step
            await rig.clock.run(0.25)
            seen.add(power(rig))

        plant.shown["power_kw"] = 200.0
        await rig.heal()
        await rig.clock.until(lambda: power(rig) == 200.0)

    assert seen == {100.0}


async def test_a_silent_unit_does_not_keep_the_others_from_being_read() -> None:
    ages: list[float] = []
    specs = [device_spec("generic-meter", unit=unit) for unit in (1, 2, 3)]
    async with running(*((spec, meter()) for spec in specs)) as rig:
        await rig.clock.until(lambda: all(device.reading() for device in rig.devices.values()))
        await rig.fail(mute=True, units=frozenset({2}))
        await rig.clock.run(10.0)

        for _ in range(200):
            await rig.clock.run(0.1)
            ages += [age_s(rig, 1), age_s(rig, 3)]
        troubles = {unit: device.trouble() for unit, device in rig.devices.items()}

        await rig.heal()
        await rig.clock.until(lambda: age_s(rig, 2) < 1.0, limit_s=6.0)

    # a probe of the silent one costs its time-out and a new connection, every five time-outs
    assert max(ages) < 2.5
    assert sum(age > 1.2 for age in ages) < 0.25 * len(ages)
    assert troubles[1] is None
    assert troubles[3] is None
    assert troubles[2] is not None
    assert "unit 2: no answer" in troubles[2]


async def test_a_unit_that_its_gateway_calls_silent_does_not_cost_the_connection() -> None:
    specs = [device_spec("generic-meter", unit=unit) for unit in (1, 2)]
    async with running(*((spec, meter()) for spec in specs)) as rig:
        await rig.clock.until(lambda: all(device.reading() for device in rig.devices.values()))
        await rig.fail(exception_code=11, units=frozenset({2}))

        await rig.clock.run(20.0)
        stats, trouble = rig.link.statistics(), rig.devices[2].trouble()

    assert stats.n_connections == 1
    assert age_s(rig, 1) < 1.2
    assert trouble == "exception 11 (unit behind the gateway is silent)"
    # twice at first, then every five time-outs
    assert 4 <= stats.n_errors[ErrorKind.EXCEPTION] <= 7


async def test_a_busy_device_keeps_its_last_value_with_its_age() -> None:
    async with running((device_spec("generic-pcs"), plant := pcs(power_kw=100.0))) as rig:
        await rig.first_reading()
        await rig.fail(exception_code=6)
        plant.shown["power_kw"] = 200.0

        await rig.clock.run(5.0)

        value, old_s, trouble, stats = power(rig), age_s(rig), rig.devices[1].trouble(), rig.link.statistics()
    assert value == 100.0
    assert old_s > 4.0
    assert trouble == "exception 6 (busy)"
    assert stats.n_connections == 1


async def test_a_device_that_refuses_its_registers_gives_no_reading() -> None:
    async with running((device_spec("generic-pcs"), pcs())) as rig:
        await rig.fail(exception_code=2)

        await rig.clock.run(10.0)

        reading, trouble = rig.devices[1].reading(), rig.devices[1].trouble()
    assert reading is None
    assert trouble == "its identity cannot be read: exception 2 (no such register)"


async def test_frozen_values_behind_a_working_connection_are_noticed() -> None:
    async with running((device_spec("generic-pcs"), plant := pcs(power_kw=100.0))) as rig:
        await rig.first_reading()
        await rig.fail(frozen=True)

        await rig.clock.run(9.0)
        trouble, old_s = rig.devices[1].trouble(), age_s(rig)
        plant.shown["power_kw"] = 200.0
        await rig.heal()
        await rig.clock.until(lambda: power(rig) == 200.0, limit_s=2.0)

        healed = rig.devices[1].trouble()
    assert trouble is not None
    assert trouble.startswith("its values are frozen: life counter unchanged for")
    assert old_s > 3.0
    assert healed is None


async def test_a_command_that_finds_no_connection_is_lost_when_it_expires() -> None:
    async with running((device_spec("generic-pcs"), plant := pcs())) as rig:
        await rig.first_reading()
        await rig.fail(refuse=True)
        await rig.clock.run(1.0)
        device = rig.device(PcsDevice)

        device.set_power(100.0, valid_until_s=rig.clock.monotonic_s() + 10.0)
        await rig.clock.run(9.0)
        waiting = device.outcome()
        await rig.clock.run(1.1)
        expired = device.outcome()
        await rig.heal()
        await rig.clock.run(10.0)

    assert waiting is None
    assert expired is not None
    assert (expired.outcome, expired.detail) == ("lost", "power_kw: expired")
    assert plant.commanded("power_kw") == []


async def test_a_write_without_an_answer_is_lost() -> None:
    async with running((device_spec("generic-pcs"), pcs())) as rig:
        await rig.first_reading()
        device = rig.device(PcsDevice)
        device.set_power(100.0, valid_until_s=rig.clock.monotonic_s() + 10.0)
        await rig.clock.until(lambda: device.outcome() is not None)
        await rig.fail(mute=True)

        device.set_power(200.0, valid_until_s=rig.clock.monotonic_s() + 10.0)
        await rig.clock.run(1.5)

        outcome = device.outcome()
    assert outcome is not None
    assert outcome.outcome == "lost"
    assert "no answer within 1 s (writing 2 registers at holding:500)" in outcome.detail


async def test_after_a_reconnect_the_device_is_read_before_the_same_setpoint_is_written_again() -> None:
    async with running((device_spec("generic-pcs"), plant := pcs())) as rig:
        await rig.first_reading()
        device = rig.device(PcsDevice)
        device.set_power(100.0, valid_until_s=rig.clock.monotonic_s() + 15.0)
        await rig.clock.until(lambda: device.outcome() is not None)
        await rig.fail(refuse=True)
        # the device falls back on its own while it hears nothing from us
        plant.shown["setpoint_kw"] = 0.0
        await rig.heal()

        device.set_power(100.0, valid_until_s=rig.clock.monotonic_s() + 15.0)
        await rig.clock.until(lambda: len(plant.commanded("power_kw")) == 2, limit_s=10.0)
        reading = device.reading()

    assert plant.commanded("power_kw") == [100.0, 100.0]
    assert reading is not None
    # the reading that allowed the write still showed the fall-back
    assert reading.setpoint_kw == 0.0


async def test_another_device_at_the_same_address_is_read_but_not_commanded() -> None:
    async with running((device_spec("generic-pcs"), plant := pcs())) as rig:
        await rig.first_reading()
        device = rig.device(PcsDevice)
        plant.shown.update(serial="S-0002", power_kw=77.0)
        await rig.fail(refuse=True)
        await rig.heal()
        await rig.clock.until(lambda: power(rig) == 77.0)

        device.set_power(100.0, valid_until_s=rig.clock.monotonic_s() + 15.0)
        await rig.clock.run(5.0)

        trouble, outcome = device.trouble(), device.outcome()
        plant.shown["serial"] = "S-0001"
        await rig.fail(refuse=True)
        await rig.heal()
        await rig.clock.until(lambda: device.trouble() is None)
    assert (
        trouble
        == "another device answers, it is read but not commanded until it is confirmed: serial 'S-0001' is now 'S-0002'"
    )
    assert outcome is not None
    assert outcome.outcome == "refused"
    assert plant.commanded("power_kw") == []
    assert plant.commanded("heartbeat") == []


async def test_a_device_that_boots_with_empty_registers_is_not_read_until_it_names_itself() -> None:
    plant = pcs(manufacturer="", model="", serial="", power_kw=0.0)
    async with running((device_spec("generic-pcs"), plant)) as rig:
        await rig.clock.run(3.0)
        reading, trouble = rig.devices[1].reading(), rig.devices[1].trouble()

        plant.shown.update(manufacturer="Maker", model="M1", serial="S-0001")
        took_s = await rig.clock.until(lambda: rig.devices[1].reading() is not None)

    assert reading is None
    assert trouble == "it gives no manufacturer and no model and no serial"
    assert took_s < 6.0


async def test_the_first_request_waits_for_the_connect_delay() -> None:
    async with running((device_spec("generic-pcs"), pcs()), connect_delay_s=2.0) as rig:
        await rig.clock.until(lambda: rig.link.statistics().connected)
        await rig.clock.run(1.9)
        early = rig.link.statistics().n_requests
        await rig.clock.run(0.3)

        late = rig.link.statistics().n_requests
    assert early == 0
    assert late > 0


async def test_requests_keep_their_distance() -> None:
    async with running((device_spec("generic-pcs"), pcs()), gap_s=0.5) as rig:
        await rig.first_reading()
        before = rig.link.statistics().n_requests

        await rig.clock.run(10.0)

        after = rig.link.statistics().n_requests
    # twelve requests are due, 0.5 s apart at least
    assert 11 <= after - before <= 13


async def test_several_devices_share_one_connection() -> None:
    placed = [(device_spec("generic-meter", unit=unit), meter(100.0 * unit)) for unit in (1, 2, 3)]
    async with running(*placed) as rig:
        await rig.clock.until(lambda: all(device.reading() for device in rig.devices.values()))

        n_connections = rig.server.n_connections
        readings = [device.reading() for device in rig.devices.values()]
    assert n_connections == 1
    assert [reading.load_kw for reading in readings if isinstance(reading, LoadReading)] == [100.0, 200.0, 300.0]


@pytest.mark.parametrize("n_turns", range(40))
async def test_a_link_stops_whatever_it_is_doing(n_turns: int) -> None:
    clock = SteppedClock()
    async with running((device_spec("generic-pcs"), pcs())) as rig:
        for _ in range(n_turns):
            await asyncio.sleep(0)

        async with background(_second_link(rig, clock)) as task:
            for _ in range(n_turns):
                await asyncio.sleep(0)
        stopped = task.cancelled()

    assert stopped


async def _second_link(rig: Rig, clock: SteppedClock) -> None:
    link = ModbusLink(link_spec(rig.server.port), clock=clock)
    build(device_spec("generic-pcs"), clock=clock, links={LINK: link})
    await link.run()


async def test_how_long_commands_wait_for_their_turn_is_counted() -> None:
    async with running((device_spec("generic-pcs"), pcs())) as rig:
        await rig.first_reading()
        before = sum(rig.link.statistics().command_wait.counts)

        rig.device(PcsDevice).set_power(100.0, valid_until_s=rig.clock.monotonic_s() + 10.0)
        await rig.clock.run(0.5)

    waits = rig.link.statistics().command_wait
    # the setpoint and the first heartbeat
    assert sum(waits.counts) == before + 2
    assert (waits.quantile_s(1.0) or 0.0) <= 0.1


def setpoint_kw(rig: Rig) -> float | None:
    reading = rig.device(PcsDevice).reading()
    return None if reading is None else reading.setpoint_kw


async def test_a_command_goes_out_at_once_where_nothing_is_under_way() -> None:
    async with running((device_spec("generic-pcs"), pcs())) as rig:
        await rig.first_reading()
        # between two polls
        await rig.clock.run(0.5)
        before = rig.link.statistics().n_requests
        waited = sum(rig.link.statistics().command_wait.counts)

        # no other task has a turn before the setpoint is on its way
        rig.device(PcsDevice).set_power(-100.0, valid_until_s=rig.clock.monotonic_s() + 10.0)
        at_once = sum(rig.link.statistics().command_wait.counts) - waited
        await rig.clock.run(0.3)

        assert at_once == 1
        # setpoint and heartbeat
        assert rig.link.statistics().n_requests == before + 2
        await rig.clock.until(lambda: setpoint_kw(rig) == -100.0, limit_s=3.0)


async def test_a_command_waits_for_the_silence_that_a_line_needs() -> None:
    async with running((device_spec("generic-pcs"), pcs()), gap_s=0.05) as rig:
        await rig.first_reading()
        await rig.clock.run(0.5)
        waited = sum(rig.link.statistics().command_wait.counts)

        rig.device(PcsDevice).set_power(-100.0, valid_until_s=rig.clock.monotonic_s() + 10.0)
        at_once = sum(rig.link.statistics().command_wait.counts) - waited
        await rig.clock.run(0.3)

        assert at_once == 0
        assert sum(rig.link.statistics().command_wait.counts) - waited == 2
