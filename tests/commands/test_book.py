"""What is in force comes back after a restart as it was, and ends by the monotonic clock."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ems.commands.book import InForce, document_of, in_force, requests_of, restored, without_ended
from ems.commands.judge import Granted
from ems.contract.quantities import rfc3339_ms
from ems.model.requests import OperatorRequests
from tests.commands.envelopes import ENGINEER, HOUR, NOW, arrival, document, judge, signed
from tests.control.draws import cases

COMMANDS = [
    document(),
    document(limits={"soc_floor_pct": 40, "export_kw": 0}),
    document(target="bess01", limits={"charge_kw": 100, "discharge_kw": 7}),
    document(limits={"genset_ban": True}),
    document("genset_test", target="gen01", until=rfc3339_ms(NOW + HOUR)),
    document(
        "maintenance", target="gen02", role="engineer", start=rfc3339_ms(NOW + HOUR), until=rfc3339_ms(NOW + 3 * HOUR)
    ),
    document("e_stop"),
    document("stay_island"),
    document("mode", target="bess01", value="manual", until=rfc3339_ms(NOW + HOUR), manual={"power_kw": -7}),
    document("mode", target="gen01", value="confirm", until=rfc3339_ms(NOW + HOUR)),
]


def entered(number: int, *, now_s: float = 100.0) -> InForce:
    command = {**COMMANDS[number], "id": f"test-{number:04}"}
    key = [ENGINEER] if command["role"] == "engineer" else []
    granted = judge().judge(arrival(signed(command, *key), command["name"]), NOW, 0.0)
    assert isinstance(granted, Granted), granted
    assert granted.scope.until_utc is not None
    return in_force(granted, until_utc=granted.scope.until_utc, utc=NOW, now_s=now_s)


ENTERED = tuple(entered(number) for number in range(len(COMMANDS)))


@cases(50, n_full=2000)
@given(numbers=st.sets(st.integers(0, len(COMMANDS) - 1)), later_s=st.floats(0.0, 12_000.0))
def test_a_restart_finds_what_has_not_ended(numbers: set[int], later_s: float) -> None:
    before = tuple(ENTERED[number] for number in sorted(numbers))

    after = restored(document_of(before), utc=NOW + timedelta(seconds=later_s), now_s=5.0)

    left = [each for each in before if NOW + timedelta(seconds=later_s) < each.until_utc]
    assert [each.id for each in after] == [each.id for each in left]
    for one, other in zip(left, after, strict=True):
        assert (one.bound, one.limits, one.name, one.keys) == (other.bound, other.limits, other.name, other.keys)
        assert (one.mode, one.manual) == (other.mode, other.manual)
        assert other.ends_s - 5.0 == pytest.approx((one.until_utc - NOW).total_seconds() - later_s, abs=1e-3)


@cases(50, n_full=2000)
@given(number=st.integers(0, len(COMMANDS) - 1), wall_h=st.floats(-10.0, 10.0))
def test_every_command_ends_by_the_monotonic_clock_whatever_the_wall_clock_says(number: int, wall_h: float) -> None:
    command = ENTERED[number]
    wall = NOW + timedelta(hours=wall_h)

    assert without_ended((command,), command.ends_s - 0.001) == (command,)
    assert without_ended((command,), command.ends_s) == ()
    asked = requests_of((command,), utc=wall, now_s=command.ends_s - 30.0)
    assert all(abs(bound.until_utc - (wall + timedelta(seconds=30))) <= timedelta(seconds=2) for bound in asked.bounds)


def test_requests_of_modes_and_bounds_are_what_was_asked_for() -> None:
    asked = requests_of(ENTERED, utc=NOW, now_s=100.0)

    assert (asked.e_stop, asked.stay_island, asked.island) == (True, True, False)
    assert [bound.id for bound in asked.bounds] == [f"test-{number:04}" for number in range(6)]
    assert requests_of((), utc=NOW, now_s=0.0) == OperatorRequests()


@pytest.mark.parametrize("damage", [None, {}, [7], [{}], [{**document_of(ENTERED[:1])[0], "until": "soon"}]])
def test_a_document_that_is_none_of_ours_is_refused(damage: object) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        restored(damage, utc=NOW, now_s=0.0)
