"""`ems plan` on a problem file: the same answer anywhere, and words for everything else."""

import json
from pathlib import Path

import pytest

from ems.cli import execute
from ems.runtime.codec import to_json
from tests.dispatch.rich import rich_problem


@pytest.fixture
def problem(tmp_path: Path) -> Path:
    file = tmp_path / "problem.json"
    file.write_bytes(to_json(rich_problem()))
    return file


def test_plan_is_printed_and_written_alike(problem: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "plan.json"

    code = execute(["plan", str(problem), "--out", str(out), "--json"])

    printed = json.loads(capsys.readouterr().out)
    assert code == 0
    assert json.loads(out.read_text(encoding="utf-8")) == printed
    assert printed["check"] == {"passed": True, "violations": []}
    assert printed["objective"]["total"] == pytest.approx(sum(printed["objective"]["terms"].values()), abs=1e-2)
    assert len(printed["steps"]) == len(rich_problem().grid.duration_h)


def test_replay_gives_the_same_objective(problem: Path, capsys: pytest.CaptureFixture[str]) -> None:
    totals = []
    for _ in range(2):
        assert execute(["plan", str(problem), "--json"]) == 0
        totals.append(json.loads(capsys.readouterr().out)["objective"]["total"])

    assert totals[0] == totals[1]


@pytest.mark.parametrize("content", [b"", b"{}", b"[1, 2]", b"\xff\xfe", b'{"schema": "problem/99"}'])
def test_what_is_no_problem_is_refused(content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "problem.json"
    file.write_bytes(content)

    code = execute(["plan", str(file), "--json"])

    output, errors = capsys.readouterr()
    assert code == 2
    assert "problem.json" in errors
    assert "Traceback" not in errors
    assert json.loads(output)["error"]["message"]


def test_out_that_cannot_be_written_is_refused(
    problem: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = execute(["plan", str(problem), "--out", str(tmp_path / "nowhere" / "plan.json")])

    assert code == 2
    assert "--out" in capsys.readouterr().err
