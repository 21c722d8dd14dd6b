"""The signed part of a ledger's check: key rows, rotations and digests against the lines that they seal."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ems.accounting.invariants import Fault
from ems.accounting.rows import BreakReason, RowKind, signed_part
from ems.chain.canonical import Record
from ems.chain.keys import KeyPurpose, PublicKey, simulation_key
from ems.chain.links import line_hash
from ems.chain.merkle import merkle_root
from ems.errors import ChainError


@dataclass(slots=True)
class Seals:
    """Keys and the part that is not sealed yet."""

    # purpose of every key that has signed a digest
    signers: dict[str, str] = field(default_factory=dict)
    n_digests: int = 0
    n_open: int = 0
    newest_digest: Record | None = None
    _lines: list[bytes] = field(default_factory=list)
    _days: list[str] = field(default_factory=list)
    _keys: dict[str, PublicKey] = field(default_factory=dict)
    _purposes: dict[str, str] = field(default_factory=dict)
    # the key of the newest key or rotation row, None where it may change
    _present: str | None = None
    _trusted: set[str] = field(default_factory=set)
    # the part began with a row that could not be read
    _whole: bool = True

    def forget(self) -> None:
        """Note that a line of the part could not be read: its digest cannot be recomputed."""
        self._whole = False
        self.n_open += 1

    def look(self, record: Record, line: bytes, pinned: PublicKey | None) -> Iterator[Fault]:
        """Check one row, yielding what is wrong with it."""
        try:
            match record.get("kind"):
                case RowKind.KEY:
                    yield from self._key(record)
                case RowKind.ROTATION:
                    yield from self._rotation(record, pinned)
                case RowKind.BREAK:
                    if record.get("reason") in {BreakReason.KEY_LOST, BreakReason.DATABASE_LOST}:
                        self._present = None
                case RowKind.DIGEST:
                    yield from self._digest(record, pinned)
                    self._begin()
                    return
                case RowKind.INTERVAL:
                    day = str(record.get("start"))[:10]
                    if day not in self._days:
                        self._days.append(day)
        except (KeyError, TypeError, ChainError) as error:
            yield Fault("", f"the row is incomplete or of another form ({type(error).__name__}: {error})")
        if record.get("kind") == RowKind.DIGEST:
            self._begin()
            return
        self._lines.append(line)
        self.n_open += 1

    def _begin(self) -> None:
        self._lines, self._days, self._whole, self.n_open = [], [], True, 0

    def _key(self, record: Record) -> Iterator[Fault]:
        key, purpose = PublicKey(record["public_key"]), record["purpose"]
        if record["key_id"] != key.key_id:
            yield Fault("/key_id", f"is not the name of the public key beside it, which is {key.key_id}")
        if (key == simulation_key().public) != (purpose == KeyPurpose.SIMULATION):
            yield Fault("/purpose", f"{purpose!r} is not what this key is for")
        if self._present not in (None, key.key_id):
            yield Fault("/key_id", f"the key changed from {self._present} without a rotation that the old key signed")
        self._keys[key.key_id], self._purposes[key.key_id] = key, str(purpose)
        self._present = key.key_id

    def _rotation(self, record: Record, pinned: PublicKey | None) -> Iterator[Fault]:
        new = PublicKey(record["new_public_key"])
        if record["new_key_id"] != new.key_id:
            yield Fault("/new_key_id", f"is not the name of the public key beside it, which is {new.key_id}")
        signer = self._signer(record, pinned)
        if signer is None or not signer.verifies(signed_part(record), str(record["signature"])):
            yield Fault("/signature", f"key {record['key_id']} did not sign this rotation")
            return
        if self._is_trusted(signer, pinned):
            self._trusted.add(new.key_id)
        self._present = new.key_id

    def _digest(self, record: Record, pinned: PublicKey | None) -> Iterator[Fault]:
        self.n_digests += 1
        self.newest_digest = record
        if self._whole:
            yield from self._differences(record)
        signer = self._signer(record, pinned)
        if signer is None:
            yield Fault("/key_id", f"no key row names the key {record['key_id']}")
            return
        if not signer.verifies(signed_part(record), str(record["signature"])):
            yield Fault("/signature", f"is not that of key {signer.key_id} over this digest")
        elif pinned is not None and not self._is_trusted(signer, pinned):
            text = f"signed by {signer.key_id}, which is neither the pinned key {pinned.key_id} nor its heir"
            yield Fault("/key_id", text)
        self.signers[signer.key_id] = self._purposes.get(signer.key_id, "")

    def _differences(self, record: Record) -> Iterator[Fault]:
        last_seq = record["seq"] - 1
        expected: Mapping[str, Any] = {
            "n": len(self._lines),
            "last_seq": last_seq,
            "first_seq": last_seq - len(self._lines) + 1,
            "last_hash": line_hash(self._lines[-1]) if self._lines else None,
            "merkle_root": merkle_root(self._lines),
            "first_day": self._days[0] if self._days else None,
            "last_day": self._days[-1] if self._days else None,
        }
        for name, value in expected.items():
            if record[name] != value:
                yield Fault(f"/{name}", f"the digest says {record[name]!r}, its records give {value!r}")

    def _signer(self, record: Record, pinned: PublicKey | None) -> PublicKey | None:
        key_id = record["key_id"]
        return pinned if pinned is not None and pinned.key_id == key_id else self._keys.get(key_id)

    def _is_trusted(self, key: PublicKey, pinned: PublicKey | None) -> bool:
        return pinned is not None and (key == pinned or key.key_id in self._trusted)
