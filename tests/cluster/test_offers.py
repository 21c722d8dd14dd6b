"""Offers of the cluster: read, refused with a reason, kept while they are valid."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ems.cluster.offers import MAX_BYTES, OfferInbox, Refused, read_offer
from ems.model.load import ItCluster
from ems.model.offer import FlexOffer
from ems.model.problem import OfferKind

NOW = datetime(2026, 7, 3, 10, 0, tzinfo=UTC)
HALL = ItCluster(
    id="hall-a", design_kw=18500.0, mean_frac=0.85, idle_frac=0.25, largest_block_frac=0.1, job_step_kw=900.0
)
# the example of the cluster contract, section 2.2
OFFER: dict[str, Any] = {  # JSON of any shape
    "schema": "flex-offer/1",
    "seq": 907,
    "cluster": "hall-a",
    "issued": "2026-07-03T09:58:30Z",
    "valid_until": "2026-07-03T10:20:00Z",
    "forecast_kw": [{"start": "2026-07-03T10:00:00Z", "duration_min": 15, "kw": 17650}],
    "classes": [
        {"id": "inference", "kind": "firm", "now_kw": 5200, "min_kw": 5200, "max_kw": 6100},
        {
            "id": "train-critical",
            "kind": "shapeable",
            "now_kw": 7400,
            "min_kw": 4700,
            "max_kw": 7400,
            "ramp_kw_per_min": 2500,
            "notice_s": 60,
            "value_per_kwh": 1.9,
            "power_to_progress": [[0.27, 0.19], [0.51, 0.63], [0.76, 0.87], [1.0, 1.0]],
            "max_slowdown_share": 0.10,
        },
        {
            "id": "batch",
            "kind": "deferrable",
            "now_kw": 3100,
            "min_kw": 0,
            "max_kw": 5000,
            "energy_kwh": 61000,
            "deadline": "2026-07-04T06:00:00Z",
            "min_run_min": 30,
            "min_pause_min": 15,
            "max_pauses": 4,
            "restart_kwh": 140,
            "notice_s": 300,
            "value_per_kwh": 0.45,
        },
        {
            "id": "preemptible",
            "kind": "curtailable",
            "now_kw": 1900,
            "min_kw": 0,
            "max_kw": 1900,
            "notice_s": 5,
            "penalty_per_kwh": 0.20,
            "max_hours_per_day": 6,
        },
    ],
    "fast_shed": [{"within_s": 10, "kw": 1900}, {"within_s": 60, "kw": 5300}, {"within_s": 600, "kw": 7600}],
    "idle_kw": 4600,
}


def changed(number: int | None = None, **values: Any) -> bytes:  # JSON of any shape
    """Return the payload with values changed, of the offer or of one class."""
    if number is None:
        return json.dumps({**OFFER, **values}).encode()
    classes = [{**each, **(values if index == number else {})} for index, each in enumerate(OFFER["classes"])]
    return json.dumps({**OFFER, "classes": classes}).encode()


def read(payload: bytes) -> FlexOffer | Refused:
    return read_offer(payload, cluster=HALL, utc=NOW)


def test_example_of_the_contract_is_read() -> None:
    offer = read(changed())

    assert isinstance(offer, FlexOffer)
    assert [each.kind for each in offer.classes] == list(OfferKind)
    training, batch, spot = offer.classes[1:]
    assert (training.progress[1].power_frac, training.progress[1].progress_frac) == (0.51, 0.63)
    assert (batch.energy_kwh, batch.deadline_utc) == (61000.0, datetime(2026, 7, 4, 6, 0, tzinfo=UTC))
    assert (spot.value_per_kwh, spot.max_hours_per_day_h) == (0.20, 6.0)
    assert [(shed.within_s, shed.load_kw) for shed in offer.fast_shed] == [
        (10.0, 1900.0),
        (60.0, 5300.0),
        (600.0, 7600.0),
    ]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "offer"),
        (b"{", "offer"),
        (b"[]", "offer"),
        (b"\xff\xfe", "offer"),
        (b" " * (MAX_BYTES + 1), "bytes"),
        (changed(schema="flex-offer/2"), "schema"),
        (changed(price=1.0), "price"),
        (changed(cluster="hall-b"), "hall-b"),
        (changed(issued="yesterday"), "issued"),
        (changed(issued="2026-07-03T09:58:30"), "issued"),
        (changed(valid_until="2026-07-03T09:59:59Z"), "valid until"),
        (changed(valid_until="2026-07-03T09:00:00Z"), "valid_until"),
        (changed(issued="2026-07-03T10:05:00Z"), "to come"),
        (changed(0, now_kw=-1.0), "classes.0.now_kw"),
        (changed(0, now_kw="NaN"), "classes.0.now_kw"),
        (changed(0, now_kw=1e9), "classes.0.now_kw"),
        (changed(0, now_kw=9000.0), "more than the design"),
        (changed(0, max_kw=19000.0), "inference"),
        (changed(0, min_kw=7000.0), "min_kw is above max_kw"),
        (changed(0, kind="elastic"), "classes.0.kind"),
        (changed(1, power_to_progress=[[0.2, 0.5], [0.5, 0.4]]), "must rise"),
        (changed(1, power_to_progress=[[0.2, 0.1], [0.5, 0.2], [1.0, 1.0]]), "concave"),
        (changed(1, power_to_progress=[[1.0, 1.0]]), "two points"),
        (changed(1, id="inference"), "same id"),
        (changed(2, deadline=None), "deadline"),
        (changed(3, max_hours_per_day=25.0), "classes.3.max_hours_per_day"),
    ],
)
def test_offer_that_cannot_be_used_is_refused_with_its_reason(payload: bytes, reason: str) -> None:
    found = read(payload)

    assert isinstance(found, Refused)
    assert reason in found.reason


def test_offer_is_planned_with_until_it_expires() -> None:
    inbox = OfferInbox(HALL, pytest.fail)

    assert inbox.offer_at(NOW) is None
    inbox.receive(changed(), NOW)

    assert inbox.offer_at(NOW) is not None
    assert inbox.offer_at(NOW + timedelta(minutes=19, seconds=59)) is not None
    assert inbox.offer_at(NOW + timedelta(minutes=20)) is None


def test_older_offer_changes_nothing_and_a_garbled_one_ends_the_last() -> None:
    refused: list[str] = []
    inbox = OfferInbox(HALL, refused.append)
    inbox.receive(changed(), NOW)

    inbox.receive(changed(seq=906, issued="2026-07-03T09:50:00Z"), NOW)
    kept = inbox.offer_at(NOW)
    inbox.receive(b"garbled", NOW)

    assert kept is not None
    assert kept.seq == 907
    assert inbox.offer_at(NOW) is None
    assert ["older" in refused[0], len(refused)] == [True, 2]


def test_rules_of_runs_are_read_with_their_times_in_hours() -> None:
    offer = read(changed(2, whole=True))

    assert isinstance(offer, FlexOffer)
    batch = offer.classes[2]
    assert (batch.min_run_h, batch.min_pause_h, batch.max_pauses) == (0.5, 0.25, 4)
    assert (batch.restart_kwh, batch.whole, batch.turned_utc) == (140.0, True, None)


def test_inbox_remembers_since_when_a_class_runs_or_rests() -> None:
    inbox = OfferInbox(HALL, pytest.fail)
    turned = []
    # of 5000 kW: runs, runs still, rests, rests still, and gone from the offer for once
    for minute, now_kw in enumerate([3100, 2600, 400, 0, None, 4000]):
        issued = NOW + timedelta(minutes=minute)
        stamps = {"issued": issued.isoformat(), "valid_until": (issued + timedelta(minutes=20)).isoformat()}
        payload = json.loads(changed(2, now_kw=now_kw)) | stamps
        if now_kw is None:
            payload["classes"].pop(2)
        inbox.receive(json.dumps(payload).encode(), issued)
        newest = inbox.offer_at(issued)
        assert newest is not None
        turned.append(next((each.turned_utc for each in newest.classes if each.id == "batch"), None))

    rests = NOW + timedelta(minutes=2)
    assert turned == [None, None, rests, rests, None, None]


def _inbox() -> tuple[OfferInbox, list[str], list[int]]:
    refused: list[str] = []
    returned: list[int] = []
    return OfferInbox(HALL, refused.append, on_return=returned.append), refused, returned


def test_the_same_mistake_in_every_message_is_told_once_and_its_end_with_the_count() -> None:
    inbox, refused, returned = _inbox()

    for second in range(200):
        inbox.receive(b"garbled", NOW + timedelta(seconds=second))
    inbox.receive(changed(), NOW + timedelta(seconds=200))
    inbox.receive(changed(seq=908), NOW + timedelta(seconds=201))

    assert (len(refused), returned) == (1, [200])


def test_a_mistake_of_another_kind_is_told_at_once() -> None:
    inbox, refused, _ = _inbox()

    inbox.receive(b"garbled", NOW)
    inbox.receive(changed(cluster="hall-b"), NOW)
    inbox.receive(changed(0, now_kw=18_500.0), NOW)

    assert ["hall-b" in refused[1], "more than the design" in refused[2], len(refused)] == [True, True, 3]


def test_a_mistake_with_other_figures_every_time_is_told_every_ten_minutes() -> None:
    inbox, refused, _ = _inbox()

    for minute in range(25):
        inbox.receive(changed(0, now_kw=18_000.0 + minute), NOW + timedelta(minutes=0.9 * minute))

    assert len(refused) == 3


def test_good_and_bad_offers_in_turn_are_not_told_every_time() -> None:
    inbox, refused, returned = _inbox()

    for second in range(100):
        inbox.receive(changed(seq=907 + second) if second % 2 else b"garbled", NOW + timedelta(seconds=second))

    assert (len(refused), returned) == (1, [1])
