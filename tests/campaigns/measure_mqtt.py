"""What 300 device messages a second cost on a real broker, and how long they hold up the event loop of control."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

from ems.contract.outgoing import Outgoing
from ems.gateway.messages.devices import device_messages
from ems.gateway.mqtt import MqttPublisher
from ems.gateway.sparkplug.node import EdgeNode
from tests.campaigns.rows import Row, skipped
from tests.gateway.brokers import MOSQUITTO, TOPICS, Mosquitto, settings, until
from tests.gateway.operation import NOON, operation

_N_MESSAGES = 300
_TICK_S = 0.01
# what the event loop may be held up for: a small part of a control cycle
_MOST_LAG_S = 0.05


def measure_mqtt(*, n_rounds: int = 30) -> Iterator[Row]:
    """Publish the device messages of a campus, each second anew."""
    if MOSQUITTO is None:
        yield skipped("mqtt.share_300", "publish 300 device messages a second", "mosquitto is not installed")
        return
    with TemporaryDirectory() as home, Mosquitto(Path(home)) as broker:
        yield from asyncio.run(_measured(broker.port, n_rounds))


async def _measured(port: int, n_rounds: int) -> list[Row]:
    rounds = [_round(number) for number in range(2)]
    # with no refresh time every message is sent, whether it says something new or not
    publisher = MqttPublisher(settings(port, refresh_s=0.0, timeout_s=5.0), TOPICS)
    async with _running(publisher):
        await until(lambda: publisher.statistics().connected)
        lags: list[float] = []
        ticker = asyncio.create_task(_tick(lags))
        idle_s, begin_s = await _idle_share(), time.process_time()
        wall_s = time.perf_counter()
        for number in range(n_rounds):
            await _publish(publisher, rounds[number % 2])
            await asyncio.sleep(max(0.0, wall_s + number + 1.0 - time.perf_counter()))
        await until(lambda: publisher.statistics().n_waiting == 0)
        used_s = (time.process_time() - begin_s) / (time.perf_counter() - wall_s) - idle_s
        ticker.cancel()
        n_sent = publisher.statistics().n_sent
    sparkplug_s = _sparkplug_share(rounds)
    expected = n_rounds * _N_MESSAGES
    return [
        Row(
            id="mqtt.share_300",
            what="share of one core for building and sending 300 device messages a second, QoS 1",
            value=used_s,
            unit="share",
            target="<= 0.10",
            met=used_s <= 0.10,
        ),
        Row(
            id="mqtt.lag",
            what="longest that the event loop was held up meanwhile",
            value=max(lags, default=0.0),
            unit="s",
            target=f"<= {_MOST_LAG_S}",
            met=max(lags, default=0.0) <= _MOST_LAG_S,
        ),
        Row(
            id="mqtt.complete",
            what=f"messages confirmed by the broker, of {expected}",
            value=float(n_sent),
            unit="",
            target=f">= {expected}",
            met=n_sent >= expected,
        ),
        Row(
            id="mqtt.sparkplug",
            what="share of one core more for the same as Sparkplug metrics, encoded on change",
            value=sparkplug_s,
            unit="share",
        ),
    ]


def _round(number: int) -> list[Outgoing]:
    """Return 300 messages of the devices of a campus, spread over as many devices."""
    site = operation("weak-grid-campus", n_cycles=3)
    now_s, utc = site.record.snapshot.at_s, NOON + timedelta(seconds=number)
    messages = list(device_messages(site.site, site.devices, now_s=now_s, utc=utc))
    return [
        replace(each, topic=each.topic.replace("/", f"/d{place}-", 1))
        for place, each in enumerate(islice(cycle(messages), _N_MESSAGES))
    ]


async def _publish(publisher: MqttPublisher, messages: list[Outgoing]) -> None:
    """Build and hand over a round as the daemon does: other tasks get their turn between two messages."""
    for outgoing in messages:
        # validated anew, as a message that is built from a reading
        message = type(outgoing.message).model_validate(outgoing.message.__dict__)
        publisher.publish(outgoing.topic, message.payload(), retain=True)
        await asyncio.sleep(0)


def _sparkplug_share(rounds: list[list[Outgoing]]) -> float:
    """Return processor time for a second's messages, once the node is born."""
    node = EdgeNode(group="bench", node="bench")
    for outgoing in rounds[0]:
        node.see(outgoing)
    node.will()
    tuple(node.born())
    begin_s, n_rounds = time.process_time(), 10
    for number in range(n_rounds):
        for outgoing in rounds[number % 2]:
            node.see(outgoing)
        tuple(node.news())
    return (time.process_time() - begin_s) / n_rounds


async def _idle_share() -> float:
    begin_s = time.process_time()
    await asyncio.sleep(1.0)
    return time.process_time() - begin_s


async def _tick(lags: list[float]) -> None:
    while True:
        due_s = time.perf_counter() + _TICK_S
        await asyncio.sleep(_TICK_S)
        lags.append(time.perf_counter() - due_s)


@asynccontextmanager
async def _running(publisher: MqttPublisher) -> AsyncIterator[None]:
    task = asyncio.create_task(publisher.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait((task,))
