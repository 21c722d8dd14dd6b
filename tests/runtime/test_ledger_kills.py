"""SIGKILL while the ledger is written, a sample of `make soak ONLY=ledger`."""

from pathlib import Path

from tests.campaigns.ledger_kills import in_own_process


def test_nothing_acknowledged_is_lost_by_a_kill(tmp_path: Path) -> None:
    found = in_own_process(tmp_path, 5)

    assert found["n_acknowledged"] >= 5
    assert found["lost"] == []
    assert (found["passed"], found["sealed_passed"]) == (True, True)
    assert found["damages"] == found["notices"] == []
