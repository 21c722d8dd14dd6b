"""An intact ledger passes; whatever was done to one shows, with its place."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ems.accounting.rows import BreakReason
from ems.accounting.verification import MOST_DAMAGES, Verification
from ems.chain.canonical import canonical, parsed
from ems.chain.keys import simulation_key
from ems.chain.links import Head, linked
from tests.accounting.ledgers import (
    FIRST_DAY,
    KEY,
    OTHER_KEY,
    SITE,
    book,
    checked,
    days,
    found,
    intervals,
    whole_day,
)
from tests.control.draws import cases

DAY = whole_day()
N_ROWS = len(DAY)


def test_days_in_a_row_are_intact() -> None:
    parts = days(book(), intervals(FIRST_DAY + 96))

    check = checked(parts[:2], pinned=KEY.public)

    assert check.damages == []
    assert check.notices == []
    assert (check.n_intervals, check.seals.n_digests, check.seals.n_open) == (FIRST_DAY + 96, 2, 0)
    assert (check.begin, check.end) == ("2026-06-10T20:00:00Z", "2026-06-12T00:00:00Z")
    assert check.seals.signers == {KEY.key_id: "site"}


def test_rows_after_the_newest_digest_are_counted_and_not_demanded_to_be_sealed_in_a_database() -> None:
    parts = days(book(), intervals(FIRST_DAY + 3))

    check = checked(parts, sealed=False)

    assert check.damages == []
    assert check.seals.n_open == 3


@cases(120, n_full=20_000)
@given(st.data())
def test_every_change_of_a_byte_is_found(data: st.DataObject) -> None:
    content = b"\n".join(DAY) + b"\n"
    place = data.draw(st.integers(0, len(content) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda value: value != content[place]))
    changed = content[:place] + bytes((other,)) + content[place + 1 :]

    lines = changed.split(b"\n")
    check = checked([lines[:-1] if lines[-1] == b"" else lines])

    # a file whose last byte is no line end is told by whoever reads the file
    assert check.n_damages > 0 or lines[-1] != b""


def test_a_changed_number_is_named_with_line_sequence_and_field() -> None:
    lines = list(DAY)
    record = parsed(lines[4])
    record["energy_wh"]["sinks"]["it"] += 1
    lines[4] = canonical(record)

    check = checked([lines])

    assert check.damages[0].line == 5
    assert check.damages[0].seq == 5
    assert check.damages[0].field == "/energy_wh"
    assert "I1" in check.damages[0].message
    # the next record and the digest contradict it, too
    assert (6, "/prev") in found(check)
    assert (N_ROWS, "/merkle_root") in found(check)
    assert check.damages[0].sentence().startswith("part-0:5: seq 5: /energy_wh: I1")


def test_factors_that_were_replaced_are_found() -> None:
    lines = [line.replace(b'"grid_mgco2e_per_kwh":400000', b'"grid_mgco2e_per_kwh":100000') for line in DAY]

    check = checked([lines])

    assert (2, "/carbon_mgco2e/scope2_location") in found(check)


@pytest.mark.parametrize("place", [0, 1, 7, N_ROWS - 2])
def test_a_row_that_is_gone_is_found(place: int) -> None:
    check = checked([[*DAY[:place], *DAY[place + 1 :]]])

    assert check.n_damages > 0


def test_rows_that_were_swapped_are_found() -> None:
    check = checked([[*DAY[:3], DAY[4], DAY[3], *DAY[5:]]])

    assert (4, "/seq") in found(check)


def test_a_file_that_was_cut_is_found() -> None:
    check = checked([DAY[:-1]])

    assert found(check) == [(N_ROWS - 1, None)]
    assert "without the digest" in check.damages[0].message


def test_a_line_that_is_no_json_has_its_number() -> None:
    check = checked([[*DAY[:5], b"{garbage", *DAY[6:]]])

    assert check.damages[0].line == 6
    assert check.damages[0].seq == 6
    assert "no JSON record" in check.damages[0].message


def test_a_day_that_is_missing_between_two_is_found() -> None:
    parts = days(book(), intervals(FIRST_DAY + 192))

    check = checked([parts[0], parts[2]])

    assert check.damages[0].field == "/seq"


def test_a_day_that_is_played_again_is_found() -> None:
    parts = days(book(), intervals(FIRST_DAY + 96))

    check = checked([parts[0], parts[1], parts[1]])

    assert check.damages[0].field == "/seq"


def test_a_ledger_that_was_written_anew_with_another_key_shows_against_the_pinned_one() -> None:
    forged = book()
    forged.key = OTHER_KEY
    parts = days(forged, intervals(FIRST_DAY))

    assert checked(parts[:1]).damages == []
    (damage,) = checked(parts[:1], pinned=KEY.public).damages
    assert (damage.line, damage.field) == (N_ROWS, "/key_id")
    assert "pinned" in damage.message


def test_a_digest_that_somebody_else_signed_is_found() -> None:
    record = parsed(DAY[-1])
    record["signature"] = OTHER_KEY.sign(b"anything")

    check = checked([[*DAY[:-1], canonical(record)]])

    assert found(check) == [(N_ROWS, "/signature")]


def test_the_key_of_simulations_cannot_pass_for_a_site_s() -> None:
    forged = book()
    forged.key = replace(simulation_key(), purpose=KEY.purpose)

    check = checked(days(forged, intervals(FIRST_DAY))[:1])

    assert (1, "/purpose") in found(check)


def test_a_rotation_hands_trust_on() -> None:
    written = book()
    first = days(written, intervals(FIRST_DAY))[0]
    row = written.rotate(OTHER_KEY)
    second = days(written, intervals(96, first=FIRST_DAY))[0]

    check = checked([first, [row.line, *second]], pinned=KEY.public)

    assert check.seals.signers == {KEY.key_id: "site", OTHER_KEY.key_id: "site"}
    # the store begins anew in this test's second run of intervals
    assert {field for _, field in found(check)} <= {"/store/start"}


def test_a_rotation_that_the_old_key_did_not_sign_is_found() -> None:
    written = book()
    days(written, intervals(1))
    row = written.rotate(OTHER_KEY)
    record = {**row.record, "signature": OTHER_KEY.sign(b"")}

    check = Verification()
    check.row("a", 1, days(book(), [])[0][0])
    check.head = None
    check.row("a", 2, canonical(record))

    assert [damage.field for damage in check.damages] == ["/signature"]


def test_a_key_that_changes_without_a_word_is_found() -> None:
    written = book()
    rows = [row.line for row in written.begin()]
    written.key, written._known_key_id = OTHER_KEY, None
    for body in intervals(FIRST_DAY):
        rows += [row.line for row in written.add(body)]

    check = checked([rows])

    assert (N_ROWS - 1, "/key_id") in found(check)


def test_a_lost_key_is_said_and_told() -> None:
    written = book()
    rows = [row.line for row in written.begin()]
    written.key = OTHER_KEY
    for body in intervals(FIRST_DAY):
        rows += [row.line for row in written.add(body)]

    check = checked([rows])

    assert check.damages == []
    assert any("key_lost" in notice for notice in check.notices)
    assert checked([rows], pinned=KEY.public).n_damages == 1


def test_a_lost_database_is_told_with_what_is_missing() -> None:
    parts = days(book(), intervals(FIRST_DAY))
    known = Head(seq=N_ROWS + 10, hash="ab" * 32)
    written = book()
    written.head = known
    broken = written.say_break(BreakReason.DATABASE_LOST, "the database is gone", old=known)
    second = days(written, intervals(96, first=FIRST_DAY + 10)[: 96 - 10])[0]

    check = checked([parts[0], [broken.line, *second]])

    assert check.damages == []
    assert check.notices[0].startswith(f"records {N_ROWS + 1} to {N_ROWS + 10} are missing")


def test_time_that_is_missing_needs_a_word() -> None:
    parts = days(book(), [*intervals(3), *intervals(1, first=4)])

    check = checked(parts, sealed=False)

    assert {field for _, field in found(check)} <= {"/store/start"}
    assert any("time_gap" in notice for notice in check.notices)


def test_an_interval_that_skips_time_silently_is_found() -> None:
    head, check = Head(), Verification()
    for number, body in enumerate((intervals(1)[0], intervals(1, first=2)[0]), start=1):
        row = linked(body, head)
        head = row.head
        check.row("a", number, row.line)

    assert (2, "/start") in found(check)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"site": "elsewhere"}, "/site"),
        ({"kind": "joke"}, "/kind"),
        ({"start": "yesterday"}, "/start"),
        ({"end": "2026-06-10T20:15:00+00:00"}, "/end"),
        ({"end": "2026-06-10T20:00:00Z"}, "/end"),
    ],
)
def test_a_row_that_says_nonsense_is_found(change: dict[str, str], field: str) -> None:
    body, check = intervals(1)[0], Verification()
    first = linked({"kind": "break", "site": SITE.id, "reason": "time_gap", "text": ""}, Head())
    check.row("a", 1, first.line)

    check.row("a", 2, linked({**body, **change}, first.head).line)

    assert (2, field) in found(check)


def test_a_period_that_is_not_covered_is_told() -> None:
    check = checked([DAY])
    check.covers("2026-06-10", "2026-06-10")

    assert [damage.message for damage in check.damages] == ["records begin at 2026-06-10T20:00:00Z, not on 2026-06-10"]
    check.covers(None, "2026-06-11")
    assert "before 2026-06-11 is over" in check.damages[-1].message


def test_a_file_that_is_broken_everywhere_is_told_in_short() -> None:
    check = checked([[b"x"] * 100])

    assert len(check.damages) == MOST_DAMAGES
    assert check.n_damages == 101


def test_the_file_shows_what_was_signed_to_other_tools() -> None:
    digest = json.loads(DAY[-1])
    signature = digest.pop("signature")

    assert KEY.public.verifies(json.dumps(digest, separators=(",", ":"), sort_keys=True).encode(), signature)
