"""The chain: every record carries its number and the hash of the record before it."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from ems.chain.canonical import Record, canonical
from ems.errors import ChainError

# what the first record names as its predecessor
NO_HASH: Final = "0" * 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Number and hash of a chain's newest record; `Head()` is that of an empty chain."""

    seq: int = 0
    hash: str = NO_HASH


@dataclass(frozen=True, slots=True, kw_only=True)
class Linked:
    """A record with its place in the chain, its canonical line and the chain's head after it."""

    record: Record
    line: bytes
    head: Head


def line_hash(line: bytes) -> str:
    """Return the SHA-256 of a canonical line, in hex."""
    return sha256(line).hexdigest()


def linked(body: Mapping[str, object], head: Head) -> Linked:
    """Return a record with `seq` and `prev`, as the one after `head`.

    Raises:
        ChainError: The body has one of these names already, or no canonical form.
    """
    for name in ("seq", "prev"):
        if name in body:
            raise ChainError(f"a record's body must not have '{name}': the chain sets it", field=f"/{name}")
    record: Record = {**body, "seq": head.seq + 1, "prev": head.hash}
    line = canonical(record)
    return Linked(record=record, line=line, head=Head(seq=head.seq + 1, hash=line_hash(line)))


def follows(record: Mapping[str, object], head: Head) -> tuple[str, str] | None:
    """Return which field breaks the chain and how, None where the record follows `head`."""
    seq, prev = record.get("seq"), record.get("prev")
    if type(seq) is not int or seq != head.seq + 1:
        return "/seq", f"is {seq!r} where {head.seq + 1} follows"
    if prev != head.hash:
        return "/prev", f"names {prev!r}, but the record before has the hash {head.hash}"
    return None
