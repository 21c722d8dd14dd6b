"""The daemon's list of alarms: what it is fed with, what it tells, what it keeps, and the file that people write."""

import ast
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ems import cli
from ems.app.alarms import ask, saved_alarms
from ems.control.alarms import CATALOGUE, AlarmRules
from ems.control.state import BlackStartTrack, DeclaredContingency, GensetTrack, Mode
from ems.model.annunciation import ActionKind, AlarmAction, AlarmState, Finding
from ems.model.plan import PlanSource
from ems.model.requests import OperatorRequests
from ems.reserve import Assessment, ReserveId
from ems.runtime.alarm_desk import AlarmDesk
from ems.runtime.alarm_requests import ACTIONS_FILE, AlarmInbox, load_actions, save_action
from ems.runtime.alarm_sources import OwnState, cycle_findings, gateway_findings, own_findings
from ems.runtime.cycle import CycleRecord
from ems.runtime.observer import Event
from ems.runtime.persistence import StateStore
from tests.conventions.sources import modules
from tests.gateway.operation import operation

START = datetime(2026, 7, 3, 12, tzinfo=UTC)
HOT = Finding(kind="device_fault", subject="pcs over temperature", text="pcs: fault 'over temperature'")
NAME = "device_fault:pcs_over_temperature"
DESERT = operation("desert-offgrid")


class Run:
    """A desk with a store of its own, and the events that it told."""

    def __init__(self, home: Path) -> None:
        self.store = StateStore(home / "state.db")
        self.inbox = AlarmInbox(home)
        self.desk = AlarmDesk(self.store, self.inbox, rules=AlarmRules())
        self.now_s = 0.0

    @property
    def utc(self) -> datetime:
        return START + timedelta(seconds=self.now_s)

    def look(self, *found: Finding, settled: bool = True) -> tuple[Event, ...]:
        self.now_s += 1.0
        self.inbox.read()
        return self.desk.look(found, now_s=self.now_s, utc=self.utc, settled=settled)

    def state(self, name: str = NAME) -> AlarmState:
        return {alarm.id: alarm for alarm in self.desk.alarms()}[name].state


def test_begin_and_end_are_events_and_what_another_event_tells_is_not_told_twice(tmp_path: Path) -> None:
    run = Run(tmp_path)
    lost = Finding(kind="device_lost", subject="pcs", text="pcs does not answer: no connection")

    (began,) = run.look(HOT, lost)
    (ended,) = run.look(lost)

    assert (began.kind, began.text, began.cause, began.urgent) == ("alarm", HOT.text, "high", True)
    assert (ended.text, ended.urgent) == (f"over: {HOT.text}", False)
    assert run.state("device_lost:pcs") is AlarmState.ACTIVE
    run.store.close()


def test_a_restart_keeps_what_people_did_and_tells_nothing_anew(tmp_path: Path) -> None:
    first = Run(tmp_path)
    first.look(HOT)
    assert first.desk.act(AlarmAction(kind=ActionKind.ACKNOWLEDGE, by="kim", alarm_id=NAME), utc=START).accepted
    first.look(HOT)
    first.store.close()

    again = Run(tmp_path)

    assert again.look(settled=False) == ()
    assert again.look(HOT) == ()
    assert again.state() is AlarmState.ACKNOWLEDGED
    again.store.close()


@pytest.mark.parametrize("document", [{}, {"alarms": 3}, {"alarms": [{"id": "x"}]}])
def test_a_damaged_list_is_begun_anew(tmp_path: Path, document: dict[str, object]) -> None:
    store = StateStore(tmp_path / "state.db")
    store.save("alarms", document, utc=START)
    store.close()

    run = Run(tmp_path)

    assert run.desk.alarms() == ()
    run.store.close()


def test_other_parts_of_the_daemon_add_what_they_find(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.desk.watch(lambda: gateway_findings(mqtt_trouble="refused", history_trouble="disk full", sparkplug_trouble="x"))

    for _ in range(61):
        run.look()

    assert run.desk.standing == {"mqtt_lost", "mqtt_lost:sparkplug", "history_failing"}
    run.store.close()


def test_an_action_of_the_file_is_done_once_and_only_while_it_is_young(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.look(HOT)
    shelve = AlarmAction(kind=ActionKind.SHELVE, by="kim", alarm_id=NAME, until_utc=START + timedelta(hours=1))
    save_action(tmp_path / ACTIONS_FILE, shelve, now=run.utc)

    (told,) = run.look(HOT)
    assert told.text == f"{NAME} is shelved by kim until 2026-07-03 13:00:00 UTC"
    assert run.desk.act(AlarmAction(kind=ActionKind.UNSHELVE, by="lee", alarm_id=NAME), utc=run.utc).accepted
    run.look(HOT)

    assert run.state() is AlarmState.ACTIVE
    save_action(tmp_path / ACTIONS_FILE, shelve, now=run.utc - timedelta(seconds=61))
    run.look(HOT)
    assert run.state() is AlarmState.ACTIVE
    run.store.close()


@pytest.mark.parametrize("text", ["no json", "{}", '[{"number": 1}]'])
def test_a_file_that_is_not_ours_changes_nothing(tmp_path: Path, text: str) -> None:
    run = Run(tmp_path)
    run.look(HOT)
    (tmp_path / ACTIONS_FILE).write_text(text, encoding="utf-8")

    run.look(HOT)

    assert run.state() is AlarmState.ACTIVE
    with pytest.raises(ValueError, match="not a list of actions"):
        load_actions(tmp_path / ACTIONS_FILE)
    run.store.close()


def test_the_command_judges_by_the_saved_list_and_writes_where_the_daemon_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    assert saved_alarms("edge-node").text() == "no alarms"
    run = Run(tmp_path)
    run.look(HOT)
    run.store.close()

    refused = ask("edge-node", ActionKind.ACKNOWLEDGE, "device_fault:other", by="kim")
    accepted = ask("edge-node", ActionKind.ACKNOWLEDGE, NAME, by="kim")

    assert not refused.accepted
    assert accepted.accepted
    (asked,) = load_actions(tmp_path / ACTIONS_FILE)
    assert asked.action == AlarmAction(kind=ActionKind.ACKNOWLEDGE, by="kim", alarm_id=NAME)
    listed = json.loads(json.dumps(saved_alarms("edge-node").document()))["alarms"]
    assert [(row["id"], row["state"]) for row in listed] == [(NAME, "active")]
    assert NAME in saved_alarms("edge-node").text()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["alarms", "list", "edge-node", "--json"], 0),
        (["alarms", "acknowledge", "edge-node", "--all", "--by", "kim"], 0),
        (["alarms", "acknowledge", "edge-node", "device_fault:x", "--by", "kim"], 1),
        (["alarms", "shelve", "edge-node", "device_fault:x", "--minutes", "5", "--by", "kim"], 1),
        (["alarms", "remove", "edge-node", "device_lost:x", "--reason", "not wired", "--by", "kim"], 0),
        (["alarms", "acknowledge", "edge-node"], 2),
        (["alarms", "shelve", "edge-node", "device_fault:x"], 2),
        (["alarms", "list", "no-such-site"], 2),
    ],
)
def test_the_command_ends_with_the_code_of_its_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, arguments: list[str], code: int
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))

    assert cli.execute(arguments) == code


def ids(found: object) -> set[str]:
    return {each.id for each in found}  # type: ignore[attr-defined] # any iterable of findings


def changed(record: CycleRecord, **changes: object) -> CycleRecord:
    """Return the record of a cycle whose control state differs."""
    state = replace(record.decision.state, **changes)  # type: ignore[arg-type] # any field
    return replace(record, decision=replace(record.decision, state=state))


def test_a_site_in_good_order_has_no_alarm_of_its_plant() -> None:
    assert ids(cycle_findings(DESERT.site, DESERT.record, frozenset())) == set()


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"mode": Mode.E_STOP}, "e_stop"),
        ({"mode": Mode.DEGRADED}, "degraded"),
        ({"mode": Mode.DEAD_BUS}, "dead_bus"),
        ({"mode": Mode.DEAD_BUS, "black_start": BlackStartTrack(hold="the step racks failed")}, "black_start_hold"),
        ({"grid_lost_since_s": 1.0}, "grid_lost"),
        ({"gensets": {"gen01": GensetTrack(failed_until_s=1e9)}}, "failed_start:gen01"),
    ],
)
def test_what_control_remembers_is_found(*, changes: dict[str, object], found: str) -> None:
    assert found in ids(cycle_findings(DESERT.site, changed(DESERT.record, **changes), frozenset()))


def test_an_island_that_people_asked_for_is_no_lost_grid() -> None:
    lost = changed(DESERT.record, grid_lost_since_s=1.0)

    assert ids(cycle_findings(DESERT.site, lost, frozenset(), OperatorRequests(island=True))) == set()


def test_names_that_control_gives_become_kind_and_subject() -> None:
    record = replace(
        DESERT.record, alarms={"isolate:bess01": "bess01: fire", "balance": "x"}, missed={"gen01": "refused"}
    )

    assert ids(cycle_findings(DESERT.site, record, frozenset())) == {
        "isolate:bess01",
        "balance",
        "setpoint_missed:gen01",
    }


@pytest.mark.parametrize(
    ("held_kw", "standing", "found"),
    [(1000.0, False, False), (998.0, False, True), (1010.0, True, True), (1021.0, True, False), (1010.0, False, False)],
)
def test_a_reserve_that_is_short_ends_only_beyond_its_deadband(*, held_kw: float, standing: bool, found: bool) -> None:
    short = Assessment(id=ReserveId.R1, contingency="gen01", required_kw=1000.0, held_kw=held_kw)
    record = replace(DESERT.record, decision=replace(DESERT.record.decision, assessments=(short,)))
    name = f"reserve_short:{ReserveId.R1.value}"

    seen = ids(cycle_findings(DESERT.site, record, frozenset({name} if standing else ())))

    assert (name in seen) is found


def test_storage_below_its_floor_is_found_unless_a_contingency_is_declared() -> None:
    storage = DESERT.record.decision.storage
    assert storage is not None
    low = replace(storage, stored_kwh=0.9 * storage.floor_kwh)
    record = replace(DESERT.record, decision=replace(DESERT.record.decision, storage=low))
    declared = DeclaredContingency(reason="gen01", since_s=0.0, until_s=1e9)

    assert ids(cycle_findings(DESERT.site, record, frozenset())) == {"soc_below_floor"}
    assert ids(cycle_findings(DESERT.site, changed(record, contingency=declared), frozenset())) == set()


def test_a_tank_below_its_reserve_is_found() -> None:
    tank = DESERT.site.tank
    assert tank is not None
    snapshot = replace(DESERT.record.snapshot, tank_l=tank.reserve_l - 1.0)

    assert ids(cycle_findings(DESERT.site, replace(DESERT.record, snapshot=snapshot), frozenset())) == {"fuel_low"}


def test_what_the_daemon_knows_of_itself_is_found() -> None:
    plan = DESERT.with_milp_plan().plan
    own = OwnState(
        lost={"pcs": "no connection"},
        exchanged={"meter": "serial '1' is now '2'"},
        clips={"clips:G6": "often"},
        named={"risk:limits.toml:reserve.swing_kw": "accepted", "file_damaged:state.damaged-1": "set aside"},
        withheld="the loop lags",
        over=("queue historian", "disk of the state directory"),
        failing={"planner": 4},
        clock_step_s=3600.0,
        books="no number",
        state_not_saved=True,
        troubles=("there is no weather forecast", "another"),
        plan=replace(plan, source=PlanSource.SHIFTED),
        cluster_is_silent=True,
    )

    assert ids(own_findings(DESERT.site, DESERT.record, own)) == {
        "device_lost:pcs", "device_exchanged:meter", "clips:G6", "watchdog", "process:queue_historian", "disk_low",
        "task_failing:planner", "clock_step", "books_failing", "state_not_saved", "planning_trouble", "plan_by_rules",
        "cluster_silent", "risk:limits_toml_reserve_swing_kw", "file_damaged:state_damaged-1",
    }  # fmt: skip
    assert ids(own_findings(DESERT.site, DESERT.record, OwnState(plan=plan))) == set()
    assert ids(own_findings(DESERT.site, DESERT.record, OwnState())) == {"plan_missing"}
    old = replace(plan, created_utc=plan.created_utc - timedelta(days=1))
    assert ids(own_findings(DESERT.site, DESERT.record, OwnState(plan=old))) == {"plan_missing"}


def test_every_alarm_that_the_daemon_can_raise_has_its_definition() -> None:
    raised = {kind for tree in modules().values() for kind in _kinds(tree)}

    assert {"device_fault", "isolate", "sign", "soc", "balance", "clips", "contingency", "mqtt_lost"} <= raised
    # `other` stands in for a kind that nobody has defined
    assert raised == set(CATALOGUE) - {"other"}


def _kinds(tree: ast.AST) -> set[str]:
    """Return the kinds in calls of `Finding`, in tables of them, and in what functions named `…alarms` return."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Finding":
            found |= {_text(each.value) for each in node.keywords if each.arg == "kind" and _text(each.value)}
        if isinstance(node, ast.FunctionDef) and node.name.endswith("alarms"):
            found |= {_text(key).partition(":")[0] for each in ast.walk(node) for key in _keys(each)}
        if isinstance(node, ast.Assign | ast.AnnAssign) and _named(node) in ("_MODES", "_KINDS", "kind"):
            found |= {_text(each) for each in ast.walk(node) if _text(each) in CATALOGUE}
    return found


def _keys(node: ast.AST) -> list[ast.AST]:
    if isinstance(node, ast.Dict):
        return [key for key in node.keys if key is not None and _text(key)]
    if isinstance(node, ast.DictComp):
        return [node.key] if _text(node.key) else []
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
        return [node.targets[0].slice] if _text(node.targets[0].slice) else []
    return []


def _text(node: ast.AST) -> str:
    """Return a text, of an f-string what stands in front of its first field."""
    if isinstance(node, ast.JoinedStr) and node.values:
        return _text(node.values[0])
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _named(node: ast.Assign | ast.AnnAssign) -> str:
    target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
    return target.id if isinstance(target, ast.Name) else ""
