"""The ledger of a run against its summary: the same energies, to the last interval."""

from pathlib import Path

import pytest

from ems.app.simulation import Policy
from tests.config.directories import copy_of, replace
from tests.studies.runs import Run, run_of


def test_the_sums_of_the_ledger_are_those_of_the_summary(tmp_path: Path) -> None:
    run = _exact_campus_day(tmp_path, hours=24.0)
    records = run.intervals()

    assert len(records) == 96
    energy = run.summary["energy_kwh"]
    assert energy["grid_import"] > 0.0
    for name, total in (("it", "load_it"), ("cooling", "load_cooling"), ("site_aux", "load_aux")):
        booked_kwh = sum(record["energy_wh"]["sinks"][name] for record in records) / 1000.0
        # a record holds whole Wh
        assert booked_kwh == pytest.approx(energy[total], abs=0.1), name
    for name, total in (("grid_import", "grid_import"), ("pv", "pv_used"), ("genset", "genset")):
        booked_kwh = sum(record["energy_wh"]["sources"][name] for record in records) / 1000.0
        # thirty PV blocks with a counter of whole Wh each
        assert booked_kwh == pytest.approx(energy[total], abs=3.0), name
    scope2_kg = sum(record["carbon_mgco2e"]["scope2_location"] for record in records) / 1e6
    assert scope2_kg == pytest.approx(run.summary["scope2_kgco2e"], abs=0.2)
    assert all(record["flags"] == [] for record in records)


@pytest.mark.parametrize(("minutes", "n_records"), [(14, 0), (15, 1), (29, 1), (30, 2)])
def test_only_intervals_that_have_ended_are_recorded(tmp_path: Path, minutes: int, n_records: int) -> None:
    run = run_of("edge-node", tmp_path, hours=minutes / 60.0, policy=Policy.MERIT_ORDER)

    assert len(run.intervals()) == n_records


def _exact_campus_day(directory: Path, *, hours: float) -> Run:
    """Run the campus by rules, with instruments that show the truth."""
    site = copy_of("weak-grid-campus", directory / "site")
    replace(site / "twin.toml", "gain_frac = 0.001", "gain_frac = 0.0")
    return run_of(site, directory / "out", hours=hours, policy=Policy.MERIT_ORDER, step_s=300.0)
