from pathlib import Path

import pytest

from ems.config.loader import load_files
from ems.config.shipped import shipped_site
from tests.config.directories import copy_of, line_of, problem_at, problems_of, replace


@pytest.fixture
def derated(tmp_path: Path) -> Path:
    """Return a site of four files over the desert site."""
    return copy_of("desert-derated", tmp_path / "derated")


def test_an_overlay_states_only_what_differs(derated: Path) -> None:
    files = load_files(derated)
    base = load_files(_desert())

    assert files.assets.battery["bess"].n_blocks == 3
    assert files.assets.battery["bess"].pcs_kw == base.assets.battery["bess"].pcs_kw
    assert files.limits == base.limits
    assert len(files.devices.device) == len(base.devices.device)


def test_a_data_file_is_taken_from_the_extended_site(derated: Path) -> None:
    files = load_files(derated)

    assert files.resolve("data/weather_mojave_tmy_1h.csv.gz") == _desert() / "data/weather_mojave_tmy_1h.csv.gz"
    assert files.resolve("var") == derated / "var"


def test_a_data_file_of_its_own_goes_first(derated: Path) -> None:
    (derated / "data").mkdir()
    (derated / "data/weather_mojave_tmy_1h.csv.gz").touch()

    files = load_files(derated)

    assert files.resolve("data/weather_mojave_tmy_1h.csv.gz").parent == derated / "data"


def test_a_problem_in_the_overlay_points_into_the_overlay(derated: Path) -> None:
    replace(derated / "assets.toml", "n_blocks = 3", "# three\nn_blocks = 0")

    problem = problem_at(derated, "battery.bess.n_blocks")

    assert problem.file == str(derated / "assets.toml")
    assert problem.line == line_of(derated / "assets.toml", "n_blocks = 0")


def test_a_contradiction_in_an_inherited_key_points_into_the_extended_site(derated: Path) -> None:
    replace(derated / "assets.toml", "n_blocks = 3", "n_blocks = 3\npcs_kw = 5000.0")

    problem = problem_at(derated, "battery.bess.max_charge_kw")

    limits = _desert() / "limits.toml"
    assert (problem.file, problem.line) == (str(limits), line_of(limits, "max_charge_kw"))


def test_an_unknown_key_beside_inherited_ones_points_into_the_overlay(derated: Path) -> None:
    replace(derated / "assets.toml", "n_blocks = 3", "n_blocks = 3\npcs_kv = 1.0")

    problem = problem_at(derated, "battery.bess.pcs_kv")

    assert problem.file == str(derated / "assets.toml")


def test_a_key_missing_in_a_list_of_the_overlay_is_not_looked_for_in_the_extended_site(derated: Path) -> None:
    replace(derated / "devices.toml", 'driver = "pv.block"\n', "")

    problem = problem_at(derated, "device[2].driver")

    assert problem.file == str(derated / "devices.toml")
    assert problem.line == line_of(derated / "devices.toml", 'id = "pv{n:02}-ctl"') - 1


@pytest.mark.parametrize("value", ['"no-such-site"', '"desert derated"', '"../desert-offgrid"', '"/"', "7", '""', "[]"])
def test_only_a_shipped_site_can_be_extended(derated: Path, value: str) -> None:
    replace(derated / "site.toml", '"desert-offgrid"', value)

    (problem,) = problems_of(derated)

    assert problem.key == "extends"
    assert problem.line == line_of(derated / "site.toml", "extends")
    assert problem.message.startswith("must be the name of another shipped site, found ")
    assert problem.allowed is not None
    assert "weak-grid-campus" in problem.allowed


def test_a_site_cannot_extend_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    homes = (tmp_path,)
    monkeypatch.setattr("ems.config.shipped._HOMES", homes)
    for name, parent in (("one", "two"), ("two", "one")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "site.toml").write_text(f'extends = "{parent}"\n', encoding="utf-8")

    problem = problem_at(tmp_path / "one", "extends")

    assert problem.file == str(tmp_path / "two/site.toml")


def _desert() -> Path:
    home = shipped_site("desert-offgrid")
    assert home is not None
    return home
