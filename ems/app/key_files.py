"""The file of public keys beside a site's configuration; the daemon reads it again when it has changed."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ems.commands.keys import KeyRing, read_ring, ring_text
from ems.errors import ConfigError, ConfigProblem

KEYS_FILE: Final = "keys.json"
_MAX_BYTES: Final = 200_000


def load_ring(file: Path) -> KeyRing:
    """Return the keys of a site; none where there is no file.

    Raises:
        ConfigError: The file cannot be read, or is none of keys.
    """
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise ConfigError(ConfigProblem(file=str(file), message=f"larger than {_MAX_BYTES} bytes"))
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return KeyRing()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(ConfigProblem(file=str(file), message=f"cannot be read: {error}")) from error
    return read_ring(text, file=str(file))


def change_ring(file: Path, change: Callable[[KeyRing], KeyRing]) -> KeyRing:
    """Change the keys of a site and return them; the file is replaced as a whole.

    Raises:
        ConfigError: The file or the change is refused, or the directory cannot be written.
    """
    try:
        ring = change(load_ring(file))
        # what nobody could read back is refused before it is written
        text = ring_text(ring)
        read_ring(text, file=str(file))
        fresh = file.with_suffix(".new")
        with fresh.open("w", encoding="utf-8") as opened:
            opened.write(text)
            opened.flush()
            os.fsync(opened.fileno())
        fresh.replace(file)
    except ValueError as error:
        raise ConfigError(ConfigProblem(file=str(file), message=str(error))) from error
    except OSError as error:
        raise ConfigError(ConfigProblem(file=str(file), message=f"cannot be written: {error}")) from error
    return ring


class KeyFile:
    """Looks whether the file of keys has changed."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen: tuple[int, int] | None = None
        self._ring: KeyRing | None = None

    def newest(self) -> KeyRing:
        """Return the keys; where the file cannot be used none of them counts, and the ring says why."""
        try:
            status = self._file.stat()
            seen = (status.st_mtime_ns, status.st_size)
        except OSError:
            seen = None
        if self._ring is None or seen != self._seen:
            self._seen = seen
            try:
                self._ring = load_ring(self._file)
            except ConfigError as error:
                self._ring = KeyRing(trouble=str(error))
        return self._ring
