"""The list of alarms: delays, acknowledgement, shelving, first-out order, chattering, floods."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ems.control.alarms import CATALOGUE, AlarmBook, AlarmRules, ChangeKind, Told, counted, followed, handled
from ems.model.annunciation import ActionKind, Alarm, AlarmAction, AlarmState, Finding, Priority, alarm_id

START = datetime(2026, 7, 3, 12, tzinfo=UTC)
RULES = AlarmRules()
# kinds by what the tests need of them: no delays; an acknowledgement or none
FAULT, WARNING, FIRE = "device_fault", "device_warning", "isolate"


def finding(subject: str, kind: str = FAULT) -> Finding:
    return Finding(kind=kind, subject=subject, text=f"{kind} of {subject}")


class Desk:
    """A book with its clock; what was told is kept."""

    def __init__(self, rules: AlarmRules = RULES) -> None:
        self.book = AlarmBook()
        self.rules = rules
        self.now_s = 0.0
        self.told: list[str] = []

    @property
    def utc(self) -> datetime:
        return START + timedelta(seconds=self.now_s)

    def look(self, *found: Finding, after_s: float = 1.0, settled: bool = True) -> Told:
        self.now_s += after_s
        result = followed(self.book, found, now_s=self.now_s, utc=self.utc, rules=self.rules, settled=settled)
        self.book = result.book
        self.told += [change.text for change in result.changes if change.told]
        return result

    def act(self, kind: ActionKind, name: str | None, *, minutes: float | None = None, reason: str = "") -> str:
        until = None if minutes is None else self.utc + timedelta(minutes=minutes)
        action = AlarmAction(kind=kind, by="kim", alarm_id=name, until_utc=until, reason=reason or None)
        result = handled(self.book, action, utc=self.utc, rules=self.rules)
        self.book = result.book
        return result.answer.text if result.answer.accepted else f"no: {result.answer.text}"

    def alarm(self, name: str) -> Alarm:
        return self.book.alarms[name]


def kinds(result: Told) -> list[ChangeKind]:
    return [change.kind for change in result.changes]


def test_an_alarm_stands_is_acknowledged_ends_and_leaves_the_list_after_a_minute() -> None:
    desk = Desk()

    began = desk.look(finding("a"))
    assert kinds(began) == [ChangeKind.BEGAN]
    assert desk.alarm("device_fault:a").state is AlarmState.ACTIVE
    desk.act(ActionKind.ACKNOWLEDGE, "device_fault:a")
    assert desk.alarm("device_fault:a").state is AlarmState.ACKNOWLEDGED
    assert desk.alarm("device_fault:a").acknowledged_by == "kim"
    ended = desk.look()

    assert kinds(ended) == [ChangeKind.ENDED]
    assert desk.alarm("device_fault:a").state is AlarmState.NORMAL
    desk.look(after_s=59.0)
    assert "device_fault:a" in desk.book.alarms
    desk.look(after_s=1.0)
    assert desk.book.alarms == {}


def test_what_is_over_before_it_was_acknowledged_stays_until_somebody_has() -> None:
    desk = Desk()
    desk.look(finding("a"))
    desk.look()

    desk.look(after_s=86400.0)
    assert desk.alarm("device_fault:a").state is AlarmState.CLEARED
    desk.act(ActionKind.ACKNOWLEDGE, None)

    assert desk.alarm("device_fault:a").state is AlarmState.NORMAL


def test_what_needs_no_acknowledgement_leaves_by_itself() -> None:
    desk = Desk()
    desk.look(finding("a", WARNING))

    desk.look()

    assert desk.alarm("device_warning:a").state is AlarmState.NORMAL


def test_an_alarm_begins_when_its_finding_has_lasted_for_the_delay() -> None:
    short = Finding(kind="reserve_short", subject="R0", text="short")
    desk = Desk()
    desk.look(short)

    assert desk.look(short, after_s=29.9).changes == ()
    assert kinds(desk.look(short, after_s=0.1)) == [ChangeKind.BEGAN]


def test_a_finding_that_is_away_before_its_delay_begins_anew() -> None:
    short = Finding(kind="reserve_short", subject="R0", text="short")
    desk = Desk()
    desk.look(short)
    desk.look(short, after_s=20.0)
    desk.look()

    desk.look(short)

    assert desk.look(short, after_s=29.0).changes == ()


def test_an_alarm_ends_when_its_finding_has_been_away_for_the_delay() -> None:
    below = Finding(kind="soc_below_floor", text="below")
    desk = Desk()
    desk.look(below)
    desk.look(below, after_s=10.0)
    desk.look(after_s=1.0)
    desk.look(below, after_s=9.0)

    assert desk.look(after_s=1.0).changes == ()
    assert desk.look(after_s=9.9).changes == ()
    assert kinds(desk.look(after_s=0.1)) == [ChangeKind.ENDED]


def test_delays_stretch_with_an_accelerated_run() -> None:
    below = Finding(kind="soc_below_floor", text="below")
    desk = Desk(replace(RULES, stretch=6.0))
    desk.look(below)

    assert desk.look(below, after_s=59.0).changes == ()
    assert kinds(desk.look(below, after_s=1.0)) == [ChangeKind.BEGAN]


def test_nothing_ends_while_much_is_not_known_yet() -> None:
    desk = Desk()
    desk.look(finding("a"))

    for _ in range(30):
        assert desk.look(settled=False).changes == ()

    assert kinds(desk.look()) == [ChangeKind.ENDED]


def test_the_first_alarm_of_a_disturbance_is_known_until_it_is_acknowledged() -> None:
    desk = Desk()
    desk.look(finding("a"))
    desk.look(finding("a"), finding("b"), finding("x", FIRE))
    desk.look(finding("b"), finding("c"), finding("x", FIRE))

    orders = {name: alarm.order for name, alarm in desk.book.alarms.items()}
    assert orders == {"device_fault:a": 1, "device_fault:b": 2, "device_fault:c": 3, "isolate:x": 1}
    assert counted(desk.book).first_out == "device_fault:a"
    desk.act(ActionKind.ACKNOWLEDGE, None)
    desk.look(finding("b"), finding("c"), finding("x", FIRE), finding("d"))

    assert desk.alarm("device_fault:d").order == 1
    assert counted(desk.book).first_out == "device_fault:d"


def test_a_shelved_alarm_calls_nobody_and_comes_back_by_itself() -> None:
    desk = Desk()
    desk.look(finding("a"))
    desk.act(ActionKind.ACKNOWLEDGE, "device_fault:a")
    desk.act(ActionKind.SHELVE, "device_fault:a", minutes=30.0, reason="spare part is on its way")
    desk.look()
    again = desk.look(finding("a"), after_s=100.0)

    assert [change.told for change in again.changes] == [False]
    assert desk.alarm("device_fault:a").state is AlarmState.SHELVED
    back = desk.look(finding("a"), after_s=1800.0)

    assert kinds(back) == [ChangeKind.UNSHELVED]
    assert [change.told for change in back.changes] == [True]
    assert desk.alarm("device_fault:a").state is AlarmState.ACTIVE


def test_an_alarm_out_of_service_stays_so_until_somebody_brings_it_back() -> None:
    desk = Desk()
    assert desk.act(ActionKind.REMOVE_FROM_SERVICE, "device_lost:spare", reason="not wired yet").startswith("device_")
    lost = finding("spare", "device_lost")

    for _ in range(10):
        assert all(not change.told for change in desk.look(lost, after_s=86400.0).changes)

    assert desk.alarm("device_lost:spare").state is AlarmState.OUT_OF_SERVICE
    desk.act(ActionKind.RETURN_TO_SERVICE, "device_lost:spare")
    assert desk.alarm("device_lost:spare").state is AlarmState.ACTIVE


@pytest.mark.parametrize(
    ("kind", "name", "minutes", "answer"),
    [
        (ActionKind.ACKNOWLEDGE, "device_fault:b", None, "no: 'device_fault:b' is not in the list of alarms"),
        (ActionKind.SHELVE, "device_fault:a", None, "no: a shelving has an end that is still to come"),
        (ActionKind.SHELVE, "device_fault:a", -1.0, "no: a shelving has an end that is still to come"),
        (ActionKind.SHELVE, "isolate:a", 5.0, "no: isolate:a is critical: it cannot be shelved"),
        (ActionKind.SHELVE, None, 5.0, "no: shelve concerns one alarm: name it"),
        (ActionKind.UNSHELVE, "device_fault:a", None, "no: device_fault:a is not shelved"),
        (ActionKind.RETURN_TO_SERVICE, "device_fault:a", None, "no: device_fault:a is not out of service"),
        (ActionKind.REMOVE_FROM_SERVICE, "device_fault:a", None, "no: taking an alarm out of service needs a reason"),
        (
            ActionKind.SHELVE,
            "device_fault:a",
            600.0,
            "device_fault:a is shelved by kim until 2026-07-03 20:00:01 UTC: 8 h is the longest",
        ),
    ],
)
def test_an_action_is_answered(*, kind: ActionKind, name: str | None, minutes: float | None, answer: str) -> None:
    desk = Desk()
    desk.look(finding("a"), finding("a", FIRE))
    before = desk.book

    assert desk.act(kind, name, minutes=minutes) == answer
    assert (desk.book == before) is answer.startswith("no: ")


def test_an_unknown_kind_is_not_taken_out_of_service_and_a_critical_one_neither() -> None:
    desk = Desk()

    assert desk.act(ActionKind.REMOVE_FROM_SERVICE, "weather:x", reason="r").startswith("no: 'weather:x' is no alarm")
    assert desk.act(ActionKind.REMOVE_FROM_SERVICE, "isolate:x", reason="r").startswith("no: isolate:x is critical")


def test_an_alarm_that_comes_three_times_in_a_minute_chatters_and_is_held_until_it_is_quiet() -> None:
    desk = Desk()
    for second in range(10):
        desk.look(*([finding("a")] if second % 2 == 0 else []))

    assert desk.alarm("device_fault:a").chattering
    assert desk.alarm("device_fault:a").n_times == 3
    assert sum("comes and goes" in text for text in desk.told) == 1
    assert desk.told.count("device_fault of a") == 2
    desk.look(after_s=59.0)
    assert desk.alarm("device_fault:a").active
    desk.look(after_s=2.0)

    assert not desk.alarm("device_fault:a").active


def test_in_a_flood_all_is_listed_and_single_beginnings_are_summarised_but_critical_ones() -> None:
    desk = Desk()
    many = tuple(finding(f"d{number:02d}") for number in range(40))

    desk.look(*many)
    desk.look(*many, finding("block", FIRE))

    assert len(desk.book.alarms) == 41
    assert [text for text in desk.told if text.startswith("device_fault")] == [
        f"device_fault of d0{n}" for n in range(10)
    ]
    assert [text for text in desk.told if text.startswith("more than 10 alarms in 10 min")]
    assert desk.told[-1] == "isolate of block"
    assert desk.alarm("device_fault:d39").quietly
    desk.look(*many, after_s=60.0)
    assert desk.told[-1].startswith("30 more alarms have begun, 41 in the last minutes")
    assert counted(desk.book).in_flood
    desk.look(*many, after_s=600.0)

    assert desk.told[-1].startswith("the flood of alarms is over")
    assert not counted(desk.book).in_flood


def test_counts_name_the_most_urgent_alarm_that_nobody_has_put_aside() -> None:
    desk = Desk()
    desk.look(finding("a"), finding("w", WARNING))
    desk.act(ActionKind.SHELVE, "device_fault:a", minutes=10.0)

    counts = counted(desk.book)

    assert (counts.n_active, counts.n_unacknowledged, counts.n_shelved) == (2, 1, 1)
    assert counts.highest is Priority.LOW
    assert counts.ids == ("device_fault:a", "device_warning:w")


def test_the_name_of_an_alarm_is_one_level_of_a_topic_that_every_scada_takes() -> None:
    assert alarm_id("device_fault", "gen01-ctl, rack 2: oil/water+#.x") == "device_fault:gen01-ctl_rack_2_oil_water_x"
    assert alarm_id("e_stop") == "e_stop"


def test_every_definition_says_what_people_need() -> None:
    for kind, definition in CATALOGUE.items():
        assert kind == definition.kind
        assert alarm_id(kind) == kind
        assert all((definition.means, definition.cause, definition.consequence, definition.action)), kind
        assert definition.on_delay_s >= 0.0
        assert definition.off_delay_s >= 0.0


_NAMES = ("a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n")
_LOOKS = st.lists(
    st.tuples(
        st.sets(st.tuples(st.sampled_from(_NAMES), st.sampled_from((FAULT, WARNING, FIRE, "soc_below_floor")))),
        st.sampled_from((0.5, 1.0, 7.0, 61.0, 700.0)),
        st.sampled_from((None, *ActionKind)),
        st.sampled_from(_NAMES),
    ),
    max_size=40,
)


@given(_LOOKS)
def test_whatever_happens_nothing_is_hidden_and_nobody_is_flooded(
    looks: list[tuple[set[tuple[str, str]], float, ActionKind | None, str]],
) -> None:
    desk = Desk()
    told_s: list[float] = []
    for found, after_s, action, name in looks:
        findings = [finding(subject, kind) for subject, kind in sorted(found)]
        before = desk.book
        result = desk.look(*findings, after_s=after_s)
        told_s += _called(result, desk.now_s)
        _check(desk, before, findings)
        if action is not None:
            desk.act(action, f"{FAULT}:{name}", minutes=5.0, reason="why")

    for at_s in told_s:
        assert sum(at_s <= each < at_s + RULES.flood_s for each in told_s) <= RULES.flood_n


def _called(result: Told, now_s: float) -> Iterable[float]:
    return [
        now_s
        for change in result.changes
        if change.kind is ChangeKind.BEGAN and change.told and change.alarm is not None and change.alarm.kind != FIRE
    ]


def _check(desk: Desk, before: AlarmBook, findings: list[Finding]) -> None:
    for each in findings:
        if CATALOGUE[each.kind].on_delay_s == 0.0:
            assert desk.alarm(each.id).active
    for name, alarm in before.alarms.items():
        # nothing leaves the list but what is over and acknowledged, or needs no acknowledgement
        if name not in desk.book.alarms:
            assert alarm.state is AlarmState.NORMAL
    for alarm in desk.book.alarms.values():
        assert alarm.shelved_until_utc is None or alarm.shelved_until_utc > desk.utc
    opened = [alarm for alarm in desk.book.alarms.values() if not alarm.acknowledged and not alarm.set_aside]
    places = [(CATALOGUE[alarm.kind].group, alarm.order) for alarm in opened]
    assert len(places) == len(set(places))
