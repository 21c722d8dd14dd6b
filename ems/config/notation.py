"""How a configuration file writes a key path and a value; for messages and for the reference."""

import json
import re
from datetime import date

KeyPath = tuple[str | int, ...]

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_LONGEST_TEXT = 60
_LARGEST_INT_BITS = 64


def dotted(path: KeyPath) -> str:
    """Return a key path as a person writes it; positions in a list count from 0."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{_key(part)}" if text else _key(part)
    return text


def written(value: object) -> str:
    """Return a value as TOML writes it, shortened; a table or a list only by its kind."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() if value.bit_length() > _LARGEST_INT_BITS:
            # Python refuses to print an integer of thousands of digits
            return "a number beyond every use"
        case float():
            return plain(value)
        case str():
            return _shortened(json.dumps(value, ensure_ascii=False))
        case date():
            return value.isoformat()
        case dict():
            return "a table"
        case list():
            return "an empty list" if not value else "a list"
        case _:
            return str(value)


def plain(number: float) -> str:
    """Return a number without exponent where people read it."""
    return f"{number:.10g}"


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _shortened(json.dumps(name, ensure_ascii=False))


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 3]}..."
