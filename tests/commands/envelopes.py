"""Keys and envelopes for tests: a site, three people, and commands that only they can sign."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from ems.chain.keys import SigningKey
from ems.commands.judge import Arrival, CommandRules, Judge
from ems.commands.keys import KeyEntry, KeyRing
from ems.commands.reading import signed_bytes
from ems.contract.command import Role
from ems.contract.quantities import rfc3339_ms
from tests.control.scene import small

CAMPUS = small("weak-grid-campus")
DESERT = small("desert-offgrid")
IN_HANDS = {"site": (), "bess01": ("power_kw",), "gen01": ("power_kw", "run")}
NOW = datetime(2026, 6, 10, 20, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
OPERATOR, SECOND, ENGINEER, VIEWER, STRANGER, FORMER = (SigningKey.generate() for _ in range(6))


def entry(name: str, role: Role, key: SigningKey, *, revoked: datetime | None = None) -> KeyEntry:
    """Return a key as the ring has it."""
    return KeyEntry(name=name, role=role, public=key.public, made_utc=NOW - HOUR, revoked_utc=revoked)


RING = KeyRing(
    keys={
        each.key_id: each
        for each in (
            entry("kim", Role.OPERATOR, OPERATOR),
            entry("lee", Role.OPERATOR, SECOND),
            entry("ada", Role.ENGINEER, ENGINEER),
            entry("wall", Role.VIEWER, VIEWER),
            entry("gone", Role.ENGINEER, FORMER, revoked=NOW - HOUR),
        )
    }
)


def judge(**rules: Any) -> Judge:  # any rule
    """Return a judge of the campus."""
    return Judge(site=CAMPUS, rules=CommandRules(**rules), in_hands=IN_HANDS, ring=RING)


def document(name: str = "limits", **changes: Any) -> dict[str, Any]:  # any field
    """Return an envelope without signatures; a field that is changed to None is left out."""
    fields: dict[str, Any] = {
        "v": 1,
        "name": name,
        "site": CAMPUS.id,
        "id": "test-0001",
        "seq": 1,
        "issued": rfc3339_ms(NOW),
        "expires": rfc3339_ms(NOW + timedelta(minutes=5)),
        "issuer": "control room",
        "role": "operator",
        "target": "site",
    }
    if name == "limits":
        fields |= {"until": rfc3339_ms(NOW + HOUR), "limits": {"import_kw": 9000}}
    return {key: value for key, value in (fields | changes).items() if value is not None}


def signed(fields: dict[str, Any], *keys: SigningKey) -> bytes:
    """Return the message with the signatures of these keys, the operator's if none is named."""
    message = signed_bytes(fields)
    sigs = [{"key_id": key.key_id, "sig": key.sign(message)} for key in keys or (OPERATOR,)]
    return json.dumps({**fields, "sigs": sigs}).encode()


def arrival(payload: bytes, name: str = "limits", *, retained: bool = False) -> Arrival:
    """Return a message as it comes."""
    return Arrival(name=name, payload=payload, retained=retained)
