"""Cost against emissions of a day: points that can be worked out by hand, what dominates, and the files."""

import asyncio
import csv
import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from ems.cli import execute
from ems.config.loader import load_files
from ems.config.schema.study import DayTable
from ems.config.shipped import site_directory
from ems.config.study import read_pareto
from ems.dispatch.refusal import refusals
from ems.model.problem import PlanningProblem
from ems.runtime.codec import to_json
from ems.studies.day_problem import day_problem
from ems.studies.pareto import TradeOffPoint, closed_day, marked, trade_off
from tests.dispatch.problems import connection, gensets, pool, problem, unit
from tests.dispatch.solving import solved

_STUDY = Path(__file__).parents[2] / "docs" / "studies" / "pareto.toml"


def two_hours() -> PlanningProblem:
    """Return two hours of 100 kW: the first is cheap and dirty, the second dear and clean."""
    grid = replace(connection([0.10, 0.30]), kgco2e_per_kwh=(0.8, 0.2))
    return problem([100.0, 100.0], store=pool(2, stored_kwh=0.0, full_kwh=100.0), grid=grid)


def _point(*, cost: float, emitted_kgco2e: float) -> TradeOffPoint:
    return TradeOffPoint(
        co2_price_per_t=0.0,
        cost=cost,
        emitted_kgco2e=emitted_kgco2e,
        fuel_l=0.0,
        import_kwh=0.0,
        curtailed_kwh=0.0,
        discharge_kwh=0.0,
        genset_starts=0,
        gap_frac=0.0,
        relaxed=(),
    )


def test_energy_moves_to_the_clean_hour_from_the_price_on_that_pays_for_it() -> None:
    # 100 kWh of the cheap hour save 19.9 with the wear of the store and emit 60 kg more: even at 331.7 per t
    found = trade_off(two_hours(), title="x", prices_per_t=(400.0, 0.0, 300.0), gap_frac=0.0)

    assert [point.co2_price_per_t for point in found.points] == [0.0, 300.0, 400.0]
    assert [point.cost for point in found.points] == pytest.approx([20.1, 20.1, 40.0])
    assert [point.emitted_kgco2e for point in found.points] == pytest.approx([160.0, 160.0, 100.0])
    assert [point.discharge_kwh for point in found.points] == pytest.approx([100.0, 100.0, 0.0], abs=1e-6)
    assert not any(point.is_dominated for point in found.points)


def test_a_day_ends_with_its_stores_as_full_as_they_began() -> None:
    half_full = replace(two_hours(), pools=(pool(2, stored_kwh=50.0, full_kwh=100.0, terminal=[(100.0, 9.0)]),))

    valued, closed = solved(half_full), solved(closed_day(half_full, gap_frac=0.0))

    assert valued.steps[-1].pools[0].stored_end_kwh == pytest.approx(100.0)
    assert closed.steps[-1].pools[0].stored_end_kwh == pytest.approx(50.0)
    assert closed.objective.terminal_value_cost == 0.0


def test_no_carbon_price_outbids_the_load() -> None:
    # 20 per kg on a quarter litre a kWh and 2.5 kg a litre: above the 10 a kWh of unserved load
    island = problem([80.0, 80.0], sets=gensets([unit(1, on=True)]))

    (_, dear) = trade_off(island, title="x", prices_per_t=(0.0, 20_000.0), gap_frac=0.0).points

    assert dear.relaxed == ()
    # 17 l/h at 70 kW, and 10 kW more at 0.25 l/kWh
    assert dear.fuel_l == pytest.approx(2.0 * 19.5)
    assert dear.emitted_kgco2e == pytest.approx(2.5 * 2.0 * 19.5)


def test_fuel_of_a_start_is_counted() -> None:
    island = problem([80.0, 80.0], sets=gensets([unit(1)], start_fuel_l=3.0))

    (point,) = trade_off(island, title="x", prices_per_t=(100.0,), gap_frac=0.0).points

    assert point.genset_starts == 1
    assert point.fuel_l == pytest.approx(2.0 * 19.5 + 3.0)
    assert point.emitted_kgco2e == pytest.approx(2.5 * 42.0)


def test_a_point_is_dominated_by_one_that_is_no_worse_and_better_in_one() -> None:
    cheap, clean = _point(cost=100.0, emitted_kgco2e=50.0), _point(cost=110.0, emitted_kgco2e=40.0)
    as_dear_but_dirty, worse = _point(cost=110.0, emitted_kgco2e=45.0), _point(cost=120.0, emitted_kgco2e=60.0)

    found = marked([cheap, clean, as_dear_but_dirty, worse])

    assert [point.is_dominated for point in found] == [False, False, True, True]


def test_equal_points_do_not_dominate_each_other() -> None:
    point = _point(cost=100.0, emitted_kgco2e=50.0)
    rounded = replace(point, cost=100.0 + 1e-7)

    assert not any(found.is_dominated for found in marked([point, rounded, point]))


def test_the_problem_of_a_site_is_its_first_of_the_day() -> None:
    stated = asyncio.run(day_problem(load_files(site_directory("edge-node")), date(2026, 1, 8)))

    assert stated.site_id == "edge-node"
    assert f"{stated.grid.start_utc:%Y-%m-%d %H}" == "2026-01-08 08"
    assert stated.grid.offset_h[-1] == pytest.approx(24.0, abs=0.25)
    assert max(stated.grid.duration_h) == pytest.approx(0.25)
    assert stated.options.integer_h > 24.0


def test_a_study_writes_points_and_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib comes with the extra `studies`")
    (tmp_path / "hours.json").write_bytes(to_json(two_hours()))
    study = tmp_path / "study.toml"
    study.write_text('[[day]]\nproblem = "hours.json"\nco2_prices_per_t = [0, 300, 400]\n', encoding="utf-8")

    code = execute(["study", "pareto", str(study), "--out", str(tmp_path / "out"), "--json"])

    printed = json.loads(capsys.readouterr().out)
    assert code == 0
    assert json.loads((tmp_path / "out" / "pareto.json").read_text(encoding="utf-8")) == printed
    assert printed["days"][0]["title"] == "hours.json"
    with (tmp_path / "out" / "pareto.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["emitted_kgco2e"]) for row in rows] == pytest.approx([160.0, 160.0, 100.0])
    picture = (tmp_path / "out" / "pareto.svg").read_text(encoding="utf-8")
    # the prices stand at their points, those of one plan together
    assert "0 to 300" in picture
    assert ">400<" in picture
    assert (tmp_path / "out" / "pareto.png").read_bytes().startswith(b"\x89PNG")


def test_the_same_study_gives_the_same_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib comes with the extra `studies`")
    from ems.studies.pareto_picture import draw  # noqa: PLC0415 - only where it can be drawn

    found = trade_off(two_hours(), title="x", prices_per_t=(0.0, 400.0), gap_frac=0.0)

    for name in ("a.svg", "b.svg"):
        draw([found], (tmp_path / name,))

    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


@pytest.mark.parametrize("day", read_pareto(_STUDY).day, ids=lambda day: f"{day.site}-{day.start}")
def test_the_days_of_the_documented_study_are_not_refused(day: DayTable) -> None:
    stated = asyncio.run(day_problem(load_files(site_directory(str(day.site))), day.start or date.min))

    assert refusals(closed_day(stated, gap_frac=day.gap_frac)) == ()
