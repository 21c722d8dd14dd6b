from dataclasses import fields, replace
from datetime import timedelta
from typing import get_args

import pytest

from ems.contract.catalogue import topic_of
from ems.contract.devices import BmsMessage, PcsMessage, SetpointMessage
from ems.gateway.messages.devices import device_messages
from ems.gateway.messages.planning import forecast_messages, plan_message
from ems.gateway.messages.setpoints import SetpointBook
from ems.model.plan import PlanSource
from ems.model.readings import BmsReading, PcsReading, Reading
from ems.model.setpoints import (
    BlockSetpoint,
    Cause,
    GensetSetpoint,
    Outcome,
    PvSetpoint,
    Reason,
    Setpoints,
    WriteOutcome,
)
from ems.ports import Device
from tests.gateway.operation import NOON, FixedDevice, Operation, operation

AT_S = 1000.0
ABSENT = "absent: the device gives no value"
PCS = PcsReading(
    device_id="bess01-pcs",
    at_s=AT_S,
    power_kw=-1500.0,
    setpoint_kw=-1500.0,
    forming=True,
    ready=True,
    remote=None,
    fallback_armed=True,
    frequency_hz=60.01,
    discharge_wh=10,
    charge_wh=20,
)
BMS = BmsReading(
    device_id="c01-bms",
    at_s=AT_S,
    soc_pct=None,
    soh_pct=98.0,
    max_charge_kw=2500.0,
    max_discharge_kw=2500.0,
    cell_max_degc=30.0,
    cell_min_degc=25.0,
    cell_max_v=3.4,
    cell_min_v=3.3,
    alarm=False,
    rack_soc_min_pct=38.0,
    rack_soc_max_pct=42.0,
    warnings=(),
    faults=("cell too warm",),
    bad={"soc_pct": "131.1 is outside 0 to 100"},
)


@pytest.fixture(scope="module")
def desert() -> Operation:
    return operation("desert-offgrid")


def pcs_message(desert: Operation, device: FixedDevice, *, age_s: float) -> PcsMessage:
    devices: dict[str, Device] = {"bess01": device}
    (outgoing,) = device_messages(desert.site, devices, now_s=AT_S + age_s, utc=NOON)
    assert isinstance(outgoing.message, PcsMessage)
    return outgoing.message


def test_every_device_of_a_site_has_its_topic_and_all_its_values(desert: Operation) -> None:
    snapshot = desert.record.snapshot

    outgoing = list(device_messages(desert.site, desert.devices, now_s=snapshot.at_s, utc=snapshot.utc))

    assert len({item.topic for item in outgoing}) == len(desert.devices) == 79
    assert all(item.retain for item in outgoing)
    for item in outgoing:
        row = topic_of(item.topic)
        assert row is not None
        assert type(item.message) is row.model
        optional = {field.name for kind in get_args(Reading) for field in fields(kind) if field.default is None}
        assert item.message.quality == dict.fromkeys(item.message.quality.keys() & optional, ABSENT)
        assert item.message.ts == snapshot.utc


def test_a_fresh_reading_is_published_with_the_time_of_its_answer(desert: Operation) -> None:
    message = pcs_message(desert, FixedDevice("bess01-pcs", "bess01", PCS), age_s=0.5)

    assert message.power_kw == -1500.0
    assert message.ts == NOON - timedelta(seconds=0.5)
    assert message.age_s == {}
    absent = ("remote", "max_charge_kw", "max_discharge_kw", "dc_voltage_v", "max_charge_a", "max_discharge_a")
    assert message.quality == dict.fromkeys((*absent, "warnings", "faults"), ABSENT)


def test_values_older_than_two_periods_say_how_old_they_are(desert: Operation) -> None:
    message = pcs_message(desert, FixedDevice("bess01-pcs", "bess01", PCS), age_s=2.5)

    assert message.power_kw == -1500.0
    assert message.age_s["power_kw"] == 2.5
    assert "remote" not in message.age_s


@pytest.mark.parametrize(
    ("trouble", "word"),
    [(None, "stale"), ("no answer", "stale: no answer"), ("two\nlines", "stale: two lines"), ("", "stale")],
)
def test_values_beyond_their_limit_are_null_and_stale(desert: Operation, trouble: str | None, word: str) -> None:
    message = pcs_message(desert, FixedDevice("bess01-pcs", "bess01", PCS, trouble=trouble), age_s=3.5)

    assert (message.power_kw, message.forming, message.charge_wh) == (None, None, None)
    assert set(message.quality.values()) == {word}
    assert message.age_s == {}
    assert message.trouble == trouble


def test_a_device_that_was_never_read_replaces_what_an_earlier_run_published(desert: Operation) -> None:
    message = pcs_message(desert, FixedDevice("bess01-pcs", "bess01", None, trouble="connection refused"), age_s=0.0)

    assert message.power_kw is None
    assert message.quality["power_kw"] == "unknown: connection refused"
    assert message.ts == NOON


def test_a_refused_value_is_null_and_bad_beside_good_ones(desert: Operation) -> None:
    devices: dict[str, Device] = {"bess-c01": FixedDevice("c01-bms", "bess-c01", BMS)}

    (outgoing,) = device_messages(desert.site, devices, now_s=AT_S + 10.0, utc=NOON)

    assert isinstance(outgoing.message, BmsMessage)
    assert outgoing.message.soc_pct is None
    assert outgoing.message.quality == {"soc_pct": "bad: 131.1 is outside 0 to 100"}
    assert outgoing.message.soh_pct == 98.0
    assert outgoing.message.age_s["soh_pct"] == 10.0


def test_something_that_is_no_number_never_leaves(desert: Operation) -> None:
    odd = FixedDevice("bess01-pcs", "bess01", replace(PCS, power_kw=float("nan"), frequency_hz=float("inf")))

    message = pcs_message(desert, odd, age_s=0.0)

    assert (message.power_kw, message.frequency_hz) == (None, None)
    assert message.quality["power_kw"] == message.quality["frequency_hz"] == "bad: not a number"


def test_a_device_of_an_unknown_asset_is_published_once_it_answers(desert: Operation) -> None:
    silent: dict[str, Device] = {"spare": FixedDevice("spare-pcs", "spare", None)}
    heard: dict[str, Device] = {"spare": FixedDevice("spare-pcs", "spare", PCS)}

    assert list(device_messages(desert.site, silent, now_s=AT_S, utc=NOON)) == []
    assert [item.topic for item in device_messages(desert.site, heard, now_s=AT_S, utc=NOON)] == [
        "device/spare-pcs/pcs"
    ]


def block(power_kw: float) -> Setpoints:
    reason = Reason(cause=Cause.BALANCE, text="covers 20 kW")
    return Setpoints(blocks=(BlockSetpoint(id="bess01", power_kw=power_kw, reasons=(reason,)),))


def ended(outcome: Outcome, *, at_s: float) -> WriteOutcome:
    return WriteOutcome(device_id="bess01-pcs", outcome=outcome, at_s=at_s, detail="code 2")


def only(book: SetpointBook) -> SetpointMessage:
    (outgoing,) = book.messages(utc=NOON)
    assert outgoing.topic == "setpoint/bess01-pcs"
    assert isinstance(outgoing.message, SetpointMessage)
    return outgoing.message


def test_a_setpoint_has_its_value_and_reasons_and_no_outcome_before_the_device_has_answered(desert: Operation) -> None:
    device = FixedDevice("bess01-pcs", "bess01", PCS)
    book = SetpointBook(desert.site, {"bess01": device})

    book.observe(block(1200.0), at_s=AT_S)

    message = only(book)
    assert message.power_kw == 1200.0
    assert message.reasons[0].cause is Cause.BALANCE
    assert message.outcome is None
    assert set(message.quality) == {"run", "limit_kw", "supply_degc"}


@pytest.mark.parametrize("outcome", list(Outcome))
def test_the_outcome_of_the_newest_value_is_published(desert: Operation, outcome: Outcome) -> None:
    device = FixedDevice("bess01-pcs", "bess01", PCS)
    book = SetpointBook(desert.site, {"bess01": device})
    book.observe(block(1200.0), at_s=AT_S)

    device.newest = ended(outcome, at_s=AT_S + 0.2)
    book.observe(block(1200.0), at_s=AT_S + 1.0)

    assert only(book).outcome is outcome
    assert only(book).detail == "code 2"


def test_both_values_are_published_when_the_driver_narrows_one(desert: Operation) -> None:
    device = FixedDevice("bess01-pcs", "bess01", PCS)
    book = SetpointBook(desert.site, {"bess01": device})
    book.observe(block(1200.0), at_s=AT_S)

    device.newest = replace(ended(Outcome.ACCEPTED, at_s=AT_S + 0.2), written_kw=900.0)
    book.observe(block(1200.0), at_s=AT_S + 1.0)

    assert (only(book).power_kw, only(book).written_kw) == (1200.0, 900.0)
    assert only(book).excluded is None


def test_a_device_that_control_does_without_says_why(desert: Operation) -> None:
    device = FixedDevice("bess01-pcs", "bess01", PCS)
    book = SetpointBook(desert.site, {"bess01": device})

    book.observe(Setpoints(), at_s=AT_S, missed={"bess01": "500 kW measured, 1000 kW asked for"})

    assert only(book).excluded == "500 kW measured, 1000 kW asked for"


def test_the_outcome_of_an_older_value_says_nothing_about_a_new_one(desert: Operation) -> None:
    device = FixedDevice("bess01-pcs", "bess01", PCS, outcome=ended(Outcome.ACCEPTED, at_s=AT_S + 0.2))
    book = SetpointBook(desert.site, {"bess01": device})
    book.observe(block(1200.0), at_s=AT_S)

    book.observe(block(-900.0), at_s=AT_S + 1.0)

    assert only(book).power_kw == -900.0
    assert only(book).outcome is None


def test_a_change_too_small_to_be_written_keeps_the_outcome(desert: Operation) -> None:
    device = FixedDevice("bess01-pcs", "bess01", PCS, outcome=ended(Outcome.ACCEPTED, at_s=AT_S + 0.2))
    book = SetpointBook(desert.site, {"bess01": device})
    book.observe(block(1200.0), at_s=AT_S)

    book.observe(block(1200.1), at_s=AT_S + 1.0)

    assert only(book).outcome is Outcome.ACCEPTED


def test_a_device_that_is_not_commanded_has_no_value(desert: Operation) -> None:
    device = FixedDevice("bess01-pcs", "bess01", PCS, outcome=ended(Outcome.ACCEPTED, at_s=AT_S + 0.2))
    book = SetpointBook(desert.site, {"bess01": device})
    book.observe(block(1200.0), at_s=AT_S)

    book.observe(Setpoints(), at_s=AT_S + 1.0)

    message = only(book)
    assert (message.power_kw, message.outcome) == (None, None)
    assert message.quality["power_kw"] == "unknown: nothing is commanded now"


def test_gensets_and_pv_have_the_values_that_they_take(desert: Operation) -> None:
    devices: dict[str, Device] = {
        "gen01": FixedDevice("gen01-ctl", "gen01", None),
        "pv01": FixedDevice("pv01-ctl", "pv01", None),
    }
    book = SetpointBook(desert.site, devices)

    book.observe(
        Setpoints(
            gensets=(GensetSetpoint(id="gen01", run=True, power_kw=1500.0),),
            pv=(PvSetpoint(id="pv01", limit_kw=3000.0),),
        ),
        at_s=AT_S,
    )

    genset, pv = (item.message for item in book.messages(utc=NOON))
    assert isinstance(genset, SetpointMessage)
    assert isinstance(pv, SetpointMessage)
    assert (genset.run, genset.power_kw, set(genset.quality)) == (True, 1500.0, {"limit_kw", "supply_degc"})
    assert (pv.limit_kw, set(pv.quality)) == (3000.0, {"run", "power_kw", "supply_degc"})


def test_only_devices_that_take_commands_have_setpoints(desert: Operation) -> None:
    book = SetpointBook(desert.site, desert.devices)
    book.observe(desert.record.decision.setpoints, at_s=desert.record.snapshot.at_s)

    topics = {item.topic for item in book.messages(utc=NOON)}

    assert len(topics) == 10 + 10 + 14
    assert not any("bms" in topic or "meter" in topic for topic in topics)


def test_a_plan_is_published_whole(desert: Operation) -> None:
    message = plan_message(NOON, desert.plan, currency="USD")

    assert len(message.steps) == len(desert.plan.steps) > 24
    assert message.source is PlanSource.MERIT_ORDER
    assert message.steps[0].it_kw == pytest.approx(desert.plan.steps[0].it_kw, abs=0.001)
    assert sum(message.objective_cost.values()) == pytest.approx(message.total_cost, abs=0.01)
    assert message.steps[-1].pools[0].id == "bess"
    assert message.quality == {}


def test_without_a_plan_the_message_is_empty_and_says_so() -> None:
    message = plan_message(NOON, None, currency="USD")

    assert message.steps == ()
    assert message.problem_id is None
    assert message.quality["source"] == "unknown: there is no plan yet"


@pytest.mark.parametrize(
    ("site", "topics"),
    [
        ("desert-offgrid", ["forecast/it", "forecast/pv_pv", "forecast/ambient"]),
        ("weak-grid-campus", ["forecast/it", "forecast/pv_pv", "forecast/ambient", "forecast/carbon"]),
    ],
)
def test_every_forecast_of_an_outlook_is_published(site: str, topics: list[str]) -> None:
    outgoing = list(forecast_messages(NOON, operation(site).outlook))

    assert [item.topic for item in outgoing] == topics
    for item in outgoing:
        row = topic_of(item.topic)
        assert row is not None
        assert type(item.message) is row.model


def test_a_forecast_has_its_age(desert: Operation) -> None:
    pv = desert.outlook.pv[0]

    outgoing = list(forecast_messages(pv.issued_utc + timedelta(hours=3, seconds=42), desert.outlook))[1]

    document = outgoing.message.model_dump()
    assert document["issued_age_s"] == 3 * 3600.0
    assert document["trust"] is pv.quality
    assert len(document["q10_kw"]) == len(document["p50_kw"]) == len(document["q90_kw"])
