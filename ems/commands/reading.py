"""From the bytes of a message to an envelope and what its signatures are over; nothing here raises."""

import json
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from ems.chain.canonical import canonical
from ems.commands.refusal import Refusal, RefusalKind
from ems.contract.command import MAX_COMMAND_BYTES, CommandMessage
from ems.errors import ChainError

_SIGNATURES = "sigs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A command as it came, and the bytes that its signatures are over."""

    command: CommandMessage
    signed: bytes


def signed_bytes(document: dict[str, Any]) -> bytes:
    """Return what is signed: the canonical form (RFC 8785) of an envelope without its signatures.

    Raises:
        ChainError: The envelope holds a fraction, or something that JSON does not have.
    """
    return canonical({name: value for name, value in document.items() if name != _SIGNATURES})


def read_envelope(payload: bytes) -> Envelope | Refusal:
    """Return the envelope in a payload, or why there is none."""
    if len(payload) > MAX_COMMAND_BYTES:
        return _form(f"the message has {len(payload)} bytes, more than {MAX_COMMAND_BYTES}", RefusalKind.SIZE)
    try:
        document = json.loads(payload.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refused)
        command = CommandMessage.model_validate_json(payload)
        return Envelope(command=command, signed=signed_bytes(document))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        return _form(f"{place or 'the envelope'}: {first['msg'].lower()}")
    except ChainError as error:
        return _form(str(error))
    except (ValueError, RecursionError) as error:
        # neither UTF-8 nor JSON, a name that stands twice, a number of thousands of digits
        return _form(f"no JSON ({error or type(error).__name__})")


def readable_id(payload: bytes) -> str | None:
    """Return the id of a message that is no valid envelope, so that it can be answered; None where it has none."""
    if len(payload) > MAX_COMMAND_BYTES:
        return None
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    found = document.get("id") if isinstance(document, dict) else None
    plain = isinstance(found, str) and found.isascii() and found.replace("-", "").replace("_", "").isalnum()
    return found if plain and isinstance(found, str) and 8 <= len(found) <= _LONGEST_ID else None


_LONGEST_ID = 64


def _form(reason: str, kind: RefusalKind = RefusalKind.FORM) -> Refusal:
    return Refusal(kind=kind, reason=reason[:300])


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _refused(text: str) -> object:
    raise ValueError(f"{text} is no JSON number")
