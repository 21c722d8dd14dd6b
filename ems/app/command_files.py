"""Commands as a person's or a script's side makes them: signed, cosigned, written to a file or sent."""

import asyncio
import json
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from ems.app.addresses import broker_address
from ems.chain.key_files import load_key
from ems.chain.keys import SigningKey
from ems.commands.reading import signed_bytes
from ems.config.files import ConfigFiles
from ems.config.loader import load_files
from ems.config.shipped import site_directory
from ems.contract.command import MAX_LIFE_S, SITE_TARGET, CommandAckMessage, CommandMessage, CommandName
from ems.contract.quantities import rfc3339_ms
from ems.contract.topics import Topics
from ems.errors import ChainError, ConfigError, ConfigProblem
from ems.gateway.broker import BrokerSettings, broker_settings
from ems.gateway.command_client import send_command, site_time
from ems.runtime.clock import SystemClock

# a command that is sent at once need not live longer
_LIFE_S: Final = 120.0
_MS: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a command line asks for; `duration_s` None: without an end of its own."""

    name: CommandName
    target: str = SITE_TARGET
    limits: dict[str, int | bool] | None = None
    value: str | None = None
    reason: str | None = None
    manual: dict[str, int | bool] | None = None
    start: str | None = None
    duration_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where a command goes, and as whom; `broker` names another address than the configuration."""

    site: str
    key: Path
    issuer: str
    role: str
    broker: str = ""
    uses_site_time: bool = False


def made(asked: Asked, desk: Desk, *, waits: bool) -> dict[str, Any]:
    """Return a signed envelope; one that `waits` for a second signature lives as long as it may.

    Raises:
        ConfigError: The site, the key or what is asked for is refused.
        StateError: The site's time is wanted, and nobody tells it.
    """
    files, key = load_files(site_directory(desk.site)), _key(desk.key)
    now = asyncio.run(site_time(*_reach(files, desk))) if desk.uses_site_time else SystemClock().utc()
    document = _unsigned(asked, desk, files.site.site.id, now, life_s=MAX_LIFE_S if waits else _LIFE_S)
    return _checked(_signed(document, key), place="the command")


def cosigned(file: Path, key_file: Path) -> dict[str, Any]:
    """Return the envelope of a file with one more signature.

    Raises:
        ConfigError: The file is no envelope, or the key is refused.
    """
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(ConfigProblem(file=str(file), message=f"cannot be read: {error}")) from error
    _checked(document, place=str(file))
    return _checked(_signed(document, _key(key_file)), place=str(file))


def sent(document: dict[str, Any], desk: Desk) -> CommandAckMessage:
    """Send an envelope and return the answer.

    Raises:
        ConfigError: The site is refused.
        StateError: The broker cannot be reached, or nobody answers.
    """
    settings, topics = _reach(load_files(site_directory(desk.site)), desk)
    payload = json.dumps(document).encode()
    return asyncio.run(send_command(settings, topics, payload, command_id=document["id"], name=document["name"]))


def written(document: dict[str, Any], file: Path) -> None:
    """Write an envelope to a file.

    Raises:
        ConfigError: It cannot be written.
    """
    try:
        file.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(ConfigProblem(file=str(file), message=f"cannot be written: {error}")) from error


def _unsigned(asked: Asked, desk: Desk, site_id: str, now: datetime, *, life_s: float) -> dict[str, Any]:
    document: dict[str, Any] = {
        "v": 1,
        "name": asked.name.value,
        "site": site_id,
        "id": f"{asked.name.value.replace('_', '-')}-{secrets.token_hex(6)}",
        "seq": int(now.timestamp() * _MS),
        "issued": rfc3339_ms(now),
        "expires": rfc3339_ms(now + timedelta(seconds=life_s)),
        "issuer": desk.issuer,
        "role": desk.role,
        "target": asked.target,
    }
    if asked.duration_s is not None:
        begins = now if asked.start is None else _instant(asked.start)
        document["until"] = rfc3339_ms(begins + timedelta(seconds=asked.duration_s))
    if asked.start is not None:
        document["start"] = rfc3339_ms(_instant(asked.start))
    if asked.limits is not None:
        document["limits"] = asked.limits
    if asked.manual:
        document["manual"] = asked.manual
    if asked.value is not None:
        document["value"] = asked.value
    if asked.reason is not None:
        document["reason"] = asked.reason
    return document


def _signed(document: dict[str, Any], key: SigningKey) -> dict[str, Any]:
    try:
        signature = {"key_id": key.key_id, "sig": key.sign(signed_bytes(document))}
    except ChainError as error:
        raise ConfigError(ConfigProblem(file="the command", message=str(error))) from error
    before = document.get("sigs", [])
    if any(each["key_id"] == key.key_id for each in before):
        message = f"key {key.key_id} has signed already; a second person signs with another key"
        raise ConfigError(ConfigProblem(file="--key", message=message))
    return {**document, "sigs": [*before, signature]}


def _checked(document: dict[str, Any], *, place: str) -> dict[str, Any]:
    """Return an envelope that the site can read."""
    try:
        CommandMessage.model_validate_json(json.dumps(document))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"]) or None
        raise ConfigError(ConfigProblem(file=place, key=key, message=first["msg"].lower())) from error
    return document


def _key(file: Path) -> SigningKey:
    try:
        return load_key(file)
    except ChainError as error:
        raise ConfigError(ConfigProblem(file="--key", message=str(error))) from error


def _reach(files: ConfigFiles, desk: Desk) -> tuple[BrokerSettings, Topics]:
    settings = broker_settings(files, refresh_s=_LIFE_S)
    if desk.broker:
        address = broker_address(desk.broker)
        # a demo's own broker speaks the older version only, which every other one speaks, too
        settings = replace(settings, host=address.host, port=address.port, protocol="3.1.1")
    return settings, Topics(prefix=files.mqtt.mqtt.prefix, site_id=files.site.site.id)


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        allowed = "an instant with its zone, as 2026-07-03T06:00:00+00:00"
        raise ConfigError(ConfigProblem(file="--start", message=f"'{text}' is no instant", allowed=allowed))
    return instant
