"""What was promised to the cluster is held by the plan: energy for it, and reserve for its rise."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ems.dispatch.formulate.promises import promised_kw, promised_rises_kw, with_promises
from ems.model.cluster import ClusterCondition, PromisedPower
from ems.model.load import ItCluster
from ems.model.problem import LoadProblem
from ems.model.timegrid import TimeGrid

NOW = datetime(2026, 7, 3, 10, 0, tzinfo=UTC)
GRID = TimeGrid(start_utc=NOW, duration_h=(0.25, 0.25, 0.5))
IT = ItCluster(id="hall", design_kw=2000.0, mean_frac=0.8, idle_frac=0.25, largest_block_frac=0.2, job_step_kw=100.0)
LOAD = LoadProblem(
    it_kw=(1000.0, 1000.0, 1000.0),
    cooling=(),
    aux_constant_kw=(0.0, 0.0, 0.0),
    aux_frac_of_it=0.0,
    site_loss_frac=0.0,
    largest_block_kw=400.0,
    load_q90_kw=(1050.0, 1050.0, 1050.0),
    net_q90_kw=(600.0, 600.0, 600.0),
)
# the second quarter hour is promised 1500 kW, the first one 900
CLUSTER = ClusterCondition(
    promised=(
        PromisedPower(start_utc=NOW, end_utc=NOW + timedelta(minutes=15), limit_kw=900.0),
        PromisedPower(start_utc=NOW + timedelta(minutes=15), end_utc=NOW + timedelta(minutes=30), limit_kw=1500.0),
    )
)


def test_a_promise_is_found_by_its_time() -> None:
    assert promised_kw(CLUSTER, NOW, 0.25) == 900.0
    assert promised_kw(CLUSTER, NOW, 0.5) == 1500.0
    assert promised_kw(CLUSTER, NOW + timedelta(minutes=30), 0.5) is None


def test_the_high_quantile_of_load_reaches_what_was_promised() -> None:
    raised = with_promises(LOAD, CLUSTER, GRID)

    assert raised.load_q90_kw == pytest.approx((1050.0, 1500.0, 1050.0))
    assert raised.net_q90_kw == pytest.approx((600.0, 1050.0, 600.0))
    assert with_promises(LOAD, ClusterCondition(), GRID) is LOAD


def test_the_cluster_may_rise_to_its_promise_by_the_agreed_ramp() -> None:
    steep = replace(IT, ramp_up_kw_per_min=400.0)

    # two minutes of 100 and of 400 kW
    assert promised_rises_kw(IT, CLUSTER, LOAD, GRID) == (0.0, 200.0, 0.0)
    assert promised_rises_kw(steep, CLUSTER, LOAD, GRID) == (0.0, 500.0, 0.0)


def test_the_agreed_ramp_is_a_step_of_load_within_ten_seconds() -> None:
    assert IT.rise_kw == 100.0
    assert replace(IT, ramp_up_kw_per_min=1200.0).rise_kw == 200.0
