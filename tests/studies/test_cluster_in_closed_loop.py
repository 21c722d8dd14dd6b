"""The contract spoken in process: what a broker would carry, in a short closed-loop run."""

from pathlib import Path

from tests.studies.runs import run_of


def test_a_cluster_with_jobs_and_the_site_understand_each_other(tmp_path: Path) -> None:
    run = run_of("desert-flexible", tmp_path, hours=2.0, replan_min=60.0)

    told = [line["text"] for line in run.lines("decisions.jsonl") if line["kind"] == "cluster"]
    cluster = run.summary["cluster"]
    assert told == ["the cluster answers"]
    assert cluster["jobs_arrived"] > 0
    assert (cluster["deadlines_missed"], cluster["sheds"]) == (0, 0)
    assert run.summary["plans"]["fallback"] == 0
