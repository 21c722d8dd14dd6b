"""`ems plan` on a problem file: the same answer anywhere, and words for everything else."""

import json
import os
import signal
from asyncio.subprocess import Process
from pathlib import Path

import pytest

from ems.cli import execute
from ems.errors import DispatchError
from ems.model.plan import Plan
from ems.model.problem import PlanningProblem
from ems.runtime import worker_client
from ems.runtime.codec import to_json
from ems.runtime.worker_client import WorkerClient
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


@pytest.mark.parametrize("name", ["problem.json", "same.json", "linked.json"])
def test_plan_never_overwrites_its_problem(
    name: str, problem: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "same.json").symlink_to(problem)
    (tmp_path / "linked.json").hardlink_to(problem)
    before = problem.read_bytes()

    code = execute(["plan", str(problem), "--out", str(tmp_path / name)])

    assert code == 2
    assert "is the planning problem" in capsys.readouterr().err
    assert problem.read_bytes() == before


@pytest.mark.parametrize(
    ("option", "field", "value"),
    [
        ("--time-limit", "time_limit_s", 86401.0),
        ("--time-limit", "time_limit_s", 0.05),
        ("--time-limit", "time_limit_s", 1e9),
        ("--threads", "threads", 65),
        ("--threads", "threads", 0),
        ("--gap", "gap_frac", 0.6),
    ],
)
def test_options_have_the_same_bounds_in_the_file_and_on_the_command_line(
    option: str, field: str, value: float, problem: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = json.loads(problem.read_bytes())
    document["options"][field] = value
    file = tmp_path / "stated.json"
    file.write_text(json.dumps(document), encoding="utf-8")

    asked = execute(["plan", str(problem), option, str(value)])
    assert option in capsys.readouterr().err
    stated = execute(["plan", str(file)])
    assert f"options.{field}" in capsys.readouterr().err

    assert (asked, stated) == (2, 2)


def test_absurd_figures_are_refused_with_their_field(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(to_json(rich_problem()))
    document["pools"][0]["max_charge_kw"] = [1.0, 2.0, 3.0]
    file = tmp_path / "problem.json"
    file.write_text(json.dumps(document), encoding="utf-8")

    code = execute(["plan", str(file), "--json"])

    error = json.loads(capsys.readouterr().out)["error"]
    assert code == 2
    assert error["key"] == "pools.0.max_charge_kw"
    assert error["message"] == "has 3 values, the grid has 6 steps"
    assert error["allowed"] == "6 values"


def test_without_an_incumbent_the_rounded_relaxation_is_printed_as_a_fallback(
    problem: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def nothing(_: WorkerClient, stated: PlanningProblem) -> Plan:
        raise DispatchError(f"no feasible point for {stated.id}")

    monkeypatch.setattr(WorkerClient, "solve", nothing)

    code = execute(["plan", str(problem), "--threads", "1", "--json"])

    printed = json.loads(capsys.readouterr().out)
    assert code == 0
    assert (printed["status"], printed["source"]) == ("fallback", "relaxed")
    assert printed["check"]["passed"]


def test_a_solver_that_does_not_end_is_killed_and_the_command_gives_up(
    problem: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started = _workers_hang(monkeypatch)
    # no time to start in, and none of the solver's own
    monkeypatch.setattr(worker_client, "_START_S", 0.0)
    monkeypatch.setattr(worker_client, "_GRACE_S", -60.0)

    code = execute(["plan", str(problem), "--out", str(tmp_path / "plan.json")])

    errors = capsys.readouterr().err
    assert code == 1
    assert errors.startswith("no plan of")
    assert errors.count("and was killed") == 2
    assert not (tmp_path / "plan.json").exists()
    assert len(started) == 2
    assert not any(_lives(pid) for pid in started)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_command_that_is_broken_off_leaves_no_solver_behind(
    number: signal.Signals, problem: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = _workers_hang(monkeypatch, then=number)
    # a shell starts what runs in its background with SIGINT ignored
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    try:
        code = execute(["plan", str(problem)])
    finally:
        signal.signal(signal.SIGINT, before)

    assert code == 128 + number
    assert len(started) == 1
    assert not _lives(started[0])


def _workers_hang(monkeypatch: pytest.MonkeyPatch, *, then: signal.Signals | None = None) -> list[int]:
    """Stop every worker as soon as it is started, and send this process a signal; return the list of their pids."""
    started: list[int] = []
    start = WorkerClient._running

    async def hung(worker: WorkerClient) -> Process:
        process = await start(worker)
        started.append(process.pid)
        os.kill(process.pid, signal.SIGSTOP)
        if then is not None:
            os.kill(os.getpid(), then)
        return process

    monkeypatch.setattr(WorkerClient, "_running", hung)
    return started


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
