"""The chain: numbers without gaps, each record bound to the one before it."""

from hashlib import sha256

import pytest

from ems.chain.canonical import parsed
from ems.chain.links import NO_HASH, Head, follows, linked
from ems.errors import ChainError


def test_the_first_record_follows_nothing() -> None:
    first = linked({"kind": "key"}, Head())

    assert first.line == f'{{"kind":"key","prev":"{NO_HASH}","seq":1}}'.encode()
    assert first.head == Head(seq=1, hash=sha256(first.line).hexdigest())
    assert parsed(first.line) == first.record


def test_a_record_follows_only_the_head_that_it_was_linked_to() -> None:
    first = linked({"n": 1}, Head())
    second = linked({"n": 2}, first.head)

    assert follows(second.record, first.head) is None
    assert follows(first.record, first.head) == ("/seq", "is 1 where 2 follows")
    other = linked({"n": 7}, Head())
    broken = follows(second.record, other.head)
    assert broken is not None
    assert broken[0] == "/prev"


@pytest.mark.parametrize("seq", [None, True, "2", 3])
def test_a_number_that_does_not_follow_is_named(seq: object) -> None:
    first = linked({"n": 1}, Head())
    broken = follows({"seq": seq, "prev": first.head.hash}, first.head)

    assert broken is not None
    assert broken[0] == "/seq"


@pytest.mark.parametrize("name", ["seq", "prev"])
def test_a_body_cannot_choose_its_place(name: str) -> None:
    with pytest.raises(ChainError, match=name):
        linked({name: 1}, Head())
