"""`make faults`: a scripted scenario for each row F01 to F42 of the failure table and each double fault.

Without ONLY all rows of the table run; ONLY=F01,F22 takes these, ONLY=pcs-deaf,grid-lost further scenarios.
"""

import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from tests.campaigns.rows import BUILD, Part, Row, carry_out, exit_code, skipped
from tests.faults.campaign import run_rows
from tests.faults.doubles import DOUBLES
from tests.faults.result import Word
from tests.faults.table import TABLE
from tests.wire import scenarios
from tests.wire.running_site import MOSQUITTO, RunningSite

_DESERT_DUSK = datetime(2025, 1, 9, 0, 0, tzinfo=UTC)
_CAMPUS_NOON = datetime(2025, 7, 9, 3, 0, tzinfo=UTC)

Scenario = Callable[[RunningSite], None]
DESERT: dict[str, Scenario] = {
    "solver-killed": scenarios.solver_killed,
    "broker-killed": scenarios.broker_killed,
    "daemon-killed": scenarios.daemon_killed,
    "pcs-refuses": partial(scenarios.endpoint_refuses, device_id="bess01-pcs"),
    "bms-refuses": partial(scenarios.endpoint_refuses, device_id="bess-c01-bms"),
    "genset-refuses": partial(scenarios.endpoint_refuses, device_id="gen01-ctl"),
    "load-meter-refuses": partial(scenarios.endpoint_refuses, device_id="it-meter"),
    "pv-mute": partial(scenarios.endpoint_mute, device_id="pv01-ctl"),
    "pcs-frozen": partial(scenarios.endpoint_lost, device_id="bess01-pcs", frozen=True),
    "pcs-zero": partial(scenarios.endpoint_lost, device_id="bess01-pcs", zero=True),
    "pcs-garbage": partial(scenarios.endpoint_lost, device_id="bess01-pcs", garbage=True),
    "bms-sentinel": partial(scenarios.endpoint_lost, device_id="bess-c01-bms", sentinel=True),
    "genset-late": partial(scenarios.endpoint_lost, device_id="gen01-ctl", late_s=10.0),
    "genset-cut": partial(scenarios.endpoint_lost, device_id="gen01-ctl", truncate=True),
    "pv-hangs-up": partial(scenarios.endpoint_lost, device_id="pv01-ctl", disconnect=True),
    "load-meter-exceptions": partial(scenarios.endpoint_lost, device_id="it-meter", exception_code=4),
    "load-meter-turned-bits": partial(
        scenarios.endpoint_annoying, device_id="it-meter", bit_flip=True, probability_frac=0.05
    ),
    "pcs-split-and-doubled": partial(scenarios.endpoint_annoying, device_id="bess01-pcs", split=True, doubled=True),
    "pcs-ignores-writes": partial(scenarios.endpoint_annoying, device_id="bess01-pcs", ignore_writes=True),
    "pcs-deaf": partial(scenarios.endpoint_annoying, device_id="bess01-pcs", deaf=True),
    "pcs-local": partial(scenarios.endpoint_annoying, device_id="bess01-pcs", local=True),
    "genset-ignores-writes": partial(scenarios.endpoint_annoying, device_id="gen01-ctl", ignore_writes=True),
    "everything-at-once": scenarios.everything_at_once,
}
CAMPUS: dict[str, Scenario] = {
    "grid-lost": scenarios.grid_lost,
    "grid-pcs-deaf": partial(scenarios.endpoint_annoying, device_id="bess01-pcs", deaf=True),
}


def scenario_rows(name: str, scenario: Scenario, *, site: str, start: datetime, speed: float = 5.0) -> Iterator[Row]:
    """Run one scenario and say whether it left the load served."""
    what = f"{(getattr(scenario, 'func', scenario).__doc__ or '').strip().splitlines()[0]} [{site}, speed {speed:g}]"
    begin = time.monotonic()  # noqa: TID251 - a report for people
    try:
        with TemporaryDirectory() as home, RunningSite(Path(home), site=site, speed=speed, start=start) as running:
            scenario(running)
    except AssertionError as error:
        what, met = f"{what}: {str(error).splitlines()[0]}", False
    else:
        met = True
    took_s = time.monotonic() - begin  # noqa: TID251 - a report for people
    yield Row(id=f"faults.{name}", what=what, value=took_s, unit="s", target="load served, told", met=met)


def mosquitto_rows() -> Iterator[Row]:
    """Kill a real mosquitto under the site."""
    if MOSQUITTO is None:
        yield skipped("faults.mosquitto-killed", "a killed mosquitto", "mosquitto is not installed")
        return
    what = "SIGKILL a real mosquitto and start it again, empty [edge-node, speed 5]"
    with (
        TemporaryDirectory() as home,
        RunningSite(Path(home), site="edge-node", speed=5.0, start=_DESERT_DUSK, mosquitto=True) as running,
    ):
        scenarios.broker_killed(running)
    yield Row(id="faults.mosquitto-killed", what=what, value=1.0, unit="", target="all topics again", met=True)


def parts() -> dict[str, Part]:
    """Return every scenario as a part of the campaign, by its name."""
    desert: dict[str, Part] = {
        name: partial(scenario_rows, name, scenario, site="desert-offgrid", start=_DESERT_DUSK)
        for name, scenario in DESERT.items()
    }
    campus: dict[str, Part] = {
        name: partial(scenario_rows, name, scenario, site="weak-grid-campus", start=_CAMPUS_NOON)
        for name, scenario in CAMPUS.items()
    }
    return {**desert, **campus, "mosquitto-killed": mosquitto_rows}


def main(only: Annotated[str | None, typer.Option(help="rows or names of scenarios, with commas")] = None) -> None:
    """Run all rows or some, and write build/faults.json; further scenarios are in build/scenarios.json."""
    rows, named = {fault.id: fault for fault in (*TABLE, *DOUBLES)}, parts()
    wanted = list(rows) if only is None else only.split(",")
    if unknown := [name for name in wanted if name not in rows and name not in named]:
        raise typer.BadParameter(f"'{unknown[0]}' is none of {', '.join((*rows, *named))}", param_hint="--only")
    verdicts = run_rows([rows[name] for name in wanted if name in rows], BUILD / "faults.json")
    further = [named[name] for name in wanted if name in named]
    code = exit_code(carry_out("scenarios", further)) if further else 0
    sys.exit(1 if any(verdict.word is Word.FAIL for verdict in verdicts) else code)


if __name__ == "__main__":
    typer.run(main)
