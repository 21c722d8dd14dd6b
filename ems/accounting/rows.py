"""Rows of the ledger beside the intervals: keys, digests, breaks, corrections."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

from ems.chain.canonical import canonical
from ems.chain.keys import PublicKey, SigningKey
from ems.chain.links import Head, Linked, linked
from ems.chain.merkle import merkle_root

VERSION: Final = 2


class RowKind(StrEnum):
    """What a row of the ledger is."""

    INTERVAL = "interval"
    KEY = "key"
    ROTATION = "rotation"
    CORRECTION = "correction"
    BREAK = "break"
    DIGEST = "digest"


class BreakReason(StrEnum):
    """Why the chain, the time or the author does not go on without a gap."""

    # records of before the chain lie in files of their own
    BEFORE_CHAIN = "before_chain"
    # the database was damaged or gone; the row names the head that was known
    DATABASE_LOST = "database_lost"
    # no interval for some time, or one that had to be dropped
    TIME_GAP = "time_gap"
    # the key could not be used any more; the next key row names another one
    KEY_LOST = "key_lost"


def key_body(site: str, key: SigningKey) -> dict[str, object]:
    """Return the row that says whose signature follows; only a key known from elsewhere proves the author."""
    return {
        "v": VERSION,
        "kind": RowKind.KEY.value,
        "site": site,
        "algorithm": "Ed25519",
        "key_id": key.key_id,
        "public_key": key.public.hex,
        "purpose": key.purpose.value,
    }


def break_body(
    site: str,
    reason: BreakReason,
    text: str,
    *,
    old: Head | None = None,
    files: Sequence[Mapping[str, str]] = (),
) -> dict[str, object]:
    """Return the row that says what is missing; `old` is the head that the chain had, `files` what lies beside it."""
    body: dict[str, object] = {
        "v": VERSION,
        "kind": RowKind.BREAK.value,
        "site": site,
        "reason": reason.value,
        "text": text,
    }
    if old is not None:
        body["old"] = {"seq": old.seq, "hash": old.hash}
    if files:
        body["files"] = [dict(file) for file in files]
    return body


def rotation(site: str, *, old: SigningKey, new: PublicKey, head: Head) -> Linked:
    """Return the row in which the old key names the new one, in its place after `head`."""
    body = {
        "v": VERSION,
        "kind": RowKind.ROTATION.value,
        "site": site,
        "key_id": old.key_id,
        "new_key_id": new.key_id,
        "new_public_key": new.hex,
    }
    return _signed(body, old, head)


def digest(
    site: str, lines: Sequence[bytes], *, days: tuple[str, str], key: SigningKey, head: Head, audit: Head | None
) -> Linked:
    """Return the signed row that ends a part of the ledger, over its lines, in its place after `head`.

    Args:
        site: The site's name.
        lines: Every line of the part, oldest first; the last one has `head`.
        days: First and last UTC day, as YYYY-MM-DD.
        key: Who signs.
        head: The chain's head before this row.
        audit: The head of the audit log, which the signature covers as well; None where there is none.
    """
    body: dict[str, object] = {
        "v": VERSION,
        "kind": RowKind.DIGEST.value,
        "site": site,
        "first_day": days[0],
        "last_day": days[1],
        "first_seq": head.seq - len(lines) + 1,
        "last_seq": head.seq,
        "n": len(lines),
        "last_hash": head.hash,
        "merkle_root": merkle_root(lines),
        "key_id": key.key_id,
    }
    if audit is not None:
        body["audit"] = {"seq": audit.seq, "hash": audit.hash}
    return _signed(body, key, head)


def signed_part(record: Mapping[str, object]) -> bytes:
    """Return what the signature of a row covers: its canonical form without the signature."""
    return canonical({name: value for name, value in record.items() if name != "signature"})


def _signed(body: Mapping[str, object], key: SigningKey, head: Head) -> Linked:
    return linked({**body, "signature": key.sign(linked(body, head).line)}, head)
