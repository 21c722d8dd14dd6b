"""`ems keys`: keys are made on their holder's machine, and listed in `keys.json` beside a site's configuration."""

from pathlib import Path

from ems.app.key_files import KEYS_FILE, change_ring, load_ring
from ems.chain.key_files import load_public_key, make_key
from ems.chain.keys import PublicKey
from ems.commands.keys import KeyEntry, KeyRing, with_key, without_key
from ems.config.loader import load_files
from ems.config.shipped import site_directory
from ems.contract.command import Role
from ems.contract.quantities import rfc3339_ms
from ems.errors import ChainError, ConfigError, ConfigProblem
from ems.runtime.clock import SystemClock


def make(name: str, *, role: str, file: Path, site: str) -> dict[str, str]:
    """Make a key, and let it count at a site if one is named; return where its parts are.

    Raises:
        ConfigError: The role, the name, the file or the site is refused.
    """
    known = _role(role)
    keys_file = _keys_file(site) if site else None
    if keys_file is not None and load_ring(keys_file).named(name) is not None:
        raise ConfigError(ConfigProblem(file=str(keys_file), message=f"a key called '{name}' is there already"))
    try:
        key = make_key(file)
    except ChainError as error:
        raise ConfigError(ConfigProblem(file=str(file), message=str(error))) from error
    result = {
        "name": name,
        "role": known.value,
        "key_id": key.key_id,
        "private": str(file),
        "public": str(file.with_suffix(".pub")),
    }
    if keys_file is not None:
        _add(keys_file, name, known, key.public)
        result["counts_in"] = str(keys_file)
    return result


def add(name: str, *, role: str, public: Path, site: str) -> dict[str, str]:
    """Let a key count that was made elsewhere.

    Raises:
        ConfigError: The role, the name, the file or the site is refused.
    """
    known = _role(role)
    try:
        key = load_public_key(public)
    except ChainError as error:
        raise ConfigError(ConfigProblem(file=str(public), message=str(error))) from error
    _add(_keys_file(site), name, known, key)
    return {"name": name, "role": known.value, "key_id": key.key_id}


def listed(site: str) -> list[dict[str, str | None]]:
    """Return the keys of a site.

    Raises:
        ConfigError: The site or its file of keys is refused.
    """
    return [_document(key) for key in load_ring(_keys_file(site)).keys.values()]


def revoke(name: str, *, site: str) -> dict[str, str | None]:
    """End a key for good.

    Raises:
        ConfigError: There is none of this name, or the file cannot be written.
    """
    ring = change_ring(_keys_file(site), lambda before: without_key(before, name, utc=SystemClock().utc()))
    key = ring.named(name)
    return {} if key is None else _document(key)


def _add(keys_file: Path, name: str, role: Role, public: PublicKey) -> KeyRing:
    entry = KeyEntry(name=name, role=role, public=public, made_utc=SystemClock().utc())
    return change_ring(keys_file, lambda ring: with_key(ring, entry))


def _document(key: KeyEntry) -> dict[str, str | None]:
    return {
        "name": key.name,
        "role": key.role.value,
        "key_id": key.key_id,
        "public": key.public.hex,
        "made": rfc3339_ms(key.made_utc),
        "revoked": None if key.revoked_utc is None else rfc3339_ms(key.revoked_utc),
    }


def _role(text: str) -> Role:
    try:
        return Role(text)
    except ValueError as error:
        allowed = ", ".join(role.value for role in Role)
        raise ConfigError(ConfigProblem(file="--role", message=f"'{text}' is no role", allowed=allowed)) from error


def _keys_file(site: str) -> Path:
    """Return the file of keys of a site whose configuration is valid."""
    return load_files(site_directory(site)).directory / KEYS_FILE
