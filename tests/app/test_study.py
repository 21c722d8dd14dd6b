"""`ems study` refuses what it cannot answer before it calculates anything."""

import json
from pathlib import Path

import pytest

from ems.app import study as study_command
from ems.cli import execute


@pytest.fixture(autouse=True)
def _drawing_is_possible(monkeypatch: pytest.MonkeyPatch) -> None:
    # what is refused here has nothing to do with the picture
    monkeypatch.setattr(study_command, "require_drawing", lambda: None)


def refused(capsys: pytest.CaptureFixture[str], study: Path, out: Path) -> str:
    """Return what a refused study says."""
    code = execute(["study", "pareto", str(study), "--out", str(out), "--json"])
    output, errors = capsys.readouterr()
    assert code == 2, errors
    assert "Traceback" not in errors
    assert json.loads(output)["error"]["message"]
    return errors


@pytest.mark.parametrize(
    ("day", "told"),
    [
        ('site = "edge-nude"\nstart = 2026-01-08', "edge-nude: this configuration directory does not exist"),
        ('problem = "nowhere.json"', "nowhere.json: cannot be read"),
    ],
)
def test_a_study_of_something_that_does_not_exist_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *, day: str, told: str
) -> None:
    study = tmp_path / "study.toml"
    study.write_text(f"[[day]]\n{day}\nco2_prices_per_t = [0, 75]\n", encoding="utf-8")

    assert told in refused(capsys, study, tmp_path / "out")


def test_a_directory_that_cannot_be_written_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = tmp_path / "study.toml"
    study.write_text('[[day]]\nproblem = "nowhere.json"\nco2_prices_per_t = [0, 75]\n', encoding="utf-8")

    assert "--out" in refused(capsys, study, Path("/dev/null/out"))


def test_without_matplotlib_the_extra_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ems.studies import pareto_picture  # noqa: PLC0415 - the fixture above has replaced the name in the command

    monkeypatch.setattr(pareto_picture, "find_spec", lambda _: None)
    monkeypatch.setattr(study_command, "require_drawing", pareto_picture.require_drawing)
    study = tmp_path / "study.toml"
    study.write_text('[[day]]\nproblem = "nowhere.json"\nco2_prices_per_t = [0, 75]\n', encoding="utf-8")

    assert "the extra `studies`" in refused(capsys, study, tmp_path / "out")
    assert not (tmp_path / "out").exists()
