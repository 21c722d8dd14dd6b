"""Who commands: a lease in registers that all controllers reach. Steps once a cycle, reads no clock, does no I/O.

The record names epoch and holder, and its holder moves a counter. A controller holds the lease for `term_s` after it
handed over a renewal that it has then read back at a majority of the places. It takes the lease only where the counter
has stood still for longer than that, by one single write of a higher epoch, and waits `settle_s` to see whether its
claim stands: the delay after which no other claim can still be under way (Fischer's mutual exclusion; Lamport, A Fast
Mutual Exclusion Algorithm, 1987). Nobody compares clocks of two machines.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ems.model.lease import LeaseRecord, LeaseSettings
from ems.ports import LeasePlace

# the slower of two clocks, and the last write of a holder that is still on its way
_MARGIN_S: Final = 2.0
_SENT_S: Final = 1.0
_TURNS: Final = 8
_TURN_S: Final = 0.5
_COUNTS: Final = 0x10000


class Hold(StrEnum):
    """What a controller is to the site."""

    OWNER = "owner"
    STANDBY = "standby"
    # nobody else is seen to hold the lease, and it is not ours yet
    WAITING = "waiting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether this controller may write, and why not; `holder` is who does, as far as it is known."""

    hold: Hold
    reason: str
    epoch: int
    holder: int | None

    @property
    def may_write(self) -> bool:
        """Return whether setpoints may go out."""
        return self.hold is Hold.OWNER


@dataclass(slots=True)
class _View:
    """What is known of one place; times are the monotonic clock's."""

    record: LeaseRecord
    changed_s: float
    read_s: float
    renewed_s: float | None = None


class Lease:
    """One controller's side of the lease."""

    def __init__(self, holder: int, settings: LeaseSettings) -> None:
        """Take the controller's own number, which no other has."""
        self._holder = holder
        self._settings = settings
        self._places: Sequence[LeasePlace] = ()
        self._views: dict[str, _View] = {}
        self._epoch = 0
        self._counter = 0
        self._handed_s: dict[int, float] = {}
        self._holding = False
        self._claimed_s: float | None = None
        self._settle_s = 0.0

    def at(self, places: Sequence[LeasePlace]) -> None:
        """Use these connections from now on; what was seen over others counts no more."""
        self._places = places
        self._views = {}
        self._holding = False
        self._claimed_s = None

    def step(self, now_s: float) -> Verdict:
        """Look at all places, renew or claim, and say whether this controller may write until the next step."""
        self._look(now_s)
        fresh = {name: view for name, view in self._views.items() if now_s - view.read_s <= self._settings.term_s}
        if self._holding:
            return self._as_holder(fresh, now_s)
        if self._claimed_s is not None:
            return self._as_claimant(fresh, now_s, self._claimed_s)
        return self._as_standby(fresh, now_s)

    def _look(self, now_s: float) -> None:
        for place in self._places:
            seen = place.seen()
            if seen is None:
                continue
            view = self._views.get(place.place_id)
            was_away = view is None or seen.at_s - view.read_s > self._settings.term_s
            if view is None or was_away or view.record != seen.record:
                renewed_s = None if view is None else view.renewed_s
                view = self._views[place.place_id] = _View(seen.record, seen.at_s, seen.at_s, renewed_s)
            view.read_s = seen.at_s
            if self._is_mine(seen.record):
                view.renewed_s = self._handed_s.get(seen.record.counter, view.renewed_s)
        self._handed_s = {n: at_s for n, at_s in self._handed_s.items() if now_s - at_s <= 2.0 * self._settings.term_s}

    def _as_holder(self, fresh: dict[str, _View], now_s: float) -> Verdict:
        newer = [view.record for view in fresh.values() if view.record.is_newer_than(self._epoch)]
        standing = [
            view
            for view in self._views.values()
            if view.renewed_s is not None and now_s - view.renewed_s <= self._settings.term_s
        ]
        if newer:
            self._holding = False
            return self._verdict(Hold.STANDBY, f"controller {_name(newer[0])} has taken the lease", newer[0])
        if not self._is_majority(len(standing)):
            self._holding = False
            reason = f"the lease could not be renewed for {self._settings.term_s:g} s at most of its places"
            return self._verdict(Hold.STANDBY, reason, None)
        self._renew(fresh, now_s)
        return Verdict(hold=Hold.OWNER, reason="", epoch=self._epoch, holder=self._holder)

    def _as_claimant(self, fresh: dict[str, _View], now_s: float, claimed_s: float) -> Verdict:
        others = [
            view.record
            for view in fresh.values()
            if view.read_s > claimed_s and (view.record.is_newer_than(self._epoch) or self._rivals(view.record))
        ]
        if others or now_s - claimed_s > self._settings.term_s:
            self._claimed_s = None
            reason = f"controller {_name(others[0])} was faster" if others else "the claim did not get through"
            return self._verdict(Hold.WAITING, reason, others[0] if others else None)
        standing = [
            view
            for view in fresh.values()
            if self._is_mine(view.record)
            and view.renewed_s is not None
            and view.renewed_s >= claimed_s
            and view.read_s >= claimed_s + self._settle_s
        ]
        if self._is_majority(len(standing)):
            self._claimed_s, self._holding = None, True
            return self._as_holder(fresh, now_s)
        return self._verdict(Hold.WAITING, "the lease is claimed, and waits for other claims", None)

    def _as_standby(self, fresh: dict[str, _View], now_s: float) -> Verdict:
        if not self._is_majority(len(fresh)):
            reason = f"{len(fresh)} of {len(self._places)} places of the lease answer: nobody can decide"
            return self._verdict(Hold.WAITING, reason, None)
        newest = next(iter(fresh.values())).record
        for view in fresh.values():
            newest = view.record if view.record.is_newer_than(newest.epoch) else newest
        mine = [v for v in fresh.values() if v.record.holder == self._holder and v.record.epoch == newest.epoch]
        if self._is_majority(len(mine)):
            # an earlier run of this controller: nobody else has taken it since
            self._claim(fresh, now_s, epoch=newest.epoch, counter=mine[0].record.counter + 1, settle_s=0.0)
            return self._verdict(Hold.WAITING, "the lease of the earlier run is taken up again", None)
        free = {name: view for name, view in fresh.items() if self._is_free(view, now_s)}
        if self._is_majority(len(free)):
            self._claim(free, now_s, epoch=newest.next_epoch, counter=1, settle_s=self._settings.settle_s)
            return self._verdict(Hold.WAITING, "the lease is claimed, and waits for other claims", None)
        owner = next((v.record for v in fresh.values() if not self._is_free(v, now_s)), newest)
        return self._verdict(Hold.STANDBY, f"controller {_name(owner)} holds the lease", owner)

    def _claim(self, views: dict[str, _View], now_s: float, *, epoch: int, counter: int, settle_s: float) -> None:
        self._epoch, self._counter = epoch, counter - 1
        self._claimed_s, self._settle_s = now_s, settle_s
        self._handed_s = {}
        for view in views.values():
            view.renewed_s = None
        self._hand_over(views, now_s)

    def _renew(self, fresh: dict[str, _View], now_s: float) -> None:
        """Move the counter wherever the lease is ours, and bring it back to places that have lost it."""
        ours = {
            name: view
            for name, view in fresh.items()
            if not view.record.is_newer_than(self._epoch) and not self._rivals(view.record)
        }
        self._hand_over(ours, now_s)

    def _hand_over(self, views: dict[str, _View], now_s: float) -> None:
        self._counter = (self._counter + 1) % _COUNTS
        self._handed_s[self._counter] = now_s
        record = LeaseRecord(epoch=self._epoch, holder=self._holder, counter=self._counter)
        for place in self._places:
            if place.place_id in views:
                place.put(record, valid_until_s=now_s + _SENT_S)

    def _is_free(self, view: _View, now_s: float) -> bool:
        if view.record.holder in (0, self._holder):
            return True
        # controllers whose claims have met wait for different times before the next
        margin_s = _MARGIN_S + self._holder % _TURNS * _TURN_S
        return now_s - view.changed_s > self._settings.term_s + margin_s

    def _is_mine(self, record: LeaseRecord) -> bool:
        return record.holder == self._holder and record.epoch == self._epoch

    def _rivals(self, record: LeaseRecord) -> bool:
        return record.epoch == self._epoch and record.holder not in (0, self._holder)

    def _is_majority(self, number: int) -> bool:
        return 2 * number > len(self._places)

    def _verdict(self, hold: Hold, reason: str, record: LeaseRecord | None) -> Verdict:
        return Verdict(
            hold=hold,
            reason=reason,
            epoch=self._epoch if record is None else record.epoch,
            holder=None if record is None else record.holder,
        )


def _name(record: LeaseRecord) -> str:
    return f"{record.holder:08x} (epoch {record.epoch})"
