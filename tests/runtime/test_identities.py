from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ems.runtime.identities import CONFIRMATIONS_FILE, IdentityBook, load_confirmations, save_confirmation
from ems.runtime.persistence import StateStore
from tests.runtime.fakes import ShownDevice

NOW = datetime(2026, 6, 21, 12, 0, tzinfo=UTC)
OLD = {"manufacturer": "Maker", "model": "M1", "serial": "S-1"}
NEW = {**OLD, "serial": "S-2"}


class NamedDevice(ShownDevice):
    """A device that names itself as the test says, and remembers what was confirmed."""

    texts: Mapping[str, str] | None = None
    confirmed: Mapping[str, str] | None = None

    def identity(self) -> Mapping[str, str] | None:
        return self.texts

    def confirm(self, identity: Mapping[str, str]) -> None:
        self.confirmed = identity


class Place:
    """A state directory and one device that answers there, over several runs of a daemon."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.device = NamedDevice(asset_id="bess01")
        self.start()

    def start(self) -> None:
        self.store = StateStore(self.home / "state.db")
        self.book = IdentityBook(self.store, self.home)

    def restart(self) -> None:
        self.store.close()
        self.start()

    def look(self, texts: Mapping[str, str] | None) -> tuple[str, ...]:
        self.device.texts = texts
        return self.book.look([self.device], utc=NOW)

    def confirm(self, texts: Mapping[str, str]) -> None:
        save_confirmation(self.home / CONFIRMATIONS_FILE, "bess01-device", texts)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_the_first_device_that_answers_is_the_right_one(place: Place) -> None:
    before = place.book.known("bess01-device")
    told = (*place.look(None), *place.look(OLD))

    assert before is None
    assert told == ()
    assert place.book.known("bess01-device") == OLD


def test_a_restart_does_not_make_another_device_the_right_one(place: Place) -> None:
    place.look(OLD)
    place.restart()

    told = place.look(NEW)

    assert place.book.known("bess01-device") == OLD
    assert told == (
        (
            "bess01-device is another device, monitored and not controlled until it is confirmed: "
            "serial 'S-1' is now 'S-2'"
        ),
    )
    assert place.look(NEW) == ()
    assert place.device.confirmed is None


def test_a_confirmation_is_taken_while_the_daemon_runs(place: Place) -> None:
    place.look(OLD)
    place.look(NEW)

    place.confirm(NEW)
    told = place.look(NEW)

    assert told == ("bess01-device is confirmed: manufacturer 'Maker', model 'M1', serial 'S-2'",)
    assert place.device.confirmed == NEW
    assert place.look(NEW) == ()


def test_a_confirmation_is_taken_by_the_next_run(place: Place) -> None:
    place.look(OLD)
    place.look(NEW)
    place.confirm(NEW)

    place.restart()

    assert place.book.known("bess01-device") == NEW
    assert place.look(NEW) == ()


def test_a_confirmation_of_one_device_is_none_of_the_next(place: Place) -> None:
    place.look(OLD)
    place.look(NEW)
    place.confirm(NEW)
    place.look(NEW)

    told = place.look({**OLD, "serial": "S-3"})

    assert told[0].endswith("serial 'S-2' is now 'S-3'")


def test_the_return_of_the_right_device_needs_no_word(place: Place) -> None:
    place.look(OLD)
    place.look(NEW)
    place.look(OLD)

    told = place.look(NEW)

    assert len(told) == 1
    assert place.book.known("bess01-device") == OLD


def test_a_text_that_is_read_for_the_first_time_is_known_from_then_on(place: Place) -> None:
    place.look(OLD)
    place.look({**OLD, "firmware": "1.0"})

    told = place.look({**OLD, "firmware": "2.0"})

    assert told[0].endswith("firmware '1.0' is now '2.0'")


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_a_damaged_file_of_confirmations_changes_nothing(place: Place, text: str) -> None:
    place.look(OLD)
    place.look(NEW)
    (place.home / CONFIRMATIONS_FILE).write_text(text, encoding="utf-8")

    place.look(NEW)
    place.restart()

    assert place.book.known("bess01-device") == OLD
    with pytest.raises(ValueError, match=r".+"):
        load_confirmations(place.home / CONFIRMATIONS_FILE)
