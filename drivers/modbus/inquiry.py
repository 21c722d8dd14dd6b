"""Questions to one unit, one after the other: what a person's tool asks, over the same link as the drivers' polls."""

import asyncio
from collections.abc import Callable, Sequence

from drivers.device.jobs import NEVER_S, NoAnswer, Urgency
from drivers.modbus.link import ModbusLink
from drivers.modbus.requests import Answer, Job, Request

# sees every question and its answer; the time is when the question was asked, in seconds of the clock
Witness = Callable[[int, Request, Answer, float], None]


class Inquiry:
    """A unit behind a link that is asked what its owner wants to know; attaches itself."""

    def __init__(self, unit: int, link: ModbusLink, *, witness: Witness | None = None) -> None:
        self._unit = unit
        self._link = link
        self._question = _Question(unit, witness)
        self._has_connected = False
        self._is_connected = False
        link.attach(self)

    @property
    def unit(self) -> int:
        """Return the unit number."""
        return self._unit

    @property
    def jobs(self) -> Sequence[Job]:
        """Return the one job there is."""
        return (self._question,)

    @property
    def timeout_s(self) -> float:
        """Return how long the link waits for an answer."""
        return self._link.timeout_s

    @property
    def has_connected(self) -> bool:
        """Return whether there has been a connection."""
        return self._has_connected

    async def ask(self, request: Request, *, within_s: float | None = None) -> Answer:
        """Send a request and return what came of it, `within_s` or the link's own limit.

        Without a connection that is known after one attempt.
        """
        self._link.wait_at_most(within_s)
        answer = self._question.put(request)
        self._link.wake()
        return await answer

    def connected(self, now_s: float) -> None:  # noqa: ARG002 - the protocol's
        """Note it; a question that waits is asked on any connection."""
        self._has_connected = True
        self._is_connected = True

    def lost(self, reason: str, now_s: float) -> None:
        """Answer the question that waits: there is no connection."""
        hung_up, self._is_connected = self._is_connected, False
        self._question.done(NoAnswer(reason, now_s, hung_up=hung_up))


class _Question:
    """The job that sends one request at a time."""

    urgency = Urgency.FAST
    patience_s = 0.0

    def __init__(self, unit: int, witness: Witness | None) -> None:
        self.due_s = NEVER_S
        self._unit = unit
        self._witness = witness
        self._request: Request | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self._asked_s: float | None = None

    def put(self, request: Request) -> "asyncio.Future[Answer]":
        self._request = request
        self._answer = asyncio.get_running_loop().create_future()
        self._asked_s = None
        self.due_s = 0.0
        return self._answer

    def request(self, now_s: float) -> Request | None:
        self._asked_s = now_s
        self.due_s = NEVER_S
        return self._request

    def done(self, answer: Answer) -> None:
        self.due_s = NEVER_S
        waiting, self._answer = self._answer, None
        request, self._request = self._request, None
        if waiting is None or request is None or waiting.done():
            return
        if self._witness is not None:
            self._witness(self._unit, request, answer, answer.at_s if self._asked_s is None else self._asked_s)
        waiting.set_result(answer)
