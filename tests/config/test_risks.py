"""Valid and dangerous: refused by line unless a person accepts the risk, and then on record."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ems.app.checking import checked_site
from ems.cli import execute
from ems.config.loader import load_files
from ems.config.shipped import shipped_sites, site_directory
from ems.errors import ConfigError, StateError
from ems.runtime.risks import RISKS_FILE, record_risks, risk_alarms
from tests.config.directories import copy_of, line_of, replace

UTC_NOW = datetime(2026, 6, 11, 12, 0, tzinfo=UTC)

# file, text, what replaces it, key, part of the message, part of what is allowed
DANGERS = (
    (
        "limits.toml", "soc_tech_min_pct = 5.0", "soc_tech_min_pct = 0.0",
        "battery.bess.soc_tech_min_pct", "discharge down to 0 %", "at least soc_error_pct (3 %)",
    ),
    (
        "limits.toml", "soc_error_pct = 3.0", "soc_error_pct = 0.0",
        "battery.bess.soc_error_pct", "no BMS knows its SoC to 0 %", "at least 1 %",
    ),
    (
        "limits.toml", "max_degc = 50.0", "max_degc = 70.0",
        "battery.bess.max_degc", "cells are used up to 70 degC", "at most 60 degC",
    ),
    (
        "limits.toml", "gap_margin_frac = 0.3", "gap_margin_frac = 0.0",
        "reserve.gap_margin_frac", "empty before the sets carry", "above 0",
    ),
    (
        "limits.toml", "checkpoint_load_frac = 0.6", "checkpoint_load_frac = 0.0",
        "reserve.checkpoint_load_frac", "orderly shutdown", "above 0",
    ),
    ("limits.toml", "swing_kw = 465.0", "swing_kw = 0.0", "reserve.swing_kw", "swing of GPUs", "above 0"),
    (
        "limits.toml", 'survive = ["grid", "genset", "block", "pv_block"]', 'survive = ["genset", "pv_block"]',
        "reserve.survive", "the loss of a grid may interrupt", 'with "grid"',
    ),
    (
        "limits.toml", 'survive = ["grid", "genset", "block", "pv_block"]', 'survive = ["grid", "block"]',
        "reserve.survive", "the loss of a genset may interrupt", 'with "genset"',
    ),
    ("assets.toml", "step_frac = 0.3 ", "step_frac = 1.0 ", "genset.gen.step_frac", "100% of its", "at most 0.8"),
    ("control.toml", "period_s = 1.0", "period_s = 1.0\nstale_fast_s = 30.0", "control.stale_fast_s", "30 s", "10 s"),
    ("control.toml", "period_s = 1.0", "period_s = 1.0\nstale_slow_s = 90.0", "control.stale_slow_s", "SoC", "60 s"),
    (
        "control.toml", "period_s = 1.0", "period_s = 1.0\nsetpoint_valid_s = 120.0",
        "control.setpoint_valid_s", "outlives its controller", "at most 60 s",
    ),
    (
        "control.toml", "period_s = 1.0", "period_s = 1.0\ncontingency_s = 7200.0",
        "control.contingency_s", "below its floor", "at most 3600 s",
    ),
    ("devices.toml", "watchdog_s = 10.0", "watchdog_s = 120.0", "device.0.watchdog_s", "for 120 s", "at most 60 s"),
    (
        "control.toml", "[planning]", "[tie]\ndroop_hz = 0.5\nwindow_deg = 45.0\n\n[planning]",
        "tie.window_deg", "closed out of step", "IEEE 1547",
    ),
    (
        "control.toml", "[planning]", "[tie]\ndroop_hz = 0.5\nhealthy_s = 5.0\n\n[planning]",
        "tie.healthy_s", "healthy after 5 s", "at least 60 s",
    ),
)  # fmt: skip


@pytest.fixture
def campus(tmp_path: Path) -> Path:
    return copy_of("weak-grid-campus", tmp_path / "campus")


@pytest.mark.parametrize(("file", "old", "new", "key", "message", "allowed"), DANGERS)
def test_a_dangerous_value_is_refused_by_its_line_unless_the_risk_is_accepted(
    campus: Path, *, file: str, old: str, new: str, key: str, message: str, allowed: str
) -> None:
    replace(campus / file, old, new)

    with pytest.raises(ConfigError) as refusal:
        checked_site(str(campus))

    (problem,) = [each for each in refusal.value.problems if message in each.message]
    assert problem.key is not None
    assert problem.key.replace("[", ".").replace("]", "").endswith(key)
    assert problem.line is not None
    assert allowed in str(problem.allowed)
    assert "--accept-risk" in str(problem.allowed)
    assert checked_site(str(campus), accept_risk=True)["risks"] == [each.sentence() for each in refusal.value.problems]


def test_no_shipped_site_has_a_risk() -> None:
    assert {name: load_files(site_directory(name)).risks for name in shipped_sites()} == dict.fromkeys(
        shipped_sites(), ()
    )


def test_a_contradiction_is_refused_whatever_is_accepted(campus: Path) -> None:
    replace(campus / "limits.toml", "max_charge_kw = 4000.0", "max_charge_kw = 4000.5")

    with pytest.raises(ConfigError, match="above the nameplate"):
        checked_site(str(campus), accept_risk=True)


def test_check_and_run_refuse_a_risk_with_code_2_and_the_line(campus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    replace(campus / "limits.toml", "soc_tech_min_pct = 5.0", "soc_tech_min_pct = 0.0")
    line = line_of(campus / "limits.toml", "soc_tech_min_pct")

    codes = [execute(["check", str(campus)]), execute(["run", str(campus)])]

    errors = capsys.readouterr().err.splitlines()
    assert codes == [2, 2]
    assert len(errors) == 2
    assert all(f"limits.toml:{line}: battery.bess.soc_tech_min_pct: dangerous: " in error for error in errors)
    assert not (campus / "var").exists()
    assert execute(["check", "--accept-risk", str(campus)]) == 0
    assert "dangerous" in capsys.readouterr().out


def test_risk_alarms_are_on_record_once_with_who_and_when_and_stand_as_alarms(campus: Path, tmp_path: Path) -> None:
    replace(campus / "limits.toml", "soc_error_pct = 3.0", "soc_error_pct = 0.0")
    risks = load_files(campus).risks

    for _ in range(2):
        record_risks(tmp_path, risks, utc=UTC_NOW, version="1.2.3")
    record_risks(tmp_path, (), utc=UTC_NOW, version="1.2.3")
    record_risks(tmp_path, (), utc=UTC_NOW, version="1.2.3")

    accepted, withdrawn = map(json.loads, (tmp_path / RISKS_FILE).read_text(encoding="utf-8").splitlines())
    assert accepted["utc"] == "2026-06-11T12:00:00+00:00"
    assert accepted["user"]
    assert accepted["risks"] == [risk.sentence() for risk in risks]
    assert withdrawn["risks"] == []
    assert list(risk_alarms(risks)) == ["risk:limits.toml:battery.bess.soc_error_pct"]


def test_a_record_that_was_cut_by_a_power_failure_costs_one_line(campus: Path, tmp_path: Path) -> None:
    replace(campus / "limits.toml", "soc_error_pct = 3.0", "soc_error_pct = 0.0")
    risks = load_files(campus).risks
    (tmp_path / RISKS_FILE).write_text('{"utc": "2026-', encoding="utf-8")

    record_risks(tmp_path, risks, utc=UTC_NOW, version="1.2.3")

    assert json.loads((tmp_path / RISKS_FILE).read_text(encoding="utf-8").splitlines()[1])["risks"]


def test_what_cannot_be_recorded_is_not_accepted(campus: Path, tmp_path: Path) -> None:
    replace(campus / "limits.toml", "soc_error_pct = 3.0", "soc_error_pct = 0.0")
    (tmp_path / RISKS_FILE).mkdir()

    with pytest.raises(StateError, match="cannot be recorded"):
        record_risks(tmp_path, load_files(campus).risks, utc=UTC_NOW, version="1.2.3")


def test_a_site_without_risks_writes_no_record(tmp_path: Path) -> None:
    record_risks(tmp_path, (), utc=UTC_NOW, version="1.2.3")

    assert not (tmp_path / RISKS_FILE).exists()
