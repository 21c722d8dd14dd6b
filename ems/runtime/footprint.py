"""What the process takes of the machine, and how full its queues are: watched, so that a leak is an alarm in time."""

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ems.model.status import DiskStatus, FootprintStatus, QueueStatus

_LOOK_EVERY_S: Final = 10.0
# an alarm ends below this share of its limit, so that it does not flicker
_CLEAR_FRAC: Final = 0.9
_KIB_PER_MIB: Final = 1024
_STATUS: Final = Path("/proc/self/status")
_FILES: Final = Path("/proc/self/fd")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessLimits:
    """What counts as too much; queues as a share of their length."""

    max_resident_mib: int = 2048
    max_files: int = 900
    max_tasks: int = 4000
    max_queue_frac: float = 0.8


QueueSource = Callable[[], QueueStatus]


@dataclass(slots=True)
class Footprint:
    """Looks at the process every ten seconds of real time at most."""

    limits: ProcessLimits
    disk: Callable[[], DiskStatus] = DiskStatus
    queues: list[QueueSource] = field(default_factory=list)
    _looked_s: float | None = None
    _status: FootprintStatus = field(default_factory=FootprintStatus)

    def watch(self, sources: Iterable[QueueSource]) -> None:
        """Look at these queues too."""
        self.queues += sources

    def status(self) -> FootprintStatus:
        """Return what was seen last; what the machine does not tell is None."""
        now_s = asyncio.get_running_loop().time()
        if self._looked_s is None or now_s - self._looked_s >= _LOOK_EVERY_S:
            self._looked_s = now_s
            self._status = self._look(already=self._status.over)
        return self._status

    def _look(self, *, already: Sequence[str]) -> FootprintStatus:
        resident_mib, n_files = _resident_mib(), _n_files()
        n_tasks = len(asyncio.all_tasks())
        queues, disk = tuple(source() for source in self.queues), self.disk()
        shares = {
            "resident memory": _share(resident_mib, self.limits.max_resident_mib),
            "open files": _share(n_files, self.limits.max_files),
            "tasks": _share(n_tasks, self.limits.max_tasks),
        }
        for queue in queues:
            shares[f"queue {queue.name}"] = _share(queue.n_waiting, self.limits.max_queue_frac * queue.length)
        over = [name for name, share in shares.items() if share >= (_CLEAR_FRAC if name in already else 1.0)]
        if disk.low:
            over.append("disk of the state directory")
        return FootprintStatus(
            resident_mib=resident_mib,
            n_files=n_files,
            n_threads=threading.active_count(),
            n_tasks=n_tasks,
            disk=disk,
            queues=queues,
            over=tuple(over),
        )


def _share(value: float | None, limit: float) -> float:
    return 0.0 if value is None else value / limit


def _resident_mib() -> int | None:
    """Return the resident memory; None where the system does not tell (no /proc)."""
    with suppress(OSError, ValueError, IndexError):
        for line in _STATUS.read_text(encoding="ascii").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) // _KIB_PER_MIB
    return None


def _n_files() -> int | None:
    """Return the number of open file descriptors; None where the system does not tell."""
    with suppress(OSError):
        return sum(1 for _ in _FILES.iterdir())
    return None
