import math
from dataclasses import replace
from typing import get_args

import pytest

from ems.contract.alarms import GroupName, PriorityName, StateName
from ems.contract.counts import plan_counts, run_counts
from ems.contract.message import Message
from ems.contract.quantities import rfc3339_ms
from ems.control.guard import Clip, Rule
from ems.control.measurement import measure_powers
from ems.control.state import Mode
from ems.control.step import Decision
from ems.gateway.messages.alarms import alarm_message, alarm_messages
from ems.gateway.messages.control import control_message
from ems.gateway.messages.daemon import carbon_message, energy_message, event_message, health_message
from ems.gateway.messages.links import link_message
from ems.gateway.messages.site import guard_message, readiness_message, reserve_message, state_message
from ems.gateway.mqtt import PublisherStatistics
from ems.gateway.points import MODES, PHASES, points
from ems.model.annunciation import Alarm, AlarmCounts, AlarmGroup, AlarmState, Priority
from ems.model.link_status import LinkStatus, TrafficStatus
from ems.model.readings import GensetPhase
from ems.model.snapshot import Problem, SiteSnapshot
from ems.model.status import (
    CarbonTotals,
    EnergyTotals,
    FootprintStatus,
    HealthStatus,
    HistorianStatistics,
    PlanCounts,
    PulseStatus,
    QueueStatus,
    RunCounts,
    SmoothingCounts,
)
from ems.reserve import ReserveId
from ems.runtime.statistics import RunStatistics
from tests.conventions.suffixes import unit_of
from tests.gateway.operation import NOON, Operation, operation

PUBLISHER = PublisherStatistics(
    connected=True, n_connects=2, n_sent=100, n_unchanged=3, n_events_dropped=1, n_waiting=4, n_topics=80, trouble=None
)
ALARMS = AlarmCounts(
    n_active=2,
    n_unacknowledged=1,
    n_recent=2,
    highest=Priority.HIGH,
    first_out="isolate:b",
    ids=("balance", "isolate:b"),
)
HISTORIAN = HistorianStatistics(
    n_rows=500,
    n_dropped=2,
    n_errors=1,
    n_waiting=1,
    n_sealed=0,
    trouble="disk full",
    set_aside=("history.db.damaged-1",),
)
HEALTH = HealthStatus(
    version="0.1.0",
    started_utc=NOON,
    pid=10,
    solver_pid=None,
    n_solver_restarts=1,
    speed_frac=1.0,
    stretch_frac=1.0,
    n_ticks=60,
    tick_late_s=0.01,
    n_devices=79,
    lost_devices=("gen01-ctl",),
    troubles=("no weather forecast",),
    pulse=PulseStatus(withheld=None, n_withheld=0, tick_age_s=1.0, loop_lag_s=0.002, n_attempts=480, overdue_links=()),
    footprint=FootprintStatus(
        resident_mib=180,
        n_files=60,
        n_threads=6,
        n_tasks=40,
        queues=(QueueStatus(name="state-writer", n_waiting=1, length=64, n_dropped=0),),
        over=(),
    ),
    failing_tasks={"planner": 4},
)
LINKS = (
    LinkStatus(
        link_id="plant",
        endpoint="192.0.2.17:502",
        framing="tcp",
        connected=True,
        n_connections=2,
        n_attempts=124,
        overdue_s=0.0,
        n_requests=120,
        n_errors={"timeout": 1, "late": 2},
        latency_p50_s=0.0314,
        latency_p99_s=0.0962,
        answer_age_s=0.4,
        units={
            "11": TrafficStatus(
                n_requests=120, n_errors={"timeout": 1}, latency_p50_s=0.03, latency_p99_s=0.09, answer_age_s=0.4
            )
        },
    ),
    LinkStatus(
        link_id="roof",
        endpoint="/dev/ttyS1",
        framing="rtu",
        connected=False,
        n_connections=0,
        n_attempts=7,
        overdue_s=0.0,
        n_requests=0,
        n_errors={"no_connection": 7},
        latency_p50_s=None,
        latency_p99_s=None,
        answer_age_s=None,
        units={},
    ),
)
COUNTS = RunCounts(
    n_ticks=7200,
    n_clipped_ticks=36,
    clips={"G2": 30, "G8": 6},
    floor_violation_h=0.25,
    reserve_shortfall_h=0.5,
    reserve_binding_h=1.75,
    shortfalls={"r1: bess01": 12},
    margin_min_kw={"r0": 100.5, "r1": -20.25},
    soc_start_pct=50.5,
    soc_min_pct=20.125,
    soc_end_pct=70.25,
    n_starts_above_threshold=2,
    genset_band_share_frac=0.875,
    mode_h={"island": 2.0},
    starts_by_cause={"plan": 3, "energy_low": 1},
    stops_by_cause={"plan": 2},
    smoothing=SmoothingCounts(given_kwh=12.5, taken_kwh=8.25, loss_kwh=1.5, cost=0.75, active_h=0.5, short_h=0.25),
)


@pytest.fixture(scope="module")
def desert() -> Operation:
    return operation("desert-offgrid")


@pytest.fixture(scope="module")
def campus() -> Operation:
    return operation("weak-grid-campus")


def without_pv_answer(desert: Operation, *, reason: str, value: str = "all") -> tuple[SiteSnapshot, Decision]:
    """Return the newest cycle as if one PV block had not been heard."""
    snapshot = desert.record.snapshot
    deaf = replace(snapshot.pv[2], power_kw=None, available_kw=None)
    problem = Problem(device_id=desert.device_ids[deaf.id], value=value, reason=reason)
    snapshot = replace(snapshot, pv=(*snapshot.pv[:2], deaf, *snapshot.pv[3:]), problems=(problem,))
    return snapshot, replace(desert.record.decision, powers=measure_powers(desert.site, snapshot))


def test_state_has_the_powers_of_the_cycle_and_they_balance(desert: Operation) -> None:
    snapshot, decision = desert.record.snapshot, desert.record.decision

    message = state_message(desert.site, snapshot, decision, desert.plan, device_ids=desert.device_ids)

    assert message.ts == snapshot.utc
    assert message.mode == "island"
    assert message.plan_id == desert.plan.problem_id
    assert None not in (message.pv_kw, message.genset_kw, message.storage_kw, message.load_kw)
    supplied_kw = (message.pv_kw or 0.0) + (message.genset_kw or 0.0) + (message.storage_kw or 0.0)
    assert supplied_kw == pytest.approx(message.load_kw, rel=0.03)
    assert message.storage_kw is not None
    assert message.storage_kw < -10_000.0
    assert message.soc_pct == pytest.approx(55.2, abs=0.5)
    assert message.n_blocks_forming == message.n_blocks == 10
    assert set(message.genset_phases.values()) == {GensetPhase.STOPPED}


def test_what_an_island_does_not_have_is_absent_and_not_zero(desert: Operation) -> None:
    record = desert.record

    message = state_message(desert.site, record.snapshot, record.decision, desert.plan, device_ids=desert.device_ids)

    assert (message.grid_kw, message.pcc_closed, message.import_price_per_kwh) == (None, None, None)
    assert set(message.quality) == {"grid_kw", "pcc_closed", "import_price_per_kwh"}
    assert set(message.quality.values()) == {"absent: the site has none"}


def test_a_site_with_a_grid_lacks_nothing(campus: Operation) -> None:
    record = campus.record

    message = state_message(campus.site, record.snapshot, record.decision, campus.plan, device_ids=campus.device_ids)

    assert message.quality == {}
    assert message.pcc_closed is True
    assert message.grid_kw == pytest.approx(message.load_kw, rel=0.02)
    assert message.import_price_per_kwh == 116.0
    assert message.currency == "KRW"


@pytest.mark.parametrize(
    ("reason", "value", "expected"),
    [
        ("stale: 4.2 s old", "all", "stale: pv03-ctl: 4.2 s old"),
        ("not read yet", "all", "unknown: pv03-ctl: not read yet"),
        ("70000 is outside 0 to 4800", "power_kw", "bad: pv03-ctl: 70000 is outside 0 to 4800"),
        ("anything", "energy_wh", "unknown: pv03-ctl gives no value"),
    ],
)
def test_a_sum_with_an_unknown_part_is_null_and_says_why(
    desert: Operation, reason: str, value: str, expected: str
) -> None:
    snapshot, decision = without_pv_answer(desert, reason=reason, value=value)

    message = state_message(desert.site, snapshot, decision, None, device_ids=desert.device_ids)

    assert message.pv_kw is None
    assert message.curtailed_kw is None
    assert message.quality["pv_kw"] == expected
    assert message.n_problems == len(message.problems) == 1


def test_a_sum_with_several_unknown_parts_counts_them(desert: Operation) -> None:
    snapshot = desert.record.snapshot
    deaf = tuple(replace(block, power_kw=None, available_kw=None) for block in snapshot.pv)
    problems = tuple(Problem(device_id=f"{block.id}-ctl", value="all", reason="stale: 9.0 s old") for block in deaf)
    snapshot = replace(snapshot, pv=deaf, problems=problems)
    decision = replace(desert.record.decision, powers=measure_powers(desert.site, snapshot))

    message = state_message(desert.site, snapshot, decision, None, device_ids=desert.device_ids)

    assert message.quality["pv_kw"] == "stale: pv01-ctl: 9.0 s old; and 13 more"


def test_before_control_has_taken_over_storage_is_unknown(desert: Operation) -> None:
    record = desert.records[0]
    decision = replace(record.decision, storage=None, assessments=())

    state = state_message(desert.site, record.snapshot, decision, None, device_ids=desert.device_ids)
    reserve = reserve_message(record.snapshot, decision, desert.counts)
    readiness = readiness_message(desert.site, record.snapshot, decision)

    assert (state.soc_pct, state.max_charge_kw) == (None, None)
    assert state.quality["soc_pct"].startswith("unknown")
    assert reserve.classes is None
    assert set(reserve.quality) == {"classes", "stored_kwh", "floor_kwh", "genset_band_share_frac"}
    assert readiness.ready is None
    assert readiness.sentence.startswith("Not known yet")
    assert {"ready", "r0_held_kw", "above_floor_kwh", "ride_through_h"} <= set(readiness.quality)


@pytest.mark.parametrize("site_name", ["desert-offgrid", "weak-grid-campus"])
@pytest.mark.parametrize("case", ["first cycle", "nothing is heard", "running"])
def test_every_null_is_named_or_is_a_value_by_its_description(site_name: str, case: str) -> None:
    site = operation(site_name)
    record, counts, plan = site.record, site.counts, None
    snapshot, decision = record.snapshot, record.decision
    if case == "first cycle":
        snapshot = site.records[0].snapshot
        decision = replace(decision, storage=None, assessments=())
        counts = RunStatistics(site.site).counts()
    elif case == "nothing is heard":
        snapshot = replace(
            snapshot,
            gensets=tuple(replace(genset, phase=None, power_kw=None) for genset in snapshot.gensets),
            blocks=tuple(replace(block, forming=None, fallback_armed=None) for block in snapshot.blocks),
            problems=tuple(
                Problem(device_id=site.device_ids[genset.id], value="all", reason="stale: 9.0 s old")
                for genset in snapshot.gensets
            ),
        )

    messages: list[Message] = [
        state_message(site.site, snapshot, decision, plan, device_ids=site.device_ids),
        reserve_message(snapshot, decision, counts),
        readiness_message(site.site, snapshot, decision),
        guard_message(snapshot, decision, counts),
        control_message(site.site, snapshot, decision, counts),
    ]

    for message in messages:
        values = {name: getattr(message, name) for name in type(message).model_fields}
        tables = {n: value for n, value in values.items() if isinstance(value, dict)}
        values |= {f"{n}.{entry}": value for n, table in tables.items() for entry, value in table.items()}
        own = {n for n, field in type(message).model_fields.items() if "null:" in (field.description or "")}
        assert {name for name, value in values.items() if value is None} - own == set(message.quality)


def test_genset_whose_controller_is_silent_has_no_phase_and_a_reason(desert: Operation) -> None:
    first, *others = desert.record.snapshot.gensets
    problem = Problem(device_id=desert.device_ids[first.id], value="all", reason="stale: 4.2 s old")
    gensets = (replace(first, phase=None), *others)
    snapshot = replace(desert.record.snapshot, gensets=gensets, problems=(problem,))

    message = state_message(desert.site, snapshot, desert.record.decision, desert.plan, device_ids=desert.device_ids)

    assert message.genset_phases[first.id] is None
    assert message.quality[f"genset_phases.{first.id}"] == f"stale: {problem.device_id}: 4.2 s old"


def test_reserve_and_guard_carry_all_counts_of_a_run(desert: Operation) -> None:
    record = desert.record

    reserve = reserve_message(record.snapshot, record.decision, COUNTS)
    guard = guard_message(record.snapshot, record.decision, COUNTS)

    control = control_message(desert.site, record.snapshot, record.decision, COUNTS)

    assert run_counts(reserve, guard, control) == COUNTS
    assert guard.clip_tick_frac == pytest.approx(0.005)


def test_health_carries_all_counts_of_planning() -> None:
    counts = PlanCounts(made=5, fallback=1, rejected_by_check=1, solve_p50_s=1.5, solve_p95_s=2.5)

    message = health_message(NOON, HEALTH, counts, links=LINKS, alarms=ALARMS, mqtt=PUBLISHER, historian=HISTORIAN)

    assert plan_counts(message) == counts
    assert message.lost_devices == ("gen01-ctl",)
    assert message.mqtt is not None
    assert message.mqtt.n_events_dropped == 1
    assert message.historian is not None
    assert message.historian.trouble == "disk full"


def test_health_carries_the_sums_of_all_links() -> None:
    counts = PlanCounts(made=0, fallback=0, rejected_by_check=0, solve_p50_s=0.0, solve_p95_s=0.0)

    part = health_message(NOON, HEALTH, counts, links=LINKS, alarms=ALARMS, mqtt=None, historian=None).links

    assert (part.n_links, part.n_connected, part.n_requests) == (2, 1, 120)
    assert part.n_errors == {"timeout": 1, "late": 2, "no_connection": 7}


def test_a_link_says_how_it_and_its_units_do() -> None:
    good, dead = (link_message(NOON, link) for link in LINKS)

    assert (good.link, good.endpoint, good.latency_p50_s) == ("plant", "192.0.2.17:502", 0.031)
    assert good.units["11"].n_errors == {"timeout": 1}
    assert (dead.framing, dead.connected, dead.answer_age_s) == ("rtu", False, None)


def test_a_historian_that_is_switched_off_is_null() -> None:
    counts = PlanCounts(made=0, fallback=0, rejected_by_check=0, solve_p50_s=0.0, solve_p95_s=0.0)

    assert health_message(NOON, HEALTH, counts, links=LINKS, alarms=ALARMS, mqtt=None, historian=None).historian is None


def test_reserve_says_what_the_worst_loss_takes(campus: Operation) -> None:
    record = campus.record
    worst = next(item for item in record.decision.assessments if item.id is ReserveId.R0)

    message = reserve_message(record.snapshot, record.decision, campus.counts)

    assert message.classes is not None
    first = message.classes[0]
    assert (first.id, first.contingency) == ("r0", "grid")
    assert first.margin_kw == pytest.approx(worst.held_kw - worst.required_kw, abs=0.01)


def test_readiness_counts_what_is_measured(desert: Operation) -> None:
    record = desert.record

    message = readiness_message(desert.site, record.snapshot, record.decision)

    assert message.ready is True
    assert (message.n_blocks_forming, message.n_blocks_armed, message.n_gensets_available) == (10, 10, 10)
    assert "would be covered" in message.sentence
    assert message.ride_through_h is not None
    assert message.ride_through_h > 1.0


def test_readiness_is_denied_where_a_class_is_short(desert: Operation) -> None:
    record = desert.record
    short = tuple(replace(item, held_kw=item.required_kw - 500.0) for item in record.decision.assessments)

    message = readiness_message(desert.site, record.snapshot, replace(record.decision, assessments=short))

    assert message.ready is False
    assert "would not be covered: 500 kW are short" in message.sentence


def test_readiness_is_denied_below_the_floor(desert: Operation) -> None:
    record = desert.record
    assert record.decision.storage is not None
    low = replace(record.decision.storage, stored_kwh=record.decision.storage.floor_kwh - 2000.0)

    message = readiness_message(desert.site, record.snapshot, replace(record.decision, storage=low))

    assert message.ready is False
    assert message.above_floor_kwh == -2000.0
    assert "below its floor" in message.sentence


def test_what_no_pcs_reports_is_not_counted_as_none(desert: Operation) -> None:
    record = desert.record
    blocks = tuple(replace(block, forming=None, fallback_armed=None) for block in record.snapshot.blocks)
    gensets = tuple(replace(genset, phase=None) for genset in record.snapshot.gensets)
    snapshot = replace(record.snapshot, blocks=blocks, gensets=gensets)

    message = readiness_message(desert.site, snapshot, record.decision)

    assert (message.n_blocks_forming, message.n_blocks_armed, message.n_gensets_available) == (None, None, None)
    assert message.quality["n_blocks_armed"] == "unknown: none reports it"


def test_readiness_counts_the_sets_and_pv_blocks_whose_fall_back_is_armed(desert: Operation) -> None:
    record = desert.record
    first, second, *others = record.snapshot.gensets
    gensets = (
        replace(first, fallback_armed=True),
        replace(second, fallback_armed=False),
        *(replace(genset, fallback_armed=True) for genset in others),
    )
    pv = tuple(replace(block, fallback_armed=None) for block in record.snapshot.pv)

    message = readiness_message(desert.site, replace(record.snapshot, gensets=gensets, pv=pv), record.decision)

    assert message.n_gensets_armed == 9
    assert message.n_pv_armed is None
    assert message.quality["n_pv_armed"] == "unknown: none reports it"


def test_a_genset_with_a_fault_or_in_local_control_is_not_available(desert: Operation) -> None:
    record = desert.record
    first, second, *others = record.snapshot.gensets
    gensets = (replace(first, phase=GensetPhase.FAULT), replace(second, controllable=False), *others)

    message = readiness_message(desert.site, replace(record.snapshot, gensets=gensets), record.decision)

    assert message.n_gensets_available == 8


def test_guard_publishes_a_clip_of_something_that_is_no_number(desert: Operation) -> None:
    clip = Clip(
        rule=Rule.NOT_A_NUMBER, asset_id="bess01", requested_kw=math.nan, allowed_kw=None, reason="not a finite number"
    )

    message = guard_message(desert.record.snapshot, replace(desert.record.decision, clips=(clip,)), COUNTS)

    assert message.clips[0].requested_kw is None
    assert message.clips[0].rule == "G1"


def test_energy_and_carbon_come_back_as_they_were() -> None:
    totals = EnergyTotals(
        since_utc=NOON,
        until_utc=NOON,
        pv_kwh=1.5,
        genset_kwh=2.0,
        import_kwh=3.0,
        export_kwh=0.0,
        charge_kwh=0.5,
        discharge_kwh=0.25,
        it_kwh=5.0,
        cooling_kwh=1.0,
        aux_kwh=0.125,
        fuel_l=0.75,
        cost=12.5,
    )
    carbon = CarbonTotals(
        since_utc=NOON,
        until_utc=NOON,
        scope1_kgco2e=0.0,
        scope2_kgco2e=0.0,
        ci_operational_gco2e_per_kwh=None,
        interval_gco2e_per_kwh=None,
        interval_shares_frac={},
    )

    energy = energy_message(NOON, totals, currency="USD")
    intensity = carbon_message(NOON, carbon)

    assert energy.model_dump(include={"pv_kwh", "it_kwh", "aux_kwh", "fuel_l", "cost"}) == {
        "pv_kwh": 1.5,
        "it_kwh": 5.0,
        "aux_kwh": 0.125,
        "fuel_l": 0.75,
        "cost": 12.5,
    }
    assert (energy.since_utc, energy.currency) == (NOON, "USD")
    assert energy.delivered_kwh == 6.125
    assert set(intensity.quality) == {"ci_operational_gco2e_per_kwh", "interval_gco2e_per_kwh"}


def test_an_event_has_its_time_cause_and_figures() -> None:
    message = event_message(NOON, kind="genset", text="start gen01", cause="soc_low", figures={"soc_pct": 18.0})

    assert rfc3339_ms(NOON).encode() in message.payload()
    assert (message.cause, message.figures) == ("soc_low", {"soc_pct": 18.0})


def test_a_figure_that_is_no_number_is_left_out_of_an_event() -> None:
    message = event_message(NOON, kind="x", text="", cause=None, figures={"a_kw": math.nan, "b_kw": 1.0})

    assert message.figures == {"b_kw": 1.0}


def test_points_are_numbers_whose_names_end_in_their_unit(campus: Operation) -> None:
    record = campus.record
    unitless = {"mode", "n_clips", "n_problems", "closed", "forming", "phase", "run"}

    values = points(record.snapshot, record.decision)

    last = {name: name.rpartition(".")[2] for name in values}
    assert [name for name in values if unit_of(last[name]) is None and last[name] not in unitless] == []
    assert not any(isinstance(value, bool) for value in values.values())
    assert values["pcc.power_kw"] == record.snapshot.pcc.power_kw if record.snapshot.pcc else False
    assert values["pcc.closed"] == 1.0


def test_a_point_that_is_unknown_is_none(desert: Operation) -> None:
    snapshot, decision = without_pv_answer(desert, reason="stale: 4 s old")

    values = points(snapshot, decision)

    assert values["pv.pv03.power_kw"] is None
    assert values["site.pv_kw"] is None
    assert values["pv.pv01.power_kw"] is not None


def test_every_mode_and_phase_has_a_number() -> None:
    assert len(set(MODES)) == len(MODES) == len(Mode)
    assert set(PHASES) == set(GensetPhase)


def test_an_alarm_says_what_it_means_and_what_to_do() -> None:
    alarm = Alarm(
        id="isolate:bess01",
        kind="isolate",
        text="bess01: fire",
        active=True,
        acknowledged=False,
        began_utc=NOON,
        order=1,
    )

    (sent,) = alarm_messages(NOON, (alarm,))
    message = alarm_message(NOON, alarm)

    assert sent.topic == "alarm/isolate:bess01"
    assert sent.retain
    assert (message.priority, message.state, message.group) == ("critical", "active", "storage")
    assert "isolate the block by hand" in message.action


def test_health_has_the_alarms_in_numbers() -> None:
    counts = PlanCounts(made=0, fallback=0, rejected_by_check=0, solve_p50_s=0.0, solve_p95_s=0.0)

    part = health_message(NOON, HEALTH, counts, links=LINKS, alarms=ALARMS, mqtt=None, historian=None).alarms

    assert (part.n_active, part.n_unacknowledged, part.highest, part.first_out) == (2, 1, "high", "isolate:b")
    assert part.ids == ("balance", "isolate:b")


def test_the_contract_names_every_priority_state_and_group() -> None:
    assert set(get_args(PriorityName)) == {each.value for each in Priority}
    assert set(get_args(StateName)) == {each.value for each in AlarmState}
    assert set(get_args(GroupName)) == {each.value for each in AlarmGroup}
