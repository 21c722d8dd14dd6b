"""A start or stop goes out when the state behind it is on the disk, or a cycle later, told, where the disk does not."""

from collections.abc import Callable

from ems.control.state import ControlState
from ems.runtime.acts import Acts

STATE = ControlState()


class _Journal:
    """A disk that takes a state when the test says so."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []
        self.states: list[ControlState] = []

    def commit(self, state: ControlState, *, on_disk: Callable[[], None]) -> None:
        self.states.append(state)
        self.waiting.append(on_disk)


def _cycle(acts: Acts, at_s: float, done: list[str], *, run: bool | None) -> None:
    acts.begin(at_s)
    if run is not None:
        acts.do("gen01 run", lambda: done.append(f"{run} at {at_s:g}"), what=run)
    acts.keep(STATE)


def test_nothing_goes_out_before_the_state_is_on_the_disk() -> None:
    journal, done = _Journal(), list[str]()
    acts = Acts(journal, wait_s=1.0)

    _cycle(acts, 10.0, done, run=True)
    assert done == []
    assert journal.states == [STATE]

    journal.waiting[0]()
    assert done == ["True at 10"]
    assert acts.n_unsaved == 0


def test_a_disk_that_does_not_answer_delays_a_start_by_one_cycle_and_is_counted() -> None:
    journal, done = _Journal(), list[str]()
    acts = Acts(journal, wait_s=1.0)

    _cycle(acts, 10.0, done, run=True)
    _cycle(acts, 11.0, done, run=True)

    assert done == ["True at 11"]
    assert acts.n_unsaved == 1
    # what the disk takes at last is of an older cycle
    journal.waiting[0]()
    assert done == ["True at 11"]


def test_what_is_no_longer_asked_for_is_forgotten() -> None:
    journal, done = _Journal(), list[str]()
    acts = Acts(journal, wait_s=1.0)

    _cycle(acts, 10.0, done, run=True)
    _cycle(acts, 11.0, done, run=None)
    journal.waiting[0]()

    assert done == []


def test_an_act_that_changes_its_mind_waits_for_its_own_state() -> None:
    journal, done = _Journal(), list[str]()
    acts = Acts(journal, wait_s=1.0)

    _cycle(acts, 10.0, done, run=True)
    _cycle(acts, 11.0, done, run=False)
    assert done == []

    journal.waiting[1]()
    assert done == ["False at 11"]


def test_a_cycle_without_acts_saves_nothing() -> None:
    journal, done = _Journal(), list[str]()
    acts = Acts(journal, wait_s=1.0)

    _cycle(acts, 10.0, done, run=None)

    assert journal.states == []


def test_without_a_journal_it_goes_out_at_once() -> None:
    done = list[str]()
    acts = Acts(None, wait_s=1.0)

    _cycle(acts, 10.0, done, run=True)

    assert done == ["True at 10"]
