from typing import Any

import pytest

from docs.deferral import Comparison, page


def summary(*, fuel_l: float, left_kwh: float, end_kwh: float) -> dict[str, Any]:  # a summary is JSON
    return {
        "fuel_l": fuel_l,
        "currency": "USD",
        "cost": {"total": 1000.0},
        "energy_kwh": {
            "load_it": 10_000.0,
            "load_cooling": 500.0,
            "load_aux": 500.0,
            "genset": 4000.0,
            "pv_curtailed": 0.0,
            "unserved": 0.0,
        },
        "stored_kwh": {"start": 0.0, "end": end_kwh},
        "cluster": {
            "batch_left_kwh": left_kwh,
            "batch_kwh": 0.0,
            "jobs_arrived": 1,
            "jobs_done": 1,
            "deadlines_missed": 0,
            "pauses": 0,
            "curtailed_kwh": 0.0,
            "capped_kwh": 0.0,
            "sheds": 0,
        },
    }


def test_work_that_is_left_and_energy_that_is_missing_count_as_diesel() -> None:
    deferred = summary(fuel_l=800.0, left_kwh=600.0, end_kwh=1000.0)
    as_it_comes = summary(fuel_l=1000.0, left_kwh=100.0, end_kwh=800.0)
    both = Comparison(deferred=deferred, as_it_comes=as_it_comes)

    # 0.25 l per kWh of the sets, 1.1 kWh of load per kWh of IT
    assert both.rate_l_per_kwh == pytest.approx(0.275)
    assert both.corrected_l(deferred) == pytest.approx(800.0 + 500.0 * 0.275)
    assert both.corrected_l(as_it_comes) == pytest.approx(1000.0 + 200.0 * 0.25)
    assert "saves 112 l of diesel, 10.7 %, with 0 deadlines missed" in page(both, 3.0)
