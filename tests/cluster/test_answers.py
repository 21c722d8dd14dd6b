"""Acknowledgements and telemetry: what cannot be used is refused with a reason, counted, and changes nothing."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ems.cluster.answers import AckReader, TelemetryInbox
from ems.cluster.refusals import Refusals
from tests.cluster.test_offers import HALL

NOW = datetime(2026, 7, 3, 10, 0, tzinfo=UTC)
# the examples of the cluster contract, section 2.3
ACK: dict[str, Any] = {  # JSON of any shape
    "seq": 48211,
    "accepted": True,
    "expected_kw": [17200, 14000],
    "shed": {"id": "s-17", "eta_s": 20, "kw": 5100},
}
TELEMETRY: dict[str, Any] = {  # JSON of any shape
    "ts": "2026-07-03T09:59:58Z",
    "it_kw": 17112,
    "enforced_limit_kw": 18500,
    "held_jobs": 41,
}


def ack(payload: bytes, *, retained: bool = False) -> tuple[object, list[str]]:
    refused: list[str] = []
    reader = AckReader(HALL, Refusals(refused.append))
    return reader.read(payload, NOW, retained=retained, sent_seq=48211), refused


def telemetry(payload: bytes, *, retained: bool = False) -> tuple[TelemetryInbox, list[str]]:
    refused: list[str] = []
    inbox = TelemetryInbox(HALL, Refusals(refused.append))
    inbox.receive(payload, NOW, retained=retained)
    return inbox, refused


def text(document: dict[str, Any], **changes: Any) -> bytes:  # JSON of any shape
    return json.dumps({**document, **changes}).encode()


def test_examples_of_the_contract_are_taken() -> None:
    found, refused = ack(text(ACK))
    inbox, refused_too = telemetry(text(TELEMETRY))

    assert found is not None
    assert inbox.newest is not None
    assert (inbox.newest.it_kw, inbox.newest.enforced_limit_kw, inbox.newest.n_held_jobs) == (17112.0, 18500.0, 41)
    assert refused == refused_too == []


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "acknowledgement"),
        (b"[1]", "acknowledgement"),
        (text(ACK, seq=-1), "seq"),
        (text(ACK, seq=48212), "48211 is the newest"),
        (text(ACK, accepted="maybe"), "accepted"),
        (text(ACK, expected_kw=[1e5]), "more than the design"),
        (text(ACK, shed={"id": "s-17"}), "shed.eta_s"),
        (text(ACK, hurry=True), "hurry"),
        (b" " * 70_000, "bytes"),
    ],
)
def test_an_acknowledgement_that_cannot_be_used_is_refused_with_its_reason(payload: bytes, reason: str) -> None:
    found, refused = ack(payload)

    assert found is None
    assert reason in refused[0]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"{", "telemetry"),
        (text(TELEMETRY, it_kw=-1), "it_kw"),
        (text(TELEMETRY, it_kw="NaN"), "it_kw"),
        (text(TELEMETRY, it_kw=30_000), "more than the design"),
        (text(TELEMETRY, ts="2026-07-03T09:58:00Z"), "120 s old"),
        (text(TELEMETRY, ts="2026-07-03T10:05:00Z"), "to come"),
        (text(TELEMETRY, ts="2026-07-03T10:00:00"), "ts"),
        (text(TELEMETRY, mood="good"), "mood"),
    ],
)
def test_telemetry_that_cannot_be_used_is_refused_with_its_reason(payload: bytes, reason: str) -> None:
    inbox, refused = telemetry(payload)

    assert inbox.newest is None
    assert reason in refused[0]


def test_what_the_broker_had_kept_is_no_answer() -> None:
    found, refused = ack(text(ACK), retained=True)
    inbox, refused_too = telemetry(text(TELEMETRY), retained=True)

    assert found is None
    assert inbox.newest is None
    assert "retained" in refused[0]
    assert "retained" in refused_too[0]


def test_older_telemetry_changes_nothing() -> None:
    refused: list[str] = []
    inbox = TelemetryInbox(HALL, Refusals(refused.append))
    inbox.receive(text(TELEMETRY), NOW, retained=False)

    inbox.receive(text(TELEMETRY, ts="2026-07-03T09:59:50Z", it_kw=1), NOW + timedelta(seconds=1), retained=False)

    assert inbox.newest is not None
    assert inbox.newest.it_kw == 17112.0
    assert "older" in refused[0]


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(json.dumps).map(str.encode)
)
def test_whatever_arrives_nothing_is_raised(payload: bytes) -> None:
    for found, refused in (ack(payload), telemetry(payload)):
        assert found is None or isinstance(found, TelemetryInbox)
        assert len(refused) == 1
