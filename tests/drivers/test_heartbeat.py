from drivers.device.heartbeat import Heartbeat
from drivers.device.jobs import NEVER_S
from drivers.modbus.coding import Address, Coding, PointType, Table
from drivers.modbus.layout import Command
from drivers.modbus.recipes import counter_write
from drivers.modbus.requests import Answered, ExceptionAnswer, Write

PERIOD_S = 2.5


class Bench:
    """A heartbeat and the time until which commands are valid."""

    def __init__(self, *, valid_until_s: float) -> None:
        self.valid_until_s = valid_until_s
        command = Command(
            name="heartbeat",
            at=Address(table=Table.HOLDING, register=510),
            coding=Coding(type=PointType.UINT16),
            function=16,
        )
        self.heartbeat = Heartbeat(counter_write(command), period_s=PERIOD_S, valid_until_s=lambda: self.valid_until_s)

    def beats(self, *, start_s: float, end_s: float) -> list[tuple[float, int]]:
        """Serve the heartbeat every 0.5 s and return time and count of each beat."""
        beats: list[tuple[float, int]] = []
        for step in range(int((end_s - start_s) * 2) + 1):
            now_s = start_s + step * 0.5
            if self.heartbeat.due_s <= now_s:
                request = self.heartbeat.request(now_s)
                if isinstance(request, Write):
                    beats.append((now_s, request.registers[0]))
                    self.heartbeat.done(Answered((), now_s))
        return beats


def test_it_counts_up_once_per_period_until_the_commands_expire_and_then_stops() -> None:
    bench = Bench(valid_until_s=6.0)
    bench.heartbeat.open(0.0)

    beats = bench.beats(start_s=0.0, end_s=20.0)

    assert beats == [(0.0, 1), (2.5, 2), (5.0, 3)]
    assert bench.heartbeat.due_s == NEVER_S


def test_it_goes_on_when_a_command_comes_in_again() -> None:
    bench = Bench(valid_until_s=1.0)
    bench.heartbeat.open(0.0)
    bench.beats(start_s=0.0, end_s=10.0)

    bench.valid_until_s = 100.0
    bench.heartbeat.renewed(10.0)

    assert bench.beats(start_s=10.0, end_s=12.5) == [(10.0, 2), (12.5, 3)]


def test_renewals_do_not_make_it_beat_faster() -> None:
    bench = Bench(valid_until_s=100.0)
    bench.heartbeat.open(0.0)
    bench.beats(start_s=0.0, end_s=0.0)

    bench.heartbeat.renewed(0.5)
    bench.heartbeat.renewed(1.0)

    assert bench.beats(start_s=0.5, end_s=3.0) == [(2.5, 2)]


def test_it_is_silent_without_a_command_and_without_a_connection() -> None:
    idle = Bench(valid_until_s=-NEVER_S)
    idle.heartbeat.open(0.0)
    lost = Bench(valid_until_s=100.0)
    lost.heartbeat.open(0.0)
    lost.heartbeat.close()
    lost.heartbeat.renewed(1.0)

    assert idle.beats(start_s=0.0, end_s=10.0) == []
    assert lost.beats(start_s=1.0, end_s=10.0) == []


def test_a_refused_heartbeat_is_a_fault_until_one_is_taken() -> None:
    bench = Bench(valid_until_s=100.0)

    bench.heartbeat.done(ExceptionAnswer(2, 0.0))
    refused = bench.heartbeat.fault
    bench.heartbeat.done(Answered((), 1.0))

    assert refused == "the heartbeat is refused: exception 2 (no such register)"
    assert bench.heartbeat.fault is None


def test_the_count_never_reaches_values_that_mean_not_available() -> None:
    bench = Bench(valid_until_s=1e9)
    bench.heartbeat.open(0.0)

    counts = {bench.heartbeat.request(n * PERIOD_S) for n in range(0x8001)}

    registers = {request.registers[0] for request in counts if request is not None}
    assert (min(registers), max(registers)) == (1, 0x7FFF)
