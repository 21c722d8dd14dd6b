"""The rules that make the dialogue safe (cluster contract, 2.4) and what a lost link means (F16)."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from ems.cluster.dialogue import ClusterDialogue, Listeners, News
from ems.contract.cluster import EnvelopeMessage, ShedMessage
from ems.contract.outgoing import Outgoing
from ems.control.state import Mode, ShedTrack
from ems.control.step import Decision
from ems.model.cluster import ShedOrder, ShedReason
from ems.model.plan import Plan
from ems.model.snapshot import SiteSnapshot
from tests.gateway.operation import Operation, operation

Json = dict[str, Any]  # JSON of any shape


class Partner:
    """A dialogue, and what was told of it."""

    def __init__(self, site: Operation, *, saved: Json | None = None) -> None:
        self.news: list[News] = []
        self.refused: list[tuple[str, str]] = []
        self.sent: list[Outgoing] = []
        self.site = replace(site.site, it=replace(site.site.it, takes_offers=True))
        self.utc = site.record.snapshot.utc
        self.snapshot: SiteSnapshot = site.record.snapshot
        self.decision: Decision = site.record.decision
        self.plan: Plan = site.plan
        listeners = Listeners(
            news=self.news.append,
            refused=lambda kind, reason: self.refused.append((kind, reason)),
            returned=lambda _, __: None,
        )
        self.dialogue = ClusterDialogue(self.site, listeners, saved=saved)

    def cycle(self, *, after_s: float = 1.0) -> Sequence[Outgoing]:
        self.utc += timedelta(seconds=after_s)
        self.snapshot = replace(self.snapshot, utc=self.utc)
        said = self.dialogue.on_cycle(self.snapshot, self.decision)
        self.sent += said
        return said

    def planned(self, **changes: Any) -> EnvelopeMessage:  # any field of a step
        """Hand over a plan whose every step has the changes."""
        plan = replace(self.plan, steps=tuple(replace(step, **changes) for step in self.plan.steps))
        self.sent += self.dialogue.on_plan(plan, None, self.utc)
        return self.envelope

    @property
    def envelope(self) -> EnvelopeMessage:
        """Return the newest envelope."""
        return next(each.message for each in reversed(self.sent) if isinstance(each.message, EnvelopeMessage))

    def ack(self, seq: int, *, accepted: bool = True, retained: bool = False) -> None:
        self.dialogue.receive_ack(json.dumps({"seq": seq, "accepted": accepted}).encode(), self.utc, retained=retained)

    def telemetry(self) -> None:
        payload = {"ts": self.utc.isoformat(), "it_kw": 9000.0, "enforced_limit_kw": None, "held_jobs": 0}
        self.dialogue.receive_telemetry(json.dumps(payload).encode(), self.utc, retained=False)

    def offer(self, *, now_kw: float = 2000.0, notice_s: float = 60.0, **changes: Any) -> None:  # JSON of any shape
        firm = {"id": "inference", "kind": "firm", "now_kw": 4000, "min_kw": 4000, "max_kw": 4000}
        batch = {
            "id": "batch",
            "kind": "deferrable",
            "now_kw": now_kw,
            "min_kw": 0,
            "max_kw": 3000,
            "energy_kwh": 9000,
            "deadline": (self.utc + timedelta(hours=12)).isoformat(),
            "notice_s": notice_s,
            "value_per_kwh": 5.0,
        }
        payload = {
            "schema": "flex-offer/1",
            "seq": 1,
            "cluster": self.site.it.id,
            "issued": self.utc.isoformat(),
            "valid_until": (self.utc + timedelta(minutes=20)).isoformat(),
            "classes": [firm, batch],
            "fast_shed": [{"within_s": 10, "kw": 500}, {"within_s": 60, "kw": 2000}],
            "idle_kw": 3000,
        } | changes
        self.dialogue.receive_offer(json.dumps(payload).encode(), self.utc)


@pytest.fixture(scope="module")
def desert() -> Operation:
    return operation("desert-offgrid").with_milp_plan()


def partner(site: Operation, *, saved: Json | None = None) -> Partner:
    """Return a dialogue in which cluster and site have spoken."""
    made = Partner(site, saved=saved)
    made.offer()
    made.telemetry()
    made.cycle()
    made.planned()
    made.ack(made.envelope.seq)
    return made


def limit_at(message: EnvelopeMessage, instant: datetime) -> float:
    """Return the limit of the interval that holds an instant."""
    return next(
        each.limit_kw
        for each in message.intervals
        if each.start <= instant < each.start + timedelta(minutes=each.duration_min)
    )


def keep_alive(one: Partner, *, for_s: float, acks: bool = False) -> None:
    """Let cycles go by with telemetry, every ten seconds."""
    for _ in range(round(for_s / 10.0)):
        one.telemetry()
        one.cycle(after_s=10.0)
        if acks:
            one.ack(one.envelope.seq)


# rule 1


def test_without_a_valid_offer_there_is_no_flexibility_and_no_credit(desert: Operation) -> None:
    one = partner(desert)
    assert one.dialogue.offer_at(one.utc) is not None

    one.dialogue.receive_offer(b"garbled", one.utc)

    assert one.dialogue.offer_at(one.utc) is None
    assert one.dialogue.view(one.utc).fast_shed == ()
    assert one.dialogue.condition_at(one.utc).credited_shed_kw == 0.0
    assert one.refused[0][0] == "offer"


def test_an_offer_that_has_run_out_is_no_offer(desert: Operation) -> None:
    one = partner(desert)

    keep_alive(one, for_s=1190.0, acks=True)
    before = one.dialogue.offer_at(one.utc)
    keep_alive(one, for_s=20.0, acks=True)

    assert before is not None
    assert one.dialogue.offer_at(one.utc) is None


# rule 2


def lowered(one: Partner) -> EnvelopeMessage:
    """Publish a limit of later hours that is lower than before."""
    low_kw = one.envelope.intervals[-1].expected_kw - 2000.0
    return one.planned(it_kw=low_kw, load_q90_kw=0.0, reserve=())


def test_a_lowered_limit_that_is_not_acknowledged_in_time_is_an_alarm_and_planned_as_ignored(
    desert: Operation,
) -> None:
    one = partner(desert)
    seq = lowered(one).seq

    # notice of 60 s and 30 s
    keep_alive(one, for_s=80.0)
    before = one.dialogue.offer_at(one.utc)
    keep_alive(one, for_s=20.0)

    assert before is not None
    assert one.dialogue.offer_at(one.utc) is None
    told = [news for news in one.news if "not acknowledged" in news.text]
    assert len(told) == 1
    assert told[0].urgent
    assert str(seq) in told[0].text


def test_an_acknowledgement_in_time_is_no_alarm_and_one_that_comes_later_ends_it(desert: Operation) -> None:
    prompt, slow = partner(desert), partner(desert)

    prompt.ack(lowered(prompt).seq)
    keep_alive(prompt, for_s=100.0)
    lowered(slow)
    keep_alive(slow, for_s=100.0)
    slow.ack(slow.envelope.seq)

    assert prompt.dialogue.offer_at(prompt.utc) is not None
    assert not any(news.urgent for news in prompt.news)
    assert slow.dialogue.offer_at(slow.utc) is not None
    assert "accepts limits again" in slow.news[-1].text


def test_an_acknowledgement_that_a_broker_had_kept_answers_nothing(desert: Operation) -> None:
    one = partner(desert)
    seq = lowered(one).seq

    one.ack(seq, retained=True)
    keep_alive(one, for_s=100.0)

    assert one.dialogue.offer_at(one.utc) is None
    assert "retained" in one.refused[0][1]


def test_a_refused_envelope_is_told_at_once(desert: Operation) -> None:
    one = partner(desert)

    one.ack(one.envelope.seq, accepted=False)

    assert one.dialogue.offer_at(one.utc) is None
    assert one.news[-1].urgent


# firm limits


def test_a_firm_limit_is_never_lowered(desert: Operation) -> None:
    one = partner(desert)
    before = one.envelope
    firm = [each for each in before.intervals if each.firm]

    one.cycle(after_s=300.0)
    after = one.planned(it_kw=5000.0, load_q90_kw=0.0, reserve=())

    for each in firm[1:]:
        assert limit_at(after, each.start + timedelta(seconds=30)) >= each.limit_kw
    # beyond them the new plan counts
    assert after.intervals[-1].limit_kw < before.intervals[-1].limit_kw


def test_a_plan_holds_what_was_promised(desert: Operation) -> None:
    one = partner(desert)

    promised = one.dialogue.condition_at(one.utc).promised

    firm = [each for each in one.envelope.intervals if each.firm]
    assert [each.limit_kw for each in promised] == [each.limit_kw for each in firm]


def order(one: Partner, target_kw: float | None) -> ShedOrder:
    return ShedOrder(
        id="s-1",
        target_kw=target_kw,
        within_s=30.0,
        until_utc=one.utc + timedelta(minutes=5),
        reason=ShedReason.COOLING_DEGRADED,
        text="cooling can take less",
        from_kw=9000.0,
        ordered_utc=one.utc,
    )


def test_a_shed_goes_out_at_once_and_alone_lowers_a_firm_limit_until_it_ends(desert: Operation) -> None:
    one = partner(desert)
    before = one.envelope

    one.decision = replace(
        one.decision, state=replace(one.decision.state, shed=ShedTrack(order=order(one, 6000.0), n_orders=1))
    )
    said = one.cycle()

    shed, envelope = said[0].message, said[1].message
    assert isinstance(shed, ShedMessage)
    assert isinstance(envelope, EnvelopeMessage)
    assert (said[0].topic, said[0].retain, said[1].retain) == (f"cluster/{one.site.it.id}/shed", False, True)
    assert (shed.target_kw, shed.reason, envelope.intervals[0].limit_kw) == (6000.0, "cooling-degraded", 6000.0)
    assert before.seq < shed.seq < envelope.seq
    assert limit_at(envelope, one.utc + timedelta(minutes=40)) >= limit_at(before, one.utc + timedelta(minutes=40))
    assert one.cycle() == ()


# rule 7


def test_no_limit_is_below_idle_power_and_firm_classes_but_in_survival(desert: Operation) -> None:
    one = partner(desert)

    starved = one.planned(it_kw=1000.0, unserved_kw=9000.0)
    storage = one.decision.storage
    assert storage is not None
    low = replace(storage, stored_kwh=storage.floor_kwh - 0.01 * storage.full_kwh)
    one.decision = replace(one.decision, storage=low)
    survival = Partner(desert)
    survival.offer()
    survival.decision = one.decision
    survival.cycle()
    surviving = survival.planned(it_kw=1000.0, unserved_kw=9000.0)

    # idle 3000 and firm 4000
    assert min(each.limit_kw for each in starved.intervals) == 7000.0
    assert surviving.state == "islanded-survival"
    assert min(each.limit_kw for each in surviving.intervals) == one.site.it.idle_kw


# the link (F16)


def test_a_silent_cluster_offers_nothing_and_its_permits_stay_as_confirmed(desert: Operation) -> None:
    one = partner(desert)
    confirmed = one.envelope

    one.cycle(after_s=61.0)
    roomy = one.planned(it_kw=one.site.it.design_kw, load_q90_kw=2.0 * one.site.it.design_kw)

    assert one.dialogue.offer_at(one.utc) is None
    assert not one.dialogue.view(one.utc).is_linked
    assert [news.text for news in one.news if news.urgent] == [
        "the cluster is silent: no flexibility, permits stay as confirmed"
    ]
    for each in roomy.intervals[1:-1]:
        middle = each.start + timedelta(minutes=each.duration_min / 2.0)
        known = next(
            (
                i.limit_kw
                for i in confirmed.intervals
                if i.start <= middle < i.start + timedelta(minutes=i.duration_min)
            ),
            confirmed.after_expiry_limit_kw,
        )
        assert each.limit_kw <= known + 0.01


def test_a_cluster_that_speaks_again_is_counted_on_again(desert: Operation) -> None:
    one = partner(desert)
    one.cycle(after_s=61.0)

    one.telemetry()
    one.cycle()

    assert one.dialogue.offer_at(one.utc) is not None
    assert one.news[-1].text == "the cluster answers"


# avalanches of jobs (F36)


def test_nothing_new_is_permitted_above_the_present_power_while_reserve_is_short(desert: Operation) -> None:
    one = Partner(desert)
    one.offer()
    short = tuple(replace(each, held_kw=each.required_kw - 500.0) for each in one.decision.assessments)
    one.decision = replace(one.decision, assessments=short)
    one.cycle()

    message = one.planned(it_kw=12_000.0, load_q90_kw=15_000.0)

    measured_kw = one.snapshot.it.load_kw
    assert measured_kw is not None
    assert all(each.limit_kw <= max(7000.0, measured_kw) + 0.01 for each in message.intervals if each.firm)
    assert message.state == "emergency"


def test_the_agreed_ramp_is_published(desert: Operation) -> None:
    one = Partner(desert)
    one.site = replace(one.site, it=replace(one.site.it, ramp_up_kw_per_min=900.0, ramp_down_kw_per_min=1800.0))
    one.dialogue = ClusterDialogue(
        one.site, Listeners(news=one.news.append, refused=lambda _, __: None, returned=lambda _, __: None)
    )
    one.cycle()

    message = one.planned()

    assert (message.ramp_kw_per_min.up, message.ramp_kw_per_min.down) == (900.0, 1800.0)


# numbers and times


def test_numbers_rise_over_a_restart_and_promises_stay(desert: Operation) -> None:
    one = partner(desert)
    saved = json.loads(json.dumps(one.dialogue.document()))

    again = Partner(desert, saved=saved)
    again.utc = one.utc
    again.cycle(after_s=60.0)
    after = again.planned(it_kw=5000.0, load_q90_kw=0.0, reserve=())

    assert after.seq > one.envelope.seq
    inside = one.utc + timedelta(minutes=30)
    assert limit_at(after, inside) >= limit_at(one.envelope, inside)


def test_a_document_that_is_not_usable_is_left_out(desert: Operation) -> None:
    one = Partner(desert, saved={"seq": "many"})

    assert "is not known" in one.news[0].text
    assert one.cycle() == ()


def test_an_envelope_is_said_again_every_five_minutes(desert: Operation) -> None:
    one = partner(desert)

    said = [one.cycle(after_s=10.0) for _ in range(31)]

    assert sum(bool(each) for each in said) >= 1
    assert one.envelope.valid_until > one.utc


def test_states_of_the_envelope_are_those_of_the_contract(desert: Operation) -> None:
    one = partner(desert)

    assert one.envelope.state == "normal"
    assert one.planned(pv_kw=0.0, pv_available_kw=5000.0).state == "surplus"
    floor_kw = one.envelope.intervals[0].floor_kw
    assert floor_kw is not None
    assert one.envelope.intervals[0].expected_kw <= floor_kw <= one.envelope.intervals[0].limit_kw
    assert one.planned(unserved_kw=500.0).state == "constrained"


def test_later_limits_say_how_low_they_may_become(desert: Operation) -> None:
    one = partner(desert)

    for each in one.envelope.intervals:
        assert (each.limit_p10_kw is None) == each.firm
        assert each.limit_p10_kw is None or each.limit_p10_kw <= each.limit_kw


@pytest.mark.parametrize("mode", [Mode.GRID, Mode.ISLAND])
def test_a_cycle_without_a_plan_says_nothing(desert: Operation, mode: Mode) -> None:
    one = Partner(desert)
    one.decision = replace(one.decision, state=replace(one.decision.state, mode=mode))

    assert one.cycle() == ()
