"""Cooling units in the configuration: names, devices, fall-back times, and a plant controller that may be missing."""

import re
import shutil
from pathlib import Path

import pytest

from ems.config.build import build_site
from ems.config.loader import load_files
from ems.config.shipped import site_directory
from ems.errors import ConfigError, ConfigProblem


@pytest.fixture
def hall(tmp_path: Path) -> Path:
    directory = tmp_path / "hall"
    shutil.copytree(site_directory("liquid-cooled-hall"), directory)
    return directory


def edit(file: Path, pattern: str, text: str) -> None:
    before = file.read_text(encoding="utf-8")
    after = re.sub(pattern, text, before, flags=re.DOTALL)
    assert after != before
    file.write_text(after, encoding="utf-8")


def problems(directory: Path) -> list[ConfigProblem]:
    with pytest.raises(ConfigError) as refused:
        load_files(directory)
    return list(refused.value.problems)


def test_units_are_numbered_by_kind(hall: Path) -> None:
    cooling = build_site(load_files(hall)).cooling

    assert cooling.cdus is not None
    assert cooling.chillers is not None
    assert cooling.dry_coolers is not None
    assert cooling.cdus.unit_ids == ("cdu01", "cdu02", "cdu03", "cdu04")
    assert cooling.unit_ids[4:] == ("chiller01", "chiller02", "dry_cooler01", "dry_cooler02", "dry_cooler03")
    assert (cooling.cdus.supply_degc, cooling.chillers.min_load_frac) == (40.0, 0.15)


def test_a_site_without_units_has_none() -> None:
    assert build_site(load_files(site_directory("edge-node"))).cooling.unit_ids == ()


def test_every_unit_needs_its_device(hall: Path) -> None:
    edit(hall / "devices.toml", r'(id = "cdu\{n:02\}-ctl"\n)count = 4', r"\1count = 3")

    (problem,) = problems(hall)

    assert problem.message == "no device for 1 assets: cdu04"


def test_a_commanded_unit_needs_its_fall_back_time(hall: Path) -> None:
    edit(hall / "devices.toml", r"watchdog_s = 120.0 [^\n]*minutes\n", "")

    (problem,) = problems(hall)

    assert problem.message == "device 'cdu01-ctl' is commanded, so its fall-back time must be stated"


def test_a_unit_that_keeps_its_own_setpoint_needs_none(hall: Path) -> None:
    edit(hall / "devices.toml", r"watchdog_s = 120.0 [^\n]*minutes\n", "")
    edit(hall / "assets.toml", r"supply_degc = 40.0[^\n]*\n", "")

    cdus = build_site(load_files(hall)).cooling.cdus

    assert cdus is not None
    assert cdus.supply_degc is None


def test_without_dry_coolers_somebody_must_tell_the_ambient_temperature(hall: Path) -> None:
    edit(hall / "assets.toml", r"\[cooling.dry_cooler\].*?\n\n", "")
    edit(hall / "devices.toml", r'\[\[device\]\]\nid = "dry-cooler.*', "")

    (problem,) = problems(hall)

    assert problem.message == "no device for 1 assets: cooling_plant"
