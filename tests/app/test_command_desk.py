"""The desk: audited and kept before it counts, answered once, and never in control's way."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ems.app import command_desk
from ems.app.command_desk import CommandDesk
from ems.app.key_files import KEYS_FILE, KeyFile
from ems.chain.keys import PublicKey
from ems.commands.judge import CommandRules
from ems.commands.keys import KeyRing, ring_text, without_key
from ems.contract.command import CommandAckMessage, CommandsMessage
from ems.contract.outgoing import Outgoing
from ems.contract.quantities import rfc3339_ms
from ems.model.annunciation import ActionKind, AlarmAction, AlarmAnswer
from ems.model.hand import HandMode, Hands, HandSetting
from ems.model.requests import OperatorRequests
from ems.runtime.clock import ManualClock
from ems.runtime.observer import Event
from ems.runtime.persistence import StateStore
from tests.commands.envelopes import CAMPUS, ENGINEER, HOUR, IN_HANDS, NOW, OPERATOR, RING, STRANGER, document, signed

LATER = rfc3339_ms(NOW + HOUR)


class KeptRows:
    """An audit log in memory; a disk that does not answer takes rows and confirms none."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, dict[str, Any]]] = []
        self.answers = True

    def append(self, kind: str, fields: Mapping[str, object], *, on_disk: Callable[[int], None] | None = None) -> int:
        self.rows.append((kind, json.loads(json.dumps(dict(fields)))))
        if on_disk is not None and self.answers:
            on_disk(len(self.rows))
        return len(self.rows)

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.rows]


class Room:
    """A desk with everything around it; `send` lets it work until nothing waits."""

    def __init__(self, home: Path, clock: ManualClock, store: StateStore) -> None:
        self.clock = clock
        self.audit = KeptRows()
        self.keys_file = home / KEYS_FILE
        if not self.keys_file.exists():
            self.keys_file.write_text(ring_text(RING), encoding="utf-8")
        self.told: list[str] = []
        self.outgoing: list[Outgoing] = []
        self.n_replans = 0
        self.actions: list[AlarmAction] = []
        self.desk = CommandDesk(
            CAMPUS,
            clock,
            store,
            rules=CommandRules(),
            in_hands=IN_HANDS,
            keys=KeyFile(self.keys_file),
            audit=self.audit,
        )
        self.desk.connect(publish=self.outgoing.append, tell=self._tell, replan=self._replan, act=self._act)

    def _tell(self, event: Event) -> None:
        self.told.append(event.text)

    def _replan(self) -> None:
        self.n_replans += 1

    def _act(self, action: AlarmAction) -> AlarmAnswer:
        self.actions.append(action)
        return AlarmAnswer(accepted=action.alarm_id != "nobody", text=f"done to {action.alarm_id}")

    async def work(self) -> None:
        """Let the desk do one round."""
        await self.desk.turn()

    async def send(self, payload: bytes, name: str = "limits", *, retained: bool = False) -> None:
        self.desk.receive(name, payload, retained)
        await self.work()

    def answers(self) -> list[tuple[str, str]]:
        return [(m.id, m.answer.value) for o in self.outgoing if isinstance(m := o.message, CommandAckMessage)]

    def asked(self) -> OperatorRequests:
        return self.desk.requests(self.clock.utc(), self.clock.monotonic_s())

    def shown(self) -> CommandsMessage:
        return [m for o in self.outgoing if isinstance(m := o.message, CommandsMessage)][-1]


@contextmanager
def stored(home: Path) -> Iterator[StateStore]:
    store = StateStore(home / "state.db")
    try:
        yield store
    finally:
        store.close()


def in_room(home: Path, work: Callable[[Room], Coroutine[Any, Any, None]], clock: ManualClock | None = None) -> None:
    async def run(store: StateStore) -> None:
        await work(Room(home, clock or ManualClock(NOW), store))

    with stored(home) as store:
        asyncio.run(run(store))


def test_a_command_is_audited_kept_in_force_answered_and_ends(tmp_path: Path) -> None:
    async def work(room: Room) -> None:
        await room.send(signed(document()))

        assert room.answers() == [("test-0001", "accepted")]
        assert [bound.import_kw for bound in room.asked().bounds] == [9000.0]
        assert room.audit.kinds() == ["command"]
        row = room.audit.rows[0][1]
        assert json.loads(row["signed"])["limits"]["import_kw"] == 9000
        (signer,) = row["signers"]
        assert PublicKey(signer["public"]).verifies(row["signed"].encode(), signer["sig"])
        assert [part.id for part in room.shown().in_force] == ["test-0001"]
        assert room.n_replans == 1

        room.clock.advance(3600.0)
        assert room.asked() == OperatorRequests()
        await room.work()
        assert room.shown().in_force == ()
        assert any("has ended" in text for text in room.told)

    in_room(tmp_path, work)


def test_a_restart_goes_on_with_what_is_in_force_and_takes_nothing_twice(tmp_path: Path) -> None:
    payload = signed(document())

    async def before(room: Room) -> None:
        await room.send(payload)

    async def after(room: Room) -> None:
        assert [bound.import_kw for bound in room.asked().bounds] == [9000.0]
        assert "is in force again" in room.told[0]
        await room.send(payload)
        assert room.answers() == [("test-0001", "rejected")]

    async def late(room: Room) -> None:
        assert room.asked() == OperatorRequests()

    in_room(tmp_path, before)
    in_room(tmp_path, after, ManualClock(NOW + timedelta(minutes=4)))
    in_room(tmp_path, late, ManualClock(NOW + HOUR))


def test_without_an_audit_log_nothing_counts_but_an_emergency_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(room: Room) -> None:
        room.audit.answers = False
        with monkeypatch.context() as patched:
            patched.setattr(command_desk, "_DISK_WAIT_S", 0.02)
            await room.send(signed(document()))
        assert room.answers() == [("test-0001", "rejected")]
        assert room.asked() == OperatorRequests()
        assert room.shown().audit_trouble is not None

        # in force before anything else has had a turn
        room.desk.receive("e_stop", signed(document("e_stop", id="stop-0001", seq=2)), False)
        assert room.asked().e_stop

        room.audit.answers = True
        await room.send(signed(document(id="test-0003", seq=3)))
        assert room.answers()[-1] == ("test-0003", "accepted")
        assert room.shown().audit_trouble is None

    in_room(tmp_path, work)


def test_a_revoked_key_does_not_count_without_a_restart(tmp_path: Path) -> None:
    async def work(room: Room) -> None:
        room.keys_file.write_text(ring_text(without_key(RING, "kim", utc=NOW)), encoding="utf-8")
        await room.work()
        await room.send(signed(document()))
        assert room.answers() == [("test-0001", "rejected")]

        room.keys_file.write_text("{", encoding="utf-8")
        await room.work()
        await room.send(signed(document(role="engineer"), ENGINEER))
        assert room.asked() == OperatorRequests()
        assert room.shown().keys_trouble is not None

        room.keys_file.write_text(ring_text(RING), encoding="utf-8")
        await room.work()
        await room.send(signed(document(seq=9)))
        assert room.asked().bounds

    in_room(tmp_path, work)


def test_a_command_is_withdrawn_by_whom_may(tmp_path: Path) -> None:
    work_on = document("maintenance", id="work-0001", target="gen01", role="engineer", until=rfc3339_ms(NOW + HOUR))

    async def work(room: Room) -> None:
        await room.send(signed(work_on, ENGINEER), "maintenance")
        await room.send(signed(document("withdraw", id="test-0002", value="work-0001")), "withdraw")
        await room.send(signed(document("withdraw", id="test-0003", value="work-9999", seq=2)), "withdraw")
        assert room.answers()[1:] == [("test-0002", "rejected"), ("test-0003", "rejected")]
        assert room.asked().bounds

        by_engineer = document("withdraw", id="test-0004", value="work-0001", role="engineer", seq=2)
        await room.send(signed(by_engineer, ENGINEER), "withdraw")
        assert room.answers()[-1] == ("test-0004", "accepted")
        assert room.asked() == OperatorRequests()

    in_room(tmp_path, work)


def test_a_flood_is_bounded_and_summed_up_and_holds_up_no_emergency_stop(tmp_path: Path) -> None:
    async def work(room: Room) -> None:
        for number in range(5000):
            room.desk.receive(
                "limits", signed(document(id=f"bad-{number:05}"), STRANGER) if not number else b"{", False
            )
        room.desk.receive("e_stop", signed(document("e_stop", id="stop-0001")), False)
        assert room.asked().e_stop
        await room.work()
        room.desk.close()

        assert len(room.audit.rows) <= 40
        summary = dict(room.audit.rows)["commands_rejected"]["counts"]
        assert sum(summary.values()) + room.audit.kinds().count("command_rejected") == 5000
        assert len(room.answers()) <= 40

    in_room(tmp_path, work)


def test_what_is_retained_or_unsigned_is_answered_audited_and_without_effect(tmp_path: Path) -> None:
    async def work(room: Room) -> None:
        await room.send(signed(document()), retained=True)
        await room.send(json.dumps(document()).encode())
        await room.send(signed(document(), STRANGER))

        assert room.answers() == [("test-0001", "rejected")] * 3
        assert [row["kind"] for kind, row in room.audit.rows if kind == "command_rejected"] == [
            "retained",
            "form",
            "key",
        ]
        assert room.asked() == OperatorRequests()

    in_room(tmp_path, work)


def test_two_people_start_a_black_start(tmp_path: Path) -> None:
    async def work(room: Room) -> None:
        await room.send(signed(document("black_start"), OPERATOR, ENGINEER), "black_start")
        assert room.asked().black_start

    in_room(tmp_path, work)


def test_alarms_are_acknowledged_and_shelved_by_their_list_which_has_the_last_word(tmp_path: Path) -> None:
    shelve = {"value": "shelve", "until": rfc3339_ms(NOW + HOUR), "reason": "sensor on order"}

    async def work(room: Room) -> None:
        await room.send(signed(document("alarm", value="acknowledge")), "alarm")
        await room.send(signed(document("alarm", seq=2, id="test-0002", target="device_lost:gen01", **shelve)), "alarm")
        await room.send(signed(document("alarm", seq=3, id="test-0003", target="nobody", value="unshelve")), "alarm")
        await room.send(signed(document("alarm", seq=4, id="test-0004", value="remove_from_service")), "alarm")
        await room.send(signed(document("alarm", seq=5, id="test-0005", value="hide")), "alarm")

        assert [answer for _, answer in room.answers()] == ["accepted", "accepted", "rejected", "rejected", "rejected"]
        assert [action.kind for action in room.actions] == [
            ActionKind.ACKNOWLEDGE,
            ActionKind.SHELVE,
            ActionKind.UNSHELVE,
        ]
        assert room.actions[0].alarm_id is None
        assert (room.actions[1].until_utc, room.actions[1].reason) == (NOW + HOUR, "sensor on order")
        assert room.asked() == OperatorRequests()

    in_room(tmp_path, work)


def test_leaving_an_emergency_stop_ends_what_asked_for_it_and_a_new_stop_ends_the_leaving(tmp_path: Path) -> None:
    async def work(room: Room) -> None:
        await room.send(signed(document("e_stop")), "e_stop")
        assert room.asked().e_stop

        await room.send(signed(document("leave_e_stop", id="test-0002", seq=2), OPERATOR, ENGINEER), "leave_e_stop")
        assert (room.asked().e_stop, room.asked().leave_e_stop) == (False, True)

        await room.send(signed(document("e_stop", id="test-0003", seq=3)), "e_stop")
        assert (room.asked().e_stop, room.asked().leave_e_stop) == (True, False)

    in_room(tmp_path, work)


def test_a_device_is_taken_into_hand_and_given_back_by_command(tmp_path: Path) -> None:
    manual = document("mode", target="bess01", value="manual", until=LATER, manual={"power_kw": -250})
    off = document("mode", id="test-0002", target="gen01", value="off", until=LATER, role="engineer")
    back = document("mode", id="test-0003", seq=2, target="bess01", value="auto")
    elsewhere = HandSetting(mode=HandMode.OFF, since_s=0.0, until_s=1e9, until_utc=NOW + HOUR)

    async def work(room: Room) -> None:
        await room.send(signed(manual), "mode")
        await room.send(signed(off, ENGINEER), "mode")

        hands = room.desk.hands(Hands(settings={"gen02": elsewhere}), room.clock.monotonic_s())
        assert {name: each.mode.value for name, each in hands.settings.items()} == {
            "gen02": "off",
            "bess01": "manual",
            "gen01": "off",
        }
        assert hands.settings["bess01"].power_kw == -250.0

        await room.send(signed(back), "mode")
        assert set(room.desk.hands(Hands(), room.clock.monotonic_s()).settings) == {"gen01"}
        room.clock.advance(3600.0)
        assert room.desk.hands(Hands(), room.clock.monotonic_s()) == Hands()

    in_room(tmp_path, work)


def test_what_is_asked_for_on_the_machine_itself_is_audited_too(tmp_path: Path) -> None:
    async def work(room: Room) -> None:
        room.desk.on_event(Event(utc=NOW, kind="request", text="an operator asks for island"))
        room.desk.on_event(Event(utc=NOW, kind="genset", text="start gen01"))

        assert room.audit.rows == [("request", {"text": "an operator asks for island"})]

    in_room(tmp_path, work)


def test_no_file_of_keys_means_that_no_key_counts(tmp_path: Path) -> None:
    assert KeyFile(tmp_path / KEYS_FILE).newest() == KeyRing()
