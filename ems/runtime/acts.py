"""Starts, stops and the like go out once the state behind them is on the disk: a controller that is killed then knows.

A disk that does not answer must not keep a set from starting: after one control period the act goes out all the same,
which is counted and told.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ems.control.state import ControlState


class Journal(Protocol):
    """Brings control's state to the disk."""

    def commit(self, state: ControlState, *, on_disk: Callable[[], None]) -> None:
        """Hand a state over; `on_disk` is called in the event loop once it is there, never if it does not get there."""


@dataclass(slots=True)
class _Act:
    """One command that waits: what is asked for, since when, and how it is carried out."""

    what: object
    since_s: float
    carry_out: Callable[[], None]


class Acts:
    """The acts of a cycle; those of an older one that are no longer asked for are forgotten."""

    def __init__(self, journal: Journal | None, *, wait_s: float) -> None:
        """Wait `wait_s` of the clock for the disk; without a journal nothing is waited for."""
        self._journal = journal
        self._wait_s = wait_s
        self._waiting: dict[str, _Act] = {}
        self._before: dict[str, _Act] = {}
        self._now_s = 0.0
        self._number = 0
        self.n_unsaved = 0

    def begin(self, now_s: float) -> None:
        """Begin a cycle."""
        self._now_s = now_s
        self._number += 1
        self._before, self._waiting = self._waiting, {}

    def do(self, key: str, carry_out: Callable[[], None], *, what: object) -> None:
        """Carry out once the state is on the disk; at once where the same has waited for it long enough."""
        if self._journal is None:
            carry_out()
            return
        before = self._before.get(key)
        since_s = before.since_s if before is not None and before.what == what else self._now_s
        if before is not None and before.what == what and self._now_s - since_s >= 0.5 * self._wait_s:
            self.n_unsaved += 1
            carry_out()
            return
        self._waiting[key] = _Act(what, since_s, carry_out)

    def keep(self, state: ControlState) -> None:
        """Hand over the state behind the acts of this cycle."""
        if self._waiting and self._journal is not None:
            number = self._number
            self._journal.commit(state, on_disk=lambda: self._saved(number))

    def _saved(self, number: int) -> None:
        """Carry out what waits, if it still is what this cycle asked for."""
        if number != self._number:
            return
        waiting, self._waiting = self._waiting, {}
        for act in waiting.values():
            act.carry_out()
