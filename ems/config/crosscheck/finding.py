"""What a cross-check reports."""

from dataclasses import dataclass
from typing import Final

from ems.config.notation import KeyPath

# a device, and a setpoint's validity, must survive two lost writes
SURVIVED_PERIODS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A contradiction, at the key that most likely has to change."""

    file: str
    path: KeyPath
    message: str
    allowed: str | None = None
    nearest: str | None = None
