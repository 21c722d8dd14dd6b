"""Which start of the machine this is: the monotonic clock counts from it, over all processes."""

from contextlib import suppress
from pathlib import Path
from typing import Final

_FILE: Final = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str | None:
    """Return the name of this start of the machine, None where the system does not tell."""
    with suppress(OSError, UnicodeDecodeError):
        return _FILE.read_text(encoding="ascii").strip() or None
    return None
