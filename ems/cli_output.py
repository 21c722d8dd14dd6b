"""What all commands print alike: results as text or JSON, and the meaning of exit codes."""

import json
from typing import Annotated, Final

import typer

EXIT_NO: Final = 1
EXIT_REFUSED: Final = 2
EXIT_UNEXPECTED: Final = 3

JsonFlag = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]


def show(value: object) -> None:
    """Print a text as it is, anything else as JSON."""
    print(value if isinstance(value, str) else json.dumps(value, indent=2, allow_nan=False))
