from collections.abc import Sequence

from drivers.device.jobs import NEVER_S, Urgency
from drivers.modbus.requests import Answer, Job, Request
from drivers.modbus.turns import Member, Pause, Turn, next_turn

NOW_S = 100.0


class Wish:
    def __init__(self, due_s: float, *, urgency: Urgency = Urgency.FAST, patience_s: float = 1.0) -> None:
        self.due_s = due_s
        self.urgency = urgency
        self.patience_s = patience_s

    def request(self, _now_s: float) -> Request | None:
        return None

    def done(self, answer: Answer) -> None:
        raise AssertionError(answer)


class Unit:
    def __init__(self, unit: int, *wishes: Wish) -> None:
        self.unit = unit
        self.jobs: Sequence[Job] = wishes

    def connected(self, now_s: float) -> None: ...

    def lost(self, reason: str, now_s: float) -> None: ...


def served(*units: Unit) -> Job | None:
    match next_turn([Member(unit) for unit in units], NOW_S):
        case Turn(job=job):
            return job
        case Pause():
            return None


def test_a_command_goes_before_a_poll_that_is_long_overdue() -> None:
    poll = Wish(NOW_S - 50.0)
    command = Wish(NOW_S, urgency=Urgency.COMMAND)

    assert served(Unit(1, poll), Unit(2, command)) is command


def test_a_fast_poll_goes_before_a_slow_one_that_came_due_at_the_same_time() -> None:
    slow, fast = Wish(NOW_S, patience_s=10.0), Wish(NOW_S, patience_s=1.0)

    assert served(Unit(1, slow, fast)) is fast


def test_a_fast_poll_goes_before_a_slow_one_that_is_due_for_longer() -> None:
    slow = Wish(NOW_S - 9.5, urgency=Urgency.SLOW, patience_s=10.0)
    fast = Wish(NOW_S, patience_s=1.0)

    assert served(Unit(1, slow), Unit(2, fast)) is fast


def test_a_slow_poll_that_is_a_whole_period_late_counts_as_fast() -> None:
    slow = Wish(NOW_S - 10.0, urgency=Urgency.SLOW, patience_s=10.0)
    fast = Wish(NOW_S, patience_s=1.0)

    assert served(Unit(1, slow), Unit(2, fast)) is slow


def test_a_command_goes_before_a_slow_poll_however_late_that_is() -> None:
    slow = Wish(NOW_S - 100.0, urgency=Urgency.SLOW, patience_s=10.0)
    command = Wish(NOW_S, urgency=Urgency.COMMAND, patience_s=0.0)

    assert served(Unit(1, slow), Unit(2, command)) is command


def test_of_equal_polls_the_one_that_would_be_late_first_is_served() -> None:
    # due 9.5 s ago with 10 s of patience: it would be late before the fast one is
    other, soon = Wish(NOW_S, patience_s=1.0), Wish(NOW_S - 9.5, patience_s=10.0)

    assert served(Unit(1, other, soon)) is soon


def test_the_pause_lasts_until_the_first_job_is_due() -> None:
    members = [Member(Unit(1, Wish(NOW_S + 3.0), Wish(NEVER_S))), Member(Unit(2, Wish(NOW_S + 2.0)))]

    assert next_turn(members, NOW_S) == Pause(NOW_S + 2.0)


def test_a_unit_is_held_back_from_its_second_silence_on() -> None:
    member = Member(Unit(1, Wish(NOW_S)))

    member.stayed_silent(now_s=NOW_S, timeout_s=1.0)
    after_one = next_turn([member], NOW_S)
    member.stayed_silent(now_s=NOW_S, timeout_s=1.0)
    after_two = next_turn([member], NOW_S)

    assert isinstance(after_one, Turn)
    assert after_two == Pause(NOW_S + 5.0)


def test_an_answer_ends_the_holding_back() -> None:
    member = Member(Unit(1, Wish(NOW_S)))
    for _ in range(3):
        member.stayed_silent(now_s=NOW_S, timeout_s=1.0)

    member.answered()

    assert isinstance(next_turn([member], NOW_S), Turn)
