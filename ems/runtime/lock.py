"""One daemon for one state directory: two would both write setpoints and the same ledger."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from ems.errors import StateError


class StateLock:
    """The directory's lock while it is held; the kernel gives it back however this process ends."""

    def __init__(self, directory: Path) -> None:
        """Take nothing yet.

        Raises:
            StateError: The directory cannot be made.
        """
        self._file = directory / "daemon.lock"
        self._handle: int | None = None
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StateError(f"{directory}: cannot be made ({error}); check the state directory") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def take(self) -> str | None:
        """Take the lock if nobody has it; return why not, None where it is ours.

        Where the lock cannot be made (a full disk), the daemon goes on without it: control comes first.
        """
        if self._handle is not None:
            return None
        try:
            handle = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            structlog.get_logger("daemon").error("lock_unusable", file=str(self._file), error=str(error))
            return None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            process = _process(handle)
            os.close(handle)
            return f"another daemon (process {process}) uses the state directory {self._file.parent}"
        with suppress(OSError):
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        self._handle = handle
        return None


@contextmanager
def only_daemon(directory: Path) -> Iterator[None]:
    """Hold the directory's lock, for a command that must not run beside a daemon.

    Raises:
        StateError: Another process holds it, or the directory cannot be made.
    """
    with StateLock(directory) as lock:
        if (other := lock.take()) is not None:
            raise StateError(f"{other}; stop it first")
        yield


def holder(directory: Path) -> str | None:
    """Return the process that holds the directory's lock, None if nobody does; changes nothing."""
    try:
        handle = os.open(directory / "daemon.lock", os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _process(handle)
    finally:
        os.close(handle)
    return None


def _process(handle: int) -> str:
    return os.pread(handle, 20, 0).decode(errors="replace").strip() or "unknown"
