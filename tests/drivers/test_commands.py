import math
from collections.abc import Sequence

import pytest

from drivers.device.commands import CommandSlot, Outcomes
from drivers.device.jobs import NEVER_S, NoAnswer
from drivers.device.values import Bad
from drivers.modbus.coding import Address, Coding, PointType, Table
from drivers.modbus.layout import SetpointCommand
from drivers.modbus.recipes import MapRecipe
from drivers.modbus.registers import Encoded
from drivers.modbus.requests import Answered, ExceptionAnswer, Write
from ems.model.setpoints import Outcome

REFRESH_S = 3.0
SETTLE_S = 2.0
LATER_S = 1000.0


class Bench:
    """A slot with what surrounds it, at a time that the test tells."""

    def __init__(self, *, opened: bool = True) -> None:
        self.reason: str | None = None
        self.outcomes = Outcomes("pcs1")
        command = SetpointCommand(
            name="power_kw",
            at=Address(table=Table.HOLDING, register=135),
            coding=Coding(type=PointType.INT16, scale=0.1),
            function=6,
            limits=(-2500.0, 2500.0),
            readback="setpoint_kw",
        )
        self.slot = CommandSlot(
            MapRecipe(command),
            outcomes=self.outcomes,
            blocked=lambda: self.reason,
            refresh_s=REFRESH_S,
            settle_s=SETTLE_S,
        )
        if opened:
            self.slot.open(0.0)

    def offer(self, value: float, now_s: float, *, valid_s: float = LATER_S) -> None:
        self.slot.offer(value, valid_until_s=now_s + valid_s, now_s=now_s)

    def send(self, now_s: float) -> float | None:
        """Return the value that goes out, None for nothing."""
        if self.slot.due_s > now_s:
            return None
        request = self.slot.request(now_s)
        if request is None:
            return None
        assert isinstance(request, Write)
        (raw,) = request.registers
        return (raw - 0x10000 if raw >= 0x8000 else raw) * 0.1

    def write(self, value: float, now_s: float) -> None:
        """Command a value and have the device acknowledge it."""
        self.offer(value, now_s)
        assert self.send(now_s) == pytest.approx(value)
        self.slot.done(Answered((), now_s))

    def ended(self) -> tuple[Outcome, str] | None:
        newest = self.outcomes.newest
        return None if newest is None else (newest.outcome, newest.detail)


def test_only_the_newest_of_several_commands_is_sent() -> None:
    bench = Bench()

    bench.offer(100.0, 0.0)
    bench.offer(200.0, 0.1)

    assert bench.send(0.2) == pytest.approx(200.0)
    assert bench.send(0.3) is None


def test_nothing_is_sent_before_the_device_has_been_read() -> None:
    bench = Bench(opened=False)

    bench.offer(100.0, 0.0)
    before = bench.send(1.0)
    bench.slot.open(2.0)

    assert before is None
    assert bench.send(2.0) == pytest.approx(100.0)


@pytest.mark.parametrize(
    ("value", "detail"),
    [
        (math.nan, "power_kw: nan is no number"),
        (2500.1, "power_kw: 2500.1 is outside -2500..2500"),
    ],
)
def test_a_value_that_cannot_be_written_is_refused_at_once(value: float, detail: str) -> None:
    bench = Bench()

    bench.offer(value, 0.0)

    assert bench.ended() == (Outcome.REFUSED, detail)
    assert bench.send(0.0) is None


def test_a_command_that_could_not_be_sent_in_time_is_lost_and_never_sent() -> None:
    bench = Bench(opened=False)

    bench.offer(100.0, 0.0, valid_s=15.0)
    bench.slot.expire(14.9)
    in_time = bench.ended()
    bench.slot.open(15.0)

    assert in_time is None
    assert bench.send(15.0) is None
    assert bench.ended() == (Outcome.LOST, "power_kw: expired")


def test_an_acknowledged_write_is_accepted_only_when_it_reads_back() -> None:
    bench = Bench()

    bench.write(100.0, 0.0)
    acknowledged = bench.ended()
    bench.slot.verify(100.1, 0.5)

    assert acknowledged is None
    # one count of 0.1 kW beside it is the rounding of the device's own scaling
    assert bench.ended() == (Outcome.ACCEPTED, "power_kw: 100 read back")


def test_a_read_back_from_before_the_write_proves_nothing() -> None:
    bench = Bench()

    bench.write(100.0, 5.0)
    bench.slot.verify(100.0, 4.9)

    assert bench.ended() is None


def test_a_different_read_back_is_given_time_and_then_is_a_failure() -> None:
    bench = Bench()

    bench.write(100.0, 0.0)
    bench.slot.verify(0.0, 1.9)
    early = bench.ended()
    bench.slot.verify(0.0, 2.0)

    assert early is None
    assert bench.ended() == (Outcome.FAILED, "power_kw: 100 written, 0 read back")


def test_a_read_back_that_stays_unknown_is_a_lost_command() -> None:
    bench = Bench()

    bench.write(100.0, 0.0)
    bench.slot.verify(None, 2.0)

    assert bench.ended() == (Outcome.LOST, "power_kw: 100 written, the read-back is unknown")


def test_a_device_that_follows_one_write_behind_is_obeying() -> None:
    bench = Bench()

    bench.write(100.0, 0.0)
    bench.write(200.0, 1.0)
    bench.slot.verify(100.0, 1.1)
    first = bench.ended()
    bench.slot.verify(200.0, 2.1)

    assert first == (Outcome.ACCEPTED, "power_kw: 100 read back")
    assert bench.ended() == (Outcome.ACCEPTED, "power_kw: 200 read back")


def test_a_device_that_ignores_changing_commands_fails_although_each_is_young() -> None:
    bench = Bench()

    for second in range(3):
        bench.write(100.0 + second, float(second))
        bench.slot.verify(0.0, second + 0.5)
    bench.slot.verify(0.0, 2.6)

    assert bench.ended() == (Outcome.FAILED, "power_kw: 100 written, 0 read back")


def test_an_exception_answer_is_a_refusal_by_the_device() -> None:
    bench = Bench()
    bench.offer(100.0, 0.0)
    bench.send(0.0)

    bench.slot.done(ExceptionAnswer(3, 0.1))

    assert bench.ended() == (Outcome.REFUSED, "power_kw: exception 3 (value not allowed)")


def test_a_write_without_an_answer_is_lost() -> None:
    bench = Bench()
    bench.offer(100.0, 0.0)
    bench.send(0.0)

    bench.slot.done(NoAnswer("no answer within 1 s", 1.0))

    assert bench.ended() == (Outcome.LOST, "power_kw: no answer (no answer within 1 s)")


def test_an_unchanged_setpoint_is_renewed_without_a_write_until_it_is_due_again() -> None:
    bench = Bench()
    bench.write(100.0, 0.0)
    bench.slot.verify(100.0, 0.5)

    bench.offer(100.0, 1.0)
    renewed = bench.send(1.0)
    bench.offer(100.0, REFRESH_S)

    assert renewed is None
    assert bench.outcomes.newest is not None
    assert bench.outcomes.newest.at_s == 1.0
    assert bench.send(REFRESH_S) == pytest.approx(100.0)


def test_a_setpoint_that_the_device_no_longer_shows_is_written_again() -> None:
    bench = Bench()
    bench.write(100.0, 0.0)
    bench.slot.verify(100.0, 0.5)

    bench.slot.verify(0.0, 1.5)
    bench.offer(100.0, 1.6)

    assert bench.send(1.6) == pytest.approx(100.0)


def test_after_a_loss_a_setpoint_in_force_is_written_again() -> None:
    bench = Bench()
    bench.write(100.0, 0.0)
    bench.slot.verify(100.0, 0.5)

    bench.slot.close("the device closed the connection", 1.0)
    meanwhile = bench.send(1.1)
    bench.slot.open(1.2)

    assert meanwhile is None
    assert bench.send(1.2) == pytest.approx(100.0)


def test_after_a_loss_neither_an_expired_nor_a_refused_setpoint_is_written_again() -> None:
    expired, refused = Bench(), Bench()
    expired.write(100.0, 0.0)
    refused.offer(100.0, 0.0)
    refused.send(0.0)
    refused.slot.done(ExceptionAnswer(3, 0.1))

    for bench in (expired, refused):
        bench.slot.close("the device closed the connection", 1.0)
    expired.slot.open(LATER_S)
    refused.slot.open(2.0)

    assert expired.send(LATER_S) is None
    assert refused.send(2.0) is None


def test_what_was_written_but_not_read_back_before_a_loss_is_lost() -> None:
    bench = Bench()
    bench.write(100.0, 0.0)

    bench.slot.close("the device closed the connection", 0.5)

    assert bench.ended() == (Outcome.LOST, "power_kw: not read back (the device closed the connection)")


def test_a_command_that_is_on_its_way_when_the_device_goes_is_lost_although_somebody_took_it() -> None:
    bench = Bench()
    bench.offer(100.0, 0.0)
    bench.send(0.0)

    bench.slot.close("offline", 0.1)
    ended = bench.ended()
    bench.slot.done(Answered((), 0.2))

    assert ended == (Outcome.LOST, "power_kw: not read back (offline)")
    assert bench.ended() == ended


def test_a_command_of_which_nothing_is_heard_any_more_is_lost() -> None:
    bench = Bench()
    bench.write(100.0, 0.0)

    bench.slot.expire(3.0 * SETTLE_S - 0.1)
    early = bench.ended()
    bench.slot.expire(3.0 * SETTLE_S)

    assert early is None
    assert bench.ended() == (Outcome.LOST, "power_kw: 100 written, nothing read back since")


def test_a_device_that_may_not_be_commanded_refuses_with_the_reason() -> None:
    bench = Bench()
    bench.reason = "local control at the device"

    bench.offer(100.0, 0.0)

    assert bench.ended() == (Outcome.REFUSED, "power_kw: local control at the device")
    assert bench.slot.due_s == NEVER_S


def test_a_waiting_command_is_refused_when_the_device_goes_to_local_before_it_is_sent() -> None:
    bench = Bench()
    bench.offer(100.0, 0.0)

    bench.reason = "local control at the device"

    assert bench.send(0.1) is None
    assert bench.ended() == (Outcome.REFUSED, "power_kw: local control at the device")


class TwoStepRecipe:
    """A value that takes two writes: the value, then an enable flag."""

    n_refused = 0

    name = "power_kw"
    readback = "setpoint_kw"
    factor = None

    def encode(self, value: float) -> Encoded | Bad:
        return Encoded(registers=(int(value),), value=value, step=1.0)

    def scaled_by(self, power: int | None) -> None:
        raise AssertionError(power)

    def refused(self) -> None:
        self.n_refused += 1

    def writes(self, encoded: Encoded) -> Sequence[Write]:
        steps = ((10, encoded.registers), (11, (1,)))
        return [
            Write(at=Address(table=Table.HOLDING, register=at), registers=words, function=16) for at, words in steps
        ]


def two_step_slot() -> tuple[CommandSlot[Encoded, Write], Outcomes]:
    outcomes = Outcomes("dev1")
    slot = CommandSlot(TwoStepRecipe(), outcomes=outcomes, blocked=lambda: None, refresh_s=REFRESH_S, settle_s=SETTLE_S)
    slot.open(0.0)
    return slot, outcomes


def test_a_value_of_several_writes_goes_out_as_a_whole_before_a_newer_one() -> None:
    slot, outcomes = two_step_slot()
    slot.offer(5.0, valid_until_s=LATER_S, now_s=0.0)
    written = []
    for now_s in (0.0, 0.1, 0.2, 0.3):
        request = slot.request(now_s)
        assert request is not None
        written.append((request.at.register, request.registers))
        if now_s == 0.0:
            slot.offer(6.0, valid_until_s=LATER_S, now_s=now_s)
        slot.done(Answered((), now_s))

    slot.verify(6.0, 1.0)

    assert written == [(10, (5,)), (11, (1,)), (10, (6,)), (11, (1,))]
    assert slot.due_s == NEVER_S
    assert outcomes.newest is not None
    assert outcomes.newest.outcome is Outcome.ACCEPTED


def test_a_refused_write_ends_the_value_and_its_other_writes_stay_away() -> None:
    slot, outcomes = two_step_slot()
    slot.offer(5.0, valid_until_s=LATER_S, now_s=0.0)
    slot.request(0.0)

    slot.done(ExceptionAnswer(3, 0.1))

    assert slot.request(0.2) is None
    assert outcomes.newest is not None
    assert outcomes.newest.outcome is Outcome.REFUSED
