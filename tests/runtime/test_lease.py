"""The lease: one owner at any time, whatever is slow, lost or killed; without a decision nobody commands."""

import heapq
import random
from dataclasses import dataclass, field

import pytest

from ems.model.lease import LeaseRecord, LeaseSettings, SeenLease
from ems.runtime.lease import Hold, Lease, Verdict

SETTINGS = LeaseSettings(term_s=8.0, settle_s=5.0)
EMPTY = LeaseRecord(epoch=0, holder=0, counter=0)


@dataclass
class Register:
    """What all controllers reach: the record, and the writes under way."""

    record: LeaseRecord = EMPTY
    under_way: list[tuple[float, int, LeaseRecord]] = field(default_factory=list)

    def arrive(self, now_s: float) -> None:
        while self.under_way and self.under_way[0][0] <= now_s:
            self.record = heapq.heappop(self.under_way)[2]


class Connection:
    """One controller's view of a register: reads twice a second, writes with a delay, or not at all."""

    def __init__(self, place_id: str, register: Register, rng: random.Random | None = None) -> None:
        self.place_id = place_id
        self.register = register
        self.cut = False
        self.now_s = 0.0
        self._rng = rng
        self._seen: SeenLease | None = None
        self._number = 0

    def look(self, now_s: float) -> None:
        self.now_s = now_s
        self.register.arrive(now_s)
        if not self.cut and (self._rng is None or self._rng.random() < 0.9):
            self._seen = SeenLease(record=self.register.record, at_s=now_s)

    def seen(self) -> SeenLease | None:
        return self._seen

    def put(self, record: LeaseRecord, *, valid_until_s: float) -> None:
        if self.cut:
            return
        # sent within its validity, answered within a time-out of 1 s
        delay_s = 0.0 if self._rng is None else self._rng.uniform(0.0, valid_until_s - self.now_s + 1.0)
        self._number += 1
        heapq.heappush(self.register.under_way, (self.now_s + delay_s, id(self) + self._number, record))
        self.register.arrive(self.now_s)


class Controller:
    """A lease with its connections."""

    def __init__(self, number: int, registers: list[Register], rng: random.Random | None = None) -> None:
        self.connections = [Connection(f"place{n}", register, rng) for n, register in enumerate(registers)]
        self.number = number
        self.alive = True
        self.start()

    def start(self) -> None:
        self.lease = Lease(self.number, SETTINGS)
        self.lease.at(self.connections)

    def step(self, now_s: float) -> Verdict:
        for connection in self.connections:
            connection.look(now_s)
        return self.lease.step(now_s)


def _run(controller: Controller, begin_s: float, duration_s: float) -> list[Verdict]:
    return [controller.step(begin_s + second) for second in range(round(duration_s))]


def test_the_first_controller_takes_an_empty_lease_after_its_claim_has_settled() -> None:
    alone = Controller(7, [Register()])

    verdicts = _run(alone, 100.0, 8.0)

    assert [verdict.may_write for verdict in verdicts] == [False] * 5 + [True] * 3
    assert verdicts[-1].epoch == 1
    assert alone.connections[0].register.record.holder == 7


def test_a_second_controller_stays_passive_and_says_who_commands() -> None:
    register = Register()
    first, second = Controller(7, [register]), Controller(9, [register])
    _run(first, 0.0, 10.0)

    verdicts = []
    for second_s in range(60):
        assert first.step(10.0 + second_s).may_write
        verdicts.append(second.step(10.5 + second_s))

    assert {verdict.hold for verdict in verdicts} == {Hold.STANDBY}
    assert verdicts[-1].reason == "controller 00000007 (epoch 1) holds the lease"
    assert verdicts[-1].holder == 7


def test_a_standby_takes_over_with_the_next_epoch_when_the_owner_is_gone() -> None:
    register = Register()
    first, second = Controller(7, [register]), Controller(9, [register])
    _run(first, 0.0, 10.0)
    second.step(10.5)

    verdicts = _run(second, 11.0, 40.0)

    begins = next(n for n, verdict in enumerate(verdicts) if verdict.may_write)
    # the term, the margin for clocks, and the time in which its claim must stand
    assert 8.0 + 2.0 + 5.0 <= begins <= 20.0
    assert verdicts[-1].epoch == 2


def test_the_holder_of_a_lower_epoch_stops_in_the_step_in_which_it_sees_a_higher_one() -> None:
    register = Register()
    first = Controller(7, [register])
    _run(first, 0.0, 10.0)

    register.record = LeaseRecord(epoch=2, holder=9, counter=1)
    verdict = first.step(10.0)

    assert verdict.hold is Hold.STANDBY
    assert verdict.reason == "controller 00000009 (epoch 2) has taken the lease"
    # and it does not write over it
    _run(first, 11.0, 5.0)
    assert register.record == LeaseRecord(epoch=2, holder=9, counter=1)


def test_a_restarted_controller_takes_its_own_lease_up_at_once() -> None:
    register = Register()
    first = Controller(7, [register])
    _run(first, 0.0, 10.0)

    first.start()
    verdicts = _run(first, 12.0, 3.0)

    assert [verdict.may_write for verdict in verdicts] == [False, True, True]
    assert verdicts[-1].epoch == 1


def test_without_a_majority_of_the_places_nobody_decides() -> None:
    registers = [Register(), Register(), Register()]
    alone = Controller(7, registers)
    alone.connections[0].cut = alone.connections[1].cut = True

    verdicts = _run(alone, 0.0, 60.0)

    assert not any(verdict.may_write for verdict in verdicts)
    assert verdicts[-1].reason == "1 of 3 places of the lease answer: nobody can decide"


def test_an_owner_goes_on_with_most_places_and_stops_when_it_cannot_renew_for_the_term() -> None:
    alone = Controller(7, [Register(), Register(), Register()])
    _run(alone, 0.0, 10.0)

    alone.connections[0].cut = True
    assert all(verdict.may_write for verdict in _run(alone, 10.0, 60.0))

    alone.connections[1].cut = True
    verdicts = _run(alone, 70.0, 20.0)
    assert [verdict.may_write for verdict in verdicts].index(False) in range(7, 10)
    assert not any(verdict.may_write for verdict in verdicts[10:])


def test_a_place_that_lost_its_record_gets_it_back() -> None:
    registers = [Register(), Register(), Register()]
    alone = Controller(7, registers)
    _run(alone, 0.0, 10.0)

    registers[1].record = EMPTY
    _run(alone, 10.0, 3.0)

    assert registers[1].record.holder == 7


def test_epochs_begin_again_after_the_last() -> None:
    last = LeaseRecord(epoch=0xFFFF, holder=1, counter=0)

    assert last.next_epoch == 1
    assert LeaseRecord(epoch=1, holder=2, counter=0).is_newer_than(0xFFFF)
    assert not last.is_newer_than(1)
    assert not last.is_newer_than(0xFFFF)


@pytest.mark.parametrize("seed", range(60))
def test_there_are_never_two_owners_whatever_is_slow_cut_or_killed(seed: int) -> None:
    rng = random.Random(seed)
    registers = [Register() for _ in range(rng.choice((1, 3)))]
    controllers = [Controller(number, registers, rng) for number in rng.sample(range(1, 1000), 3)]
    # each steps once a second at a time of its own, by a clock that is its own too
    offsets_s = [rng.uniform(-500.0, 500.0) for _ in controllers]
    phases_s = [rng.uniform(0.0, 0.99) for _ in controllers]
    owns_until_s = [0.0] * len(controllers)
    n_owned = 0
    steps = sorted((s + phase, index) for s in range(600) for index, phase in enumerate(phases_s))
    for now_s, index in steps:
        controller = controllers[index]
        if rng.random() < 0.01:
            controller.alive = not controller.alive
            if controller.alive:
                controller.start()
        for connection in controller.connections:
            if rng.random() < 0.01:
                connection.cut = not connection.cut
        if not controller.alive:
            continue
        verdict = _step_by_own_clock(controller, now_s, offsets_s[index])
        owns_until_s[index] = now_s + 1.0 if verdict.may_write else now_s
        if verdict.may_write:
            n_owned += 1
            others = [n for n, until_s in enumerate(owns_until_s) if n != index and until_s > now_s]
            assert others == [], (now_s, index, others)
    assert n_owned > 50


def _step_by_own_clock(controller: Controller, now_s: float, offset_s: float) -> Verdict:
    """Let a controller step by a clock that is apart from the others'; what it reads keeps its own time."""
    for connection in controller.connections:
        connection.look(now_s)
    shifted = [_Shifted(connection, offset_s) for connection in controller.connections]
    controller.lease._places = shifted
    return controller.lease.step(now_s + offset_s)


class _Shifted:
    """A place as a controller with another clock sees it."""

    def __init__(self, connection: Connection, offset_s: float) -> None:
        self._connection = connection
        self._offset_s = offset_s

    @property
    def place_id(self) -> str:
        return self._connection.place_id

    def seen(self) -> SeenLease | None:
        seen = self._connection.seen()
        return None if seen is None else SeenLease(record=seen.record, at_s=seen.at_s + self._offset_s)

    def put(self, record: LeaseRecord, *, valid_until_s: float) -> None:
        self._connection.put(record, valid_until_s=valid_until_s - self._offset_s)
