from drivers.device.jobs import NEVER_S, NoAnswer
from drivers.device.sample import Sample
from drivers.modbus.blocks import plan_reads
from drivers.modbus.coding import Address, Coding, PointType, Table
from drivers.modbus.layout import Block, Point, Speed
from drivers.modbus.requests import Answered, ExceptionAnswer
from drivers.modbus.rounds import Round, planned_parts

PERIOD_S = 2.0


class Bench:
    """A round over two blocks with one point each: a at 100, b at 200."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self.failures: list[str] = []
        at = {name: Address(table=Table.INPUT, register=number) for name, number in (("a", 100), ("b", 200))}
        blocks = [Block(at=place, count=1, speed=Speed.FAST) for place in at.values()]
        points = [
            Point(name=name, at=place, coding=Coding(type=PointType.UINT16), n_registers=1)
            for name, place in at.items()
        ]
        self.round = Round(
            planned_parts(plan_reads(blocks, points, max_registers=10), integers=()),
            period_s=PERIOD_S,
            finished=self.samples.append,
            failed=self.failures.append,
        )
        self.round.start(0.0)


def test_a_round_hands_over_all_blocks_with_the_time_of_the_oldest_answer() -> None:
    bench = Bench()

    bench.round.done(Answered([7], 0.1))
    half_way = list(bench.samples)
    bench.round.done(Answered([8], 0.4))

    assert half_way == []
    assert bench.samples == [Sample(values={"a": 7.0, "b": 8.0}, bad={}, at_s=0.1)]


def test_the_blocks_are_asked_for_in_turn_and_then_there_is_a_pause() -> None:
    bench = Bench()

    first = bench.round.request(0.0)
    bench.round.done(Answered([7], 0.1))
    second = bench.round.request(0.1)
    bench.round.done(Answered([8], 0.4))

    assert (first.at.register, second.at.register) == (100, 200)
    assert bench.round.due_s == PERIOD_S


def test_a_line_that_is_too_slow_gets_the_next_round_at_once_and_no_burst() -> None:
    bench = Bench()

    bench.round.done(Answered([7], 4.0))
    bench.round.done(Answered([8], 7.0))

    # rounds were due at 2, 4 and 6; one follows, not three
    assert bench.round.due_s == 7.0


def test_a_refused_block_is_bad_as_a_whole_and_the_others_count() -> None:
    bench = Bench()

    bench.round.done(ExceptionAnswer(2, 0.1))
    bench.round.done(Answered([8], 0.4))

    (sample,) = bench.samples
    assert sample.values == {"a": None, "b": 8.0}
    assert sample.bad == {"a": "exception 2 (no such register)"}
    assert sample.at_s == 0.4


def test_a_device_that_refuses_every_block_gives_a_sample_without_values() -> None:
    bench = Bench()

    bench.round.done(ExceptionAnswer(4, 0.1))
    bench.round.done(ExceptionAnswer(4, 0.2))

    reason = "exception 4 (device failure)"
    assert bench.samples == [
        Sample(values={"a": None, "b": None}, bad={"a": reason, "b": reason}, at_s=0.2, refusal=reason)
    ]


def test_a_busy_device_ends_the_round_and_is_asked_again_next_time() -> None:
    bench = Bench()

    bench.round.done(Answered([7], 0.1))
    bench.round.done(ExceptionAnswer(6, 0.2))

    assert bench.samples == []
    assert bench.failures == ["exception 6 (busy)"]
    assert bench.round.due_s == PERIOD_S
    assert bench.round.request(PERIOD_S).at.register == 100


def test_a_lost_answer_stops_the_round_until_the_next_connection() -> None:
    bench = Bench()

    bench.round.done(Answered([7], 0.1))
    bench.round.done(NoAnswer("no answer within 1 s", 1.2))

    assert bench.samples == []
    assert bench.failures == ["no answer within 1 s"]
    assert bench.round.due_s == NEVER_S
