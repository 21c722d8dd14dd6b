"""The ring of public keys: whose signature counts, and as what."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from ems.chain.keys import PublicKey
from ems.contract.command import Role
from ems.contract.quantities import rfc3339_ms
from ems.errors import ConfigError, ConfigProblem

# people and machines of one site; more is a mistake
_MOST_KEYS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyEntry:
    """One key: who holds it, what the holder may do, and since when it is revoked (None: it counts)."""

    name: str
    role: Role
    public: PublicKey
    made_utc: datetime
    revoked_utc: datetime | None = None

    @property
    def key_id(self) -> str:
        """Return the key's short name."""
        return self.public.key_id


def no_keys() -> Mapping[str, KeyEntry]:
    """Return a ring without keys."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRing:
    """All keys by their id; `trouble` is why the file cannot be used, and then no key counts."""

    keys: Mapping[str, KeyEntry] = field(default_factory=no_keys)
    trouble: str | None = None

    def named(self, name: str) -> KeyEntry | None:
        """Return the key of a name or an id, None where there is none."""
        return self.keys.get(name) or next((key for key in self.keys.values() if key.name == name), None)


class _Key(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    role: Role
    public: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    made: AwareDatetime
    revoked: AwareDatetime | None = None


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    v: Literal[1]
    keys: Annotated[list[_Key], Field(max_length=_MOST_KEYS)]


def read_ring(text: str, *, file: str) -> KeyRing:
    """Return the ring of a file's text.

    Raises:
        ConfigError: It is none; names the field.
    """
    try:
        found = _File.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"]) or None
        allowed = "what `ems keys` writes: v, keys with name, role, public, made, revoked"
        raise ConfigError(ConfigProblem(file=file, key=key, message=first["msg"].lower(), allowed=allowed)) from error
    entries = [
        KeyEntry(name=k.name, role=k.role, public=PublicKey(k.public), made_utc=k.made, revoked_utc=k.revoked)
        for k in found.keys
    ]
    for what, values in (("name", [k.name for k in entries]), ("public", [k.public.hex for k in entries])):
        twice = next((value for value in values if values.count(value) > 1), None)
        if twice is not None:
            message = f"two keys have the same {what} {twice}"
            raise ConfigError(ConfigProblem(file=file, key=f"keys.{what}", message=message))
    return KeyRing(keys={key.key_id: key for key in entries})


def ring_text(ring: KeyRing) -> str:
    """Return the text of a ring's file."""
    keys = [
        {
            "name": key.name,
            "role": key.role.value,
            "public": key.public.hex,
            "made": rfc3339_ms(key.made_utc),
            "revoked": None if key.revoked_utc is None else rfc3339_ms(key.revoked_utc),
        }
        for key in ring.keys.values()
    ]
    return json.dumps({"v": 1, "keys": keys}, indent=2) + "\n"


def with_key(ring: KeyRing, key: KeyEntry) -> KeyRing:
    """Return the ring with one more key.

    Raises:
        ValueError: Its name is taken, or the key itself is there already.
    """
    if ring.named(key.name) is not None:
        raise ValueError(f"a key called '{key.name}' is there already; a revoked name is not given again")
    if key.key_id in ring.keys:
        raise ValueError(f"this key is there already, as '{ring.keys[key.key_id].name}'")
    return replace(ring, keys={**ring.keys, key.key_id: key})


def without_key(ring: KeyRing, name: str, *, utc: datetime) -> KeyRing:
    """Return the ring with a key revoked; it stays in the file, so that its name and its past stay known.

    Raises:
        ValueError: There is no such key.
    """
    key = ring.named(name)
    if key is None:
        raise ValueError(f"no key is called '{name}'")
    return replace(ring, keys={**ring.keys, key.key_id: replace(key, revoked_utc=key.revoked_utc or utc)})
