"""`ems report` on the ledger of a run: files, proof, and totals recomputed from the raw series by other code."""

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from ems.app.simulation import Policy
from ems.cli import app
from tests.config.directories import copy_of, replace
from tests.studies.runs import Run, run_of

DAYS = ("--from", "2026-01-07", "--to", "2026-01-09")


@pytest.fixture(name="run", scope="module")
def _run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    directory = tmp_path_factory.mktemp("report")
    site = copy_of("weak-grid-campus", directory / "site")
    # instruments that show the truth, so that only the accounting is judged
    replace(site / "twin.toml", "gain_frac = 0.001", "gain_frac = 0.0")
    return run_of(site, directory / "run", hours=12.0, policy=Policy.MERIT_ORDER, step_s=300.0)


def test_totals_are_those_of_the_raw_series(run: Run, tmp_path: Path) -> None:
    made = CliRunner().invoke(
        app, ["report", "weak-grid-campus", "--ledger", str(run.out / "ledger.jsonl"), *DAYS, "--out", str(tmp_path)]
    )
    assert made.exit_code == 0, made.output
    document = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    energy, emissions = document["sections"]["energy"], document["sections"]["emissions"]

    series = pd.read_parquet(run.out / "series.parquet")
    hours = 300.0 / 3600.0
    grid_kwh = series["grid_kw"].clip(lower=0.0).sum() * hours
    assert energy["source_grid_import_kwh"]["value"] == pytest.approx(grid_kwh, rel=1e-3)
    assert energy["source_pv_kwh"]["value"] == pytest.approx(series["pv_kw"].sum() * hours, rel=1e-3)
    assert energy["sink_it_kwh"]["value"] == pytest.approx(series["load_it_kw"].sum() * hours, rel=1e-3)
    factor = series["grid_kgco2e_per_kwh"]
    scope2_kg = (series["grid_kw"].clip(lower=0.0) * factor).sum() * hours
    assert emissions["scope2_location_kgco2e"]["value"] == pytest.approx(scope2_kg, rel=1e-3)


def test_all_files_are_there_and_the_page_is_one_file(run: Run, tmp_path: Path) -> None:
    made = CliRunner().invoke(
        app, ["report", "weak-grid-campus", "--ledger", str(run.out / "ledger.jsonl"), *DAYS, "--out", str(tmp_path)]
    )

    assert made.exit_code == 0, made.output
    names = {file.name for file in tmp_path.iterdir()}
    assert names == {
        *("report.html", "report.json", "figures.csv", "matrix.csv", "intervals.csv"),
        "electricity_evidence.json",
    }
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "ci_operational" in html
    assert "src='http" not in html
    assert 'src="http' not in html
    intervals = (tmp_path / "intervals.csv").read_text(encoding="utf-8").splitlines()
    assert len(intervals) == 1 + 48


def test_a_damaged_ledger_is_reported_and_said_to_be_damaged(run: Run, tmp_path: Path) -> None:
    lines = (run.out / "ledger.jsonl").read_bytes().replace(b'"fuel_ml":0', b'"fuel_ml":1', 1)
    spoiled = tmp_path / "ledger.jsonl"
    spoiled.write_bytes(lines)

    made = CliRunner().invoke(
        app, ["report", "weak-grid-campus", "--ledger", str(spoiled), *DAYS, "--out", str(tmp_path / "out")]
    )

    assert made.exit_code == 1
    assert "DAMAGED" in made.output
    assert "DAMAGED" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--from", "2020-01-01", "--to", "2020-01-02"), "holds no interval"),
        (("--from", "2026-01-09", "--to", "2026-01-08"), "is before"),
        (("--from", "yesterday", "--to", "2026-01-08"), "is no date"),
        (("--month", "2026-13"), "is no month"),
        (("--from", "2026-01-08"), "give --from and --to"),
    ],
)
def test_a_wrong_period_is_refused(run: Run, tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    made = CliRunner().invoke(
        app,
        ["evidence", "weak-grid-campus", "--ledger", str(run.out / "ledger.jsonl"), *arguments, "--out", str(tmp_path)],
    )

    assert made.exit_code != 0
    assert says in made.output + str(made.exception)


def test_the_ledger_of_another_site_is_refused(run: Run, tmp_path: Path) -> None:
    made = CliRunner().invoke(
        app,
        ["evidence", "desert-offgrid", "--ledger", str(run.out / "ledger.jsonl"), *DAYS, "--out", str(tmp_path)],
    )

    assert made.exit_code != 0
    assert "is the ledger of 'weak-grid-campus'" in made.output + str(made.exception)
