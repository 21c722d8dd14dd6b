"""Small JSON tables beside the state that a command writes and the daemon only reads."""

import json
from collections.abc import Mapping
from pathlib import Path


def load_orders(file: Path, *, what: str) -> dict[str, object]:
    """Return the table in a file, empty where there is no file; `what` says in words what a table of ours is.

    Raises:
        ValueError: The file cannot be read, or holds no table.
    """
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from error
    if not isinstance(document, dict):
        raise ValueError(f"not {what}")  # noqa: TRY004 - the file is wrong, not the caller
    return {str(name): entry for name, entry in document.items()}


def save_orders(file: Path, document: Mapping[str, object]) -> None:
    """Replace the file as a whole, so that a reader finds the old table or the new one.

    Raises:
        OSError: It cannot be written.
    """
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    fresh.replace(file)
