"""Requests of operators: a file that ends by itself, and never holds up control."""

import asyncio
import json
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from ems.app.requests import request
from ems.errors import ConfigError
from ems.model.requests import NO_REQUESTS, OperatorRequests
from ems.runtime.clock import SystemClock
from ems.runtime.requests import REQUEST_NAMES, REQUESTS_FILE, RequestBook, load_requests, save_request
from tests.twin.settings import START

HOUR = timedelta(hours=1)


def looked(book: RequestBook) -> None:
    """Let the book read its file once."""

    async def once() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await book.run(SystemClock(), period_s=10.0)

    asyncio.run(once())


def test_a_request_counts_until_its_end(tmp_path: Path) -> None:
    save_request(tmp_path / REQUESTS_FILE, "island", until=START + HOUR, now=START)
    book = RequestBook(tmp_path)
    assert book.in_force(START) == NO_REQUESTS

    looked(book)

    assert book.in_force(START) == OperatorRequests(island=True)
    assert book.changes(START) == ("an operator asks for island until 2026-03-10 19:00:00 UTC",)
    assert book.changes(START) == ()
    assert book.in_force(START + HOUR) == NO_REQUESTS
    assert book.changes(START + HOUR) == ("the request for island has ended",)


def test_a_request_that_is_withdrawn_is_gone_and_others_stay(tmp_path: Path) -> None:
    file = tmp_path / REQUESTS_FILE
    save_request(file, "island", until=START + HOUR, now=START)
    save_request(file, "stay_island", until=START + HOUR, now=START)

    save_request(file, "island", until=None, now=START)

    assert set(load_requests(file)) == {"stay_island"}


def test_what_has_ended_leaves_the_file_with_the_next_request(tmp_path: Path) -> None:
    file = tmp_path / REQUESTS_FILE
    save_request(file, "island", until=START + HOUR, now=START)

    save_request(file, "e_stop", until=START + 3 * HOUR, now=START + 2 * HOUR)

    assert set(load_requests(file)) == {"e_stop"}


@pytest.mark.parametrize("text", ["no json", '["island"]', '{"fly": "2026-01-01T00:00:00+00:00"}', '{"island": "now"}'])
def test_a_file_that_is_not_ours_changes_nothing_that_is_known(tmp_path: Path, text: str) -> None:
    file = tmp_path / REQUESTS_FILE
    save_request(file, "island", until=START + HOUR, now=START)
    book = RequestBook(tmp_path)
    looked(book)

    file.write_text(text, encoding="utf-8")
    looked(book)

    assert book.in_force(START) == OperatorRequests(island=True)


def test_the_command_writes_where_the_daemon_of_the_site_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))

    until = request("weak-grid-campus", "leave-e-stop", minutes=5.0)

    assert until is not None
    assert set(json.loads((tmp_path / REQUESTS_FILE).read_text(encoding="utf-8"))) == {"leave_e_stop"}


def test_what_nobody_can_ask_for_is_refused_with_what_can_be(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))

    with pytest.raises(ConfigError, match="nothing is called 'islnd'") as refused:
        request("weak-grid-campus", "islnd", minutes=5.0)

    assert "stay-island" in str(refused.value)
    assert set(REQUEST_NAMES) == {"island", "stay_island", "black_start", "e_stop", "leave_e_stop"}
