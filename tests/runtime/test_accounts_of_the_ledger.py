"""After a kill between record and saved state the accounts go on after the newest record: none twice, none lost."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ems.chain.links import Head
from ems.control.state import ControlState
from ems.runtime.accounts import Accounts
from ems.runtime.cycle import ControlCycle
from ems.runtime.memory import restore_accounts
from ems.runtime.persistence import StateStore
from tests.runtime.books import Record, kept, opened
from tests.runtime.fakes import PortSite


@pytest.mark.parametrize(("saved_at", "killed_after"), [(1, 16), (15, 16), (16, 16), (1, 31), (16, 31), (30, 31)])
def test_no_interval_is_written_twice_or_lost_wherever_the_process_ends(
    tmp_path: Path, saved_at: int, killed_after: int
) -> None:
    plant = PortSite()
    with _run(plant, tmp_path / "a") as (accounts, store):
        _observe(plant, accounts, saved_at)
        _save(accounts, store, plant)
        _observe(plant, accounts, killed_after - saved_at)
        served = accounts.energy()
    # the state of `saved_at` is all that is left beside the evidence
    with _run(plant, tmp_path / "a") as (accounts, _):
        before = accounts.energy()
        _observe(plant, accounts, 47 - killed_after)
        after = accounts.energy()

    intervals = _intervals(tmp_path / "a")
    assert [row["start"][11:16] for row in intervals[1:]] == [row["end"][11:16] for row in intervals[:-1]]
    assert len(intervals) == 3
    assert before == served
    assert after is not None
    assert sum(row["energy_wh"]["sinks"]["it"] for row in intervals) == pytest.approx(1000.0 * after.it_kwh)


def test_a_record_that_did_not_get_to_the_disk_is_made_again(tmp_path: Path) -> None:
    plant = PortSite()
    with _run(plant, tmp_path / "a") as (accounts, store):
        _observe(plant, accounts, 16)
    with _run(plant, tmp_path / "a", sink=False) as (accounts, store):
        _observe(plant, accounts, 15)
        _save(accounts, store, plant)
        lost = accounts.energy()
    with _run(plant, tmp_path / "a") as (accounts, _):
        _observe(plant, accounts, 1)
        again = accounts.energy()

    first, second = _intervals(tmp_path / "a")
    assert second["start"] == first["end"]
    assert lost is not None
    assert again is not None
    # what was counted until the next run could read the meters is in it, too
    assert again.until_utc == lost.until_utc
    assert again.it_kwh >= lost.it_kwh


def test_accounts_of_a_lost_ledger_are_those_of_the_saved_state(tmp_path: Path) -> None:
    plant = PortSite()
    with _run(plant, tmp_path / "a") as (accounts, store):
        _observe(plant, accounts, 31)
        _save(accounts, store, plant)
        known = accounts.energy()
    for file in (tmp_path / "a").glob("evidence.db*"):
        file.unlink()

    with _run(plant, tmp_path / "a", known_head=Head(seq=3, hash="ab" * 32)) as (accounts, _):
        assert accounts.energy() == known


@contextmanager
def _run(
    plant: PortSite, directory: Path, *, sink: bool = True, known_head: Head | None = None
) -> Iterator[tuple[Accounts, StateStore]]:
    store = StateStore(directory / "state.db")
    with opened(directory, known_head=known_head) as (ledger, _):
        accounts = Accounts(plant.site, interval_min=15, carbon=None, sink=ledger if sink else _nowhere)
        restore_accounts(accounts, store, ledger)
        ledger.carry = accounts.document
        yield accounts, store
    store.close()


def _observe(plant: PortSite, accounts: Accounts, n_minutes: int) -> None:
    cycle: ControlCycle = ControlCycle(plant.site, plant.devices, plant.clock, state=ControlState())
    for _ in range(n_minutes):
        accounts.observe(cycle.run(None))
        plant.advance(60.0)


def _save(accounts: Accounts, store: StateStore, plant: PortSite) -> None:
    store.save("accounts", accounts.document(), utc=plant.clock.utc())


def _nowhere(record: Record) -> None:
    """Lose a record."""


def _intervals(directory: Path) -> list[Record]:
    return [row for row in kept(directory) if row["kind"] == "interval"]
