"""The control code on the port twin: load served, energy conserved, the same again with the same seed."""

from pathlib import Path

import pandas as pd
import pytest

from ems.app.simulation import Policy
from tests.config.directories import copy_of, replace
from tests.studies.runs import Run, Summary, run_of, without_times

# of this seed the first outage of the campus comes after 1.32 h and lasts 1.08 h
OUTAGE_SEED = 40


def test_the_edge_node_is_served_by_a_plan(planned_night: Run) -> None:
    _served(planned_night.summary)
    plans = planned_night.summary["plans"]
    assert plans["made"] == 12
    assert plans["fallback"] == plans["rejected_by_check"] == 0


@pytest.mark.parametrize("policy", Policy)
def test_the_desert_is_served_by_either_policy(tmp_path: Path, policy: Policy) -> None:
    run = run_of("desert-offgrid", tmp_path, hours=3.0, policy=policy)

    _served(run.summary)
    assert run.summary["policy"] == policy.value
    assert run.summary["plans"]["made"] == (12 if policy is Policy.PLAN else 0)


def test_the_same_seed_gives_the_same_summary(planned_night: Run, tmp_path: Path) -> None:
    again = run_of("edge-node", tmp_path, hours=3.0)

    assert without_times(again.summary) == without_times(planned_night.summary)
    assert again.lines("ledger.jsonl") == planned_night.lines("ledger.jsonl")


def test_both_policies_meet_the_same_load_and_weather(planned_night: Run, tmp_path: Path) -> None:
    rules = run_of("edge-node", tmp_path, hours=3.0, policy=Policy.MERIT_ORDER)

    _served(rules.summary)
    for name in ("load_it", "pv_available"):
        assert rules.summary["energy_kwh"][name] == planned_night.summary["energy_kwh"][name]
    assert rules.summary["soc_start_pct"] == planned_night.summary["soc_start_pct"]


def test_another_seed_gives_another_load(planned_night: Run, tmp_path: Path) -> None:
    other = run_of("edge-node", tmp_path, hours=3.0, policy=Policy.MERIT_ORDER, seed=77)

    assert other.summary["seed"] == 77
    assert other.summary["energy_kwh"]["load_it"] != planned_night.summary["energy_kwh"]["load_it"]


def test_the_campus_rides_through_an_outage_and_returns(tmp_path: Path) -> None:
    run = run_of("weak-grid-campus", tmp_path, hours=3.0, seed=OUTAGE_SEED)
    series = pd.read_parquet(run.out / "series.parquet")

    _served(run.summary)
    assert run.summary["outages"] == 1
    assert run.summary["mode_h"]["island"] == pytest.approx(1.08 + 300.0 / 3600.0, abs=0.05)
    modes = [mode for mode, before in zip(series["mode"], [None, *series["mode"]], strict=False) if mode != before]
    assert modes == ["init", "grid", "unplanned_islanding", "island", "grid"]
    islanded = series[~series["grid_connected"]]
    assert (islanded["grid_kw"] == 0.0).all()
    assert (islanded["unserved_kw"] == 0.0).all()
    assert islanded["soc_pct"].iloc[-1] < islanded["soc_pct"].iloc[0]
    told = [line["text"] for line in run.lines("decisions.jsonl") if line["kind"] == "mode"]
    assert any("the PCC breaker is open" in text for text in told)
    assert any("the PCC breaker is closed" in text for text in told)


@pytest.mark.slow
def test_sets_do_not_chatter_in_the_desert_in_january(tmp_path: Path) -> None:
    # forecasts err: weather by the twin's error model, load by its past
    run = run_of("desert-offgrid", tmp_path, hours=36.0, start="2026-01-02")

    _served(run.summary)
    assert run.summary["genset_starts"] >= 3
    assert run.summary["genset_starts_per_set_day"]["max"] <= 2


@pytest.mark.slow
def test_a_day_at_three_step_lengths_has_the_same_energies(tmp_path: Path) -> None:
    site = copy_of("edge-node", tmp_path / "site")
    # low enough that the set has to run in the night
    replace(site / "twin.toml", "[twin]\n", "[twin]\nsoc_start_pct = 16.0\n")

    runs = {
        step_s: run_of(site, tmp_path / f"{step_s:.0f}", hours=24.0, step_s=step_s, policy=Policy.MERIT_ORDER).summary
        for step_s in (1.0, 60.0, 300.0)
    }

    # one night, one start: no step length takes a slow answer for a failed start
    assert [summary["genset_starts"] for summary in runs.values()] == [1, 1, 1]
    fine = runs[1.0]["energy_kwh"]
    assert fine["genset"] > 100.0
    for step_s, summary in runs.items():
        _served(summary)
        energy = summary["energy_kwh"]
        # weather and jobs are tables by the minute: only noise below a minute differs
        assert energy["pv_available"] == pytest.approx(fine["pv_available"], rel=1e-4), step_s
        assert energy["load_it"] == pytest.approx(fine["load_it"], rel=2e-3), step_s
        assert energy["load_cooling"] == pytest.approx(fine["load_cooling"], rel=1e-2), step_s
        # starts and stops fall on steps: the set runs some minutes more or less
        assert energy["genset"] == pytest.approx(fine["genset"], rel=0.02), step_s
        assert energy["losses"] == pytest.approx(fine["losses"], rel=0.02), step_s
        assert summary["fuel_l"] == pytest.approx(runs[1.0]["fuel_l"], rel=0.02), step_s
        assert summary["soc_end_pct"] == pytest.approx(runs[1.0]["soc_end_pct"], abs=0.5), step_s


def _served(summary: Summary) -> None:
    energy = summary["energy_kwh"]
    assert energy["load_it"] > 0.0
    assert energy["unserved"] == 0.0
    assert summary["balance_error_frac"] < 1e-3
    assert summary["soc_floor_violation_h"] == 0.0
    delivered = energy["load_it"] + energy["load_cooling"] + energy["load_aux"]
    stored = summary["stored_kwh"]["end"] - summary["stored_kwh"]["start"]
    sources = energy["pv_used"] + energy["genset"] + energy["grid_import"] - energy["grid_export"]
    assert sources == pytest.approx(delivered + energy["losses"] + stored, abs=1e-3 * delivered)
