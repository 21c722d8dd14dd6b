"""The simulated cluster's own side: its jobs, and what it does with what it is told (cluster contract, version 1)."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from drivers.sim.scheduler.cluster import TwinScheduler
from drivers.sim.scheduler.jobs import JobQueue
from drivers.sim.scheduler.voice import ClusterVoice, Word
from drivers.sim.wire.faults import Faults
from drivers.sim.wire.steering import OrderError
from ems.contract.cluster import AckMessage, FlexOfferMessage, TelemetryMessage
from ems.model.load import ItCluster
from ems.model.twin import TwinCluster
from ems.runtime.clock import ManualClock

START = datetime(2026, 7, 3, 10, 0, tzinfo=UTC)
IT = ItCluster(
    id="hall-a", design_kw=10_000.0, mean_frac=0.8, idle_frac=0.25, largest_block_frac=0.25, job_step_kw=500.0
)
SPEC = TwinCluster(
    deferrable_frac=0.1,
    shapeable_frac=0.2,
    curtailable_frac=0.05,
    batch_peak_frac=0.2,
    job_kw=250.0,
    job_h=4.0,
    slack_h=20.0,
    min_run_min=30.0,
    min_pause_min=15.0,
    checkpoint_s=60.0,
    restart_kwh=5.0,
    react_s=15.0,
    offer_every_s=300.0,
    telemetry_every_s=5.0,
    batch_late_cost_per_kwh=5.0,
    training_cost_per_kwh=1.9,
    curtailed_cost_per_kwh=1.0,
)
BASE_KW = 8000.0
Json = dict[str, Any]  # JSON of any shape


def envelope(
    *, limit_kw: float, expected_kw: float, seq: int = 1, valid_min: float = 60.0, after_kw: float = 5000.0
) -> Json:
    interval = {
        "start": START.isoformat(),
        "duration_min": 20_000,
        "limit_kw": limit_kw,
        "firm": True,
        "expected_kw": expected_kw,
    }
    return {
        "schema": "power-envelope/1",
        "seq": seq,
        "valid_until": (START + timedelta(minutes=valid_min)).isoformat(),
        "after_expiry_limit_kw": after_kw,
        "ramp_kw_per_min": {"up": 600, "down": 2500},
        "intervals": [interval],
    }


def shed(target_kw: float | None, *, seq: int = 2, minutes: float = 5.0, after_s: float = 0.0) -> Json:
    until = START + timedelta(seconds=after_s, minutes=minutes)
    return {"schema": "power-shed/1", "seq": seq, "id": "s-1", "target_kw": target_kw, "until": until.isoformat()}


def scheduler(**changes: Any) -> TwinScheduler:  # any field of the settings
    return TwinScheduler(IT, replace(SPEC, **changes), start=START, seed=3)


def run(one: TwinScheduler, minutes: float, *, dt_s: float = 60.0, base_kw: float = BASE_KW) -> list[float]:
    return [one.advance(base_kw, dt_s) for _ in range(round(60.0 * minutes / dt_s))]


# jobs


def test_without_limits_jobs_run_when_they_arrive_and_none_is_late() -> None:
    one = scheduler()

    run(one, 3 * 24 * 60.0)

    queue = one.queue
    # a tenth of 8000 kW in jobs of 1000 kWh: some 19 a day
    assert 40 <= queue.n_arrived <= 75
    assert queue.n_missed == queue.n_pauses == 0
    assert queue.arrived_kwh == pytest.approx(queue.done_kwh + queue.left_kwh)


def test_deferred_jobs_wait_for_power_and_meet_their_deadlines() -> None:
    one = scheduler()
    one.limits.take(envelope(limit_kw=9500.0, expected_kw=7200.0, valid_min=1e5))

    held = run(one, 12 * 60.0)
    run(one, 3 * 24 * 60.0)

    # 90 % of the base load is expected, and nothing for jobs until they cannot wait
    assert max(held) == pytest.approx(7200.0)
    assert one.queue.n_held > 0
    assert one.queue.n_missed == 0
    assert one.queue.n_done > 20


def test_a_limit_that_leaves_no_power_misses_deadlines_and_says_so() -> None:
    one = scheduler(slack_h=2.0)
    one.limits.take(envelope(limit_kw=7200.0, expected_kw=7200.0, valid_min=1e5))

    run(one, 48 * 60.0)

    assert one.queue.n_missed > 0
    assert one.queue.done_kwh == 0.0


def test_a_paused_job_writes_its_checkpoint_rests_and_takes_energy_to_start_again() -> None:
    queue = JobQueue(SPEC, mean_kw=800.0, peak_kw=2000.0, rng=np.random.default_rng(1))
    queue.arrive(7 * 3600.0)
    (job, *_) = queue.jobs
    del queue.jobs[1:]
    left_kwh, now_s = job.left_kwh, 7 * 3600.0

    def scheduled(at_s: float, kw: float) -> bool:
        queue.schedule(at_s, wanted_kw=kw, most_kw=1000.0, reserve_s=60.0)
        return job.running

    assert scheduled(now_s, 1000.0)
    # within its least run
    assert scheduled(now_s + 600.0, 0.0)
    assert not scheduled(now_s + 1860.0, 0.0)
    assert queue.power_kw == 250.0
    queue.run(now_s + 1920.0, 60.0)
    assert queue.power_kw == 0.0
    # within its least pause
    assert not scheduled(now_s + 2400.0, 1000.0)
    assert scheduled(now_s + 2800.0, 1000.0)
    assert job.left_kwh == pytest.approx(left_kwh + 5.0)


# limits


def test_the_limit_is_never_exceeded_and_work_goes_in_its_order() -> None:
    one = scheduler(deferrable_frac=0.0)
    # firm 6000, training 1600, preemptible 400: preemptible goes first, then training is capped
    one.limits.take(envelope(limit_kw=7300.0, expected_kw=7300.0))

    powers = run(one, 30.0)

    assert powers[-1] == pytest.approx(7300.0)
    served = one.served
    assert (served.firm_kw, served.shapeable_kw, served.curtailable_kw) == pytest.approx((6000.0, 1300.0, 0.0))


def test_firm_work_goes_in_a_shed_only() -> None:
    one = scheduler(deferrable_frac=0.0)
    one.limits.take(envelope(limit_kw=4000.0, expected_kw=4000.0))
    limited = run(one, 2.0)[-1]

    one.limits.take(shed(3000.0, after_s=120.0))
    dropped = run(one, 1.0, dt_s=5.0)

    assert limited == pytest.approx(6000.0 + 0.51 * 1600.0)
    assert dropped[-1] == pytest.approx(3000.0)
    assert dropped[0] > 3000.0


def test_a_shed_ends_by_itself_by_a_release_and_never_below_the_idle_cluster() -> None:
    one = scheduler(deferrable_frac=0.0)
    one.limits.take(shed(0.0))
    lowest = run(one, 4.0)[-1]
    after = run(one, 2.0)[-1]

    one.limits.take(shed(5000.0, seq=3, after_s=360.0))
    again = run(one, 2.0)[-1]
    one.limits.take(shed(None, seq=4, after_s=480.0))
    over = run(one, 1.0)[-1]

    assert (lowest, after, again, over) == pytest.approx((2500.0, 8000.0, 5000.0, 8000.0))


def test_after_its_end_an_envelope_leaves_the_limit_for_that() -> None:
    one = scheduler(deferrable_frac=0.0)
    one.limits.take(envelope(limit_kw=8000.0, expected_kw=8000.0, valid_min=15.0, after_kw=7000.0))

    before = run(one, 15.0)[-1]
    after = run(one, 1.0)[-1]

    assert (before, after) == pytest.approx((8000.0, 7000.0))


def test_a_message_with_an_old_number_changes_nothing() -> None:
    one = scheduler()
    assert one.limits.take(envelope(limit_kw=8000.0, expected_kw=8000.0, seq=7))

    assert not one.limits.take(envelope(limit_kw=3000.0, expected_kw=3000.0, seq=7))
    assert not one.limits.take(shed(3000.0, seq=6))
    assert one.present().limit_kw == 8000.0


def test_batch_work_rises_by_the_agreed_ramp() -> None:
    one = scheduler()
    one.limits.take(envelope(limit_kw=7200.0, expected_kw=7200.0, valid_min=1e5))
    run(one, 10 * 60.0)

    one.limits.take(envelope(limit_kw=10_000.0, expected_kw=10_000.0, valid_min=1e5, seq=2))
    powers = run(one, 10.0)

    rises = np.diff([7200.0, *powers])
    assert max(rises) <= 600.0 + 1e-6
    assert powers[-1] > 7900.0


# the dialogue


def voice(**changes: Any) -> tuple[ClusterVoice, TwinScheduler, ManualClock, Callable[[float], list[Word]]]:
    one, clock = scheduler(**changes), ManualClock(START)
    speaking = ClusterVoice(one, clock=clock)

    def after(seconds: float) -> list[Word]:
        """Return what is said in some seconds."""
        words = speaking.words()
        for _ in range(round(seconds)):
            one.advance(BASE_KW, 1.0)
            clock.advance(1.0)
            words += speaking.words()
        return words

    return speaking, one, clock, after


def leaves(words: list[Word]) -> list[str]:
    return [word.leaf for word in words]


def test_what_is_said_is_what_the_contract_asks_for() -> None:
    speaking, _, _, after = voice()
    after(3600.0)
    speaking.take(json.dumps(envelope(limit_kw=9000.0, expected_kw=8000.0, valid_min=120.0)).encode())

    words = after(300.0)

    spoken = {word.leaf: word for word in words}
    offer = FlexOfferMessage.model_validate_json(spoken["offer"].payload)
    ack = AckMessage.model_validate_json(spoken["ack"].payload)
    telemetry = TelemetryMessage.model_validate_json(spoken["telemetry"].payload)
    assert [each.kind for each in offer.classes][:3] == ["firm", "shapeable", "curtailable"]
    assert {each.kind for each in offer.classes[3:]} == {"deferrable"}
    assert (ack.seq, ack.accepted, telemetry.enforced_limit_kw) == (1, True, 9000.0)
    assert {leaf: word.retain for leaf, word in spoken.items()} == {"offer": True, "ack": False, "telemetry": False}
    assert 58 <= leaves(words).count("telemetry") <= 62


def test_batch_classes_hold_all_known_work_and_can_do_it_in_time() -> None:
    _, one, _, after = voice()
    one.limits.take(envelope(limit_kw=7200.0, expected_kw=7200.0, valid_min=1e5))
    words = after(6 * 3600.0)

    offers = [word for word in words if word.leaf == "offer"]
    offer = FlexOfferMessage.model_validate_json(offers[-1].payload)
    batch = [each for each in offer.classes if each.kind == "deferrable"]
    assert [each.id for each in batch] == ["batch-0", "batch-1", "batch-2", "batch-3"]
    assert sum(each.energy_kwh for each in batch) == pytest.approx(one.queue.left_kwh, rel=0.05)
    for each in batch:
        assert each.deadline is not None
        hours = (each.deadline - offer.issued).total_seconds() / 3600.0
        assert each.energy_kwh <= each.max_kw * hours * 1.001


@pytest.mark.parametrize(
    ("faults", "is_answered", "is_obeyed"),
    [
        (Faults(), True, True),
        (Faults(deaf=True), True, False),
        (Faults(ignore_writes=True), False, False),
        (Faults(mute=True), False, False),
    ],
    ids=["obeys", "deaf", "ignores", "loses"],
)
def test_a_cluster_obeys_pretends_ignores_or_loses(faults: Faults, *, is_answered: bool, is_obeyed: bool) -> None:
    speaking, one, _, after = voice(deferrable_frac=0.0)
    after(10.0)
    speaking.replace_faults(faults)

    speaking.take(json.dumps(shed(5000.0)).encode())
    words = after(60.0)

    assert ("ack" in leaves(words)) is is_answered
    assert (one.served.total_kw <= 5000.0 + 1e-6) is is_obeyed
    assert ("telemetry" in leaves(words)) is not faults.mute


def test_a_slow_cluster_obeys_and_answers_late() -> None:
    speaking, one, _, after = voice(deferrable_frac=0.0)
    after(10.0)
    speaking.replace_faults(Faults(delay_s=60.0))
    speaking.take(json.dumps(shed(5000.0)).encode())

    early = after(50.0)
    power_kw = one.served.total_kw
    late = after(100.0)

    assert "ack" not in leaves(early)
    assert power_kw == pytest.approx(BASE_KW)
    assert "ack" in leaves(late)
    assert one.served.total_kw == pytest.approx(5000.0)


def test_some_messages_may_be_lost() -> None:
    speaking, _, _, after = voice()
    speaking.replace_faults(Faults(mute=True, probability_frac=0.5))

    said = leaves(after(600.0)).count("telemetry")

    assert 20 < said < 100


def test_garbage_is_said_and_garbage_is_borne() -> None:
    speaking, one, _, after = voice()
    speaking.replace_faults(Faults(garbage=True))
    for payload in (b"", b"{", b"[]", b"{}", b'{"seq": 1, "schema": "power-envelope/1"}', b'{"seq": "x"}', b"\xff"):
        speaking.take(payload)

    words = after(10.0)

    assert words
    for word in words:
        with pytest.raises(ValueError, match=r".*"):
            json.loads(word.payload)
    assert one.present().limit_kw is None


def test_faults_of_registers_are_none_of_a_cluster() -> None:
    speaking, _, _, _ = voice()

    with pytest.raises(OrderError, match="exception_code"):
        speaking.replace_faults(Faults(exception_code=2))
