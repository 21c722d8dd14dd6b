"""What endpoints take of memory: `python -m tests.campaigns.endpoints.memory N` tells the size of its process, KiB."""

import asyncio
import re
import sys
from pathlib import Path

from tests.campaigns.endpoints.fleet import running_fleet


async def memory_kib(n_endpoints: int) -> int:
    """Return the memory of this process while it polls so many endpoints."""
    async with running_fleet(n_endpoints // 2, n_endpoints - n_endpoints // 2):
        return _resident_kib()


def _resident_kib() -> int:
    found = re.search(r"^VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"), re.MULTILINE)
    if found is None:
        raise OSError("the kernel tells no resident memory")
    return int(found[1])


if __name__ == "__main__":
    print(asyncio.run(memory_kib(int(sys.argv[1]))))  # noqa: T201 - its answer
