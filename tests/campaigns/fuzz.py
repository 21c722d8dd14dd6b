"""`make fuzz`: the property and mutation tests with their full case counts (EMS_FUZZ=full)."""

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree as ET

from tests.campaigns.rows import Part, Row, carry_out, exit_code

ROOT = Path(__file__).resolve().parents[2]
# suites whose tests read EMS_FUZZ
SUITES = {
    "commands": "a million mutated and invented commands: no exception, no effect, each refused with a reason",
    "config": "every configuration field mutated: never a traceback",
    "control": "guard and allocation on random images",
    "dispatch": "random planning problems and corrupted plans",
    "drivers": "100 000 answers through link and codec in both framings, 110 000 messages, mutated maps",
    "model": "time grids, tariffs, curves",
    "accounting": "tracing and metering",
}


def fuzz_rows(suite: str, *, full: bool = True) -> Iterator[Row]:
    """Run one suite and count its tests."""
    with TemporaryDirectory() as home:
        report = Path(home) / "report.xml"
        command = [sys.executable, "-m", "pytest", f"tests/{suite}", "-q", "-p", "no:cacheprovider"]
        environment = {**os.environ, "EMS_FUZZ": "full" if full else ""}
        subprocess.run(
            [*command, f"--junit-xml={report}"], cwd=ROOT, env=environment, check=False, stdout=subprocess.DEVNULL
        )
        counts = ET.parse(report).getroot().find("testsuite")  # noqa: S314 - written by our own pytest
        assert counts is not None
        failed = int(counts.get("failures", "0")) + int(counts.get("errors", "0"))
        n_tests = int(counts.get("tests", "0"))
    yield Row(
        id=f"fuzz.{suite}",
        what=f"failed of {n_tests} tests: {SUITES[suite]}",
        value=float(failed),
        unit="",
        target="0",
        met=failed == 0 and n_tests > 0,
    )


def parts() -> list[Part]:
    """Return every suite as a part of the campaign."""
    return [partial(fuzz_rows, suite) for suite in SUITES]


if __name__ == "__main__":
    sys.exit(exit_code(carry_out("fuzz", parts())))
