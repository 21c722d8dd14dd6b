"""One daemon for one state directory: two would both write setpoints and the same ledger."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

from ems.errors import StateError


@contextmanager
def only_daemon(directory: Path) -> Iterator[None]:
    """Hold the directory's lock; the kernel gives it back however this process ends.

    Where the lock cannot be made (a full disk), the daemon goes on without it: control comes first.

    Raises:
        StateError: Another process holds it, or the directory cannot be made.
    """
    file = directory / "daemon.lock"
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StateError(f"{directory}: cannot be made ({error}); check the state directory") from error
    try:
        handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        structlog.get_logger("daemon").error("lock_unusable", file=str(file), error=str(error))
        yield
        return
    try:
        _take(handle, file)
        yield
    finally:
        os.close(handle)


def _take(handle: int, file: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(handle, 20, 0).decode(errors="replace").strip() or "unknown"
        raise StateError(
            f"{file}: another daemon (process {holder}) uses this state directory; stop it first"
        ) from error
    with suppress(OSError):
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)


def holder(directory: Path) -> str | None:
    """Return the process that holds the directory's lock, None if nobody does; changes nothing."""
    try:
        handle = os.open(directory / "daemon.lock", os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(handle, 20, 0).decode(errors="replace").strip() or "unknown"
    finally:
        os.close(handle)
    return None
