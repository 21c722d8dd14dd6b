"""Figures from the events of endpoints, and a small fleet that gives every row."""

import math

import pytest

from tests.campaigns.endpoints.farm import Event
from tests.campaigns.endpoints.figures import HEARTBEAT, SETPOINT, deviations_s, gaps_s, quantile, setpoints
from tests.campaigns.endpoints.measure import Extent, measure_endpoints

# rounds at 0.0, 1.1 and 2.0 s; a setpoint and heartbeats between them
EVENTS: list[Event] = [
    (0.0, 100, None),
    (0.1, 200, None),
    (0.2, SETPOINT, 7),
    (0.3, HEARTBEAT, 1),
    (1.1, 100, None),
    (1.2, 200, None),
    (1.5, HEARTBEAT, 2),
    (2.0, 100, None),
    (2.1, 200, None),
    (2.2, SETPOINT, 8),
]


def test_jitter_is_how_far_a_round_is_from_a_period_after_the_one_before() -> None:
    assert deviations_s([EVENTS], period_s=1.0) == pytest.approx([0.1, 0.1])


def test_gaps_are_between_writes_to_one_register() -> None:
    assert list(gaps_s([EVENTS, EVENTS[:4]], HEARTBEAT)) == pytest.approx([1.2])


def test_a_setpoint_waits_for_the_reads_that_come_between_it_and_its_decision() -> None:
    found = list(setpoints(EVENTS, [0.05, 1.15, 5.0]))

    assert [n_reads for _, n_reads in found] == [1, 3]
    assert [waited_s for waited_s, _ in found] == pytest.approx([0.15, 1.05])


def test_quantiles_are_values_that_were_measured() -> None:
    assert quantile([3.0, 1.0, 2.0], 0.99) == 3.0
    assert quantile(range(1000), 0.99) == 990
    assert math.isnan(quantile([], 0.99))


@pytest.mark.wire
@pytest.mark.slow
def test_a_small_fleet_gives_every_figure() -> None:
    extent = Extent(
        n_endpoints=20, steady_s=2.0, dead_s=3.0, n_setpoints=2, solver_s=3.0, problem="S-84-grid-1", memory=None
    )

    rows = {row.id: row for row in measure_endpoints(extent)}

    # times are measured by `make bench`, not asserted here; what came in and in which order does not hang on them
    assert rows["drivers.setpoints"].value == 20
    assert rows["drivers.setpoint_behind"].met
    assert rows["drivers.attempts"].met
    assert all(not isinstance(row.value, str) and math.isfinite(row.value) for row in rows.values())
