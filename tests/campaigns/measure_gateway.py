"""What publishing costs: processor time against the second of real time that they serve."""

import asyncio
import time
from collections.abc import Iterator

from ems.contract.topics import Topics
from ems.gateway.broker import broker_settings
from ems.gateway.messages.site import state_message
from ems.gateway.mqtt import MqttPublisher
from tests.campaigns.rows import Row
from tests.campaigns.sample import Sample, sample_run


def measure_gateway(*, hours: float = 3.0) -> Iterator[Row]:
    """Publish the cycles of a shipped site."""
    sample = sample_run("desert-offgrid", start="2025-01-08", hours=hours)
    yield from asyncio.run(_publishing(sample))


async def _publishing(sample: Sample) -> list[Row]:
    """Hand messages to a publisher whose broker is away: what a caller pays, and what is kept."""
    settings = broker_settings(sample.files, refresh_s=10.0)
    publisher = MqttPublisher(settings, Topics(prefix="bench", site_id=sample.site.id))
    begin, n_messages = time.process_time(), 0
    for record in sample.records:
        message = state_message(sample.site, record.snapshot, record.decision, record.plan, device_ids={})
        for topic in ("state", "event"):
            publisher.publish(topic, message.payload(), retain=topic == "state")
            n_messages += 1
    each_s = (time.process_time() - begin) / n_messages
    statistics = publisher.statistics()
    kept = statistics.n_waiting
    return [
        Row(id="gateway.publish", what="build and hand over one state message", value=1e3 * each_s, unit="ms"),
        Row(
            id="gateway.share_300",
            what="share of one core for building 300 messages a second",
            value=300.0 * each_s,
            unit="share",
        ),
        Row(
            id="gateway.bounded",
            what=f"messages kept without a broker, of {n_messages}",
            value=float(kept),
            unit="",
            target=f"<= {settings.queue_events + 2}",
            met=kept <= settings.queue_events + 2,
        ),
    ]
