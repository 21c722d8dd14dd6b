"""What a run leaves behind: every key, every column, every line, and a report that needs no network."""

import json
from datetime import timedelta
from html.parser import HTMLParser
from itertools import pairwise

import pandas as pd
import pyarrow.parquet as pq
import pytest

from tests.conventions.suffixes import unit_of
from tests.studies.runs import Run

KEYS = {
    "": "site policy start days step_s replan_min seed currency energy_kwh stored_kwh diesel_share_frac fuel_l"
    " fuel_delivered_l genset_run_h genset_starts genset_starts_per_set_day genset_starts_above_threshold"
    " genset_band_share_frac soc_min_pct soc_start_pct soc_end_pct soc_floor_violation_h reserve_shortfall_h"
    " reserve_binding_h reserve_margin_min_kw demand_peak_kw ci_operational_gco2e_per_kwh scope1_kgco2e"
    " scope2_kgco2e end_correction cost plans guard_clips guard_clip_tick_frac balance_error_frac",
    "energy_kwh": "load_it load_cooling load_aux pv_available pv_used pv_curtailed genset grid_import grid_export"
    " battery_charge battery_discharge losses unserved deferred capped",
    "stored_kwh": "start end",
    "genset_starts_per_set_day": "mean max",
    "reserve_margin_min_kw": "r0 r1 down",
    "end_correction": "cost kgco2e",
    "cost": "total terms",
    "cost.terms": "energy_import energy_export demand fuel starts genset_wear battery_wear co2 flexibility"
    " storage_delta",
    "plans": "made fallback rejected_by_check solve_p50_s solve_p95_s",
}
# columns that hold no physical quantity
PLAIN_COLUMNS = {"mode", "n_gensets_on", "grid_connected", "held_on_by_reserve"}


@pytest.mark.parametrize("path", KEYS)
def test_the_summary_has_every_key(planned_night: Run, path: str) -> None:
    part = planned_night.summary
    for name in filter(None, path.split(".")):
        part = part[name]

    assert set(KEYS[path].split()) <= set(part)


def test_the_summary_file_is_the_summary(planned_night: Run) -> None:
    text = (planned_night.out / "summary.json").read_text(encoding="utf-8")

    assert json.loads(text) == planned_night.summary


def test_the_summary_says_how_the_run_was_made(planned_night: Run) -> None:
    summary = planned_night.summary

    frame = {name: summary[name] for name in ("site", "policy", "start", "days", "step_s", "replan_min", "seed")}
    assert frame == {
        "site": "edge-node",
        "policy": "plan",
        "start": "2026-01-08",
        "days": 0.125,
        "step_s": 60.0,
        "replan_min": 15.0,
        "seed": 1,
    }


def test_costs_are_the_sum_of_their_terms(planned_night: Run) -> None:
    cost = planned_night.summary["cost"]

    # each term is rounded to a hundredth
    assert cost["total"] == pytest.approx(sum(cost["terms"].values()), abs=0.06)
    assert cost["terms"]["storage_delta"] == planned_night.summary["end_correction"]["cost"]


def test_the_series_has_a_row_per_step_and_begins_with_the_time(planned_night: Run) -> None:
    table = pq.read_table(planned_night.out / "series.parquet")
    series = table.to_pandas()

    assert table.column_names[0] == "time_utc"
    assert len(series) == 180
    assert str(series["time_utc"].dt.tz) == "UTC"
    assert set(series["time_utc"].diff().dropna()) == {timedelta(seconds=60)}
    # midnight of Pacific standard time
    assert series["time_utc"].iloc[0] == pd.Timestamp("2026-01-08T08:00:00Z")


def test_every_column_of_the_series_states_its_unit(planned_night: Run) -> None:
    names = pq.read_table(planned_night.out / "series.parquet").column_names

    assert [name for name in names[1:] if unit_of(name) is None and name not in PLAIN_COLUMNS] == []


def test_the_series_adds_up_to_the_summary(planned_night: Run) -> None:
    series = pd.read_parquet(planned_night.out / "series.parquet")
    energy = planned_night.summary["energy_kwh"]

    for column, name in (("load_it_kw", "load_it"), ("load_cooling_kw", "load_cooling"), ("pv_kw", "pv_used")):
        assert series[column].sum() / 60.0 == pytest.approx(energy[name], rel=1e-6, abs=1e-3)
    assert series["storage_kw"].clip(lower=0.0).sum() / 60.0 == pytest.approx(
        energy["battery_discharge"], rel=1e-6, abs=1e-3
    )


def test_the_ledger_is_a_chain_of_quarter_hours(planned_night: Run) -> None:
    records = planned_night.intervals()

    # the first row is that of the key
    assert [record["seq"] for record in records] == list(range(2, 14))
    assert records[0]["start"] == "2026-01-08T08:00:00Z"
    assert all(later["start"] == earlier["end"] for earlier, later in pairwise(records))
    assert {record["method"] for record in records} == {"proportional/1/15min"}
    assert all(record["flags"] == [] for record in records)


def test_the_ledger_meters_what_the_plant_delivered(planned_night: Run) -> None:
    records = planned_night.intervals()

    metered_kwh = sum(record["energy_wh"]["sinks"]["it"] for record in records) / 1000.0
    # instruments are off by a tenth of a percent each
    assert metered_kwh == pytest.approx(planned_night.summary["energy_kwh"]["load_it"], rel=0.005)


def test_the_ledger_opens_without_a_jump_of_the_store(planned_night: Run) -> None:
    first = planned_night.intervals()[0]

    stored_wh = sum(first["store"]["end"]["energy_wh"].values())
    assert abs(sum(first["energy_wh"]["soc_reanchor"].values())) < 0.01 * stored_wh


def test_every_decision_says_when_and_what(planned_night: Run) -> None:
    lines = planned_night.lines("decisions.jsonl")

    kinds = [line["kind"] for line in lines]
    assert kinds.count("plan") == 12
    assert [line["text"] for line in lines if line["kind"] == "mode"] == ["init to island: the site has no grid"]
    stamps = [line["time_utc"] for line in lines]
    assert stamps == sorted(stamps)
    assert all(line["source"] == "milp" for line in lines if line["kind"] == "plan")


def test_the_report_needs_nothing_from_elsewhere(planned_night: Run) -> None:
    finder = _References()

    finder.feed((planned_night.out / "report.html").read_text(encoding="utf-8"))

    assert finder.n_tags > 20
    assert finder.n_scripts >= 1
    assert finder.external == []


def test_the_report_shows_the_site_and_its_figures(planned_night: Run) -> None:
    text = (planned_night.out / "report.html").read_text(encoding="utf-8")

    for shown in ("edge-node", "diesel_share_frac", "balance_error_frac"):
        assert shown in text


class _References(HTMLParser):
    """Collects what a page would load by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.n_tags = 0
        self.n_scripts = 0
        self.external: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.n_tags += 1
        self.n_scripts += tag == "script"
        loads = ("src", "data", "poster") if tag == "a" else ("src", "href", "data", "poster")
        self.external += [
            f"{tag} {name}={value}" for name, value in attrs if name in loads and not (value or "").startswith("data:")
        ]
