"""Signed ledgers in memory, as lines by day."""

from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ems.accounting.book import Book
from ems.accounting.ledger import Factors, LedgerState, next_record
from ems.accounting.verification import Verification
from ems.chain.keys import PublicKey, SigningKey
from ems.chain.links import Linked
from tests.accounting.intervals import metered
from tests.control.scene import small

SITE = small("edge-node")
FACTORS = Factors(diesel_kgco2e_per_l=2.7, grid_kgco2e_per_kwh=0.4)
KEY = SigningKey(private=Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
OTHER_KEY = SigningKey(private=Ed25519PrivateKey.from_private_bytes(bytes(32)))

# intervals begin at 20:00: sixteen of them end the first day
FIRST_DAY = 16


def book() -> Book:
    """Return an empty book of the site."""
    return Book(site=SITE.id, key=KEY)


def intervals(n: int, *, first: int = 0, state: LedgerState | None = None) -> list[dict[str, object]]:
    """Return bodies of quarter hours in a row."""
    carried, bodies = state or LedgerState(), []
    for number in range(first, first + n):
        wh = {"pv": 9000 + number, "import": 1000, "it": 7000, "charge": 2500}
        body, carried = next_record(SITE, metered(wh, number=number, stored_start_kwh=50.0), carried, FACTORS)
        bodies.append(body)
    return bodies


def days(written: Book, bodies: list[dict[str, object]]) -> list[list[bytes]]:
    """Return the lines of every sealed day, and of what is not sealed last."""
    parts: list[list[bytes]] = [[]]
    rows: list[Linked] = [*written.begin()]
    for body in bodies:
        rows += written.add(body)
    for row in rows:
        parts[-1].append(row.line)
        if row.record["kind"] == "digest":
            parts.append([])
    return parts


def checked(parts: list[list[bytes]], *, pinned: PublicKey | None = None, sealed: bool = True) -> Verification:
    """Check parts as files of their own."""
    check = Verification(pinned=pinned)
    for number, lines in enumerate(parts):
        name = f"part-{number}"
        for place, line in enumerate(lines, start=1):
            check.row(name, place, line)
        check.ends(name, sealed=sealed)
    return check


def whole_day() -> list[bytes]:
    """Return the lines of one sealed day."""
    first, rest = days(book(), intervals(FIRST_DAY))
    assert rest == []
    return first


def found(check: Verification) -> list[tuple[int, Any]]:
    """Return line and field of every damage."""
    return [(damage.line, damage.field) for damage in check.damages]
