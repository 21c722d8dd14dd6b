"""Canonical JSON: one byte string for one record, and nothing else passes for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ems.chain.canonical import canonical, parsed
from ems.errors import ChainError
from tests.control.draws import cases

SAFE = st.integers(-(2**53) + 1, 2**53 - 1)
VALUES = st.recursive(
    st.none() | st.booleans() | SAFE | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
RECORDS = st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=6), VALUES, max_size=5)


def test_names_are_sorted_and_nothing_is_spaced() -> None:
    assert (
        canonical({"b": [1, {"z": None, "a": True}], "a": "Ä\n"}) == '{"a":"Ä\\n","b":[1,{"a":true,"z":null}]}'.encode()
    )


def test_names_are_sorted_as_utf_16() -> None:
    # RFC 8785, 3.2.3: U+1F600 is written with a surrogate, which sorts before U+FB33
    assert canonical({"\ufb33": 1, "\U0001f600": 2}) == '{"\U0001f600":2,"\ufb33":1}'.encode()


@pytest.mark.parametrize(
    ("record", "field"),
    [({"a": {"b": [1, 0.5]}}, "/a/b/1"), ({"a": 1.0}, "/a"), ({"a": float("nan")}, "/a")],
)
def test_fractions_are_refused_and_named(record: dict[str, object], field: str) -> None:
    with pytest.raises(ChainError, match="fraction") as caught:
        canonical(record)

    assert caught.value.field == field


@pytest.mark.parametrize("record", [{"a": 2**53}, {"a": "\ud800"}, {"a": {1, 2}}, {1: "a"}])
def test_what_has_no_canonical_form_is_refused(record: dict[str, object]) -> None:
    with pytest.raises(ChainError, match="canonical form"):
        canonical(record)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[1]",
        b"{",
        b'{"a": 1}',
        b'{"b":1,"a":2}',
        b'{"a":1,"a":1}',
        b'{"a":1}\n',
        b'{"a":1.0}',
        b'{"a":1e2}',
        b'{"a":NaN}',
        b'{"a":"\\u0041"}',
        b'{"a":-0}',
        b'\xff{"a":1}',
        b'\xef\xbb\xbf{"a":1}',
        b"[" * 100_000,
        b'{"a":' * 40 + b"1" + b"}" * 40,
    ],
)
def test_a_line_that_is_not_canonical_is_refused(line: bytes) -> None:
    with pytest.raises(ChainError):
        parsed(line)


@cases(100)
@given(record=RECORDS)
def test_a_record_comes_back_from_its_line(record: dict[str, object]) -> None:
    assert parsed(canonical(record)) == record
