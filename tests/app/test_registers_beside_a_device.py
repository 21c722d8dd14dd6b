"""A device mapped point by point in devices.toml: the same tables as in a map file, errors with file, line and key."""

import tomllib
from pathlib import Path

import pytest

from drivers.modbus.mapfile import SHIPPED, device_map, load_map
from ems.app.located import key_path, located
from ems.cli import execute
from ems.config.loader import load_files
from ems.config.naming import expand_devices
from ems.errors import ConfigProblem
from tests.config.directories import copy_of


def beside(text: str) -> str:
    """Return a map file as tables of the last device of devices.toml."""
    lines = []
    for line in text.splitlines():
        if line.startswith("id = "):
            continue
        if line.startswith("[["):
            lines.append(line.replace("[[", "[[device.registers."))
        elif line.startswith("["):
            lines.append(line.replace("[", "[device.registers.", 1))
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


def site_with_tank(home: Path, *changes: tuple[str, str]) -> Path:
    """Return a site whose tank gauge has its registers written beside it, in the last table of devices.toml."""
    site = copy_of("desert-offgrid", home / "site")
    file = site / "devices.toml"
    tables = file.read_text(encoding="utf-8").split("[[device]]")
    tank = next(table for table in tables if "generic-tank" in table)
    tables.remove(tank)
    registers = beside((SHIPPED / "generic-tank.toml").read_text(encoding="utf-8"))
    for old, new in changes:
        assert old in registers, old
        registers = registers.replace(old, new, 1)
    unmapped = tank.replace('map = "generic-tank"', "").rstrip()
    tables.append(f"{unmapped}\n{registers}")
    file.write_text("[[device]]".join(tables), encoding="utf-8")
    return site


def test_registers_beside_a_device_are_its_map(tmp_path: Path) -> None:
    site = site_with_tank(tmp_path)

    code = execute(["check", str(site), "--json"])
    (spec,) = (spec for _, spec in expand_devices(load_files(site).devices) if spec.registers is not None)
    register_map = device_map(spec, ())

    assert code == 0
    assert register_map is not None
    assert register_map.points == load_map("generic-tank", ()).points


@pytest.mark.parametrize(
    ("old", "new", "key", "message", "line"),
    [
        ("scale = 0.1", "scales = 0.1", "points.fuel_l.scales", "unknown key", "scales = 0.1"),
        ('"uint32"', '"uint33"', "points.fuel_l.type", "found 'uint33'", 'type = "uint33"'),
        ('"holding:10"\ncount = 3', '"holding:11"\ncount = 3', "points.fuel_l.at", "is in no block", '"holding:10"'),
        ('class = "tank"', "", "device.class", "this key is required", "[device.registers.device]"),
    ],
)
def test_a_wrong_line_beside_a_device_is_refused_with_file_line_and_key(
    old: str, new: str, key: str, message: str, line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = site_with_tank(tmp_path, (old, new))
    lines = (site / "devices.toml").read_text(encoding="utf-8").splitlines()
    number = max(index for index, each in enumerate(lines, start=1) if line in each)

    code = execute(["check", str(site), "--json"])

    errors = capsys.readouterr().err
    assert code == 2
    assert f"{site / 'devices.toml'}:{number}: device " in errors
    assert f".registers.{key}: " in errors
    assert message in errors


def test_a_map_and_registers_at_once_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = site_with_tank(tmp_path)
    text = (site / "devices.toml").read_text(encoding="utf-8")
    both = text.replace('driver = "genset.tank"', 'driver = "genset.tank"\nmap = "generic-tank"')
    (site / "devices.toml").write_text(both, encoding="utf-8")

    code = execute(["check", str(site), "--json"])

    assert code == 2
    assert "there is the map 'generic-tank', too" in capsys.readouterr().err


def test_a_device_of_a_pattern_is_found_by_its_number() -> None:
    table = tomllib.loads('[[device]]\nid = "pcc"\n[[device]]\nid = "pv{n:02}-ctl"\n')

    assert key_path("device 'pv07-ctl'.registers.points.a-b.at", table) == (
        *("device", 1, "registers", "points", "a-b", "at"),
    )
    assert key_path("blocks[2].at", {}) == ("blocks", 2, "at")


def test_a_problem_of_a_file_that_cannot_be_read_keeps_its_key(tmp_path: Path) -> None:
    problem = ConfigProblem(file=str(tmp_path / "no.toml"), key="device.id", message="wrong")

    assert located(problem) == problem
