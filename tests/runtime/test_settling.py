"""What a process keeps is left alone by the garbage collector, what it has dropped is not."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from ems.runtime.settling import settle_memory


class Node:
    """Refers to itself, so that only the collector can free it."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def thawed() -> Iterator[None]:
    """Give the collector everything back after the test."""
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("thawed")
def test_what_is_kept_is_no_longer_looked_through() -> None:
    kept = Node()

    settle_memory()

    assert gc.get_freeze_count() > 0
    assert not any(each is kept for each in gc.get_objects())


@pytest.mark.usefixtures("thawed")
def test_what_an_earlier_configuration_has_left_is_freed() -> None:
    earlier = Node()
    settle_memory()
    dropped = weakref.ref(earlier)
    del earlier

    settle_memory()

    assert dropped() is None
