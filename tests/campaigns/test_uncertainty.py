"""The campaign on ways of planning: what it changes, what it counts, what it keeps, and the page from its rows."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from docs.uncertainty import page
from ems.app.simulation import Policy
from ems.config.loader import load_files
from ems.config.shipped import site_directory
from tests.campaigns import uncertainty
from tests.campaigns.uncertainty import (
    CAMPUS,
    FORTNIGHTS,
    SURVEY,
    VARIANTS,
    Period,
    Variant,
    ensure,
    in_order_of_worth,
    row_file,
    site_of,
)

SHORT = Period(site="edge-node", start="2026-01-08", days=1)


def test_a_row_is_made_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = ensure(tmp_path, SHORT, replace(SURVEY, planning={"gap_frac": 0.02}))

    assert row["planning"] == {"gap_frac": 0.02}
    assert row["summary"]["policy"] == Policy.MERIT_ORDER.value
    assert row["summary"]["step_s"] == 300.0
    assert row["starts_per_set_day_max"] == row["summary"]["genset_starts_per_set_day"]["max"]
    assert json.loads(row_file(tmp_path, SHORT, SURVEY).read_text(encoding="utf-8")) == row
    monkeypatch.setattr(uncertainty, "run", lambda *_: pytest.fail("it has been run already"))
    assert ensure(tmp_path, SHORT, SURVEY) == row


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=lambda variant: variant.key)
def test_a_variant_changes_what_it_names_and_nothing_else(tmp_path: Path, variant: Variant) -> None:
    shipped = load_files(site_directory(SHORT.site)).control

    changed = load_files(site_of(SHORT, variant, tmp_path / "site")).control

    assert changed.planning == shipped.planning.model_copy(update=dict(variant.planning))
    assert changed.control == shipped.control


def test_all_runs_are_in_the_order_once() -> None:
    runs = [(period.key, variant.key) for period, variant in in_order_of_worth(list(FORTNIGHTS))]

    assert len(set(runs)) == len(runs)
    assert {key for _, key in runs} == set(VARIANTS)
    assert {period for period, _ in runs} >= {period.key for period in (*FORTNIGHTS, *CAMPUS)}


def test_the_page_compares_every_way_with_the_first() -> None:
    def row(variant: str, cost: float) -> dict[str, object]:
        summary = {
            "currency": "USD",
            "cost": {"total": cost},
            "scope1_kgco2e": 900.0,
            "scope2_kgco2e": 0.0,
            "end_correction": {"kgco2e": 100.0},
            "fuel_l": 25_000.0,
            "genset_starts": 7,
            "reserve_shortfall_h": 0.0,
            "soc_floor_violation_h": 0.5,
            "energy_kwh": {"unserved": 0.0},
            "plans": {"solve_p50_s": 0.1, "solve_p95_s": 0.4},
        }
        figures = {"starts_per_set_day_mean": 0.7, "starts_per_set_day_max": 2, "plan_change_set_h": 0.1, "cpu_s": 9.0}
        place = {"site": "desert-offgrid", "start": "2026-01-01", "days": 14, "variant": variant}
        return {**place, **figures, "summary": summary}

    text = page([row("median", 1000.0), row("favourable", 1010.0), row("survey", 1.0)])

    assert "| desert-offgrid, 14 days from 2026-01-01 | +1.00 % (+0.00 %) |" in text
    assert "2026-01-01: 25,000" in text
    assert "none is left out" in text
    assert "| per set and day, mean / most | 0.70 / 2 | 0.70 / 2 |" in text
