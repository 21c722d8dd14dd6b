"""The one exception tree of the project.

Errors carry facts as attributes; the message says in one sentence what happened and what to do.
Expected outcomes (a write that was refused, a solve without a plan) are types, not exceptions.
"""

from dataclasses import dataclass


class EmsError(Exception):
    """Any error that the project raises on purpose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigProblem:
    """One thing wrong in one place of a file that a person edits.

    `key` is the dotted path inside the file; `allowed` says what would be accepted; `nearest` names the
    known key that the unknown one resembles most. `line` counts from 1.
    """

    file: str
    message: str
    key: str | None = None
    line: int | None = None
    allowed: str | None = None
    nearest: str | None = None

    def sentence(self) -> str:
        """Return the problem as one line for a terminal."""
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        parts = [f"{where}: {self.key}: {self.message}" if self.key else f"{where}: {self.message}"]
        if self.allowed:
            parts.append(f"allowed: {self.allowed}")
        if self.nearest:
            parts.append(f"did you mean '{self.nearest}'?")
        return "; ".join(parts)


class ConfigError(EmsError):
    """A configuration, problem or input file is refused; carries every problem that was found."""

    def __init__(self, *problems: ConfigProblem) -> None:
        self.problems = problems
        super().__init__("\n".join(problem.sentence() for problem in problems))


class DriverError(EmsError):
    """A device or its link did not do what was asked; `device` names it."""

    def __init__(self, message: str, *, device: str) -> None:
        self.device = device
        super().__init__(f"{device}: {message}")


class DeviceUnreachableError(DriverError):
    """No answer in time or no connection; a later retry makes sense."""


class ProtocolViolationError(DriverError):
    """An answer that the protocol does not allow (short, wrong unit, exception code)."""


class DispatchError(EmsError):
    """The planner could not do its work; control goes on with the next link of the fallback chain."""


class ProblemRefusedError(DispatchError):
    """A planning problem holds figures that no site has; carries every field that is wrong."""

    def __init__(self, *problems: ConfigProblem) -> None:
        self.problems = problems
        super().__init__("; ".join(problem.sentence() for problem in problems))


class StateError(EmsError):
    """Persisted state cannot be read or written."""


class ChainError(EmsError):
    """A record, key or signature of a hash chain cannot be used; `field` is a JSON pointer into the record, if any."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        self.field = field
        super().__init__(message)
