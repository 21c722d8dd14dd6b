"""Every way in which a command can be wrong, and that only a right one passes."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from ems.chain.keys import SigningKey
from ems.commands.judge import Denied, Granted, Judge, restored_sequences
from ems.commands.keys import KeyRing
from ems.commands.refusal import RefusalKind
from ems.contract.quantities import rfc3339_ms
from tests.commands.envelopes import (
    CAMPUS,
    ENGINEER,
    FORMER,
    HOUR,
    NOW,
    OPERATOR,
    RING,
    SECOND,
    STRANGER,
    VIEWER,
    arrival,
    document,
    judge,
    signed,
)

LATER = rfc3339_ms(NOW + HOUR)


def denied(verdict: Granted | Denied) -> RefusalKind:
    assert isinstance(verdict, Denied), verdict
    assert verdict.refusal.reason
    return verdict.refusal.kind


def tampered(**changes: Any) -> bytes:  # any field
    """Return a signed message of which a field was changed afterwards."""
    return json.dumps({**json.loads(signed(document())), **changes}).encode()


def test_what_an_operator_signs_in_time_is_granted() -> None:
    verdict = judge().judge(arrival(signed(document())), NOW, 0.0)

    assert isinstance(verdict, Granted)
    assert [signer.name for signer in verdict.signers] == ["kim"]
    assert verdict.scope.bound is not None
    assert verdict.scope.bound.import_kw == 9000.0
    assert verdict.scope.until_utc == NOW + HOUR
    assert verdict.scope.clips == ()


def test_order_of_fields_and_blanks_do_not_matter_to_a_signature() -> None:
    message = json.loads(signed(document()))
    other = json.dumps(dict(reversed(message.items())), indent=4).encode()

    assert isinstance(judge().judge(arrival(other), NOW, 0.0), Granted)


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        (b"", RefusalKind.FORM),
        (b"\xff\xfe", RefusalKind.FORM),
        (b"[]", RefusalKind.FORM),
        (b"[" * 5000, RefusalKind.FORM),
        (b"9" * 5000, RefusalKind.FORM),
        (b'{"v": NaN}', RefusalKind.FORM),
        (b" " * 9000, RefusalKind.SIZE),
        (json.dumps(document()).encode(), RefusalKind.FORM),
        (json.dumps({**document(), "sigs": []}).encode(), RefusalKind.FORM),
        (signed(document(note="x")), RefusalKind.FORM),
        (signed(document(limits={"import_kw": -1})), RefusalKind.FORM),
        (signed(document(seq=0)), RefusalKind.FORM),
        (signed(document(seq=True)), RefusalKind.FORM),
        (signed(document(issued="yesterday")), RefusalKind.FORM),
        (signed(document(issued="2026-06-10T20:00:00")), RefusalKind.FORM),
        (signed(document(id="../../status")), RefusalKind.FORM),
        (signed(document(site="other-site")), RefusalKind.SITE),
        (signed(document("plan")), RefusalKind.TOPIC),
        (signed(document(issued=rfc3339_ms(NOW + timedelta(minutes=2)))), RefusalKind.TIME),
        (signed(document(issued=rfc3339_ms(NOW - HOUR), expires=rfc3339_ms(NOW - HOUR / 2))), RefusalKind.TIME),
        (signed(document(expires=rfc3339_ms(NOW + timedelta(minutes=16)))), RefusalKind.TIME),
        (signed(document(expires=rfc3339_ms(NOW))), RefusalKind.TIME),
        (signed(document(issued=rfc3339_ms(NOW - timedelta(minutes=5)), expires=rfc3339_ms(NOW))), RefusalKind.TIME),
        (signed(document(until=rfc3339_ms(NOW - HOUR))), RefusalKind.TIME),
        (signed(document(), STRANGER), RefusalKind.KEY),
        (signed(document(), FORMER), RefusalKind.KEY),
        (signed(document(), OPERATOR, STRANGER), RefusalKind.KEY),
        (signed(document(), OPERATOR, OPERATOR), RefusalKind.SIGNATURE),
        (tampered(limits={"import_kw": 0}), RefusalKind.SIGNATURE),
        (tampered(until=rfc3339_ms(NOW + 2 * HOUR)), RefusalKind.SIGNATURE),
        (tampered(seq=7), RefusalKind.SIGNATURE),
        (signed(document(), VIEWER), RefusalKind.ROLE),
        (signed(document(role="viewer")), RefusalKind.ROLE),
        (signed(document(role="engineer")), RefusalKind.ROLE),
        (signed(document(), OPERATOR, VIEWER), RefusalKind.ROLE),
        (signed(document(until=None)), RefusalKind.FORM),
        (signed(document(limits=None)), RefusalKind.FORM),
        (signed(document(limits={})), RefusalKind.FORM),
        (signed(document(value="test-0000")), RefusalKind.FORM),
        (signed(document(start=LATER)), RefusalKind.FORM),
        (signed(document(target="bess99", limits={"charge_kw": 1})), RefusalKind.TARGET),
        (signed(document(target="bess01")), RefusalKind.TARGET),
    ],
)
def test_a_wrong_command_is_refused_for_what_is_wrong_with_it(payload: bytes, kind: RefusalKind) -> None:
    assert denied(judge().judge(arrival(payload), NOW, 0.0)) is kind


def test_a_name_that_stands_twice_is_refused() -> None:
    text = signed(document()).decode().replace('"seq": 1', '"seq": 1, "seq": 1', 1)

    assert denied(judge().judge(arrival(text.encode()), NOW, 0.0)) is RefusalKind.FORM


def test_a_fraction_has_no_form_that_could_be_signed() -> None:
    message = json.loads(signed(document()))
    message["limits"]["import_kw"] = 9000.5

    assert denied(judge().judge(arrival(json.dumps(message).encode()), NOW, 0.0)) is RefusalKind.FORM


def test_what_the_broker_had_kept_is_refused_whoever_signed_it() -> None:
    verdict = judge().judge(arrival(signed(document()), retained=True), NOW, 0.0)

    assert denied(verdict) is RefusalKind.RETAINED


def test_the_same_command_again_is_refused_also_after_a_restart() -> None:
    first = judge()
    payload = signed(document(seq=41))
    assert isinstance(first.judge(arrival(payload), NOW, 0.0), Granted)

    assert denied(first.judge(arrival(payload), NOW, 1.0)) is RefusalKind.REPLAY
    assert denied(first.judge(arrival(signed(document(seq=40, id="test-0002"))), NOW, 2.0)) is RefusalKind.REPLAY
    again = Judge(site=CAMPUS, rules=first.rules, ring=RING, last_seq=restored_sequences(dict(first.last_seq)))
    assert denied(again.judge(arrival(payload), NOW, 0.0)) is RefusalKind.REPLAY


def test_nobody_without_the_key_moves_its_sequence_or_uses_up_its_rate() -> None:
    site = judge()
    forged = json.dumps({**json.loads(signed(document())), "seq": 2**53 - 1}).encode()
    for number in range(50):
        assert denied(site.judge(arrival(forged), NOW, 0.01 * number)) is RefusalKind.SIGNATURE

    assert isinstance(site.judge(arrival(signed(document())), NOW, 1.0), Granted)


def test_a_key_sends_five_at_once_and_then_one_a_second() -> None:
    site = judge()
    passed = [
        isinstance(site.judge(arrival(signed(document(seq=n, id=f"test-{n:04}"))), NOW, 0.0), Granted)
        for n in range(1, 9)
    ]
    assert passed == [True] * 5 + [False] * 3

    assert denied(site.judge(arrival(signed(document(seq=20))), NOW, 0.5)) is RefusalKind.FLOOD
    assert isinstance(site.judge(arrival(signed(document(seq=21))), NOW, 1.5), Granted)
    assert isinstance(site.judge(arrival(signed(document(), SECOND)), NOW, 1.5), Granted)


def test_an_emergency_stop_is_never_one_too_many() -> None:
    site = judge()
    verdicts = [
        site.judge(arrival(signed(document("e_stop", seq=n, id=f"stop-{n:04}")), "e_stop"), NOW, 0.0)
        for n in range(1, 30)
    ]

    assert all(isinstance(verdict, Granted) for verdict in verdicts)


@pytest.mark.parametrize("name", ["island", "black_start", "leave_e_stop"])
def test_what_needs_two_people_is_refused_with_one_key(name: str) -> None:
    command = document(name)

    assert denied(judge().judge(arrival(signed(command), name), NOW, 0.0)) is RefusalKind.TWO_PERSON
    assert isinstance(judge().judge(arrival(signed(command, OPERATOR, ENGINEER), name), NOW, 0.0), Granted)
    assert isinstance(judge(two_person=False).judge(arrival(signed(command), name), NOW, 0.0), Granted)


def test_an_emergency_stop_is_left_with_an_engineer() -> None:
    command = document("leave_e_stop")

    assert denied(judge().judge(arrival(signed(command, OPERATOR, SECOND), "leave_e_stop"), NOW, 0.0)) is (
        RefusalKind.TWO_PERSON
    )


@pytest.mark.parametrize("name", ["e_stop", "stay_island", "plan"])
def test_one_operator_is_enough_for_the_rest(name: str) -> None:
    assert isinstance(judge().judge(arrival(signed(document(name)), name), NOW, 0.0), Granted)


@pytest.mark.parametrize(("key", "role", "passes"), [(OPERATOR, "operator", False), (ENGINEER, "engineer", True)])
def test_work_on_a_unit_is_for_engineers(key: SigningKey, role: str, *, passes: bool) -> None:
    command = document("maintenance", target="gen02", until=LATER, role=role)

    assert isinstance(judge().judge(arrival(signed(command, key), "maintenance"), NOW, 0.0), Granted) is passes


def test_a_ring_that_cannot_be_read_lets_no_key_count() -> None:
    site = judge()
    site.ring = KeyRing(trouble="keys.json: no JSON")

    assert denied(site.judge(arrival(signed(document())), NOW, 0.0)) is RefusalKind.KEY


def test_a_verdict_names_the_id_where_the_message_has_one() -> None:
    site = judge()
    bad: Callable[[bytes], Granted | Denied] = lambda payload: site.judge(arrival(payload), NOW, 0.0)  # noqa: E731

    for payload, found in [
        (b'{"id": "abcd-1234"}', "abcd-1234"),
        (b'{"id": "a/b/c/d/e"}', None),
        (b'{"id": "ab#+cdefg"}', None),
        (b'{"id": 7}', None),
        (b"{", None),
    ]:
        verdict = bad(payload)
        assert isinstance(verdict, Denied)
        assert verdict.id == found
