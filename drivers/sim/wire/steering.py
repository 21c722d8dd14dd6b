"""Sets faults of a running twin over HTTP, on loopback only. The daemon knows nothing of it."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict
from difflib import get_close_matches
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Final, Protocol, Self
from urllib.parse import unquote, urlsplit

from pydantic import TypeAdapter, ValidationError

from drivers.sim.wire.faults import NO_FAULTS, Faults

_ROOT: Final = "faults"
_HOST: Final = "127.0.0.1"
_MOST_BYTES: Final = 65_536
_PATIENCE_S: Final = 10.0
_ORDER: Final = TypeAdapter(list[Faults])
# what a fault says beside its kind, left out of an answer where it is as usual
_USUAL: Final = asdict(NO_FAULTS)
# pydantic's name of a key that a dataclass does not have
_UNKNOWN: Final = "unexpected_keyword_argument"


class Steerable(Protocol):
    """An endpoint whose faults can be set."""

    @property
    def faults(self) -> tuple[Faults, ...]:
        """Return the faults that are set and not over."""

    async def set_faults(self, *faults: Faults) -> None:
        """Replace all faults; `OrderError` if the endpoint cannot have one of them."""


class OrderError(ValueError):
    """Faults that cannot be set: `problems` says where and why."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def read_order(text: str | bytes) -> tuple[Faults, ...]:
    """Return the faults of a JSON object, or of an array of such objects.

    Raises:
        OrderError: It is none, or a field does not exist or has a value that it cannot have.
    """
    try:
        order = json.loads(text)
    except ValueError as error:
        raise OrderError([f"this is no JSON: {error}"]) from error
    several = order if isinstance(order, list) else [order]
    try:
        # read as JSON once more: there a list may stand for a set and 30 for 30.0, and nothing else is converted
        return tuple(_ORDER.validate_json(json.dumps(several), strict=True))
    except ValidationError as error:
        raise OrderError(
            [_problem(one["loc"], one["type"], one["msg"], n_objects=len(several)) for one in error.errors()]
        ) from error


def _problem(loc: tuple[int | str, ...], kind: str, message: str, *, n_objects: int) -> str:
    """Return what is wrong with a field, after the number of its object if there are several."""
    place = ".".join(str(part) for part in (loc[1:] if n_objects == 1 else loc))
    if kind == _UNKNOWN:
        nearest = get_close_matches(str(loc[-1]), _USUAL, n=1)
        hint = f", did you mean '{nearest[0]}'?" if nearest else ""
        return f"{place}: no such fault{hint} (there are {', '.join(_USUAL)})"
    return f"{place}: {message}" if place else message


def shown_faults(several: tuple[Faults, ...]) -> list[dict[str, object]]:
    """Return faults as JSON objects, with what differs from a good endpoint."""
    return [
        {
            key: sorted(value) if isinstance(value, frozenset) else value
            for key, value in asdict(one).items()
            if value != _USUAL[key]
        }
        for one in several
    ]


class FaultSteering:
    """Serves HTTP in a thread of its own while it is entered; port 0 takes a free one, which `address` tells.

    `GET /faults` shows all endpoints, `GET /faults/<link>` one; `PUT /faults/<link>` replaces its faults with the
    object or array in the body; `DELETE` takes them away, of one link or of all.
    """

    def __init__(self, endpoints: Mapping[str, Steerable], *, port: int) -> None:
        self._endpoints = endpoints
        self._port = port
        self._server: ThreadingHTTPServer | None = None
        self._thread: Thread | None = None

    @property
    def address(self) -> str:
        """Return the address of the whole, to which `/<link>` is added."""
        return f"http://{_HOST}:{self._port}/{_ROOT}"

    async def __aenter__(self) -> Self:
        desk = _Desk(self._endpoints, asyncio.get_running_loop())
        self._server = ThreadingHTTPServer((_HOST, self._port), _handler(desk))
        self._port = self._server.server_address[1]
        self._thread = Thread(target=self._server.serve_forever, name="faults", daemon=True)
        self._thread.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None and self._thread is not None:
            await asyncio.to_thread(self._server.shutdown)
            await asyncio.to_thread(self._thread.join)
            self._server.server_close()


class _Refusal(Exception):  # noqa: N818 - it becomes an answer
    def __init__(self, status: HTTPStatus, **words: object) -> None:
        super().__init__(status.phrase)
        self.status = status
        self.words = words


class _Desk:
    """What is asked over HTTP, done in the loop of the endpoints."""

    def __init__(self, endpoints: Mapping[str, Steerable], loop: asyncio.AbstractEventLoop) -> None:
        self._endpoints = endpoints
        self._loop = loop

    def answer(self, method: str, path: str, body: bytes) -> object:
        """Return what to show.

        Raises:
            _Refusal: It cannot be done.
        """
        names = self._names(path)
        match method:
            case "PUT" if len(names) == 1 and path.strip("/") != _ROOT:
                self._set(names, _order(body))
            case "DELETE":
                self._set(names, ())
            case "GET":
                pass
            case _:
                raise _Refusal(HTTPStatus.METHOD_NOT_ALLOWED, error="PUT needs a link: /faults/<link>")
        return {name: shown_faults(self._endpoints[name].faults) for name in names}

    def _names(self, path: str) -> list[str]:
        root, _, name = path.strip("/").partition("/")
        if root != _ROOT:
            raise _Refusal(HTTPStatus.NOT_FOUND, error=f"there is only /{_ROOT} and /{_ROOT}/<link>")
        if not name:
            return sorted(self._endpoints)
        if name not in self._endpoints:
            raise _Refusal(HTTPStatus.NOT_FOUND, error=f"no link is called '{name}'", links=sorted(self._endpoints))
        return [name]

    def _set(self, names: list[str], order: tuple[Faults, ...]) -> None:
        async def change() -> None:
            for name in names:
                await self._endpoints[name].set_faults(*order)

        try:
            asyncio.run_coroutine_threadsafe(change(), self._loop).result(_PATIENCE_S)
        except OrderError as error:
            raise _no_faults(error) from error


def _order(body: bytes) -> tuple[Faults, ...]:
    try:
        return read_order(body)
    except OrderError as error:
        raise _no_faults(error) from error


def _no_faults(error: OrderError) -> _Refusal:
    return _Refusal(HTTPStatus.BAD_REQUEST, error="these are no faults", problems=error.problems)


def _handler(desk: _Desk) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _PATIENCE_S

        def _serve(self) -> None:
            try:
                status, words = HTTPStatus.OK, desk.answer(self.command, self._path(), self._body())
            except _Refusal as refusal:
                status, words = refusal.status, refusal.words
            except (TimeoutError, OSError) as error:
                status, words = HTTPStatus.INTERNAL_SERVER_ERROR, {"error": f"not done: {error}"}
            body = json.dumps(words, indent=1).encode() + b"\n"
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_DELETE = do_POST = _serve  # noqa: N815 - the names of http.server

        def _path(self) -> str:
            return unquote(urlsplit(self.path).path)

        def _body(self) -> bytes:
            length = self.headers.get("Content-Length", "0")
            if not length.isdecimal() or int(length) > _MOST_BYTES:
                raise _Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, error=f"at most {_MOST_BYTES} bytes")
            return self.rfile.read(int(length))

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of http.server
            """Keep quiet: who steers knows what he did."""

    return Handler
