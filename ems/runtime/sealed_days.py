"""Sealed days as files: `ledger-YYYY-MM-DD.jsonl`, all of it or none, and the anchoring file outside the site."""

import os
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

from ems.chain.canonical import Record, parsed
from ems.chain.links import Head, line_hash
from ems.errors import ChainError

PATTERN: Final = "ledger-*.jsonl"
_UNCHAINED: Final = "unchained"


def write_day(directory: Path, day: str, lines: Iterable[bytes]) -> Path:
    """Write a sealed day beside its place and put it there when it is on the disk.

    Raises:
        OSError: The disk refuses.
    """
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / f"ledger-{day}.jsonl"
    unfinished = directory / f".ledger-{day}.unfinished"
    with unfinished.open("wb") as opened:
        opened.writelines(line + b"\n" for line in lines)
        opened.flush()
        os.fsync(opened.fileno())
    unfinished.replace(file)
    _sync(directory)
    return file


def anchor(file: Path, digest_line: bytes) -> None:
    """Append a digest to the anchoring file, unless it ends with it already.

    Raises:
        OSError: The place does not take it.
    """
    if file.is_file() and file.read_bytes().endswith(digest_line + b"\n"):
        return
    with file.open("ab") as opened:
        opened.write(digest_line + b"\n")
        opened.flush()
        os.fsync(opened.fileno())


def newest_digest(directory: Path) -> tuple[Record, Head] | None:
    """Return the digest of the newest sealed file that can be read, with the head after it."""
    for file in sorted(directory.glob(PATTERN), reverse=True):
        try:
            line = file.read_bytes().rstrip(b"\n").rsplit(b"\n", 1)[-1]
            record = parsed(line)
        except (OSError, ChainError):
            continue
        seq = record.get("seq")
        if record.get("kind") == "digest" and isinstance(seq, int):
            return record, Head(seq=seq, hash=line_hash(line))
    return None


def put_unchained_away(directory: Path) -> Sequence[dict[str, str]]:
    """Move files of versions without a chain to a directory of their own; return their names and hashes.

    Raises:
        OSError: They cannot be moved.
    """
    moved = []
    for file in sorted(directory.glob(PATTERN)):
        content = file.read_bytes()
        if not _is_unchained(content):
            continue
        place = directory / _UNCHAINED / file.name
        place.parent.mkdir(exist_ok=True)
        file.replace(place)
        moved.append({"name": f"{_UNCHAINED}/{file.name}", "sha256": sha256(content).hexdigest()})
    return moved


def _is_unchained(content: bytes) -> bool:
    """Return whether a file was written without a chain: version 1 begins every line with it."""
    return content.startswith(b'{"v":1,')


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
