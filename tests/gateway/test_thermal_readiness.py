"""Readiness of the cooling plant on MQTT: units that work, whether they are enough, and which are out."""

from dataclasses import replace

import pytest

from ems.contract.site import ReadinessMessage
from ems.gateway.messages.cooling import thermal_readiness
from ems.gateway.messages.devices import device_messages
from ems.gateway.messages.site import readiness_message
from ems.gateway.points import points
from ems.model.cooling_units import CduState
from ems.model.snapshot import SiteSnapshot
from tests.gateway.operation import Operation, operation


@pytest.fixture(scope="module")
def hall() -> Operation:
    return operation("liquid-cooled-hall")


def with_cdus(hall: Operation, *cdus: CduState, capacity_kw_th: float | None = 2000.0) -> SiteSnapshot:
    snapshot = hall.record.snapshot
    return replace(snapshot, cooling=replace(snapshot.cooling, cdus=cdus, capacity_kw_th=capacity_kw_th))


def message(hall: Operation, snapshot: SiteSnapshot) -> ReadinessMessage:
    return readiness_message(hall.site, snapshot, hall.record.decision)


def test_a_healthy_hall_is_ready(hall: Operation) -> None:
    told = message(hall, hall.record.snapshot)

    assert (told.n_cdus, told.n_cdus_available) == (4, 4)
    assert (told.n_chillers, told.n_chillers_available) == (2, 2)
    assert (told.n_dry_coolers, told.n_dry_coolers_available) == (3, 3)
    assert told.cooling_ready is True
    assert told.cooling_faults == ()


def test_a_leak_and_a_low_flow_are_named_and_take_units_out(hall: Operation) -> None:
    healthy = CduState(id="cdu01", leak=False, low_flow=False, alarm=False)
    leaking = CduState(id="cdu02", leak=True, low_flow=True, alarm=True)
    slow = CduState(id="cdu03", leak=False, low_flow=True)
    stopped = CduState(id="cdu04", leak=False, running=False)

    told = message(hall, with_cdus(hall, healthy, leaking, slow, stopped, capacity_kw_th=500.0))

    assert told.n_cdus_available == 1
    assert told.cooling_ready is False
    assert told.cooling_faults == ("cdu02: leak", "cdu03: low flow", "cdu04: stopped")


def test_what_is_not_known_is_null_with_its_reason(hall: Operation) -> None:
    told = message(hall, with_cdus(hall, CduState(id="cdu01"), capacity_kw_th=None))

    assert (told.n_cdus_available, told.cooling_capacity_kw_th, told.cooling_ready) == (None, None, None)
    assert told.quality["n_cdus_available"] == "unknown: none reports it"
    assert told.quality["cooling_ready"].startswith("unknown: neither the plant")


def test_without_a_measured_load_readiness_is_unknown(hall: Operation) -> None:
    snapshot = hall.record.snapshot

    values, quality = thermal_readiness(replace(snapshot, it=replace(snapshot.it, load_kw=None)))

    assert values["cooling_ready"] is None
    assert quality["cooling_ready"] == "unknown: the IT load is not measured"


def test_a_site_without_units_says_that_it_has_none() -> None:
    edge = operation("edge-node")

    told = message(edge, edge.record.snapshot)

    assert (told.n_cdus, told.n_cdus_available) == (0, None)
    assert told.quality["n_cdus_available"] == "absent: the site has none"
    # its plant has a controller that tells the capacity
    assert told.cooling_ready is True


def test_every_unit_has_its_topic(hall: Operation) -> None:
    snapshot = hall.record.snapshot

    topics = {item.topic for item in device_messages(hall.site, hall.devices, now_s=snapshot.at_s, utc=snapshot.utc)}

    assert {
        "device/cdu01-ctl/cdu",
        "device/cdu04-ctl/cdu",
        "device/chiller02-ctl/chiller",
        "device/dry-cooler03-ctl/dry_cooler",
    } <= topics
    assert not any(topic.endswith("/cooling") for topic in topics)


def test_units_are_in_the_history(hall: Operation) -> None:
    kept = points(hall.record.snapshot, hall.record.decision)

    assert kept["cdu.cdu01.supply_degc"] is not None
    assert kept["cdu.cdu01.leak"] == 0.0
    assert kept["dry_cooler.dry_cooler01.fan_pct"] is not None
    assert kept["cooling.cdu01.supply_setpoint_degc"] == 40.0
