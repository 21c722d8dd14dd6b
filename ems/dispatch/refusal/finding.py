"""One field of a problem that cannot be."""

from dataclasses import dataclass

from ems.errors import ConfigProblem


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Where (`pools.0.charge_eff_frac`), what is there, and what would be accepted."""

    path: str
    message: str
    allowed: str

    def of(self, file: str) -> ConfigProblem:
        """Return the refusal as a problem of a file or of a problem by its id."""
        return ConfigProblem(file=file, key=self.path, message=self.message, allowed=self.allowed)
