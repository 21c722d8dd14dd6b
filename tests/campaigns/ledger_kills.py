"""SIGKILL while the ledger is written: nothing that was acknowledged is lost, and the chain is whole.

`python -m tests.campaigns.ledger_kills DIRECTORY KILLS` prints what it found as JSON. One process imports everything
and forks a writer for each kill, so that two hundred of them take minutes.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ems.accounting.ledger import Factors, LedgerState, next_record
from ems.accounting.whole import WholeStore
from ems.app.ledger import verified
from ems.chain.links import Head
from ems.runtime.evidence import Evidence
from ems.runtime.ledger_store import LedgerStore
from tests.accounting.intervals import metered
from tests.campaigns.rows import Row
from tests.control.scene import small

_SITE = "edge-node"
_FACTORS = Factors(diesel_kgco2e_per_l=2.7, grid_kgco2e_per_kwh=0.4)
# the longest time from the first acknowledged record to the kill
_LONGEST_S = 0.12
_MOST_QUEUED = 50


def kill_and_check(directory: Path, n_kills: int, *, seed: int = 5) -> dict[str, Any]:
    """Kill writers at random instants and return what was acknowledged, what was lost, and what the check says."""
    rng, n_acknowledged, lost = random.Random(seed), 0, []
    for _ in range(n_kills):
        acknowledged = _killed_writer(directory, wait_s=rng.uniform(0.0, _LONGEST_S))
        n_acknowledged += len(acknowledged)
        evidence = Evidence(directory / "evidence.db")
        kept = {row.seq: row.hash for row in evidence.rows("ledger")}
        evidence.close()
        lost += [seq for seq, text in acknowledged.items() if kept.get(seq) != text]
    check = verified(directory, pubkey=directory / "keys" / "ledger.pub", first=None, last=None)
    sealed = verified(directory / "ledger", pubkey=None, first=None, last=None)
    return {
        "n_acknowledged": n_acknowledged,
        "lost": lost,
        "passed": check.passed,
        "sealed_passed": sealed.passed,
        "damages": check.document["damages"],
        "notices": check.document["notices"],
        "n_intervals": check.document["n_intervals"],
    }


def ledger_kill_rows(*, n_kills: int = 200) -> Iterator[Row]:
    """Kill writers in a process of its own and judge."""
    with TemporaryDirectory() as home:
        found = in_own_process(Path(home), n_kills)
    what = f"after {n_kills} kills while the ledger was written"
    yield Row(
        id="soak.ledger.lost",
        what=f"of {found['n_acknowledged']} acknowledged records lost {what}",
        value=float(len(found["lost"])),
        unit="",
        target="0",
        met=found["lost"] == [] and found["n_acknowledged"] >= n_kills,
    )
    damages = len(found["damages"]) + len(found["notices"]) + (0 if found["sealed_passed"] else 1)
    yield Row(
        id="soak.ledger.damage",
        what=f"damages and breaks of the chain {what}",
        value=float(damages),
        unit="",
        target="0",
        met=damages == 0,
    )


def in_own_process(directory: Path, n_kills: int) -> dict[str, Any]:
    """Run `kill_and_check` where nothing else runs: only such a process may be forked."""
    command = (sys.executable, "-m", "tests.campaigns.ledger_kills", str(directory), str(n_kills))
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60.0 + 10.0 * n_kills)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _killed_writer(directory: Path, *, wait_s: float) -> dict[int, str]:
    """Fork a writer, kill it a while after its first acknowledged record, and return what it acknowledged."""
    reader, writer = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(reader)
        _write(directory, writer)
    os.close(writer)
    text = os.read(reader, 65536)
    time.sleep(wait_s)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    while chunk := os.read(reader, 65536):
        text += chunk
    os.close(reader)
    # a line that was cut in the middle was not acknowledged
    lines = text.decode().split("\n")[:-1]
    return {int(line.split()[0]): line.split()[1] for line in lines}


def _write(directory: Path, pipe: int) -> None:
    """Write records as fast as the disk takes them, and say which are on it, until killed."""
    evidence = Evidence(directory / "evidence.db")
    ledger = LedgerStore(evidence, site=_SITE, state_directory=directory)
    evidence.start()

    def acknowledge(head: Head) -> None:
        os.write(pipe, f"{head.seq} {head.hash}\n".encode())

    ledger.on_head = acknowledge
    site, state = small(_SITE), LedgerState()
    if (carried := ledger.carried) is not None:
        store = WholeStore(energy_wh=carried["energy_wh"], carbon_mgco2e=carried["carbon_mgco2e"])
        state = LedgerState(n_intervals=carried["n"], store=store)
    while True:
        wh = {"pv": 9000 + state.n_intervals % 7, "import": 1000, "it": 7000, "charge": 2500}
        interval = metered(wh, number=state.n_intervals, stored_start_kwh=50.0)
        record, state = next_record(site, interval, state, _FACTORS)
        kept = state.store
        if kept is not None:
            document = {
                "n": state.n_intervals,
                "energy_wh": dict(kept.energy_wh),
                "carbon_mgco2e": kept.carbon_mgco2e,
            }
            ledger.carry = lambda document=document: document
        ledger(record)
        while evidence.queue().n_waiting > _MOST_QUEUED:
            time.sleep(0.001)


if __name__ == "__main__":
    print(json.dumps(kill_and_check(Path(sys.argv[1]), int(sys.argv[2]))))  # noqa: T201 - its work
