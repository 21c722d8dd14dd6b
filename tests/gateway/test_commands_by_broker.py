"""A command through a real broker: signed by one side, judged and answered by the other."""

import asyncio
import json
from contextlib import suppress
from pathlib import Path

import pytest

from ems.app.command_desk import CommandDesk
from ems.app.key_files import KEYS_FILE, KeyFile
from ems.commands.judge import CommandRules
from ems.commands.keys import ring_text
from ems.contract.command import Answer, CommandAckMessage
from ems.contract.outgoing import Outgoing
from ems.contract.topics import Topics
from ems.errors import StateError
from ems.gateway.command_client import send_command
from ems.gateway.mqtt import MqttPublisher
from ems.model.annunciation import AlarmAnswer
from ems.runtime.clock import ManualClock
from ems.runtime.persistence import StateStore
from tests.app.test_command_desk import KeptRows
from tests.commands.envelopes import CAMPUS, IN_HANDS, NOW, RING, document, signed
from tests.gateway.brokers import Mosquitto, needs_mosquitto, settings, subscriber, until

TOPICS = Topics(prefix="ems", site_id=CAMPUS.id)
pytestmark = [pytest.mark.mosquitto, needs_mosquitto]


async def sent(port: int, payload: bytes, command_id: str, name: str = "limits") -> CommandAckMessage:
    return await send_command(settings(port, timeout_s=5.0), TOPICS, payload, command_id=command_id, name=name)


def test_a_command_is_answered_over_the_broker_and_a_kept_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / KEYS_FILE).write_text(ring_text(RING), encoding="utf-8")

    async def run(port: int, store: StateStore) -> None:
        clock = ManualClock(NOW)
        desk = CommandDesk(
            CAMPUS,
            clock,
            store,
            rules=CommandRules(),
            in_hands=IN_HANDS,
            keys=KeyFile(tmp_path / KEYS_FILE),
            audit=KeptRows(),
        )
        publisher = MqttPublisher(settings(port, timeout_s=5.0), TOPICS, listeners=desk.listeners())

        def publish(outgoing: Outgoing) -> None:
            publisher.publish(outgoing.topic, outgoing.message.payload(), retain=outgoing.retain)

        desk.connect(
            publish=publish,
            tell=lambda _: None,
            replan=lambda: None,
            act=lambda _: AlarmAnswer(accepted=True, text="done"),
        )
        tasks = [asyncio.create_task(publisher.run()), asyncio.create_task(desk.run())]
        try:
            await until(lambda: publisher.statistics().connected)
            with subscriber(port, TOPICS) as scada:
                await until(lambda: scada.newest("commands") is not None)

                assert (await sent(port, signed(document()), "test-0001")).answer is Answer.ACCEPTED
                assert [bound.import_kw for bound in desk.requests(NOW, clock.monotonic_s()).bounds] == [9000.0]
                await until(lambda: b"test-0001" in (scada.newest("commands") or b""))

                other = signed(document("plan", id="test-0002"))
                assert (await sent(port, other, "test-0002")).answer is Answer.REJECTED
                nobody = json.dumps({"id": "test-0003"}).encode()
                assert (await sent(port, nobody, "test-0003", name="frobnicate")).answer is Answer.REJECTED
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    with Mosquitto(tmp_path) as broker:
        store = StateStore(tmp_path / "state.db")
        try:
            asyncio.run(run(broker.port, store))
        finally:
            store.close()


def test_without_a_broker_the_sender_is_told_so() -> None:
    with pytest.raises(StateError, match="check the broker"):
        asyncio.run(sent(1, b"{}", "test-0001"))
