"""Wrong input on the command line: exit code 2 and a sentence, never a traceback, and nothing calculated before."""

import csv
import gzip
import json
import shutil
from pathlib import Path

import pytest

from ems.cli import execute
from tests.config.directories import copy_of, replace


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return what a refused command says."""
    code = execute([*arguments, "--json"])
    output, errors = capsys.readouterr()
    assert code == 2, errors
    assert "Traceback" not in errors
    assert json.loads(output)["error"]["message"]
    return errors


@pytest.mark.parametrize("start", ["0001-01-01", "1969-12-31", "2201-01-01", "9999-12-31", "someday"])
def test_start_outside_the_calendar_is_refused_with_the_years_allowed(
    start: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"

    simulated = refused(capsys, "simulate", "edge-node", "--days", "0.01", "--start", start, "--out", str(out))
    shown = refused(capsys, "demo", "edge-node", "--for", "1m", "--start", start)

    for errors in (simulated, shown):
        assert start in errors
        assert "1970 to 2200" in errors
    assert not out.exists()


@pytest.mark.parametrize(
    "place", ["/proc/foo", "/dev/null", "/dev/null/out", "plain/out", "with a directory", "no\0name", "l" * 300]
)
def test_out_that_cannot_hold_the_files_is_refused_before_anything_is_simulated(
    place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plain").write_text("", encoding="utf-8")
    (tmp_path / "with a directory" / "summary.json").mkdir(parents=True)
    out = tmp_path / place

    errors = refused(capsys, "simulate", "edge-node", "--days", "0.01", "--out", str(out))

    assert "--out" in errors
    assert not (tmp_path / "with a directory" / "decisions.jsonl").exists()


def test_results_are_written_over_those_that_are_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["simulate", "edge-node", "--days", "0.01", "--policy", "merit-order", "--out", str(tmp_path), "--json"]

    codes = [execute(command), execute(command)]

    first, _ = json.JSONDecoder().raw_decode(capsys.readouterr().out)
    assert codes == [0, 0]
    assert json.loads((tmp_path / "summary.json").read_text(encoding="utf-8")) == first
    assert {file.name for file in tmp_path.iterdir()} == {
        "summary.json",
        "series.parquet",
        "decisions.jsonl",
        "ledger.jsonl",
        "report.html",
    }


@pytest.mark.parametrize("damage", ["flipped bytes", "long field", "nan", "no offset"])
def test_damaged_input_file_is_refused_by_name(damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = copy_of("desert-offgrid", tmp_path / "site")
    # the shipped data are only linked: take a copy that may be damaged
    shipped = (site / "data").resolve()
    (site / "data").unlink()
    shutil.copytree(shipped, site / "data")
    (file,) = (site / "data").glob("weather*.gz")
    raw = bytearray(file.read_bytes())
    head, first, *rest = gzip.decompress(raw).decode().splitlines()
    cells = first.split(",")
    if damage == "flipped bytes":
        raw[1000:1100] = bytes(byte ^ 0xFF for byte in raw[1000:1100])
        file.write_bytes(raw)
    else:
        cells[1] = {"nan": "nan", "long field": "1" * (csv.field_size_limit() + 1)}.get(damage, cells[1])
        cells[0] = cells[0].rstrip("Z") if damage == "no offset" else cells[0]
        file.write_bytes(gzip.compress("\n".join([head, ",".join(cells), *rest]).encode()))

    errors = refused(capsys, "check", str(site))

    assert file.name in errors


def test_run_takes_directories_only_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    codes = [execute(["run", "edge-node"]), execute(["run", "no-such-place"])]

    shipped, unknown = capsys.readouterr().err.splitlines()
    assert codes == [2, 2]
    assert "to run it, copy" in shipped
    assert unknown.endswith("allowed: a directory with site.toml")


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('map = "generic-pcs"', 'map = "generic-bms"', "device 'bess01-pcs'.map"),
        ('driver = "battery.pcs"', 'driver = "battery.psc"', "device 'bess01-pcs'.driver"),
    ],
)
def test_device_that_its_driver_refuses_is_named_with_the_file(
    old: str, new: str, key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = copy_of("edge-node", tmp_path / "site")
    replace(site / "devices.toml", old, new)

    errors = refused(capsys, "check", str(site))

    line = (site / "devices.toml").read_text(encoding="utf-8").splitlines().index(new) + 1
    assert errors.startswith(f"{site / 'devices.toml'}:{line}: {key}: ")


def test_a_genset_without_power_setpoint_needs_a_class_that_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = copy_of("edge-node", tmp_path / "site")
    replace(site / "devices.toml", 'driver = "genset.controller"', 'driver = "genset.start_stop"')

    errors = refused(capsys, "check", str(site))
    replace(site / "assets.toml", "[genset.gen]", "[genset.gen]\ntakes_power = false")
    said = execute(["check", str(site)])

    assert "device 'gen01-ctl'.driver: genset.start_stop takes no power" in errors
    assert "takes_power = false in [genset.gen] of assets.toml" in errors
    assert said == 0
