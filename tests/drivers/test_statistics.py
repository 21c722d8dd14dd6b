"""What a link counts, and how it is published."""

from dataclasses import replace

import pytest

from drivers.device.traffic import LATENCY_BUCKETS_S, Latency, Tally
from drivers.modbus.statistics import ErrorKind, LinkStatistics, link_status
from tests.drivers.rig import link_spec


def latency_of(*latencies_s: float) -> Latency:
    tally = Tally()
    for latency_s in latencies_s:
        tally.answered(sent_s=100.0, at_s=100.0 + latency_s)
    return tally.latency()


def test_without_an_answer_there_is_no_latency() -> None:
    assert latency_of().quantile_s(0.5) is None


def test_quantiles_are_interpolated_within_their_bucket() -> None:
    # three in 0.01 to 0.02 s, one in 0.1 to 0.2 s
    latency = latency_of(0.011, 0.015, 0.019, 0.15)

    # the second of three lies at two thirds of the bucket
    assert latency.quantile_s(0.5) == pytest.approx(0.01 + 0.01 * 2 / 3)
    assert latency.quantile_s(1.0) == pytest.approx(0.2)


def test_an_answer_on_the_border_of_two_buckets_belongs_to_the_lower_one() -> None:
    tally = Tally()
    tally.answered(sent_s=0.0, at_s=0.5)

    assert tally.latency().counts[LATENCY_BUCKETS_S.index(0.5)] == 1


def test_of_very_long_latencies_the_lower_end_is_given() -> None:
    assert latency_of(100.0).quantile_s(0.99) == LATENCY_BUCKETS_S[-1]


def test_a_link_is_published_with_its_units() -> None:
    tally = Tally()
    tally.n_requests = 3
    tally.failed(ErrorKind.TIMEOUT)
    tally.answered(sent_s=10.0, at_s=10.015)
    unit = tally.unit_statistics()
    statistics = LinkStatistics(
        n_requests=unit.n_requests,
        n_errors={**unit.n_errors, ErrorKind.LATE: 2},
        latency=unit.latency,
        answered_s=unit.answered_s,
        connected=True,
        n_connections=1,
        n_attempts=4,
        overdue_s=0.5,
        command_wait=unit.latency,
        units={7: unit, 8: replace(unit, answered_s=None, latency=Latency((0,) * 15))},
    )

    status = link_status(statistics, spec=link_spec(502), now_s=12.0)

    assert (status.link_id, status.endpoint, status.framing) == ("line", "127.0.0.1:502", "tcp")
    assert (status.n_attempts, status.overdue_s) == (4, 0.5)
    assert status.n_errors == {"timeout": 1, "late": 2}
    assert status.answer_age_s == pytest.approx(1.985)
    assert status.units["7"].latency_p50_s == pytest.approx(0.015)
    assert status.units["8"].answer_age_s is None
    assert status.units["8"].latency_p99_s is None
