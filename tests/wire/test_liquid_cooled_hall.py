"""The liquid-cooled hall over the wire: every unit is read and commanded, and a leak is told and counted."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.wire.running_site import RunningSite

pytestmark = [pytest.mark.wire, pytest.mark.slow, pytest.mark.xdist_group("running-site-2")]
# a summer noon: dry coolers at work and chillers on
NOON = datetime(2025, 7, 9, 3, 0, tzinfo=UTC)


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[RunningSite]:
    with RunningSite(tmp_path, site="liquid-cooled-hall", speed=1.0, start=NOON) as running:
        yield running


def under_control(hall: RunningSite) -> None:
    """Wait until the hall is read and controlled; no plan is needed for that."""
    hall.until(lambda: told(hall, "state").get("mode") == "grid", "mode", patience_s=180.0)
    hall.until(lambda: told(hall, "readiness").get("n_cdus_available") == 4, "all CDUs", patience_s=180.0)


def told(hall: RunningSite, topic: str) -> dict[str, Any]:
    return hall.listener.value(topic) or {}


def test_a_minute_of_the_hall(hall: RunningSite) -> None:
    under_control(hall)
    hall.until(lambda: told(hall, "readiness").get("cooling_ready") is True, "all units of the cooling plant")

    hall.pass_time(60.0)

    cdu, cooler = told(hall, "device/cdu01-ctl/cdu"), told(hall, "device/dry-cooler01-ctl/dry_cooler")
    chiller, racks = told(hall, "device/chiller01-ctl/chiller"), told(hall, "device/bess-c01-bms/bms")
    meter = told(hall, "device/it-meter/load")
    assert cdu["trouble"] is None
    assert cdu["heat_kw_th"] > 50.0
    assert cdu["return_degc"] > cdu["supply_degc"] > cdu["facility_supply_degc"]
    assert cdu["setpoint_degc"] == 40.0
    assert cdu["fallback_armed"] is True
    assert cooler["supply_degc"] > cooler["ambient_degc"]
    assert chiller["setpoint_degc"] == pytest.approx(18.0, abs=0.05)
    assert racks["rack_soc_max_pct"] >= racks["soc_pct"] >= racks["rack_soc_min_pct"]
    assert meter["load_kw"] > 300.0
    for unit in ("cdu01-ctl", "cdu04-ctl", "chiller01-ctl"):
        assert told(hall, f"setpoint/{unit}")["outcome"] == "accepted"
    readiness = told(hall, "readiness")
    assert (readiness["n_cdus_available"], readiness["n_chillers_available"]) == (4, 2)
    assert readiness["n_dry_coolers_available"] == 3


def test_a_leak_and_a_low_flow_are_told_counted_and_over(hall: RunningSite) -> None:
    under_control(hall)

    hall.steer(do="cdu", unit="cdu02", state="leak")
    hall.steer(do="cdu", unit="cdu03", state="low_flow")
    hall.until(lambda: told(hall, "readiness").get("n_cdus_available") == 2, "two CDUs out of use")
    hall.until(lambda: "cdu03: low flow" in told(hall, "readiness")["cooling_faults"], "the low flow")
    faults = told(hall, "readiness")["cooling_faults"]
    # two of four units, which take 0.85 of the heat
    hall.until(
        lambda: told(hall, "readiness").get("cooling_capacity_kw_th") == pytest.approx(1000.0 / 0.85, abs=1.0),
        "the capacity that is left",
    )
    hall.until(lambda: any("'leak'" in event["text"] for event in hall.listener.events), "the event")
    hall.steer(do="cdu", unit="cdu02", state="healthy")
    hall.steer(do="cdu", unit="cdu03", state="healthy")
    hall.until(lambda: told(hall, "readiness").get("n_cdus_available") == 4, "their return")

    assert faults == ["cdu02: leak", "cdu03: low flow"]
    assert any("cdu02-ctl: fault 'leak'" in event["text"] for event in hall.listener.events)


def test_an_orderly_stop_gives_the_units_their_own_setpoints_back(hall: RunningSite) -> None:
    under_control(hall)
    hall.until(lambda: told(hall, "setpoint/cdu01-ctl").get("outcome") == "accepted", "the supply temperature")

    code = hall.end("daemon")

    given = {event["text"] for event in hall.listener.events if "its own setpoint again" in event["text"]}
    assert code == 0
    units = ("cdu01", "cdu02", "cdu03", "cdu04", "chiller01", "chiller02")
    assert given == {f"{unit}-ctl has its own setpoint again" for unit in units}
