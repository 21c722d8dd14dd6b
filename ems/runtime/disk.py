"""The room left on the disk of the state directory, and a ballast that gives the important files room when it is gone.

SQLite can neither delete nor checkpoint on a disk that is quite full. So a file of no content is kept, which is deleted
when room runs out; the history, which is what grows, then pauses, so that state and ledger have that room to
themselves. Everything here happens in a thread: a disk that stands still holds up nobody.
"""

import os
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import structlog

from ems.model.status import DiskStatus

_LOOK_EVERY_S: Final = 10.0
# room must come back to twice the limit before history and ballast return
_BACK_FACTOR: Final = 2.0
_BYTES_PER_MIB: Final = 1024 * 1024
_CHUNK: Final = b"\0" * _BYTES_PER_MIB
# how a store names a file that it could not read; what belongs to it has a further ending
_SET_ASIDE: Final = re.compile(r".+\.damaged-[0-9TZ]+(-\d+)?")

# takes whether the history must pause
Pause = Callable[[bool], None]
# takes the bytes that are wanted, deletes the oldest of the history and returns how many bytes that was
GiveUp = Callable[[int], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What the file system offers to an ordinary process."""

    free_bytes: int
    total_bytes: int

    @property
    def free_frac(self) -> float:
        """Return the free share."""
        return self.free_bytes / self.total_bytes if self.total_bytes else 0.0


def room_of(directory: Path) -> Room:
    """Return the room where a directory lies; blocks on the disk.

    Raises:
        OSError: It cannot be told.
    """
    found = os.statvfs(directory)
    return Room(free_bytes=found.f_bavail * found.f_frsize, total_bytes=found.f_blocks * found.f_frsize)


def set_aside(directory: Path) -> tuple[str, ...]:
    """Return the names of damaged files that were set aside and that nobody has taken away; blocks on the disk.

    Raises:
        OSError: The directory cannot be read.
    """
    return tuple(sorted(file.name for file in directory.iterdir() if _SET_ASIDE.fullmatch(file.name)))


class DiskWatch:
    """Looks every ten seconds; `low_frac` is the free share below which room counts as gone."""

    def __init__(
        self,
        directory: Path,
        *,
        low_frac: float,
        ballast_mib: int,
        pause: Pause,
        give_up: GiveUp | None = None,
        room: Callable[[Path], Room] = room_of,
    ) -> None:
        self._directory = directory
        self._file = directory / "ballast"
        self._low_frac = low_frac
        self._ballast_bytes = ballast_mib * _BYTES_PER_MIB
        self._pause = pause
        self._give_up = give_up
        self._room = room
        self._status = DiskStatus()
        self._log = structlog.get_logger("disk")
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to look."""
        self._thread = threading.Thread(target=self._work, name="disk-watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop; the ballast stays for the next run."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(timeout=1.0)

    def status(self) -> DiskStatus:
        """Return what was seen last."""
        return self._status

    def look(self) -> None:
        """Look once, and free or restore what there is; blocks on the disk."""
        try:
            room = self._room(self._directory)
            self._status = replace(self._judge(room), set_aside=set_aside(self._directory))
        except OSError as error:
            self._status = DiskStatus(trouble=str(error))

    def _work(self) -> None:
        self.look()
        while not self._closing.wait(_LOOK_EVERY_S):
            self.look()

    def _judge(self, room: Room) -> DiskStatus:
        was_low = self._status.low
        # the ballast is room that we could have
        usable = Room(free_bytes=room.free_bytes + self._kept_bytes(), total_bytes=room.total_bytes)
        limit = self._low_frac * (_BACK_FACTOR if was_low else 1.0)
        low = room.free_frac < limit
        if low and not was_low:
            self._pause(True)
            self._log.error("disk_low", directory=str(self._directory), free_frac=round(room.free_frac, 4))
        if low and self._kept_bytes():
            self._file.unlink(missing_ok=True)
            self._log.warning("ballast_freed", file=str(self._file))
        if low and self._give_up is not None:
            # as much as lets the history go on again
            wanted = int(_BACK_FACTOR * self._low_frac * room.total_bytes) - room.free_bytes
            if freed_bytes := self._give_up(wanted):
                self._log.warning("history_given_up", freed_mib=round(freed_bytes / _BYTES_PER_MIB, 1))
        if not low and usable.free_bytes - self._ballast_bytes > _BACK_FACTOR * self._low_frac * room.total_bytes:
            self._fill()
        if was_low and not low:
            self._pause(False)
            self._log.info("disk_has_room", free_frac=round(room.free_frac, 4))
        return DiskStatus(free_frac=room.free_frac, low=low, ballast=self._kept_bytes() > 0)

    def _kept_bytes(self) -> int:
        try:
            return self._file.stat().st_size
        except OSError:
            return 0

    def _fill(self) -> None:
        """Write the ballast, real blocks and no hole; what cannot be written whole is not kept."""
        if self._ballast_bytes == 0 or self._kept_bytes() >= self._ballast_bytes:
            return
        try:
            with self._file.open("wb") as file:
                for _ in range(self._ballast_bytes // _BYTES_PER_MIB):
                    file.write(_CHUNK)
        except OSError:
            self._file.unlink(missing_ok=True)
