"""What is kept for a broker that is away: records in their order, bounded, over a restart."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ems.app.recording import RecordBook, RecordKeeper
from ems.contract.accounts import EnergyMessage
from ems.contract.alarms import AlarmMessage
from ems.gateway.mqtt import MqttPublisher
from ems.gateway.records import RecordQueue
from ems.model.annunciation import Alarm
from ems.model.status import EnergyTotals
from ems.runtime.clock import ManualClock
from ems.runtime.persistence import StateStore
from tests.gateway.brokers import TOPICS, Mosquitto, free_port, needs_mosquitto, settings, subscriber, until

START = datetime(2026, 7, 3, tzinfo=UTC)
ALARM = Alarm(id="balance", kind="balance", text="x", active=True, acknowledged=False, began_utc=START, order=1)


def energy(until_utc: datetime, import_kwh: float) -> EnergyTotals:
    return EnergyTotals(
        since_utc=START, until_utc=until_utc, pv_kwh=0.0, genset_kwh=0.0, import_kwh=import_kwh, export_kwh=0.0,
        charge_kwh=0.0, discharge_kwh=0.0, it_kwh=import_kwh, cooling_kwh=0.0, aux_kwh=0.0, fuel_l=0.0, cost=0.0,
    )  # fmt: skip


def waiting(queue: RecordQueue) -> list[tuple[str, bytes]]:
    taken = []
    while (first := queue.first()) is not None:
        taken.append(first)
        queue.confirmed(*first)
    return taken


def test_records_of_a_topic_keep_their_order_and_the_oldest_goes() -> None:
    queue = RecordQueue(3)
    for number in range(5):
        queue.put("record/alarm", b"%d" % number)
    queue.put("record/energy", b"kWh")

    assert len(queue) == 4
    assert queue.n_dropped == 2
    assert waiting(queue) == [
        ("record/alarm", b"2"),
        ("record/alarm", b"3"),
        ("record/alarm", b"4"),
        ("record/energy", b"kWh"),
    ]


def test_a_record_that_was_dropped_while_it_was_sent_takes_no_other_with_it() -> None:
    queue = RecordQueue(1)
    queue.put("record/alarm", b"old")
    sent = queue.first()
    assert sent is not None

    queue.put("record/alarm", b"new")
    queue.confirmed(*sent)

    assert waiting(queue) == [("record/alarm", b"new")]


def test_what_waits_survives_a_restart(tmp_path: Path) -> None:
    clock, store = ManualClock(START), StateStore(tmp_path / "state.db")
    queue = RecordQueue(10)
    keeper = RecordKeeper(queue, store, clock)
    queue.put("record/energy", b'{"v":1}')
    keeper.look()
    clock.advance(60.0)
    keeper.look()
    store.close()

    store = StateStore(tmp_path / "state.db")
    again = RecordQueue(10)
    keeper = RecordKeeper(again, store, clock)

    assert waiting(again) == [("record/energy", b'{"v":1}')]
    keeper.save()
    store.close()
    store = StateStore(tmp_path / "state.db")
    empty = RecordQueue(10)
    RecordKeeper(empty, store, clock)
    assert waiting(empty) == []
    store.close()


@pytest.mark.parametrize("document", [{"record/energy": 3}, {"record/energy": [1, None]}])
def test_a_saved_document_that_is_not_ours_restores_nothing(document: dict[str, object]) -> None:
    queue = RecordQueue(10)

    queue.restore(document)

    assert waiting(queue) == []


def test_a_record_is_made_once_for_every_interval_and_for_every_change_of_an_alarm() -> None:
    book = RecordBook(currency="EUR")

    def topics(minute: int, *alarms: Alarm) -> list[str]:
        closed = START + timedelta(minutes=minute // 15 * 15)
        utc = START + timedelta(minutes=minute)
        return [each.topic for each in book.news(utc, energy=energy(closed, 1.0), carbon=None, alarms=alarms)]

    assert topics(0) == ["record/energy"]
    assert topics(1, ALARM) == ["record/alarm"]
    assert topics(2, ALARM) == []
    assert topics(15, replace(ALARM, acknowledged=True)) == ["record/energy", "record/alarm"]
    assert topics(16) == []


@pytest.mark.mosquitto
@pytest.mark.wire
@needs_mosquitto
async def test_a_day_without_a_broker_is_bounded_and_loses_no_counter_and_no_alarm(tmp_path: Path) -> None:
    port = free_port()
    publisher = MqttPublisher(settings(port), TOPICS)
    book = RecordBook(currency="EUR")
    task = asyncio.create_task(publisher.run())
    n_topics, n_changes = 40, 0
    for minute in range(24 * 60):
        utc = START + timedelta(minutes=minute)
        closed = START + timedelta(minutes=minute // 15 * 15)
        alarm = replace(ALARM, n_times=1 + minute // 60)
        for number in range(n_topics):
            publisher.publish(f"device/d{number}/pcs", b'{"v":1,"ts":"%d"}' % minute, retain=True)
        publisher.publish("event", b"%d" % minute, retain=False)
        for record in book.news(utc, energy=energy(closed, float(minute)), carbon=None, alarms=(alarm,)):
            n_changes += record.topic == "record/alarm"
            publisher.record(record.topic, record.message.payload())
        if minute % 60 == 0:
            await asyncio.sleep(0)

    held = publisher.statistics()
    assert not held.connected
    # the retained topics with `status`, the newest events, all records
    assert held.n_topics == n_topics + 1
    assert held.n_waiting <= n_topics + 1 + 100 + 96 + 24
    assert (held.n_records_waiting, held.n_records_dropped, n_changes) == (96 + 24, 0, 24)

    task.cancel()
    await asyncio.wait((task,))
    with Mosquitto(tmp_path, port=port), subscriber(port) as client:
        client.publish("mark", b"there", retain=True)
        await until(lambda: client.newest("mark") is not None)
        task = asyncio.create_task(publisher.run())
        await until(lambda: len(client.payloads("record/energy")) == 96 and len(client.payloads("record/alarm")) == 24)
        task.cancel()
        await asyncio.wait((task,))

    until_utc = [EnergyMessage.model_validate_json(each).until_utc for each in client.payloads("record/energy")]
    assert until_utc == [START + timedelta(minutes=15 * number) for number in range(96)]
    times = [AlarmMessage.model_validate_json(each).n_times for each in client.payloads("record/alarm")]
    assert times == list(range(1, 25))
    assert publisher.statistics().n_records_waiting == 0
