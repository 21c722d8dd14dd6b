"""Writes any value as TOML, for tables that no person would write."""

import json
from collections.abc import Mapping
from datetime import date, time


def toml_text(table: Mapping[str, object]) -> str:
    """Return a file with all tables inline and a line for each entry of a list."""
    return "".join(f"{_text(key)} = {_value(value)}\n" for key, value in table.items())


def _value(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            # Python refuses to print thousands of decimal digits
            return str(value) if value.bit_length() < 1000 else hex(value)
        case float():
            return repr(value)
        case str():
            return _text(value)
        case date() | time():
            return value.isoformat()
        case list():
            return "[" + ",\n".join(_value(entry) for entry in value) + "]"
        case dict():
            return f"{{{', '.join(f'{_text(key)} = {_value(entry)}' for key, entry in value.items())}}}"
    raise TypeError(type(value))


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
