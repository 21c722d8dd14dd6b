"""One file with databases, ledger and hours of a state directory, made beside a running daemon, and back again.

The file is a tar archive with `manifest.json` first: every member with its size and SHA-256. Databases are copied by
SQLite from one snapshot; what is in the archive is whole whatever happens meanwhile.
"""

import hashlib
import io
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Final

from ems.errors import StateError

MANIFEST: Final = "manifest.json"
FORM: Final = 1
DATABASES: Final = ("state.db", "evidence.db", "history.db")
_BLOCK_BYTES: Final = 1 << 20
_FOLDERS: Final = ("ledger", "history")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file of a backup: its path in the state directory, its size and the SHA-256 of its bytes."""

    path: str
    n_bytes: int
    sha256: str


def back_up(state_directory: Path, out: Path, *, utc: datetime, with_hours: bool) -> tuple[Member, ...]:
    """Write the backup in the place of no other file; return what is in it.

    Raises:
        StateError: There is nothing to keep, or it cannot be read or written.
    """
    if out.exists():
        raise StateError(f"{out}: exists; choose another name")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".ems-backup-", dir=out.parent) as copies:
            files = _copied(state_directory, Path(copies), with_hours=with_hours)
            if not files:
                raise StateError(f"{state_directory}: has nothing to keep; is it the state directory?")
            members = tuple(_member(name, file) for name, file in files.items())
            unfinished = Path(copies) / "backup.tar"
            _write(unfinished, members, files, utc=utc)
            unfinished.replace(out)
    except (OSError, sqlite3.Error) as error:
        raise StateError(f"{out}: the backup could not be made: {error}") from error
    return members


def contents(archive: Path) -> tuple[Member, ...]:
    """Return what a backup says it holds.

    Raises:
        StateError: It is no backup of ours.
    """
    try:
        with tarfile.open(archive, "r:") as opened:
            return _manifest(archive, opened)
    except (OSError, tarfile.TarError) as error:
        raise StateError(f"{archive}: is no backup: {error}") from error


def restore(archive: Path, state_directory: Path, *, utc: datetime, replace: bool) -> tuple[Member, ...]:
    """Put a backup back, once every byte of it has been verified; return what was put back.

    What is there already is refused, or with `replace` renamed to `….before-…`. The caller holds the directory's lock.

    Raises:
        StateError: The backup is damaged, something is in the way, or the directory cannot be written.
    """
    try:
        state_directory.mkdir(parents=True, exist_ok=True)
        with (
            tarfile.open(archive, "r:") as opened,
            tempfile.TemporaryDirectory(prefix=".ems-restore-", dir=state_directory) as unpacked,
        ):
            members = _manifest(archive, opened)
            for member in members:
                _unpack(archive, opened, member, Path(unpacked))
            for name in DATABASES:
                _check(archive, Path(unpacked) / name)
            _renew_source(Path(unpacked) / "history.db")
            _clear(state_directory, members, utc=utc, replace=replace)
            for member in members:
                target = state_directory / member.path
                target.parent.mkdir(parents=True, exist_ok=True)
                (Path(unpacked) / member.path).replace(target)
    except (OSError, tarfile.TarError, sqlite3.Error) as error:
        raise StateError(f"{archive}: could not be restored to {state_directory}: {error}") from error
    return members


def _copied(state_directory: Path, copies: Path, *, with_hours: bool) -> dict[str, Path]:
    """Return the files to keep by their path in the state directory; databases as copies of one snapshot each."""
    files: dict[str, Path] = {}
    for name in DATABASES:
        if (state_directory / name).is_file():
            _copy_database(state_directory / name, copies / name)
            files[name] = copies / name
    for folder in _FOLDERS if with_hours else _FOLDERS[:1]:
        for file in sorted((state_directory / folder).rglob("*")):
            if file.is_file() and not file.name.startswith("."):
                # a copy, because a ledger file grows and an hour's file may go
                name = file.relative_to(state_directory).as_posix()
                (copies / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, copies / name)
                files[name] = copies / name
    return files


def _copy_database(source: Path, target: Path) -> None:
    """Copy in one step: it does not hold up the writer, and one in several steps would begin again each second."""
    with (
        closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)) as reading,
        closing(sqlite3.connect(target)) as writing,
    ):
        reading.backup(writing)
        # one file: no log beside it has to be kept with it
        writing.execute("PRAGMA journal_mode = DELETE")


def _write(archive: Path, members: tuple[Member, ...], files: dict[str, Path], *, utc: datetime) -> None:
    document = {"form": FORM, "made": utc.isoformat(timespec="seconds"), "members": [asdict(each) for each in members]}
    text = json.dumps(document, indent=2).encode()
    with archive.open("xb") as file:
        os.fchmod(file.fileno(), 0o600)
        with tarfile.open(fileobj=file, mode="w") as opened:
            info = tarfile.TarInfo(MANIFEST)
            info.size = len(text)
            opened.addfile(info, io.BytesIO(text))
            for name, path in files.items():
                info = tarfile.TarInfo(name)
                info.size = path.stat().st_size
                with path.open("rb") as content:
                    opened.addfile(info, content)
        file.flush()
        os.fsync(file.fileno())


def _manifest(archive: Path, opened: tarfile.TarFile) -> tuple[Member, ...]:
    content = opened.extractfile(MANIFEST) if MANIFEST in opened.getnames() else None
    if content is None:
        raise StateError(f"{archive}: is no backup: it has no {MANIFEST}")
    try:
        document = json.load(content)
        members = tuple(Member(**each) for each in document["members"])
        form = int(document["form"])
    except (ValueError, TypeError, KeyError) as error:
        raise StateError(f"{archive}: {MANIFEST} cannot be read: {error}") from error
    if form != FORM:
        raise StateError(f"{archive}: is a backup of form {form}; this version reads form {FORM}")
    for member in members:
        if not _is_ours(member.path):
            raise StateError(f"{archive}: holds '{member.path}', which no state directory has; nothing was restored")
    return members


def _is_ours(name: str) -> bool:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        return False
    return name in DATABASES or (len(path.parts) > 1 and path.parts[0] in _FOLDERS)


def _unpack(archive: Path, opened: tarfile.TarFile, member: Member, directory: Path) -> None:
    """Write one member and compare it with the manifest."""
    try:
        content = opened.extractfile(member.path)
    except KeyError:
        content = None
    if content is None:
        raise StateError(f"{archive}: '{member.path}' is missing; nothing was restored")
    target = directory / member.path
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as file:
        shutil.copyfileobj(content, file, _BLOCK_BYTES)
        file.flush()
        os.fsync(file.fileno())
    if _member(member.path, target) != member:
        raise StateError(f"{archive}: '{member.path}' is damaged; nothing was restored")


def _check(archive: Path, database: Path) -> None:
    if not database.exists():
        return
    with closing(sqlite3.connect(database)) as connection:
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise StateError(f"{archive}: {database.name} is damaged: {verdict}; nothing was restored")


def _renew_source(database: Path) -> None:
    """Let whoever forwards the history begin anew: numbers of rows are given again that were used after the backup."""
    if database.exists():
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("UPDATE meta SET value = ? WHERE name = 'source'", (str(uuid.uuid4()),))


def _clear(state_directory: Path, members: tuple[Member, ...], *, utc: datetime, replace: bool) -> None:
    """Make room for what comes back, or refuse to."""
    present = sorted(set(_in_the_way(state_directory, members)))
    if present and not replace:
        shown = ", ".join(file.name for file in present[:3])
        raise StateError(
            f"{state_directory}: already has {shown}; choose an empty directory, or rename them: --replace"
        )
    for file in present:
        file.rename(file.with_name(f"{file.name}.before-{utc:%Y%m%dT%H%M%SZ}"))


def _in_the_way(state_directory: Path, members: tuple[Member, ...]) -> Iterator[Path]:
    for member in members:
        file = state_directory / member.path
        companions = (f"{file.name}-wal", f"{file.name}-shm") if member.path in DATABASES else ()
        yield from (each for name in (file.name, *companions) if (each := file.with_name(name)).exists())


def _member(name: str, file: Path) -> Member:
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return Member(path=name, n_bytes=file.stat().st_size, sha256=digest)
