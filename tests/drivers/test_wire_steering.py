"""Setting the twin's faults over HTTP while it runs."""

import asyncio
import json
import re
import shlex
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from drivers.sim.wire.endpoints import WireTwin
from drivers.sim.wire.faults import Faults
from drivers.sim.wire.steering import FaultSteering, OrderError, read_order, shown_faults
from tests.drivers.clock import SteppedClock
from tests.drivers.rig import device_spec, link_spec, meter

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
LINKS = ("plant", "bess01")


@asynccontextmanager
async def steered() -> AsyncIterator[tuple[WireTwin, str]]:
    clock = SteppedClock()
    specs = [device_spec("generic-meter", id=f"{name}-m", link=name) for name in LINKS]
    plant = {spec.id: meter() for spec in specs}
    async with (
        WireTwin([link_spec(0, id=name) for name in LINKS], specs, plant, clock=clock) as twin,
        FaultSteering(twin.servers, port=0) as steering,
    ):
        yield twin, steering.address


async def ask(method: str, address: str, body: str | None = None) -> tuple[int, Any]:
    def exchange() -> tuple[int, Any]:
        data = None if body is None else body.encode()
        request = urllib.request.Request(address, data=data, method=method)  # noqa: S310 - our own server
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - our own server
                return answer.status, json.loads(answer.read())
        except HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    return await asyncio.to_thread(exchange)


@pytest.mark.wire
async def test_faults_of_one_link_are_set_shown_and_taken_away() -> None:
    async with steered() as (twin, address):
        put = await ask("PUT", f"{address}/plant", '{"mute": true, "units": [2, 1]}')
        during = twin.server("plant").faults
        shown = await ask("GET", address)
        gone = await ask("DELETE", f"{address}/plant")

    assert put == (HTTPStatus.OK, {"plant": [{"mute": True, "units": [1, 2]}]})
    assert during == (Faults(mute=True, units=frozenset({1, 2})),)
    assert shown == (HTTPStatus.OK, {"bess01": [], "plant": [{"mute": True, "units": [1, 2]}]})
    assert gone == (HTTPStatus.OK, {"plant": []})


@pytest.mark.wire
async def test_several_faults_are_set_at_once_and_all_are_taken_away_at_once() -> None:
    async with steered() as (twin, address):
        for link in LINKS:
            await ask("PUT", f"{address}/{link}", '[{"zero": true, "every_nth": 2}, {"delay_s": 0.5}]')
        during = twin.server("plant").faults
        gone = await ask("DELETE", address)

    assert during == (Faults(zero=True, every_nth=2), Faults(delay_s=0.5))
    assert gone == (HTTPStatus.OK, {"bess01": [], "plant": []})


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("PUT", "/plant", '{"mute": 1}', 400, "mute"),
        ("PUT", "/plant", '{"speed": 1}', 400, "speed"),
        ("PUT", "/plant", "mute", 400, "no JSON"),
        ("PUT", "/plant", '[{}, {"delay_s": -1}]', 400, "1.delay_s"),
        ("PUT", "/none", "{}", 404, "bess01"),
        ("PUT", "", "{}", 405, "/faults/<link>"),
        ("POST", "/plant", "{}", 405, "PUT"),
        ("GET", "/../plant", None, 404, "no link"),
        ("PUT", "/plant", "[" + " " * 70_000 + "]", 413, "65536"),
    ],
)
@pytest.mark.wire
async def test_an_order_that_cannot_be_is_refused_and_changes_nothing(
    method: str, path: str, body: str | None, status: int, words: str
) -> None:
    async with steered() as (twin, address):
        await twin.set_faults("plant", Faults(frozen=True))

        refused = await ask(method, f"{address}{path}", body)

        assert refused[0] == status
        assert words in json.dumps(refused[1])
        assert twin.server("plant").faults == (Faults(frozen=True),)


def test_shown_faults_can_be_set_again() -> None:
    faults = (Faults(units=frozenset({3}), lasts_s=2.5, exception_code=6), Faults(bit_flip=True, probability_frac=0.01))

    assert read_order(json.dumps(shown_faults(faults))) == faults


def test_an_order_with_numbers_in_the_place_of_flags_is_no_order() -> None:
    with pytest.raises(OrderError, match="frozen"):
        read_order('{"frozen": "yes"}')


@pytest.mark.wire
async def test_the_commands_on_the_page_work() -> None:
    lines = re.findall(r"^curl .*$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    async with steered() as (_, address):
        answers = {line: await ask(*curl_request(line, address)) for line in lines}

    assert len(lines) >= 6
    assert {line: answer for line, answer in answers.items() if answer[0] != HTTPStatus.OK} == {}


def curl_request(line: str, address: str) -> tuple[str, str, str | None]:
    """Return what curl would send."""
    words = shlex.split(line, comments=True)
    method = words[words.index("-X") + 1] if "-X" in words else "GET"
    body = words[words.index("-d") + 1] if "-d" in words else None
    (place,) = [word for word in words if word.startswith("$FAULTS")]
    return method, place.replace("$FAULTS", address), body


def test_a_fault_that_does_not_exist_is_told_with_the_one_that_was_meant() -> None:
    with pytest.raises(OrderError, match=r"muet: no such fault, did you mean 'mute'\? \(there are .*frozen.*\)"):
        read_order('{"muet": true}')
