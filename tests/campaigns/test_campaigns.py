"""Small versions of every campaign: each part runs, and what has a target meets it."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.campaigns import measure_commitment as commitment_module
from tests.campaigns import rows as rows_module
from tests.campaigns.bench import PARTS
from tests.campaigns.faults import DESERT, scenario_rows
from tests.campaigns.faults import parts as fault_parts
from tests.campaigns.fuzz import SUITES, fuzz_rows
from tests.campaigns.history_kills import history_rows
from tests.campaigns.kills import kill_rows
from tests.campaigns.measure_commitment import Scope, commitment_rows, target_rows, was_crowded_out
from tests.campaigns.measure_control import measure_control
from tests.campaigns.measure_daemon import measure_daemon
from tests.campaigns.measure_decoding import measure_decoding
from tests.campaigns.measure_dispatch import measure_dispatch
from tests.campaigns.measure_drivers import measure_drivers
from tests.campaigns.measure_gateway import measure_gateway
from tests.campaigns.measure_history import measure_history
from tests.campaigns.measure_large_site import measure_large_site
from tests.campaigns.measure_mqtt import measure_mqtt
from tests.campaigns.measure_studies import measure_studies
from tests.campaigns.rows import Row, carry_out, exit_code, skipped, write
from tests.campaigns.soak import soak_rows
from tests.campaigns.soak_modes import mode_rows
from tests.campaigns.soak_nosolver import nosolver_rows
from tests.conventions.sources import ROOT

running_site = pytest.mark.xdist_group("running-site-2")


def _judge(found: Iterator[Row], *, but: str | tuple[str, ...] = "never") -> None:
    rows = list(found)
    assert rows
    missed = [row.line() for row in rows if row.met is False and not row.id.startswith(but)]
    assert not missed, missed


def test_measuring_control() -> None:
    _judge(measure_control(hours=0.5))


def test_measuring_a_large_site() -> None:
    # on a busy machine the times say nothing
    _judge(measure_large_site(n_cycles=5), but="control.large")


def test_measuring_dispatch() -> None:
    _judge(measure_dispatch(hours=1.0))


def test_measuring_the_gateway() -> None:
    _judge(measure_gateway(hours=0.5))


def test_kills_of_what_writes_and_seals_the_history() -> None:
    _judge(history_rows(n_kills=2))


def test_measuring_mqtt() -> None:
    # shares and lags are measured by `make bench`, not asserted here
    _judge(measure_mqtt(n_rounds=1), but=("mqtt.share", "mqtt.lag"))


def test_measuring_the_history() -> None:
    # computing times are measured by `make bench`, not asserted here
    _judge(measure_history(n_points=20, n_seconds=5, n_hours=3), but=("history.share", "history.month"))


def test_measuring_studies() -> None:
    # computing times are measured by `make bench`, not asserted here
    _judge(measure_studies(days=0.05), but="studies.speed")


def test_measuring_decoding() -> None:
    _judge(measure_decoding(), but="drivers.decode")


@pytest.mark.wire
@running_site
def test_measuring_drivers() -> None:
    _judge(measure_drivers(wall_s=3.0))


@pytest.mark.wire
@pytest.mark.slow
@running_site
def test_measuring_the_daemon() -> None:
    _judge(measure_daemon(wall_s=5.0, speed=2.0))


@pytest.mark.wire
@pytest.mark.slow
@running_site
def test_a_fault_scenario_reports_its_row() -> None:
    start = datetime(2025, 1, 9, 0, 0, tzinfo=UTC)
    _judge(scenario_rows("pcs-refuses", DESERT["pcs-refuses"], site="desert-offgrid", start=start, speed=5.0))


@pytest.mark.wire
@pytest.mark.slow
@running_site
def test_a_short_soak() -> None:
    _judge(soak_rows(hours=0.05, speed=10.0, site="edge-node"), but="soak.cycles")


@pytest.mark.wire
@pytest.mark.slow
@running_site
def test_some_kills() -> None:
    # how soon is measured by `make soak ONLY=kills`, not asserted here
    dusk = datetime(2025, 1, 9, 0, 0, tzinfo=UTC)
    _judge(kill_rows(n_kills=2, sites=(("edge-node", dusk),)), but="soak.kill.first-write")


def test_some_minutes_without_solver_hold_the_load() -> None:
    rows = {row.id: row for row in nosolver_rows(site="edge-node", days=0.02)}

    assert len(rows) == 6
    assert rows["soak.nosolver.winter.unserved"].met
    assert rows["soak.nosolver.summer.unserved"].met


def test_some_returns_to_the_grid_and_black_starts() -> None:
    _judge(mode_rows(n_cycles=2))


def test_a_fuzz_suite_counts_its_tests() -> None:
    _judge(fuzz_rows("model", full=False))


def test_every_fuzz_suite_exists() -> None:
    root = rows_module.BUILD.parent
    assert all((root / "tests" / suite).is_dir() for suite in SUITES)


def test_bench_has_the_parts_that_the_makefile_names() -> None:
    (named,) = re.findall(r"^bench:.*ONLY=([a-z|]+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)

    assert set(PARTS) == set(named.split("|"))


def test_faults_cover_each_single_failure() -> None:
    assert len(fault_parts()) >= 10


def test_rows_are_written_and_judged(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "BUILD", tmp_path)
    good = Row(id="a", what="x", value=1.0, unit="s", target="<= 2", met=True, seed=3)
    bad = Row(id="b", what="y", value=3.0, unit="s", target="<= 2", met=False)
    skip = skipped("c", "z", "no such thing here")

    found = carry_out("sample", [lambda: iter([good]), lambda: iter([skip])])

    assert found == [good, skip]
    assert exit_code(found) == 0
    assert exit_code([good, bad]) == 1
    kept = json.loads(write("sample", [good, bad, skip]).read_text())
    assert set(kept[0]) == {"id", "what", "value", "unit", "target", "met", "seed"}
    assert kept[2]["value"] == "SKIP"
    assert kept[2]["met"] is None


def test_targets_of_the_commitment_table_are_judged_by_their_figures() -> None:
    def cell(stack: str, **figures: float) -> dict[str, object]:
        return {
            "instance": "M-84-grid-1",
            "stack": stack,
            "passed": True,
            "gap_frac": 0.001,
            "peak_mb": 200.0,
            **figures,
        }

    cells = [
        cell("dispatcher", layer_s=0.02, highs_s=4.0, objective_cost=1000.5),
        cell("matrix", layer_s=0.01, highs_s=2.0, objective_cost=1000.0),
        cell("pypsa", layer_s=2.0, highs_s=50.0, objective_cost=1001.0),
    ]

    found = {row.id.removeprefix("commitment.target."): row for row in target_rows(cells)}

    assert found["objective"].value == pytest.approx(0.05)
    assert found["objective"].met is True
    assert found["highs"].value == pytest.approx(2.0)
    assert found["highs"].met is False
    assert found["layer.M"].met is True
    assert found["peers"].value == pytest.approx(100.0)
    assert "peak" not in found


def test_a_table_of_one_small_instance_is_measured_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commitment_module, "CELLS", tmp_path)
    monkeypatch.setattr(commitment_module, "PEERS", ())
    scope = Scope(name="test", instances=("S-84-island-2",), own_instances=(), series=(), n_cycles=0, limit_s=20.0)

    first = list(commitment_rows(scope))
    kept = {file: file.stat().st_mtime_ns for file in tmp_path.iterdir()}
    again = list(commitment_rows(scope))

    assert [row.line() for row in again] == [row.line() for row in first]
    assert {file: file.stat().st_mtime_ns for file in tmp_path.iterdir()} == kept
    assert all(row.met for row in first if row.id.endswith("passed"))


@pytest.mark.parametrize(
    ("gap_frac", "highs_s", "crowded_out"), [(0.001, 20.0, False), (0.02, 59.0, False), (0.02, 20.0, True)]
)
def test_cell_that_was_stopped_on_a_busy_machine_is_not_kept(
    gap_frac: float,
    highs_s: float,
    crowded_out: bool,  # noqa: FBT001 - a case's value
) -> None:
    cell = {"gap_frac": gap_frac, "target_gap_frac": 0.001, "highs_s": highs_s, "highs_wall_s": 60.0}

    assert was_crowded_out(cell) is crowded_out
