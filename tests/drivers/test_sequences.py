"""The state machine behind a command that is a sequence of control keys, at times that the test tells."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.device.commands import Outcomes
from drivers.device.jobs import NEVER_S, NoAnswer
from drivers.modbus.coding import Address, Table
from drivers.modbus.keys import Action, Condition, Precondition, RawWrite, ReturnValue, SequenceCommand, Wait
from drivers.modbus.requests import Answered, ExceptionAnswer, Read, Write
from drivers.modbus.sequences import SequenceSlot
from ems.model.readings import GensetPhase, GensetReading
from ems.model.setpoints import Outcome

RUNS = ("warming_up", "synchronising", "running")
FAULT = Condition(field="phase", labels=frozenset({"fault"}))
SETTLE_S = 20.0
RETRY_S = 30.0


def key(name: str, word: int, *, after: Wait | None = None, unless: Condition | None = None) -> Action:
    at = Address(table=Table.HOLDING, register=100)
    return Action(name=name, writes=(RawWrite(at=at, words=(word,), function=16),), after=after, unless=unless)


START, STOP, CLOSE = key("start", 1), key("stop", 2), key("close", 3)
COMMAND = SequenceCommand(
    name="run",
    actions={True: (START,), False: (STOP,)},
    once=frozenset({True}),
    shows={
        True: Condition(field="phase", labels=frozenset(RUNS)),
        False: Condition(field="phase", labels=frozenset({"stopped", "cooling_down"})),
    },
    settle_s=SETTLE_S,
    needs=None,
    latched=FAULT,
)


def reading(phase: str | None, at_s: float, *, breaker_closed: bool | None = False) -> GensetReading:
    return GensetReading(
        device_id="gen1",
        at_s=at_s,
        phase=None if phase is None else GensetPhase(phase),
        power_kw=0.0,
        setpoint_kw=None,
        breaker_closed=breaker_closed,
        remote=True,
        energy_wh=None,
        fuel_used_l=None,
        run_h=None,
        n_starts=None,
    )


class Bench:
    """A slot with what surrounds it."""

    def __init__(self, command: SequenceCommand = COMMAND, *, phase: str | None = "stopped") -> None:
        self.reason: str | None = None
        self.outcomes = Outcomes("gen1")
        self.slot = SequenceSlot(command, outcomes=self.outcomes, blocked=lambda: self.reason, retry_s=RETRY_S)
        if phase is not None:
            self.show(phase, 0.0)
            self.slot.open(0.0)

    def offer(self, run: float, now_s: float, *, valid_s: float = 1000.0) -> None:
        self.slot.offer(run, valid_until_s=now_s + valid_s, now_s=now_s)

    def show(self, phase: str | None, at_s: float, *, breaker_closed: bool = False) -> None:
        self.slot.seen(reading(phase, at_s, breaker_closed=breaker_closed), at_s)

    def sent(self, now_s: float) -> list[int]:
        """Let the device acknowledge everything that is due, and return the words."""
        words: list[int] = []
        while self.slot.due_s <= now_s:
            request = self.slot.request(now_s)
            if request is None:
                break
            assert isinstance(request, Write)
            words += request.registers
            self.slot.done(Answered((), now_s))
        return words

    def ended(self) -> tuple[Outcome, str] | None:
        newest = self.outcomes.newest
        return None if newest is None else (newest.outcome, newest.detail)


def test_a_start_is_accepted_when_the_engine_is_seen_to_start_and_not_before() -> None:
    bench = Bench()

    bench.offer(1.0, 1.0)
    words = bench.sent(1.0)
    acknowledged = bench.ended()
    bench.show("warming_up", 3.0)

    assert words == [1]
    assert acknowledged is None
    assert bench.ended() == (Outcome.ACCEPTED, "run: true shown")


def test_a_start_that_stands_is_not_sent_again_by_renewals() -> None:
    bench = Bench()
    bench.offer(1.0, 1.0)
    bench.sent(1.0)
    bench.show("running", 3.0)

    later = []
    for now_s in range(5, 500, 5):
        bench.offer(1.0, float(now_s))
        later += bench.sent(float(now_s))

    assert later == []
    assert bench.ended() == (Outcome.ACCEPTED, "run: true stands")


def test_an_acknowledged_start_without_effect_has_failed_and_is_not_sent_again() -> None:
    bench = Bench()
    bench.offer(1.0, 1.0)
    bench.sent(1.0)

    bench.show("stopped", 20.9)
    early = bench.ended()
    bench.show("stopped", 21.0)
    late = bench.ended()
    bench.offer(1.0, 600.0)

    assert early is None
    assert late == (Outcome.FAILED, "run: true acknowledged, not shown in 20 s")
    assert bench.sent(600.0) == []


def test_a_failed_start_is_not_sent_again_until_the_alarm_is_reset() -> None:
    bench = Bench()
    bench.offer(1.0, 1.0)
    bench.sent(1.0)
    bench.show("warming_up", 2.0)
    bench.show("fault", 30.0)
    failed = bench.ended()

    bench.offer(1.0, 100.0)
    while_latched = bench.sent(100.0)
    bench.show("stopped", 200.0)
    bench.offer(1.0, 201.0)

    assert failed == (Outcome.FAILED, "run: it shows phase fault")
    assert while_latched == []
    assert bench.sent(201.0) == [1]


def test_a_start_is_refused_while_the_device_shows_an_earlier_failure() -> None:
    bench = Bench(phase="fault")

    bench.offer(1.0, 1.0)

    assert bench.sent(1.0) == []
    assert bench.ended() == (Outcome.REFUSED, "run: it shows phase fault: reset it at the device first")


def test_a_stop_that_is_not_obeyed_is_sent_again_after_a_pause() -> None:
    bench = Bench(phase="running")
    bench.offer(0.0, 1.0)
    first = bench.sent(1.0)
    bench.show("running", 21.0)

    bench.offer(0.0, 50.0)
    too_early = bench.sent(50.0)
    bench.offer(0.0, 51.0)

    assert first == [2]
    assert too_early == []
    assert bench.sent(51.0) == [2]


def test_a_refused_key_is_asked_again_after_a_pause_only() -> None:
    bench = Bench()
    bench.offer(1.0, 1.0)
    bench.slot.request(1.0)
    bench.slot.done(ExceptionAnswer(3, 1.0))
    refused = bench.ended()

    bench.offer(1.0, 30.9)
    early = bench.sent(30.9)
    bench.offer(1.0, 31.0)

    assert refused == (Outcome.REFUSED, "run: start: exception 3 (value not allowed)")
    assert early == []
    assert bench.sent(31.0) == [1]


def test_a_start_without_an_answer_is_not_sent_again_when_the_engine_is_found_starting() -> None:
    bench = Bench()
    bench.offer(1.0, 1.0)
    bench.slot.request(1.0)
    bench.slot.done(NoAnswer("timeout", 2.0))
    lost = bench.ended()
    bench.slot.close("timeout", 2.0)
    bench.show("warming_up", 5.0)
    bench.slot.open(5.0)

    words = bench.sent(5.0)
    bench.show("warming_up", 6.0)

    assert lost == (Outcome.LOST, "run: no answer (timeout)")
    assert words == []
    assert bench.ended() == (Outcome.ACCEPTED, "run: true shown")


def test_a_start_that_never_arrived_is_sent_on_the_next_connection() -> None:
    bench = Bench()
    bench.offer(1.0, 1.0)
    bench.slot.request(1.0)
    bench.slot.done(NoAnswer("timeout", 2.0))
    bench.slot.close("timeout", 2.0)

    bench.show("stopped", 5.0)
    bench.slot.open(5.0)

    assert bench.sent(5.0) == [1]


def test_a_command_that_was_not_renewed_is_not_sent_later() -> None:
    bench = Bench(phase=None)
    bench.offer(1.0, 1.0, valid_s=15.0)

    bench.slot.expire(16.0)
    bench.show("stopped", 17.0)
    bench.slot.open(17.0)

    assert bench.ended() == (Outcome.LOST, "run: expired")
    assert bench.sent(17.0) == []


def test_local_control_voids_the_command_and_a_later_one_counts_as_new() -> None:
    bench = Bench()
    bench.offer(1.0, 1.0)
    bench.sent(1.0)
    bench.show("running", 5.0)

    bench.reason = "local control at the device"
    bench.show("stopped", 10.0)
    bench.offer(1.0, 11.0)
    local = (bench.sent(11.0), bench.ended())
    bench.reason = None
    bench.show("stopped", 20.0)
    bench.offer(1.0, 21.0)

    assert local == ([], (Outcome.REFUSED, "run: local control at the device"))
    assert bench.sent(21.0) == [1]


def test_the_other_command_goes_out_at_once_after_a_failed_start() -> None:
    bench = Bench()
    bench.offer(1.0, 1.0)
    bench.sent(1.0)
    bench.show("fault", 10.0)

    bench.offer(0.0, 11.0)

    assert bench.sent(11.0) == [2]


TWO_STEPS = replace(
    COMMAND,
    actions={
        True: (
            key("start", 1, unless=Condition(field="phase", labels=frozenset({"running"}))),
            key("close", 3, after=Wait(condition=Condition(field="phase", labels=frozenset({"running"})), within_s=60)),
        ),
        False: (STOP,),
    },
    shows={**COMMAND.shows, True: Condition(field="breaker_closed", labels=frozenset({"true"}))},
)


def test_a_second_key_waits_for_the_state_that_it_needs() -> None:
    bench = Bench(TWO_STEPS)
    bench.offer(1.0, 1.0)

    at_start = bench.sent(1.0)
    bench.show("warming_up", 10.0)
    warming = bench.sent(10.0)
    bench.show("running", 20.0)
    at_speed = bench.sent(20.0)
    bench.show("running", 25.0, breaker_closed=True)

    assert (at_start, warming, at_speed) == ([1], [], [3])
    assert bench.ended() == (Outcome.ACCEPTED, "run: true shown")


def test_a_state_that_is_not_reached_in_time_is_a_failure_that_names_it() -> None:
    bench = Bench(TWO_STEPS)
    bench.offer(1.0, 1.0)
    bench.sent(1.0)

    bench.show("warming_up", 61.0)

    assert bench.ended() == (Outcome.FAILED, "run: phase running not reached in 60 s")


def test_a_key_whose_effect_is_shown_already_is_left_out() -> None:
    bench = Bench(TWO_STEPS, phase="running")

    bench.offer(1.0, 1.0)

    assert bench.sent(1.0) == [3]


ASKING = replace(
    COMMAND,
    needs=Precondition(
        wait=Wait(condition=Condition(field="breaker_closed", labels=frozenset({"true"})), within_s=10.0),
        ask=key("auto", 9),
        ask_from=Condition(field="phase", labels=frozenset({"stopped"})),
    ),
)


def test_what_a_command_needs_is_asked_for_first_where_the_map_allows_it() -> None:
    bench = Bench(ASKING)
    bench.offer(1.0, 1.0)

    asked = bench.sent(1.0)
    bench.show("stopped", 2.0, breaker_closed=True)

    assert asked == [9]
    assert bench.sent(2.0) == [1]


def test_what_a_command_needs_is_not_asked_for_from_another_state() -> None:
    bench = Bench(ASKING, phase="cooling_down")

    bench.offer(1.0, 1.0)

    assert bench.sent(1.0) == []
    assert bench.ended() == (Outcome.REFUSED, "run: it needs breaker_closed true")


RETURNING = replace(
    COMMAND,
    actions={
        True: (
            replace(
                START,
                returns=ReturnValue(
                    at=Address(table=Table.HOLDING, register=100), words=(0, 0x1FF), errors={2: "refused"}
                ),
            ),
        ),
        False: (STOP,),
    },
)


@pytest.mark.parametrize(
    ("words", "ended"),
    [
        ((0, 0x1FF), None),
        ((0, 2), (Outcome.REFUSED, "run: start: refused")),
        ((0xA, 0xB), (Outcome.REFUSED, "run: start: it returns 0xA000B")),
    ],
)
def test_the_returned_number_says_whether_the_device_does_it(
    words: tuple[int, ...], ended: tuple[Outcome, str] | None
) -> None:
    bench = Bench(RETURNING)
    bench.offer(1.0, 1.0)
    bench.slot.request(1.0)
    bench.slot.done(Answered((), 1.0))

    read = bench.slot.request(1.1)
    bench.slot.done(Answered(words, 1.2))

    assert isinstance(read, Read)
    assert read.count == 2
    assert bench.ended() == ended
    assert bench.slot.due_s == NEVER_S


events = st.lists(
    st.one_of(
        st.tuples(st.just("offer"), st.just(1.0)),
        st.tuples(st.just("show"), st.sampled_from(["stopped", "warming_up", "running", "fault"])),
        st.tuples(st.just("lose"), st.just("")),
        st.tuples(st.just("pass"), st.floats(0.1, 60.0)),
    ),
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(events)
def test_no_start_follows_a_latched_failure_before_its_reset(events: list[tuple[str, object]]) -> None:
    bench = Bench()
    now_s, latched = 1.0, False
    for kind, what in events:
        now_s += 0.1
        match kind:
            case "offer":
                bench.offer(1.0, now_s)
            case "show":
                latched = what == "fault"
                bench.show(str(what), now_s)
            case "lose":
                bench.slot.close("gone", now_s)
                bench.show("fault" if latched else "stopped", now_s)
                bench.slot.open(now_s)
            case _:
                now_s += float(str(what))
        words = bench.sent(now_s)
        assert not (latched and words), (kind, what)
