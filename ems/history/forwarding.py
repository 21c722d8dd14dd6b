"""The process that forwards the history to PostgreSQL; ends when its standard input does.

Started as `python -m ems.history.forwarding DIRECTORY` with one line of JSON on standard input (`PostgresSettings`), so
that the password shows in no list of processes. Says how it does in one line of JSON per change and every ten seconds.
"""

import asyncio
import json
import os
import random
import signal
import sqlite3
import ssl
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ems.history.database import meta, open_for_reading
from ems.history.layout import database_of
from ems.history.postgres import PostgresTarget
from ems.history.unsent import behind_s, unsent

_NICE: Final = 15
_LOOK_S: Final = 1.0
_TELL_S: Final = 10.0
_CONNECT_S: Final = 10.0
_COMMAND_S: Final = 60.0
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 60.0

# takes how much is not sent yet, s (None: not known), and what is wrong (None: nothing)
Tell = Callable[[float | None, str | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresSettings:
    """The database that the history is forwarded to; with `ca_file` the server's certificate is verified."""

    host: str
    port: int
    database: str
    user: str
    password: str | None = field(repr=False)
    ca_file: str | None


async def forward(state_directory: Path, settings: PostgresSettings, tell: Tell) -> None:
    """Forward until cancelled; after an error begin again after a growing pause, where the cursor stands."""
    import asyncpg  # noqa: PLC0415 - an extra, and only this process needs it

    pause_s = _FIRST_PAUSE_S
    while True:
        try:
            connection = await _connected(asyncpg, settings)
            try:
                await _forward_all(state_directory, connection, tell)
            finally:
                connection.terminate()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
            tell(None, f"{type(error).__name__}: {error}")
        except (sqlite3.Error, ValueError) as error:
            tell(None, f"the history cannot be read: {error}")
        except _Moved:
            pause_s = _FIRST_PAUSE_S
            continue
        await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
        pause_s = min(_LONGEST_PAUSE_S, 2.0 * pause_s)


class _Moved(Exception):  # noqa: N818 - no error
    """The history file is another one than before: it was set aside or restored."""


async def _forward_all(state_directory: Path, connection: Any, tell: Tell) -> None:
    path = database_of(state_directory)
    with closing(open_for_reading(path)) as history:
        identity = path.stat().st_ino
        target = PostgresTarget(
            connection, site_id=meta(history, "site") or "", source=meta(history, "source") or str(path)
        )
        cursor = await target.prepare()
        n_looks = 0
        while True:
            sent = False
            for batch in unsent(history, cursor):
                await target.send(batch)
                cursor, sent = batch.seq, True
            if not sent or n_looks % round(_TELL_S / _LOOK_S) == 0:
                tell(behind_s(history, cursor), None)
            if not sent:
                await asyncio.sleep(_LOOK_S)
            n_looks += 1
            if not path.exists() or path.stat().st_ino != identity:
                raise _Moved


async def _connected(asyncpg: Any, settings: PostgresSettings) -> Any:
    tls: ssl.SSLContext | str = "prefer"
    if settings.ca_file is not None:
        tls = ssl.create_default_context(cafile=settings.ca_file)
    return await asyncpg.connect(
        host=settings.host,
        port=settings.port,
        database=settings.database,
        user=settings.user,
        password=settings.password,
        ssl=tls,
        timeout=_CONNECT_S,
        command_timeout=_COMMAND_S,
        server_settings={"application_name": "gpu-microgrid-ems"},
    )


class _Teller:
    """Writes a line when the trouble changes, and otherwise every ten seconds."""

    def __init__(self) -> None:
        self._trouble: str | None = ""
        self._n_quiet = 0

    def __call__(self, lag_s: float | None, trouble: str | None) -> None:
        self._n_quiet += 1
        if trouble == self._trouble and self._n_quiet < round(_TELL_S / _LOOK_S):
            return
        self._trouble, self._n_quiet = trouble, 0
        sys.stdout.write(json.dumps({"behind_s": lag_s, "trouble": trouble}) + "\n")
        sys.stdout.flush()


async def _serve(state_directory: Path, settings: PostgresSettings) -> None:
    """Forward until the daemon closes our standard input."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), ended.set)
    forwarding = loop.create_task(forward(state_directory, settings, _Teller()))
    ending = loop.create_task(ended.wait())
    await asyncio.wait((forwarding, ending), return_when=asyncio.FIRST_COMPLETED)
    if forwarding.done():
        forwarding.result()
    forwarding.cancel()


def main() -> None:
    """Read the settings and forward."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(OSError):
        os.nice(_NICE)
    settings = PostgresSettings(**json.loads(sys.stdin.readline()))
    asyncio.run(_serve(Path(sys.argv[1]), settings))


if __name__ == "__main__":
    main()
