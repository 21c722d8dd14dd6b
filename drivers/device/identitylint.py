"""What a map says of itself and of the texts that its device must show."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from drivers.device.needs import Finding


def name_findings(name: str, file: Path) -> Iterator[Finding]:
    """Yield that a map is not called like its file."""
    if name != file.stem:
        yield "device.id", f"the file is called '{file.name}'", f"'{file.stem}'"


def expected_findings(expected: Mapping[str, str]) -> Iterator[Finding]:
    """Yield expected texts that nothing could be compared with."""
    for name, text in expected.items():
        try:
            re.compile(text)
        except re.error as error:
            yield f"identity.{name}.expect", f"no regular expression: {error}", "a text or a regular expression"
