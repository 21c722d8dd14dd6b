"""What became of a shed is judged by the meter, and the credit follows from it (cluster contract, 2.4 rule 4)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ems.cluster.sheds import ShedBook, ShedOutcome
from ems.contract.cluster import AckMessage, AckShedPart
from ems.model.cluster import ClusterView, ShedOrder, ShedReason
from ems.model.offer import FastShed

NOW = datetime(2026, 7, 3, 10, 0, tzinfo=UTC)
ORDER = ShedOrder(
    id="s-17",
    target_kw=11_000.0,
    within_s=30.0,
    until_utc=NOW + timedelta(minutes=5),
    reason=ShedReason.GENSET_TRIP,
    text="a set has failed",
    from_kw=16_000.0,
    ordered_utc=NOW,
)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def answered(*, accepted: bool = True) -> AckMessage:
    return AckMessage(seq=1, accepted=accepted, shed=AckShedPart(id="s-17", eta_s=20.0, kw=5000.0), reason=None)


def watching() -> ShedBook:
    book = ShedBook(design_kw=18_500.0)
    book.ordered(ORDER)
    return book


def test_a_shed_that_is_met_in_time_is_accepted_and_proves_the_cluster() -> None:
    book = watching()

    assert book.look(it_kw=15_000.0, utc=after(10.0)) == ()
    news = book.look(it_kw=11_200.0, utc=after(25.0))

    assert [each.text for each in news] == ["shed s-17: accepted, 5000 kW gone after 25 s"]
    assert not news[0].urgent
    # one half at first, and one obeyed: (0.5 + 1) / 2
    assert (book.credit_frac, book.is_proven) == (0.75, True)
    assert book.n_outcomes[ShedOutcome.ACCEPTED] == 1


def test_a_shed_that_is_met_after_its_time_is_late_and_proves_nothing() -> None:
    book = watching()

    due = book.look(it_kw=14_000.0, utc=after(34.0))
    late = book.look(it_kw=11_000.0, utc=after(60.0))

    assert due[0].urgent
    assert due[0].text == "shed s-17 is not met after 30 s: 2000 of 5000 kW are gone, the cluster has not answered"
    assert late[0].text == "shed s-17: late, 5000 kW gone after 60 s"
    # two fifths were delivered in time: (0.5 + 0.4) / 2
    assert book.credit_frac == pytest.approx(0.45)
    assert not book.is_proven


def test_a_shed_that_nobody_obeys_is_ignored_and_costs_credit() -> None:
    book = watching()

    book.acknowledged(answered())
    due = book.look(it_kw=16_000.0, utc=after(34.0))
    news = book.look(it_kw=16_000.0, utc=after(121.0))

    assert "the cluster had announced 20 s" in due[0].text
    assert news[0].text == "shed s-17: ignored, 16000 kW against 11000 kW"
    assert book.credit_frac == 0.25
    assert book.n_outcomes == {ShedOutcome.ACCEPTED: 0, ShedOutcome.LATE: 0, ShedOutcome.IGNORED: 1}


def test_a_refused_shed_is_told_at_once() -> None:
    news = watching().acknowledged(answered(accepted=False))

    assert news is not None
    assert news.urgent
    assert "not accepted" in news.text


def test_credit_starts_at_one_half_and_stays_between_zero_and_nine_tenths() -> None:
    obeying, ignoring = ShedBook(design_kw=18_500.0), ShedBook(design_kw=18_500.0)
    assert obeying.credit_frac == 0.5

    for number in range(30):
        order = replace(ORDER, id=f"s-{number}")
        for book, kw in ((obeying, 11_000.0), (ignoring, 16_000.0)):
            book.ordered(order)
            book.look(it_kw=kw, utc=after(40.0))
            book.look(it_kw=kw, utc=after(200.0))

    assert obeying.credit_frac == 0.9
    # twenty are remembered, and the half of the beginning
    assert ignoring.credit_frac == pytest.approx(0.5 / 21)


def test_renewals_and_releases_are_not_judged_and_a_lower_target_is() -> None:
    book = watching()
    book.look(it_kw=11_000.0, utc=after(20.0))

    book.ordered(replace(ORDER, until_utc=after(600.0)))
    book.ordered(replace(ORDER, target_kw=13_000.0))
    assert book.look(it_kw=16_000.0, utc=after(500.0)) == ()
    book.ordered(replace(ORDER, target_kw=5_000.0, from_kw=11_000.0, ordered_utc=after(600.0)))
    news = book.look(it_kw=5_000.0, utc=after(620.0))

    assert news[0].text == "shed s-17: accepted, 6000 kW gone after 20 s"


def test_a_cluster_that_is_below_the_target_is_not_judged_and_an_unknown_power_judges_nothing() -> None:
    idle = ShedBook(design_kw=18_500.0)
    idle.ordered(replace(ORDER, from_kw=10_000.0))
    assert idle.look(it_kw=10_000.0, utc=after(5.0)) == ()

    book = watching()
    assert book.look(it_kw=None, utc=after(500.0)) == ()
    assert book.credit_frac == 0.5


def test_what_was_learnt_survives_a_restart() -> None:
    book = watching()
    book.look(it_kw=11_000.0, utc=after(20.0))

    again = ShedBook(design_kw=18_500.0)
    again.restore(book.document())

    assert (again.credit_frac, again.is_proven) == (0.75, True)


FAST = (FastShed(within_s=10.0, load_kw=1900.0), FastShed(within_s=60.0, load_kw=5300.0))


def view(*, linked: bool = True, proven: bool = True, credit_frac: float = 0.8) -> ClusterView:
    return ClusterView(is_linked=linked, least_kw=4600.0, fast_shed=FAST, credit_frac=credit_frac, is_proven=proven)


def test_the_first_ten_seconds_are_never_the_cluster_s() -> None:
    assert view().credited_kw(10.0) == 0.0
    assert view().credited_kw(9.0) == 0.0


def test_reserve_counts_the_promise_times_its_credit_once_a_shed_was_obeyed() -> None:
    assert view().credited_kw(120.0) == pytest.approx(0.8 * 5300.0)
    assert view().credited_kw(30.0) == pytest.approx(0.8 * 1900.0)
    assert view(proven=False).credited_kw(120.0) == 0.0
    assert view(linked=False).credited_kw(120.0) == 0.0
